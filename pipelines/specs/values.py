"""Single values of `colorlane.yaml`: durations, percentages, names, paths, patterns. Pure; neighbour: format.

Each reader takes the text as written and returns the typed value or raises pydantic's custom error with a remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

MAX_DURATION = 365 * 86400.0
MAX_PATTERN = 256
MAX_STARS = 6  # of one pattern: keeps matching linear in practice, whatever the file names

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_PERCENT = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,6})?%")
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# The grammar of distribution/reference: host[:port]/path[:tag][@digest], lower case but for host and tag.
_IMAGE = re.compile(
    r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def refuse(message: str, remedy: str) -> PydanticCustomError:
    """Return the error a reader raises; braces are doubled because pydantic formats the message."""
    return PydanticCustomError("value", "{message}", {"message": message, "remedy": remedy})


def parse_duration(text: object) -> float:
    """Return the seconds of `90s`, `10m`, `1h30m`, `7d`; a bare whole number is seconds, as with Argo Rollouts."""
    if isinstance(text, str) and re.fullmatch(r"[0-9]{1,9}", text):
        text = f"{text}s"
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise refuse("is not a duration", "Write a number and a unit, e.g. 90s, 10m, 1h30m or 7d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not 0 < seconds <= MAX_DURATION:
        raise refuse("is not a usable duration", "Write one above 0 and at most 365d")
    return seconds


def percentage(low: float, high: float) -> Callable[[object], float]:
    """Return a reader of `1%` -> 0.01 that accepts `low` to `high` percent."""

    def read(text: object) -> float:
        if not isinstance(text, str) or not _PERCENT.fullmatch(text):
            raise refuse("is not a percentage", "Write a number and the sign, e.g. 1%")
        percent = float(text[:-1])
        if not low <= percent <= high:
            raise refuse(f"is not between {low:g}% and {high:g}%", f"Write a percentage from {low:g}% to {high:g}%")
        return percent / 100

    return read


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read(text: object) -> int:
        remedy = f"Write a whole number from {low} to {high}"
        if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]{1,12}", text):
            raise refuse("is not a whole number", remedy)
        if not low <= int(text) <= high:
            raise refuse(f"is not between {low} and {high}", remedy)
        return int(text)

    return read


def one_of(*words: str) -> Callable[[object], str]:
    """Return a reader of one of `words`."""

    def read(text: object) -> str:
        if text not in words:
            raise refuse(f"is not one of {', '.join(words)}", f"Write {' or '.join(words)}")
        return str(text)

    return read


def line_of_text(limit: int, *, multiline: bool = False) -> Callable[[object], str]:
    """Return a reader of text that is not empty and has at most `limit` characters and no control characters."""

    def read(text: object) -> str:
        if not isinstance(text, str) or not text.strip():
            raise refuse("is empty or not text", "Write some text")
        if len(text) > limit:
            raise refuse(f"is {len(text)} characters long, the limit is {limit}", "Put it in a script and name that")
        allowed = "\n\t" if multiline else ""
        if any((ord(character) < 32 or ord(character) == 127) and character not in allowed for character in text):
            raise refuse("has control characters", "Remove them")
        return text

    return read


def read_label(text: object) -> str:
    """Return a DNS label of at most 40 characters without `--`, which parts colour from service in host names."""
    if not isinstance(text, str) or not _LABEL.fullmatch(text) or len(text) > 40:
        remedy = "Use lower-case letters, digits and hyphens, beginning with a letter, at most 40 characters"
        raise refuse("is not a name", remedy)
    if "--" in text:
        raise refuse("has two hyphens in a row", "Use one: `--` parts colour and service in host names")
    return text


def read_path(text: object) -> str:
    """Return a directory relative to the repository's root, without trailing slash."""
    path = line_of_text(1024)(text)
    parts = path.rstrip("/").split("/")
    if path == ".":
        return path
    if path.startswith("/") or "\\" in path or any(part in {"", ".", "..", ".git"} for part in parts):
        raise refuse("is not a path inside the repository", "Write it from its root, e.g. services/reviews")
    return "/".join(parts)


def read_file_path(text: object) -> str:
    """Return the path of a file relative to the service's directory."""
    path = line_of_text(1024)(text)
    if path.endswith("/"):
        raise refuse("is not a file", "Remove the slash at its end")
    return read_path(path)


def read_image(text: object) -> str:
    """Return the name of an image, with registry, tag and digest where given; `scratch` is the empty image."""
    name = line_of_text(512)(text)
    if not _IMAGE.fullmatch(name):
        raise refuse("is not the name of an image", "Write it as in `docker pull`, e.g. python:3.12-slim")
    return name


def read_pinned_image(text: object) -> str:
    """Return the name of an image with a digest: what was tried is what runs, whatever happens to the tag."""
    name = read_image(text)
    if not _PINNED.search(name):
        remedy = "Write it as registry/name@sha256:...; `docker buildx imagetools inspect` or `skopeo inspect` tell it"
        raise refuse("has no digest", remedy)
    return name


def read_variable(text: object) -> str:
    """Return the name of a build argument."""
    if not isinstance(text, str) or not _VARIABLE.fullmatch(text) or len(text) > 100:
        raise refuse("is not the name of a build argument", "Use letters, digits and _, at most 100 characters")
    return text


def read_variable_text(text: object) -> str:
    """Return the value of a build argument; nothing given means the empty text."""
    return "" if text in (None, "") else line_of_text(2000)(text)


def read_pattern(text: object) -> str:
    """Return a gitignore-like pattern; its length and wildcards are bounded so that matching is too."""
    pattern = line_of_text(MAX_PATTERN)(text)
    if len(re.findall(r"\*+|\?|\[", pattern)) > MAX_STARS:
        raise refuse(f"has more than {MAX_STARS} wildcards", "Split it into several patterns")
    if pattern.startswith("#"):
        raise refuse("begins with #, a comment in gitignore's words", "Write \\# for a file name that begins with #")
    return pattern


def _typed(kind: Any, reader: Callable[[object], Any], **schema: Any) -> Any:
    return Annotated[kind, BeforeValidator(reader), WithJsonSchema(schema)]


_DURATION_SCHEMA = {
    "anyOf": [{"type": "string", "pattern": f"^{_DURATION.pattern}$"}, {"type": "integer", "minimum": 1}]
}
Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
LABEL_SCHEMA = {"type": "string", "pattern": f"^{_LABEL.pattern}$", "maxLength": 40}
Label = _typed(str, read_label, **LABEL_SCHEMA)
DirectoryPath = _typed(str, read_path, type="string", minLength=1)
FilePath = _typed(str, read_file_path, type="string", minLength=1)
ImageName = _typed(str, read_image, type="string", minLength=1, maxLength=512)
PinnedImage = _typed(str, read_pinned_image, type="string", pattern=_PINNED.pattern, maxLength=512)
VariableName = Annotated[str, BeforeValidator(read_variable)]
VariableText = Annotated[str, BeforeValidator(read_variable_text)]
Pattern = _typed(str, read_pattern, type="string", minLength=1, maxLength=MAX_PATTERN)
ShellText = _typed(str, line_of_text(10_000, multiline=True), type="string", minLength=1, maxLength=10_000)
BranchName = _typed(str, line_of_text(255), type="string", minLength=1, maxLength=255)
Weight = _typed(int, whole(0, 100), type="integer", minimum=0, maximum=100)
Count = _typed(int, whole(1, 10_000_000), type="integer", minimum=1)
_PERCENT_SCHEMA = {"type": "string", "pattern": f"^{_PERCENT.pattern}$"}
Confidence = _typed(float, percentage(50, 99.9999), **_PERCENT_SCHEMA)
Tolerance = _typed(float, percentage(0, 100), **_PERCENT_SCHEMA)
Slowdown = _typed(float, percentage(0, 1000), **_PERCENT_SCHEMA)
OnInconclusive = _typed(str, one_of("pause", "rollback"), enum=["pause", "rollback"])
OnNewer = _typed(str, one_of("supersede", "queue"), enum=["supersede", "queue"])
FallbackWord = _typed(str, one_of("fallback", "strict"), enum=["fallback", "strict"])
