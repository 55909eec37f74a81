"""Content keys and plans: what changes a key, what is built or reused, and the reasons in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from pipelines.errors import InvalidSpec
from pipelines.plans import Action, TreeEntry, content_key, content_keys, plan, watched_files
from pipelines.specs import ServiceSpec, parse_spec

SPEC = parse_spec("""
entry: shop
services:
  shop: {build: {command: make}}
  reviews: {watch: ["shared/**", "!services/reviews/docs/**"]}
""")


def tree(**changes: str) -> dict[str, TreeEntry]:
    files = {
        "k8s/kustomization.yaml": "k",
        "services/shop/main.py": "a",
        "services/reviews/app.mjs": "b",
        "services/reviews/docs/readme.md": "c",
        "services/reviews2/other.txt": "d",
        "shared/words.txt": "e",
    } | {path.replace("__", "/"): blob for path, blob in changes.items()}
    return {path: TreeEntry(path, "100644", blob) for path, blob in files.items() if blob}


BASE = tree()


def keys(**changes: str) -> dict[str, str]:
    return content_keys(SPEC, tree(**changes))


def test_only_watched_files_are_seen() -> None:
    found = watched_files(SPEC.services["reviews"], BASE)
    assert list(found) == ["services/reviews/app.mjs", "shared/words.txt"]


def test_equal_content_gives_equal_keys() -> None:
    assert keys() == keys()
    assert keys()["shop"] != keys()["reviews"]


def test_a_key_follows_watched_content_only() -> None:
    changed = keys(**{"shared__words.txt": "x"})
    assert changed["reviews"] != keys()["reviews"]
    assert changed["shop"] == keys()["shop"]
    assert keys(**{"services__reviews__docs__readme.md": "x", "services__reviews2__other.txt": "x"}) == keys()


def test_a_key_follows_commands_builder_and_mode_but_not_timeouts() -> None:
    shop, entries = SPEC.services["shop"], dict(BASE)
    other = parse_spec("services: {shop: {build: {command: make all}}}").services["shop"]
    slower = parse_spec("services: {shop: {build: {command: make, timeout: 1h}}}").services["shop"]
    assert content_key(other, entries) != content_key(shop, entries)
    assert content_key(slower, entries) == content_key(shop, entries)
    assert content_key(shop, entries, "process/2") != content_key(shop, entries)
    entries["services/shop/main.py"] = TreeEntry("services/shop/main.py", "100755", "a")
    assert content_key(shop, entries) != content_key(shop, BASE)


def test_first_build() -> None:
    found = plan(SPEC, BASE)
    assert [item.reason for item in found.builds] == ["first build", "first build"]
    assert found.changed == ("shop", "reviews")


def test_only_what_changed_is_built() -> None:
    known = dict.fromkeys(keys().values(), "sha256:" + "ab12" * 16)
    found = plan(SPEC, tree(**{"services__reviews__app.mjs": "x"}), BASE, known, since="main at abc1234")
    assert [item.service for item in found.builds] == ["reviews"]
    assert found.changed == ("reviews",)
    assert found.services["reviews"].reason == "services/reviews changed: 1 file since main at abc1234"
    shop = found.services["shop"]
    assert (shop.action, shop.artifact) == (Action.REUSE, "sha256:" + "ab12" * 16)
    assert shop.reason == "unchanged since main at abc1234: artifact sha256:ab12ab12ab12…"


def test_changed_content_that_was_built_before_is_reused() -> None:
    now = tree(**{"services__reviews__app.mjs": "x", "shared__words.txt": "y"})
    known = {content_keys(SPEC, now)["reviews"]: "sha256:" + "cd" * 32}
    item = plan(SPEC, now, BASE, known, since="main").services["reviews"]
    assert (item.action, item.changed) == (Action.REUSE, True)
    assert item.reason == "services/reviews changed: 2 files since main; same content as artifact sha256:cdcdcdcdcdcd…"


def test_an_unchanged_service_without_artifact_is_built_again() -> None:
    item = plan(SPEC, BASE, BASE).services["shop"]
    assert (item.action, item.changed) == (Action.BUILD, False)
    assert "built again" in item.reason


def test_a_changed_command_and_a_new_service_are_told_apart() -> None:
    before = parse_spec("services: {shop: {build: {command: other}}}")
    found = plan(SPEC, BASE, BASE, base_spec=before)
    assert found.services["shop"].reason == "its commands or path in colorlane.yaml changed since the base"
    assert found.services["reviews"].reason == "new service since the base"


def test_what_the_tree_does_not_hold_is_told_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        plan(SPEC, {path: entry for path, entry in BASE.items() if path.startswith("services/reviews")})
    assert {(problem.field, problem.line) for problem in caught.value.problems} == {
        ("services.shop.path", 4),
        ("manifests", 0),
    }


PATTERNS = st.text(alphabet="ab/*?[]! \\", min_size=1, max_size=7)
NAMES = st.text(alphabet="ab/", min_size=1, max_size=6).filter(
    lambda path: "//" not in path and path.strip("/") == path
)


@given(st.lists(PATTERNS, min_size=1, max_size=4), st.lists(NAMES, max_size=15))
def test_looking_near_the_patterns_finds_what_looking_everywhere_does(patterns: list[str], names: list[str]) -> None:
    try:
        everywhere = GitIgnoreSpec.from_lines(patterns)
    except ValueError:
        return
    entries = {path: TreeEntry(path, "100644", "1") for path in names}
    service = ServiceSpec("a", "a", tuple(patterns))
    assert list(watched_files(service, entries)) == sorted(everywhere.match_files(entries))


PATHS = st.from_regex(r"services/(shop|reviews)/[a-zé ]{1,5}", fullmatch=True)


@given(st.dictionaries(PATHS, st.sampled_from(["1", "2"]), max_size=6), st.randoms())
def test_a_key_does_not_depend_on_the_order_of_the_tree(files: dict[str, str], random: object) -> None:
    entries = {path: TreeEntry(path, "100644", blob) for path, blob in files.items()}
    shuffled = dict(sorted(entries.items(), reverse=True))
    assert content_keys(SPEC, entries) == content_keys(SPEC, shuffled)
