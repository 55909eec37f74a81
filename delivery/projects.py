"""Project: one registered Git repository with its `colorlane.yaml`. Pure; neighbours: deliveries, environments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    """`name` is a DNS label and the mesh namespace. `forge` is `embedded` or `gitlab`.

    `domain`: hosts of its environments are `<domain>` (baseline), `<color>.<domain>` and `<color>--<service>.<domain>`.
    `clone_url`: empty for the embedded host. `forge_project`: the host's id or path of the repository.
    `token` (API) and `webhook_secret` are secrets: never shown, never logged.
    """

    name: str
    domain: str
    default_branch: str = "main"
    forge: str = "embedded"
    clone_url: str = ""
    forge_url: str = ""
    forge_project: str = ""
    token: str = ""
    webhook_secret: str = ""
    created_at: float = 0.0
    removing: bool = False  # its environments are being deleted; the row goes when they are gone
    row_version: int = 0
