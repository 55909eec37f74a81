"""The few errors of the mesh; each answers "what do I do now?". Same shape as those of delivery, but its own.

MeshError
├── Rejected      the caller's fault: names field, value and remedy (HTTP 4xx)
│   ├── Unauthenticated  who asks is not known (401)
│   ├── Forbidden        who asks is known, and may not (403)
│   ├── NotFound  no such thing (404)
│   └── Conflict  the mesh has seen something newer (409)
├── Transient     the world's fault for now: try again after `retry_after` seconds (503)
└── Broken        a bug, or an Envoy binary this version cannot read (500)
"""

from __future__ import annotations


class MeshError(Exception):
    """Root of all errors this package raises on purpose."""

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Rejected(MeshError):
    """What was asked cannot be done as asked; `remedy` says what to change."""

    status = 400

    def __init__(self, message: str, *, field: str = "", value: object = None, remedy: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.value = value
        self.remedy = remedy


class Unauthenticated(Rejected):
    """No token, or not a valid one."""

    status = 401


class Forbidden(Rejected):
    """The caller is somebody else than who it says it is, or may not do this."""

    status = 403


class NotFound(Rejected):
    """There is no such thing."""

    status = 404


class Conflict(Rejected):
    """The mesh holds a newer state than the caller's."""

    status = 409


class Transient(MeshError):
    """Another part is away or busy; the same call may succeed after `retry_after` seconds."""

    status = 503

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Broken(MeshError):
    """An invariant does not hold: a bug."""
