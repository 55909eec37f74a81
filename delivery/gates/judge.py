"""Judge: the gate's memory and its answer. `observe` learns from one reading, `judge` says what is known. Pure.

The memory is a small JSON value, so a rollout keeps it in its row and any tick can be replayed bit for bit. Method,
formulas and measured error rates: docs/gates.md. Neighbours: windows (differences of counters), evidence (is the
candidate worse?), proof (is it not worse by the margin?), words (sentences).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from delivery.gates import evidence, proof, slowness, words
from delivery.gates.histograms import ENOUGH_REQUESTS, proof_bound, slow_share
from delivery.gates.policy import GatePolicy
from delivery.gates.samples import Sample
from delivery.gates.verdict import Verdict
from delivery.gates.windows import Increment, histogram, increment, pack

ERROR_RATIO = 1.25  # an error rate up to this many times the stable one, plus the floor, never rolls back
ERROR_FLOOR = 0.0002
MIN_INTERVAL = 0.9  # seconds between readings: "a tick without errors" must mean about a second without errors
ERROR_SESSION = 4.0  # seconds: errors closer than this to the first of a group are one bet, whatever their number
ERROR_CAP = 8.5  # most one group of errors may multiply the evidence by
BURST = 5  # candidate errors in one group: it may be a burst, and what follows soon its tail
BURST_TAIL = 5.0  # seconds after such a group in which one of less than half its size counts less
BURST_TAIL_CAP = 1.8
LATENCY_WINDOW = 2.0  # seconds
GUARD_NULL, GUARD_DEAD = 0.6, 0.95  # the guard's question: do more than 60 % of the candidate's requests fail?
GUARD_CAP = math.exp(1.6)  # a tick; so it takes five ticks of total failure
GUARD_STABLE = 0.1  # the guard is silent while more than this share fails on the stable version too
WEIGHTS = {"errors": 0.45, "latency": 0.45, "guard": 0.1}

State = Mapping[str, Any]


def observe(state: State, policy: GatePolicy, sample: Sample, now: float) -> dict[str, Any]:
    """Return the memory after one reading of both versions. The first reading is the baseline counts start from.

    A reading that is not `MIN_INTERVAL` newer than the last changes nothing, so a repeated tick is harmless.
    """
    packed = {"stable": pack(sample.stable), "candidate": pack(sample.candidate)}
    if not state:
        return _begin(packed, sample.at)
    if sample.at - state["at"] < MIN_INTERVAL:
        return dict(state)
    stable = increment(state["stable"], packed["stable"])
    candidate = increment(state["candidate"], packed["candidate"])
    seen = {**state, **packed, "at": sample.at}
    if stable is None or candidate is None:
        return {**seen, **_fresh_windows(), "skipped": state["skipped"] + 1}
    if state["failed"]:
        return seen
    learnt = _learn(state, policy, candidate, stable, sample.at)
    return _alarm({**seen, **learnt}, policy)


def start_step(state: State, sample: Sample | None) -> dict[str, Any]:
    """Return the memory at the moment every proxy has accepted a new weight: the proof starts anew from here.

    The evidence against the candidate is kept: it covers the whole rollout.
    """
    if not state:
        return observe({}, GatePolicy(), sample, sample.at) if sample else {}
    return {**state, **_fresh_windows(), "proof": None}


def judge(state: State, policy: GatePolicy) -> Verdict:
    """Return what the gate knows: failed as soon as the evidence is enough, passed once a regression is ruled out."""
    return words.verdict(state, policy, totals(state) if state else {})


def replay(samples: Iterable[Sample | None], policy: GatePolicy) -> Verdict:
    """Return the verdict after recorded readings; None marks the start of a weight step, at the reading before it."""
    state: dict[str, Any] = {}
    last: Sample | None = None
    for sample in samples:
        if sample is None:
            state = start_step(state, last)
        else:
            state, last = observe(state, policy, sample, sample.at), sample
    return judge(state, policy)


def totals(state: State) -> dict[str, float]:
    """Return the e-values: of each metric, and their weighted mean, which needs no independence between them."""
    latency = [evidence.value(process) for process in state["latency"]["processes"]] if state["latency"] else []
    values = {
        "errors": evidence.value(state["errors"]),
        "latency": sum(latency) / len(latency) if latency else 1.0,
        "guard": evidence.value(state["guard"]),
    }
    return {**values, "total": sum(WEIGHTS[name] * value for name, value in values.items())}


def _begin(packed: Mapping[str, Any], at: float) -> dict[str, Any]:
    return {
        **packed,
        **_fresh_windows(),
        "at": at,
        "from": at,
        "counts": [0, 0, 0, 0],
        "skipped": 0,
        "errors": evidence.begin(),
        "burst": [at, 0],
        "guard": evidence.begin(),
        "latency": None,
        "proof": None,
        "failed": None,
    }


def _fresh_windows() -> dict[str, Any]:
    return {"session": [0, 0, 0, 0, None], "window": None}


def _learn(state: State, policy: GatePolicy, candidate: Increment, stable: Increment, at: float) -> dict[str, Any]:
    counts = _add(state["counts"], candidate, stable)
    learnt: dict[str, Any] = {"counts": counts, "guard": _guard(state["guard"], candidate, stable)}
    if at - state["from"] < policy.warmup:
        return learnt
    learnt |= _errors(state, candidate, stable, at)
    learnt |= _window(state, policy, candidate, stable, at)
    return learnt


def _add(counts: list[int], candidate: Increment, stable: Increment) -> list[int]:
    more = (candidate.requests, candidate.errors, stable.requests, stable.errors)
    return [old + new for old, new in zip(counts, more, strict=True)]


def _guard(process: State, candidate: Increment, stable: Increment) -> dict[str, Any]:
    """A candidate that fails nearly everything must not wait for windows: a likelihood ratio for each tick."""
    quiet = candidate.requests == 0 or stable.requests == 0
    if quiet or stable.errors > GUARD_STABLE * stable.requests:
        return dict(process)
    good = candidate.requests - candidate.errors
    gain = candidate.errors * math.log(GUARD_DEAD / GUARD_NULL) + good * math.log((1 - GUARD_DEAD) / (1 - GUARD_NULL))
    factor = min(math.exp(max(gain, -50.0)), GUARD_CAP)
    return evidence.multiply(process, [factor] * len(evidence.FRACTIONS))


def _errors(state: State, candidate: Increment, stable: Increment, at: float) -> dict[str, Any]:
    """Errors are bet on in groups: from the first one until a tick without any, at most `ERROR_SESSION` seconds."""
    *counts, first = state["session"]
    counts = _add(counts, candidate, stable)
    bad = candidate.errors + stable.errors
    if first is None and bad == 0:
        return {"session": [*counts, None]}
    first = at if first is None else first
    silent = candidate.requests + stable.requests == 0  # the source has not refreshed: that is no quiet second
    if (bad > 0 or silent) and at - first < ERROR_SESSION:
        return {"session": [*counts, first]}
    until, size = state["burst"]
    tail = first < until and 2 * counts[1] < size  # steady failing makes groups of like size, a burst dies away
    process = evidence.bet(state["errors"], counts, ERROR_RATIO, ERROR_FLOOR, BURST_TAIL_CAP if tail else ERROR_CAP)
    burst = [at + BURST_TAIL, counts[1]] if counts[1] >= BURST else [until, size]
    return {"errors": process, "session": [0, 0, 0, 0, None], "burst": burst}


def _window(state: State, policy: GatePolicy, candidate: Increment, stable: Increment, at: float) -> dict[str, Any]:
    """Latency, and the proof of both metrics, go by windows of fixed length."""
    window, latency, proving = state["window"], state["latency"], state["proof"]
    if window is None:
        latency = latency or slowness.begin(state["stable"], policy)
        proving = _with_bound(proving or _begin_proof(state, policy), state, policy)
        window = _open_window(state["at"], len(latency["bounds"]) if latency else 0)
    bounds = [bound for bound, _ in latency["bounds"]] if latency else []
    bound = proving["bound"][0] if proving["bound"] else None
    window = _fill(window, candidate, stable, bounds, bound)
    if at - window["from"] < LATENCY_WINDOW:
        return {"latency": latency, "proof": proving, "window": window}
    return {
        "latency": slowness.bet(latency, window) if latency else None,
        "proof": _prove(proving, window),
        "window": None,
    }


def _open_window(at: float, bounds: int) -> dict[str, Any]:
    return {
        "from": at,
        "counts": [0, 0, 0, 0],
        "timed": [0, 0],
        "slow": [[0, 0] for _ in range(bounds)],
        "proof": [0, 0],
    }


def _fill(
    window: State, candidate: Increment, stable: Increment, bounds: list[float], bound: float | None
) -> dict[str, Any]:
    proven = window["proof"]
    if bound is not None:
        proven = [proven[0] + candidate.slow(bound), proven[1] + stable.slow(bound)]
    return {
        "from": window["from"],
        "counts": _add(window["counts"], candidate, stable),
        "timed": [window["timed"][0] + candidate.timed, window["timed"][1] + stable.timed],
        "slow": [[c + candidate.slow(b), s + stable.slow(b)] for (c, s), b in zip(window["slow"], bounds, strict=True)],
        "proof": proven,
    }


def _begin_proof(state: State, policy: GatePolicy) -> dict[str, Any]:
    """Fix, from the past only, what this step's proof stands on: the stable version's error rate."""
    requests, errors = state["stable"][:2]
    return {
        "from": state["at"],
        "counts": [0, 0, 0, 0],
        "timed": [0, 0],
        "slow": [0, 0],
        "rates": [(errors + 0.5) / (requests + 1), 0.0],
        "margin": policy.error_tolerance,
        "bound": None,
        "log": [0.0, 0.0],
    }


def _with_bound(proving: State, state: State, policy: GatePolicy) -> State:
    """Choose the latency bound of the proof as soon as the stable version's past is long enough."""
    known = state["stable"]
    if proving["bound"] or policy.latency_tolerance <= 0 or known[2] < ENOUGH_REQUESTS:
        return proving
    bound = proof_bound(histogram(known), known[2], policy.latency_tolerance)
    if bound is None:
        return proving
    share = slow_share(histogram(known), known[2], bound[0])
    return {**proving, "bound": list(bound), "rates": [proving["rates"][0], share]}


def _prove(proving: State, window: State) -> dict[str, Any]:
    """Rates used by a window come from what was seen before it: the past, worth 200 requests, and this step."""
    n_c, k_c, n_b, k_b = window["counts"]
    t_c, t_b = window["timed"]
    s_c, s_b = window["proof"]
    error_log, slow_log = proving["log"]
    error_log += proof.growth(n_c, k_c, n_b, k_b, proof.rate_now(proving, 0), proving["margin"])
    if proving["bound"]:
        slow_log += proof.growth(t_c, s_c, t_b, s_b, proof.rate_now(proving, 1), proving["bound"][1])
    return {
        **proving,
        "counts": [old + new for old, new in zip(proving["counts"], window["counts"], strict=True)],
        "timed": [proving["timed"][0] + t_c, proving["timed"][1] + t_b],
        "slow": [proving["slow"][0] + s_c, proving["slow"][1] + s_b],
        "log": [error_log, slow_log],
    }


def _alarm(state: dict[str, Any], policy: GatePolicy) -> dict[str, Any]:
    """Once the evidence has reached its limit the gate has failed for good."""
    values = totals(state)
    limit = 1 / (1 - policy.confidence)
    if values["total"] >= limit:
        return {**state, "failed": {"at": state["at"], "counts": state["counts"], "values": values, "limit": limit}}
    return state
