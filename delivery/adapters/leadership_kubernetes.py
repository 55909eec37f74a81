"""Leadership by a Kubernetes Lease: of several processes, one does what must not be done twice.

`kubernetes.leaderelection` is not used: it can neither be stopped nor give the Lease back, so that each restart would
leave nobody leading for a whole lease. The rules are those of client-go: a Lease is taken over when its record has not
changed for its duration, measured by the watcher's own clock (the holder's may differ); whoever cannot renew in time
stops leading before another may begin. Docs: kubernetes.io/docs/concepts/architecture/leases.

    lead("colorlane-controller", identity, on_lead, stop, api=leases_of(client), namespace="colorlane")

Neighbours: controller (leads with it), objects_kubernetes (connections).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

LEASE_SECONDS = 15.0
RENEW_SECONDS = 10.0
"""Without a renewal for so long the leader stops; the rest of the lease is for the work to end."""
RETRY_SECONDS = 2.0
REQUEST_SECONDS = 4.0
_NOT_FOUND = 404

log = structlog.get_logger(__name__)


class Leases(Protocol):
    """The part of `kubernetes.client.CoordinationV1Api` that is used."""

    def read_namespaced_lease(self, name: str, namespace: str, **options: Any) -> Any: ...
    def create_namespaced_lease(self, namespace: str, body: Any, **options: Any) -> Any: ...
    def replace_namespaced_lease(self, name: str, namespace: str, body: Any, **options: Any) -> Any: ...


@dataclass(frozen=True)
class Pace:
    """Seconds; see the constants."""

    lease: float = LEASE_SECONDS
    renew: float = RENEW_SECONDS
    retry: float = RETRY_SECONDS


class Candidate:
    """One process's part in the election of `name`. `clock` returns seconds of a monotonic clock."""

    def __init__(
        self,
        leases: Leases,
        namespace: str,
        name: str,
        identity: str,
        *,
        pace: Pace = Pace(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases, self._namespace, self._name, self._identity = leases, namespace, name, identity
        self._pace, self._clock = pace, clock
        self._seen: tuple[str, float] | None = None  # the record's version, and when it was first seen

    def try_once(self) -> bool:
        """Take or renew the Lease; return whether it is this process's now. Raises what the client raises."""
        lease = self._read()
        if lease is None:
            body = client.V1Lease(metadata=client.V1ObjectMeta(name=self._name), spec=self._spec(None))
            return self._write(lambda: self._leases.create_namespaced_lease(self._namespace, body, **_bounded()))
        version = lease.metadata.resource_version
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._clock())
        holder, seconds = lease.spec.holder_identity, lease.spec.lease_duration_seconds or self._pace.lease
        if holder and holder != self._identity and self._clock() - self._seen[1] < seconds:
            return False
        lease.spec = self._spec(lease.spec)
        return self._write(lambda: self._replace(lease))

    def give_back(self) -> None:
        """End the lead now, so that another begins within a retry; best effort."""
        try:
            lease = self._read()
            if lease is not None and lease.spec.holder_identity == self._identity:
                lease.spec.holder_identity, lease.spec.lease_duration_seconds = "", 1
                self._replace(lease)
        except (ApiException, HTTPError, OSError) as error:
            log.warning("lease not given back", lease=self._name, reason=_reason(error))

    def _read(self) -> Any:
        try:
            return self._leases.read_namespaced_lease(self._name, self._namespace, **_bounded())
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def _replace(self, lease: Any) -> Any:
        return self._leases.replace_namespaced_lease(self._name, self._namespace, lease, **_bounded())

    def _write(self, write: Callable[[], Any]) -> bool:
        """Write by compare-and-set: a conflict means that another one was first."""
        try:
            written = write()
        except ApiException as error:
            if error.status in (409, _NOT_FOUND):
                return False
            raise
        self._seen = (written.metadata.resource_version, self._clock())
        return True

    def _spec(self, before: Any) -> Any:
        now, mine = datetime.now(UTC), before is not None and before.holder_identity == self._identity
        turns = (before.lease_transitions or 0) if before is not None else -1
        return client.V1LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=max(1, round(self._pace.lease)),
            acquire_time=before.acquire_time if mine else now,
            renew_time=now,
            lease_transitions=turns if mine else turns + 1,
        )


def lead(
    name: str,
    identity: str,
    on_lead: Callable[[threading.Event], None],
    stop: threading.Event,
    *,
    leases: Leases,
    namespace: str,
    pace: Pace | None = None,
) -> None:
    """Stand for election until `stop` is set; while leading, run `on_lead(lost)` in a thread of its own.

    `on_lead` must return soon after the event it is given is set, which is when the lead is lost or `stop` is; when it
    returns or raises by itself, the Lease is given back and the process stands again. `identity` is unique to the
    process (pod name). The API server being away costs the lead after `pace.renew` seconds, and is waited for.
    """
    pace = pace or Pace()
    candidate = Candidate(leases, namespace, name, identity, pace=pace)
    while not stop.is_set():
        if _tried(candidate, name):
            _lead_once(candidate, name, on_lead, stop, pace)
        stop.wait(pace.retry)


def _lead_once(
    candidate: Candidate, name: str, on_lead: Callable[[threading.Event], None], stop: threading.Event, pace: Pace
) -> None:
    lost, done = threading.Event(), threading.Event()

    def work() -> None:
        try:
            on_lead(lost)
        except Exception:
            log.exception("leader's work failed", lease=name)
        finally:
            done.set()

    log.info("leads", lease=name)
    thread = threading.Thread(target=work, name=f"lead-{name}", daemon=True)
    thread.start()
    renewed = time.monotonic()
    while not stop.is_set() and not done.wait(min(pace.retry, pace.renew / 3)):
        if _tried(candidate, name):
            renewed = time.monotonic()
        elif time.monotonic() - renewed >= pace.renew:
            log.warning("lead lost", lease=name)
            break
    lost.set()
    thread.join(pace.lease - pace.renew if pace.lease > pace.renew else pace.retry)
    if thread.is_alive():
        log.error("leader's work does not end", lease=name)
        return  # the Lease is not given back: it ends by itself, and the work has that long to end
    candidate.give_back()


def _tried(candidate: Candidate, name: str) -> bool:
    try:
        return candidate.try_once()
    except (ApiException, HTTPError, OSError) as error:
        log.warning("lease not reached", lease=name, reason=_reason(error))
        return False


def _bounded() -> dict[str, float]:
    return {"_request_timeout": REQUEST_SECONDS}


def _reason(error: Exception) -> str:
    return f"{error.status} {error.reason}" if isinstance(error, ApiException) else repr(error)
