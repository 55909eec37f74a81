"""Colours of branches: a DNS label that people recognise and that no two branches of a project share. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping

LONGEST = 40  # characters; with "--<service>" it must still fit a DNS label of 63


def choose_color(branch: str, taken: Mapping[str, str]) -> str:
    """Return the colour for `branch`. `taken` maps colours in use to their branches; the branch's own is returned as is.

    The readable form is used when it is free, otherwise it gets six digits of the name's hash.
    """
    for color, owner in taken.items():
        if owner == branch:
            return color
    readable = _label(branch)
    if readable and readable not in taken:
        return readable
    digits = hashlib.sha256(branch.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{readable[: LONGEST - 7].rstrip('-') or 'branch'}-{digits[:6]}"


def _label(branch: str) -> str:
    """Reduce to a-z, 0-9 and single hyphens: "--" separates colour and service in host names."""
    plain = unicodedata.normalize("NFKD", branch).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].rstrip("-")
