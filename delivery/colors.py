"""Colours: from a branch's name to the DNS label its requests carry. Pure; neighbours: environments.

Hosts are `<color>.<domain>` and `<color>--<service>.<domain>`, so a colour is a DNS label, holds no `--`, and leaves
room for a service's name within the 63 characters of one label.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection

MAX_LENGTH = 40
RESERVED = frozenset({"production", "baseline", "default", "www", "api", "localhost"})

_HASH_DIGITS = 6
_SPELLED = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "å": "a", "ł": "l", "đ": "d", "ð": "d",
    "þ": "th", "ı": "i",
})  # fmt: skip


def choose_color(branch: str, taken: Collection[str]) -> str:
    """Return the colour for a branch: its name as a DNS label, or that with a hash when the label cannot be used.

    Equal arguments give an equal colour. `taken`: the colours of the project's other environments; the result is none
    of them, and none of the reserved names. A label that had to be cut, or from which nothing readable was left, also
    carries the hash of the full name, so that two long branches do not end up alike.
    """
    label = _label(branch)
    if label and len(label) <= MAX_LENGTH and label not in RESERVED and label not in taken:
        return label
    attempt = 0
    while True:
        candidate = _with_hash(label, branch, attempt)
        if candidate not in taken:
            return candidate
        attempt += 1


def is_color(text: str) -> bool:
    """Tell whether `text` can be a colour: a DNS label of at most 40 characters without `--`."""
    return len(text) <= MAX_LENGTH and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text) is not None


def _label(branch: str) -> str:
    """Spell the name in a-z, 0-9 and single dashes; empty when nothing of it can be spelt."""
    spelled = unicodedata.normalize("NFC", branch).lower().translate(_SPELLED)
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _with_hash(label: str, branch: str, attempt: int) -> str:
    """Return the label with a hash of the branch's full name; another one for each attempt."""
    text = branch if attempt == 0 else f"{branch}\0{attempt}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    kept = label[: MAX_LENGTH - _HASH_DIGITS - 1].strip("-")
    return f"{kept or 'branch'}-{digest}"
