"""Recent renderings: stand-ins never get out, and one rendering serves all digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from delivery.adapters.recent_renderings import KEPT, RecentRenderings


class Kustomize:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, digests: Mapping[str, str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        self.asked += 1
        return {
            name: ({"image": f"x/{name}@{digest}", "n": 3, "args": ["a", digest]},) for name, digest in digests.items()
        }


def test_one_rendering_serves_all_digests() -> None:
    kept, kustomize = RecentRenderings(), Kustomize()
    for digest in ("sha256:aa", "sha256:bb"):
        found = kept.render(("repo", "c1"), {"page": digest, "reviews": f"{digest}ee"}, kustomize)
        assert found["page"] == ({"image": f"x/page@{digest}", "n": 3, "args": ["a", digest]},)
        assert found["reviews"][0]["image"] == f"x/reviews@{digest}ee"
    assert kustomize.asked == 1


def test_other_commits_and_other_services_are_rendered_anew() -> None:
    kept, kustomize = RecentRenderings(), Kustomize()
    kept.render(("repo", "c1"), {"page": "sha256:aa"}, kustomize)
    kept.render(("repo", "c2"), {"page": "sha256:aa"}, kustomize)
    kept.render(("repo", "c2"), {"reviews": "sha256:aa"}, kustomize)
    assert kustomize.asked == 3


def test_memory_is_bounded() -> None:
    kept, kustomize = RecentRenderings(), Kustomize()
    for number in range(KEPT + 1):
        kept.render(("repo", str(number)), {"page": "sha256:aa"}, kustomize)
    kept.render(("repo", "0"), {"page": "sha256:aa"}, kustomize)
    assert kustomize.asked == KEPT + 2
