"""Detect pushes: compares the host's branches with those acted on and puts what is missing into the ledger.

The embedded host's only source, and for webhooks the net below: deliveries that were never sent or got lost.
"""

from __future__ import annotations

from delivery.deliveries import Push
from delivery.flows.pushes import body_of, is_text
from delivery.flows.receive_delivery import receive_delivery
from delivery.flows.world import World

PREFIX = "refs/heads/"


def detect_pushes(world: World, project: str) -> int:
    """Return how many deliveries were missing. Raises NotFound, Transient."""
    row = world.store.projects.get(project)
    if row.removing:
        return 0
    heads = world.forge(row).heads(row)
    now = {PREFIX + branch: revision for branch, revision in heads.items() if is_text(branch)}
    seen = {head.ref: head for head in world.store.heads.find(project=project, limit=100_000)}
    missing = 0
    # The default branch first: previews are compared with it.
    for ref in sorted(now.keys() | seen.keys(), key=lambda ref: (ref != PREFIX + row.default_branch, ref)):
        head = seen.get(ref)
        before, after = (head.revision if head else ""), now.get(ref, "")
        if before == after:
            continue
        # The ledger outlives a removed project: one registered again under its name sees all of it anew.
        key = f"seen:{ref}:{before}:{after}:{head.row_version if head else 0}:{row.created_at:.3f}"
        receive_delivery(world, project, row.forge, key, "push", body_of(Push(ref, before, after)))
        missing += 1
    return missing
