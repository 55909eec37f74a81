"""Names of workloads: readable, short enough, never the same for two."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from delivery.adapters.platform_kubernetes.layout import Layout
from delivery.adapters.platform_kubernetes.names import (
    OBJECT_LENGTH,
    WORKLOAD_LENGTH,
    identity,
    key_of,
    namespace_of,
    object_name,
    shortened,
    workload_name,
)
from delivery.workloads import WorkloadKey

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
colors = st.one_of(st.just(""), st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True))
versions = st.from_regex(r"[0-9a-f]{12}", fullmatch=True)
keys = st.builds(WorkloadKey, labels, labels, colors, versions)


def test_short_names_are_readable() -> None:
    assert workload_name(WorkloadKey("shop", "reviews", "", "ab12")) == "reviews-ab12"
    assert workload_name(WorkloadKey("shop", "reviews", "alice", "ab12")) == "reviews-alice-ab12"
    assert object_name("settings", WorkloadKey("shop", "reviews", "", "ab12")) == "reviews-ab12-settings"


@given(keys, labels)
def test_names_are_labels_of_bounded_length(key: WorkloadKey, original: str) -> None:
    for name, limit in ((workload_name(key), WORKLOAD_LENGTH), (object_name(original, key), OBJECT_LENGTH)):
        assert len(name) <= limit
        assert LABEL.fullmatch(name)


@given(st.lists(st.text("ab-", min_size=1, max_size=90), unique=True, max_size=20), st.integers(20, 60))
def test_shortening_keeps_names_apart(names: list[str], limit: int) -> None:
    short = [shortened(name, limit) for name in names]
    assert len(set(short)) == len(names)
    assert all(len(each) <= limit for each in short)


@given(keys)
def test_a_key_is_read_back_from_labels(key: WorkloadKey) -> None:
    assert key_of({"metadata": {"labels": identity(key)}}) == key


def test_namespaces() -> None:
    preview = WorkloadKey("shop", "reviews", "alice", "v1")
    own = Layout(namespace="apps-{project}", own_previews=True)
    assert namespace_of(preview, Layout()) == "shop"
    assert namespace_of(preview, own) == "apps-shop-alice"
    assert namespace_of(WorkloadKey("shop", "reviews", "", "v1"), own) == "apps-shop"


def test_what_has_no_labels_is_nobodys() -> None:
    assert key_of({"metadata": {"labels": {"app": "reviews"}}}) is None
