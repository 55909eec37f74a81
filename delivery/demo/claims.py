"""Claims of the demo: what was promised, what was seen. Pure; neighbours: story makes them, console tells them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Claim:
    """One sentence that was either observed or not; `seen` holds the numbers behind it."""

    chapter: str
    text: str
    ok: bool
    seen: str = ""


@dataclass
class Ledger:
    """All claims of one play, in order, and the figures worth keeping."""

    claims: list[Claim] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, claim: Claim) -> Claim:
        """Keep the claim."""
        self.claims.append(claim)
        return claim

    @property
    def ok(self) -> bool:
        """True when there are claims and each was observed."""
        return bool(self.claims) and all(claim.ok for claim in self.claims)

    def as_json(self) -> dict[str, Any]:
        """Return the machine's version of the story."""
        return {"ok": self.ok, "claims": [asdict(claim) for claim in self.claims], "figures": self.figures}


def share_within(hits: int, total: int, percent: int, sigmas: float = 4.0) -> bool:
    """Tell whether `hits` of `total` is what a share of `percent` gives, within `sigmas` of the binomial.

    Four sigmas are missed by chance once in 16,000 looks (normal approximation, which one more request on
    either side makes safe for small counts).
    """
    if total == 0:
        return False
    share = percent / 100
    spread = sigmas * math.sqrt(total * share * (1 - share)) + 1
    return abs(hits - total * share) <= spread
