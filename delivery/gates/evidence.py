"""Evidence: e-processes against "the candidate is not worse", valid at every look. Pure, stdlib math only.

One window gives `x`, the candidate's share of all bad requests (failed, or slow). If the candidate is at most `ratio`
times as bad as the stable version (plus `floor`), the expectation of `x` is at most

    pi = ratio * n_c / (ratio * n_c + n_b)

however the rate drifts, and even if bad requests come in clusters of any size that hit one version as a whole: what is
random is whom a cluster hits. So `1 - f + f * x / pi` has expectation at most 1 for each fraction `f`, and the product
over windows is an e-process: by Ville's inequality it reaches 1/alpha with probability at most alpha, ever
(Waudby-Smith and Ramdas, betting; research: stats.md, 3.3). `floor` enters as expected extra bad requests of the stable
version (Jensen: x only gets smaller). A cap on a window's factor only lowers it, so it keeps validity.
A mixture over starting times finds regressions that begin late; the mass not yet started counts as 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FRACTIONS = (
    0.95,
    0.75,
    0.5,
    0.25,
    0.1,
)  # of the bank bet on "worse"; large ones find gross, small ones slight regressions
SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)  # of the evidence on each fraction
FIRST_START = 0.6  # mass on "worse from the beginning"; the rest is spread over later starts
LATE_SCALE = 30  # windows: half of the late mass has started by then

Process = Mapping[str, Any]


def begin() -> dict[str, Any]:
    """Return an e-process that has seen nothing: windows seen, mass started, capital of each fraction."""
    return {"t": 0, "started": 0.0, "capital": [0.0] * len(FRACTIONS)}


def start_mass(t: int) -> float:
    """Return the mass that starts with window `t` (0 first); sums to 1 over all t."""
    late = (1 - FIRST_START) * LATE_SCALE / ((t + LATE_SCALE) * (t + LATE_SCALE + 1))
    return late + (FIRST_START if t == 0 else 0.0)


def value(process: Process) -> float:
    """Return the e-value now."""
    invested = sum(share * capital for share, capital in zip(SHARES, process["capital"], strict=True))
    return float(invested + 1 - process["started"])


def multiply(process: Process, factors: Sequence[float]) -> dict[str, Any]:
    """Return the process after a window that multiplies the capital of each fraction by its factor."""
    mass = start_mass(process["t"])
    capital = [(held + mass) * factor for held, factor in zip(process["capital"], factors, strict=True)]
    return {"t": process["t"] + 1, "started": process["started"] + mass, "capital": capital}


def bet(process: Process, counts: Sequence[float], ratio: float, floor: float, cap: float) -> dict[str, Any]:
    """Return the process after one window. `counts`: candidate requests and bad, stable requests and bad.

    `ratio`, `floor`: the null hypothesis, bad_candidate <= ratio * bad_stable + floor. `cap`: most a window may
    multiply by. A window with one side silent, or with nothing bad, says nothing.
    """
    n_c, k_c, n_b, k_b = counts
    if n_c <= 0 or n_b <= 0 or k_c + k_b <= 0:
        return dict(process)
    expected = ratio * n_c / (ratio * n_c + n_b)
    gain = k_c / (k_c + k_b + n_b * floor / ratio) / expected
    return multiply(process, [min(1 - fraction + fraction * gain, cap) for fraction in FRACTIONS])
