"""The few errors of delivery; each answers "what do I do now?".

    ColorlaneError
    ├── Rejected      the caller's fault: names field, value and remedy (HTTP 4xx)
    │   ├── NotFound  no such thing (404)
    │   └── Conflict  the state moved on, or forbids it (409)
    ├── Transient     the world's fault for now: try again after `retry_after` seconds (503)
    └── Broken        a bug: an invariant does not hold (500)

A red build or a failed gate is a value, not an error.
"""

from __future__ import annotations


class ColorlaneError(Exception):
    """Root of all errors this package raises on purpose."""


class Rejected(ColorlaneError):
    """What was asked cannot be done as asked; `remedy` says what to change."""

    status = 400

    def __init__(self, message: str, *, field: str = "", value: object = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.remedy = remedy


class NotFound(Rejected):
    """There is no such thing."""

    status = 404


class Conflict(Rejected):
    """The state has moved on since the caller looked, or forbids the operation now."""

    status = 409


class Transient(ColorlaneError):
    """Another part is away or busy; the same call may succeed after `retry_after` seconds."""

    status = 503

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class Broken(ColorlaneError):
    """An invariant does not hold: a bug in Colorlane."""

    status = 500
