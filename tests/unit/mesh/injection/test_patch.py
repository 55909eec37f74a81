"""The difference of two documents is what makes one of the other."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mesh.injection import difference
from tests.fakes.json_patch import patched

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b/c", "d~e"]), inner, max_size=3)
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["x", "y/z"]), VALUES, max_size=3)


@given(DOCUMENTS, DOCUMENTS)
def test_patching_gives_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    operations = difference(before, after)
    result = patched(before, operations)
    assert result == after
    assert repr(result) != repr(before) or not operations or before == after


def test_lists_of_another_length_are_replaced_whole() -> None:
    assert difference({"a": [1]}, {"a": [1]}) == []
    assert difference({"a": [1]}, {"a": [1, 2]}) == [{"op": "replace", "path": "/a", "value": [1, 2]}]
    assert difference({"a": [1, 2]}, {"a": [1, 3]}) == [{"op": "replace", "path": "/a/1", "value": 3}]
