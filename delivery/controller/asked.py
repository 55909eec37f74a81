"""Asked: what an object asks for, in `spec.operation` or, shorter, in annotations. Pure; neighbours: reconcile.

    kubectl annotate rollout NAME colorlane.dev/operation=approve colorlane.dev/by=anna colorlane.dev/reason="fine"

The API server has checked the form of `spec.operation` (CRD) and that the name is the speaker's own (admission policy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delivery.controller.mirror import GROUP
from delivery.controller.objects import Object

OPERATION = f"{GROUP}/operation"
BY = f"{GROUP}/by"
REASON = f"{GROUP}/reason"
FOR = f"{GROUP}/for"
ANNOTATIONS = (OPERATION, BY, REASON, FOR)


@dataclass(frozen=True)
class Asked:
    """`step` counts from 0, as rollouts do, None when it is not named; `duration` is that of `extend`."""

    verb: str
    by: str
    reason: str = ""
    step: int | None = None
    revision: str = ""
    artifact: str = ""
    duration: str = ""


def asked(object: Object) -> Asked | None:
    """Return what the object asks for, None for nothing."""
    operation = object.get("spec", {}).get("operation")
    if operation:
        step = operation.get("step")
        return Asked(
            verb=operation["do"],
            by=operation["by"],
            reason=operation.get("reason", ""),
            step=None if step is None else int(step) - 1,
            revision=operation.get("revision", ""),
            artifact=operation.get("artifact", ""),
            duration=operation.get("for", ""),
        )
    notes = notes_of(object)
    if not notes.get(OPERATION):
        return None
    return Asked(notes[OPERATION], notes.get(BY, ""), notes.get(REASON, ""), duration=notes.get(FOR, ""))


def shown_step(object: Object) -> int | None:
    """Return the step under way as the object shows it, counted from 0: what a yes that names none is a yes to."""
    number = str((object.get("status") or {}).get("step", "")).partition("/")[0]
    return int(number) - 1 if number.isdecimal() else None


def cleared(object: Object) -> dict[str, Any]:
    """Return the patch that takes the question away from the object, as long as it has not changed."""
    notes = {name: None for name in ANNOTATIONS if name in notes_of(object)}
    metadata: dict[str, Any] = {"resourceVersion": object["metadata"]["resourceVersion"]}
    if notes:
        metadata["annotations"] = notes
    return {"metadata": metadata, "spec": {"operation": None}}


def notes_of(object: Object) -> Mapping[str, str]:
    """Return the object's annotations."""
    found: Mapping[str, str] = object["metadata"].get("annotations") or {}
    return found
