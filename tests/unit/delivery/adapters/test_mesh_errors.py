"""Each error of the mesh's client has one of ours, with its words."""

from __future__ import annotations

import pytest

from delivery import errors as our
from delivery.adapters.mesh_errors import ours
from mesh import errors as mesh


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (mesh.NotFound("gone"), our.NotFound),
        (mesh.Conflict("gone"), our.Conflict),
        (mesh.Rejected("gone"), our.Rejected),
        (mesh.Transient("gone", retry_after=7), our.Transient),
        (mesh.Broken("gone"), our.Broken),
    ],
)
def test_kinds(raised: mesh.MeshError, kind: type[our.ColorlaneError]) -> None:
    with pytest.raises(our.ColorlaneError, match="gone") as caught, ours():
        raise raised
    assert type(caught.value) is kind
    if isinstance(caught.value, our.Transient):
        assert caught.value.retry_after == 7


def test_field_and_remedy_are_kept() -> None:
    with pytest.raises(our.Rejected) as caught, ours():
        raise mesh.Rejected("no", field="weights", remedy="let them sum to 100")
    assert (caught.value.field, caught.value.remedy) == ("weights", "let them sum to 100")
