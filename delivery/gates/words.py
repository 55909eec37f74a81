"""Words: the gate's verdict as one sentence with its numbers, and what it still needs. Pure; for judge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from delivery.gates import proof
from delivery.gates.policy import GatePolicy
from delivery.gates.verdict import Outcome, Verdict

MIN_SECONDS = 10.0  # of a step before any pass: slow answers must have had the time to come in
SUSPICIOUS = 5.0  # evidence against the candidate at which nothing is promoted, although it is far from certain
_LOG_RULED_OUT = math.log(proof.RULED_OUT)

State = Mapping[str, Any]


def verdict(state: State, policy: GatePolicy, values: Mapping[str, float]) -> Verdict:
    """Return the verdict for the gate's memory; `values` are its e-values now."""
    if not state:
        return Verdict(
            Outcome.INCONCLUSIVE, "Holding: no reading of both versions yet.", "a first reading of both versions"
        )
    if state["failed"]:
        return _failed(state)
    evidence = _evidence(state, values, 1 / (1 - policy.confidence))
    missing = _missing(state, policy)
    if values["total"] >= SUSPICIOUS:
        return Verdict(Outcome.INCONCLUSIVE, _suspicion(state, values, evidence), _more(missing, state), evidence)
    if missing > 0:
        return Verdict(Outcome.INCONCLUSIVE, _holding(state), _more(missing, state), evidence)
    left = MIN_SECONDS - (state["at"] - state["proof"]["from"])
    if left > 0:
        return Verdict(Outcome.INCONCLUSIVE, _holding(state), f"{left:.0f} s more of the same", evidence)
    return Verdict(Outcome.PASSED, _passed(state, policy), "", evidence)


def _failed(state: State) -> Verdict:
    failed = state["failed"]
    frozen = {**state, "counts": failed["counts"], "at": failed["at"]}
    evidence = _evidence(frozen, failed["values"], failed["limit"])
    certainty = f"evidence 1:{failed['values']['total']:.0f}, limit 1:{failed['limit']:.0f}"
    return Verdict(Outcome.FAILED, f"{_comparison(frozen, evidence['metric'])} ({certainty}).", "", evidence)


def _evidence(state: State, values: Mapping[str, float], limit: float) -> dict[str, Any]:
    n_c, k_c, n_b, k_b = state["counts"]
    proving = state["proof"]
    return {
        "metric": max(("errors", "latency", "guard"), key=lambda name: (values[name], name)),
        "from": state["from"],
        "to": state["at"],
        "candidate": {"requests": n_c, "errors": k_c},
        "stable": {"requests": n_b, "errors": k_b},
        "skipped_readings": state["skipped"],
        "against": {"limit": limit, **values},
        "ruled_out": {
            "limit": proof.RULED_OUT,
            "errors": math.exp(min(proving["log"][0], 700.0)) if proving else 1.0,
            "latency": math.exp(min(proving["log"][1], 700.0)) if proving else 1.0,
            "margins": {"errors": proving["margin"], "latency": proving["bound"]} if proving else {},
        },
        "latency": _slowest(state),
    }


def _slowest(state: State) -> dict[str, Any]:
    """Return the counts at the bound that speaks most against the candidate."""
    latency = state["latency"]
    if not latency:
        return {}
    best = max(range(len(latency["bounds"])), key=lambda index: sum(latency["processes"][index]["capital"]))
    (n_c, n_b), (k_c, k_b) = latency["timed"], latency["slow"][best]
    bound = latency["bounds"][best][0]
    return {"above_ms": bound, "candidate": {"timed": n_c, "slow": k_c}, "stable": {"timed": n_b, "slow": k_b}}


def _comparison(state: State, metric: str) -> str:
    n_c, k_c, n_b, k_b = state["counts"]
    if metric == "latency":
        slow = _slowest(state)
        candidate, stable = slow["candidate"], slow["stable"]
        return (
            f"{_share(candidate['slow'], candidate['timed'])} of {candidate['timed']} candidate requests took longer "
            f"than {slow['above_ms']:g} ms, on the stable version at the same time "
            f"{_share(stable['slow'], stable['timed'])} of {stable['timed']}"
        )
    return (
        f"{_share(k_c, n_c)} of {n_c} candidate requests failed, on the stable version at the same time "
        f"{_share(k_b, n_b)} of {n_b}"
    )


def _suspicion(state: State, values: Mapping[str, float], evidence: Mapping[str, Any]) -> str:
    certainty = f"evidence 1:{values['total']:.0f}, rollback at 1:{evidence['against']['limit']:.0f}"
    return f"Holding: {_comparison(state, evidence['metric'])}; it looks worse, not yet certain ({certainty})."


def _holding(state: State) -> str:
    n_c, _, n_b, _ = state["counts"]
    if n_c == 0:
        return "Holding: the candidate has had no request yet."
    if n_b == 0:
        return "Holding: the stable version has had no request at the same time, so there is nothing to compare with."
    return f"Holding: {_comparison(state, 'errors')}; too little yet to rule out a regression."


def _passed(state: State, policy: GatePolicy) -> str:
    proving = state["proof"]
    n_c, k_c, n_b, k_b = proving["counts"]
    text = (
        f"With {n_c} candidate requests ({_share(k_c, n_c)} failed, stable {_share(k_b, n_b)}) "
        f"an increase of more than {100 * policy.error_tolerance:g} points is ruled out at 95 %"
    )
    if proving["bound"]:
        text += f", and so is a candidate more than {100 * policy.latency_tolerance:g} % slower"
    return text + "."


def _missing(state: State, policy: GatePolicy) -> float:
    """Return how many more candidate requests a pass needs, if the candidate is as good as the stable version."""
    proving = state["proof"]
    if not proving:
        return float(max(policy.min_requests, 1))
    missing = float(policy.min_requests - proving["counts"][0])
    n_c, _, n_b, _ = proving["counts"]
    missing = max(missing, _requests_left(proving["log"][0], n_c, n_b, proving, 0))
    if policy.latency_tolerance > 0:
        if not proving["bound"]:
            return max(missing, 1.0)
        missing = max(missing, _requests_left(proving["log"][1], n_c, n_b, proving, 1))
    return missing


def _requests_left(log: float, n_c: int, n_b: int, proving: State, metric: int) -> float:
    if log >= _LOG_RULED_OUT:
        return 0.0
    margin = proving["margin"] if metric == 0 else proving["bound"][1]
    pace = proof.per_request(n_c or 1, n_b or 9, proof.rate_now(proving, metric), margin)
    return max((_LOG_RULED_OUT - log) / pace, 1.0) if pace > 0 else math.inf


def _more(missing: float, state: State) -> str:
    """Say how much more is needed, and how long that takes at the rate seen in this step."""
    proving = state["proof"]
    requests = proving["counts"][0] if proving else 0
    seconds = state["at"] - proving["from"] if proving else 0.0
    if requests == 0 or seconds <= 0:
        return "requests to the candidate" if requests == 0 else ""
    if missing <= 0:
        return "the suspicion to be confirmed or to fade"
    if not math.isfinite(missing):
        return "a stable version that serves at the same time"
    wanted = _rounded(missing)
    return f"about {wanted} more requests, {_duration(wanted * seconds / requests)} at this rate"


def _rounded(requests: float) -> int:
    step = 1 if requests < 20 else 10 if requests < 300 else 100
    return math.ceil(requests / step) * step


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _share(bad: int, requests: int) -> str:
    return f"{100 * bad / requests:.2f} %" if requests else "0 %"
