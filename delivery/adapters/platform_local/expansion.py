"""`$(NAME)` in commands, arguments and values, with the rules of Kubernetes. Pure.

Rules (kubernetes.io, "Define Dependent Environment Variables"): a known name is replaced, an unknown reference stays
as it is, `$$` stands for a dollar sign, so `$$(NAME)` is the text `$(NAME)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, known: Mapping[str, str]) -> str:
    """Return the text with references replaced."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return known.get(name, match.group(0))

    return REFERENCE.sub(replace, text)
