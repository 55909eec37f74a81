"""A second reading of the carriers, written apart from colour.lua: what a list of request headers means as a colour."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
SPACE = " \t"


def label(text: str) -> str | None:
    """The text if it is a colour."""
    return text if LABEL.fullmatch(text) else None


def members(headers: list[tuple[str, str]], name: str) -> list[str]:
    """The comma-separated members of all lines of a header, in order."""
    return [member.strip(SPACE) for key, value in headers if key == name for member in value.split(",")]


def from_x_color(headers: list[tuple[str, str]]) -> str | None:
    found = members(headers, "x-color")
    return label(found[0]) if found else None


def from_baggage(headers: list[tuple[str, str]]) -> str | None:
    for member in members(headers, "baggage"):
        key, equals, value = member.partition(";")[0].partition("=")
        if equals and key.strip(SPACE) == "color":
            color = label(unquote_to_bytes(value.strip(SPACE)).decode("latin-1"))
            if color:
                return color
    return None


def from_tracestate(headers: list[tuple[str, str]]) -> str | None:
    for member in members(headers, "tracestate"):
        key, equals, value = member.partition("=")
        if equals and key == "colorlane" and label(value):
            return value
    return None


def color_of(headers: list[tuple[str, str]]) -> str | None:
    """The colour these headers carry (trace ids apart): x-color before baggage before tracestate."""
    return from_x_color(headers) or from_baggage(headers) or from_tracestate(headers)
