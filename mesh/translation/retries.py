"""Retries: what is tried again, and where. Never an answer that the application gave: that is the gate's business.

A sidecar marks the failures it answers itself (`naming.FAILURE_HEADER`). A request its application never saw may be
repeated whatever its method; one that was sent only if the method is idempotent (RFC 9110, 9.2.2). Numbers are those
that failed no request when a process was killed under load.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from mesh.protos import message, pack
from mesh.translation.naming import FAILURE_HEADER, UNREACHED

IDEMPOTENT_METHODS = "GET|HEAD|OPTIONS|TRACE|PUT|DELETE"
RETRIES = 4
BACK_OFF = {"base_interval": {"nanos": 2_000_000}, "max_interval": {"nanos": 25_000_000}}
ATTEMPTS_PER_PRIORITY = 2  # a sibling replica is tried before the next place of the chain
OTHER_HOST = "envoy.retry_host_predicates.previous_hosts"
NEXT_PRIORITY = "envoy.retry_priorities.previous_priorities"


@cache
def idempotent() -> Any:
    """Retries of methods that may be repeated."""
    policy = _policy("connect-failure,refused-stream,reset,retriable-headers")
    policy.retriable_headers.add(name=FAILURE_HEADER, present_match=True)
    return policy


@cache
def unsafe() -> Any:
    """Retries of methods that may not be repeated once they were sent."""
    policy = _policy("connect-failure,refused-stream,reset-before-request,retriable-headers")
    policy.retriable_headers.add(name=FAILURE_HEADER, string_match={"exact": UNREACHED})
    return policy


def _policy(conditions: str) -> Any:
    hosts = message("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")()
    priorities = message("envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig")(
        update_frequency=ATTEMPTS_PER_PRIORITY
    )
    return message("envoy.config.route.v3.RetryPolicy")(
        retry_on=conditions,
        num_retries={"value": RETRIES},
        retry_back_off=BACK_OFF,
        host_selection_retry_max_attempts=3,
        retry_host_predicate=[{"name": OTHER_HOST, "typed_config": pack(hosts)}],
        retry_priority={"name": NEXT_PRIORITY, "typed_config": pack(priorities)},
    )
