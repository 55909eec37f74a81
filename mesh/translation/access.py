"""Telemetry written by the router: every attempt of a request counts once, against the endpoint that was tried.

It hangs in the router's `upstream_log`, not in the listener's access log: a canary that fails and is retried elsewhere
would otherwise look healthy. Counters are tagged with the endpoint's own metadata, so they are right behind
aggregate clusters too. Answers that never reached an endpoint (no route, no host) count against nobody.
Neighbours: filters puts it into the router; `mesh.telemetry` reads what comes out.
"""

from __future__ import annotations

from typing import Any

from mesh.protos import message, pack
from mesh.translation import metricnames

ANSWERED = 100
"""Lowest status an endpoint can answer with; attempts without an answer have 0 and no latency."""


def upstream_log() -> list[Any]:
    """Return the `AccessLog`s for `Router.upstream_log`: attempts by code and flags, and their latency."""
    return [_log("colorlane.requests", _requests()), _log("colorlane.latency", _latency(), _answered())]


def endpoint_metadata(namespace: str, service: str, color: str, version: str) -> Any:
    """Return the `Metadata` every endpoint in EDS must carry (`color` "" is the baseline): telemetry and receipt."""
    metadata = message("envoy.config.core.v3.Metadata")()
    values = (namespace, service, color or metricnames.BASELINE, version)
    fields = metadata.filter_metadata[metricnames.METADATA].fields
    for name, value in zip(metricnames.IDENTITY, values, strict=True):
        fields[name].string_value = value
    return metadata


def _log(name: str, config: Any, condition: Any | None = None) -> Any:
    log = message("envoy.config.accesslog.v3.AccessLog")(name=name, typed_config=pack(config))
    if condition is not None:
        log.filter.CopyFrom(condition)
    return log


def _requests() -> Any:
    config = _config()
    counter = config.counters.add()
    counter.value_fixed.value = 1
    outcome = {metricnames.CODE: "%RESPONSE_CODE%", metricnames.FLAGS: "%RESPONSE_FLAGS%"}
    _stat(counter.stat, metricnames.REQUESTS, _identity() | outcome)
    return config


def _latency() -> Any:
    """From the first byte sent to the endpoint to the last byte got from it."""
    config = _config()
    histogram = config.histograms.add()
    histogram.unit = config.Histogram.Unit.Microseconds
    histogram.value_format = "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%"
    _stat(histogram.stat, metricnames.LATENCY, _identity())
    return config


def _config() -> Any:
    config = message("envoy.extensions.access_loggers.stats.v3.Config")()
    # One scope for all listeners of a proxy, which outlives each of them: counters do not fall when one changes.
    config.stats_scope.prefix = metricnames.SCOPE
    config.stats_scope.sharing_name = metricnames.SCOPE
    return config


def _identity() -> dict[str, str]:
    return {name: f"%UPSTREAM_METADATA({metricnames.METADATA}:{name})%" for name in metricnames.IDENTITY}


def _stat(stat: Any, name: str, tags: dict[str, str]) -> None:
    stat.name = name.removeprefix(f"{metricnames.SCOPE}.")
    for tag, value_format in tags.items():
        stat.tags.add(name=tag, value_format=value_format)


def _answered() -> Any:
    """Attempts that were answered; tunnels have no end to measure."""
    condition = message("envoy.config.accesslog.v3.AccessLogFilter")()
    answered, no_tunnel = condition.and_filter.filters.add(), condition.and_filter.filters.add()
    comparison = answered.status_code_filter.comparison
    comparison.op = comparison.Op.GE
    comparison.value.default_value = ANSWERED
    comparison.value.runtime_key = "colorlane.latency.lowest_status"
    no_tunnel.header_filter.header.name = ":method"
    no_tunnel.header_filter.header.string_match.exact = "CONNECT"
    no_tunnel.header_filter.header.invert_match = True
    return condition
