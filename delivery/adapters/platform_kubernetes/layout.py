"""How an installation lays workloads out on its cluster: settings as the platform needs them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from delivery.errors import Rejected


@dataclass(frozen=True)
class Layout:
    """`namespace`: template with `{project}`. `own_previews`: each colour has a namespace of its own.

    `repository`: where artifacts' images are; empty: under the name that the rendered manifests have (images that were
    loaded onto the nodes). `pull_secret`: added to every pod. `quota` (resource -> amount) bounds a preview's own
    namespace; into it may come its own pods, the baseline's, Colorlane's (`control`), those of `allowed` ones.
    `pod_security`: level enforced in namespaces that Colorlane makes; empty: the cluster's default.
    """

    namespace: str = "{project}"
    own_previews: bool = False
    repository: str = ""
    pull_secret: str = ""
    quota: Mapping[str, str] = field(default_factory=lambda: {"pods": "50"})
    allowed: tuple[str, ...] = ()
    control: str = "colorlane"
    pod_security: str = ""


def read_quota(text: str) -> dict[str, str]:
    """Return `pods=50,requests.cpu=4` as a mapping. Raises Rejected for anything else."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, amount = part.partition("=")
        if not (name and equals and amount):
            raise Rejected(
                f"COLORLANE_PREVIEW_QUOTA: {part!r} is not <resource>=<amount>",
                field="COLORLANE_PREVIEW_QUOTA",
                value=text,
                remedy="write for example pods=50,requests.cpu=8",
            )
        found[name.strip()] = amount.strip()
    return found
