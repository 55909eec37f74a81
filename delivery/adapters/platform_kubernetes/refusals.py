"""What the API server refuses, and what to do about it, in words for people. Pure; neighbour: api.

Kubernetes says 403 for missing rights, full quotas, admission and ending namespaces alike; they are told apart by what
the Status object says (causes first, words where it has none).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.errors import ColorlaneError, Rejected, Transient

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, INVALID, TOO_MANY = 401, 403, 404, 409, 410, 422, 429
SERVER_ERROR = 500
TAKEN = "FieldManagerConflict"  # cause: another manager holds the field
ENDING = "NamespaceTerminating"
LONGEST_RETRY_AFTER = 60.0
_WHO = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"(?: in API group "(?P<group>[^"]*)")?'
)
# Server-side apply answers 500 for a field that the kind does not have (kubernetes/kubernetes#106767).
_NO_SUCH_FIELD = "failed to create typed patch object"


@dataclass(frozen=True)
class Cause:
    """One reason of a refusal: a field and what is wrong with it."""

    reason: str
    field: str
    message: str


class Refused(Exception):
    """The API server said no. Never leaves the adapter: `explained` turns it into an error of delivery."""

    def __init__(self, code: int, status: Mapping[str, Any], retry_after: str = "") -> None:
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.message = str(status.get("message") or "no reason given")
        details = status.get("details") or {}
        causes = details.get("causes") or [] if isinstance(details, Mapping) else []
        self.causes = tuple(
            Cause(str(each.get("reason", "")), str(each.get("field", "")), str(each.get("message", "")))
            for each in causes
        )
        self.retry_after = min(float(retry_after), LONGEST_RETRY_AFTER) if retry_after.isdigit() else 1.0
        super().__init__(f"{code} {self.reason}: {self.message}")

    @property
    def taken(self) -> tuple[Cause, ...]:
        """The fields that another manager holds; empty for a refusal of another kind."""
        return tuple(cause for cause in self.causes if cause.reason == TAKEN)

    @property
    def moved(self) -> bool:
        """Whether the object is not the one that was read before: read it again."""
        other_uid = self.code == INVALID and any(cause.field == "metadata.uid" for cause in self.causes)
        return other_uid or (self.code == CONFLICT and not self.taken)

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        if self.code == FORBIDDEN:
            return any(cause.reason == ENDING for cause in self.causes) or "being terminated" in self.message
        if self.code >= SERVER_ERROR:
            return _NO_SUCH_FIELD not in self.message
        return self.code in (UNAUTHORIZED, TOO_MANY)


def explained(refused: Refused, place: str) -> ColorlaneError:
    """Return what delivery raises for a refusal; `place` names the object, e.g. `Deployment/reviews-1 in shop`.

    Never Conflict: to a flow that means a newer run, which only the fence can tell.
    """
    said = f"{place}: {refused.message}"
    if refused.passing:
        return Transient(f"the Kubernetes API server answers {refused.code}: {said}", retry_after=refused.retry_after)
    if refused.code == NOT_FOUND:
        return Rejected(
            said, field="manifests", value=place, remedy="install what it needs in the cluster, or leave it out"
        )
    if refused.code == CONFLICT:
        return Transient(f"it has changed while it was being written: {said}")
    if refused.code == FORBIDDEN:
        return Rejected(said, field="rights" if _WHO.search(refused.message) else "admission", remedy=_remedy(refused))
    return Rejected(
        _fields(place, refused), field=_first_field(refused), value=place, remedy=_correction(refused.causes)
    )


def _remedy(refused: Refused) -> str:
    who = _WHO.search(refused.message)
    if who:
        resource = f"{who['group']}/{who['resource']}" if who["group"] else who["resource"]
        return f"grant {who['verb']} on {resource} to {who['user']} (docs/kubernetes-platform.md has the whole Role)"
    if "exceeded quota" in refused.message:
        return "raise the quota of the namespace, ask for less in the manifests, or delete what is not needed"
    return "change the manifests so that the cluster's policy lets them in"


def _fields(place: str, refused: Refused) -> str:
    shown = [f"{cause.field}: {cause.message}" for cause in refused.causes if cause.field]
    return f"{place}: {'; '.join(shown)}" if shown else f"{place}: {refused.message}"


def _first_field(refused: Refused) -> str:
    return next((cause.field for cause in refused.causes if cause.field), "manifests")


def _correction(causes: Sequence[Cause]) -> str:
    if any("immutable" in cause.message for cause in causes):
        return "the field cannot be changed in place: give the object another name, or delete it from the cluster first"
    return "correct the manifests and push again"
