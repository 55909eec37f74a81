"""Colorlane's custom resources on an API server. Port: `delivery.controller.objects` (by its shape; not imported).

One thread a kind lists and then watches; a watch that was too old (410 Gone) or cut lists again. The cache is replaced
as a whole, so an object is never missing for a moment. Neighbours: controller (uses it), kubernetes_errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import structlog
from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from delivery.errors import Conflict, NotFound, Rejected, Transient

log = structlog.get_logger(__name__)

GROUP, VERSION = "colorlane.dev", "v1alpha1"
PLURALS = {"Rollout": "rollouts", "Environment": "environments"}
MANAGER = "colorlane"
WATCH_SECONDS = 300  # the API server ends a watch after that; a dead connection is noticed then at the latest
CALL_SECONDS = 10
SHORTEST_WAIT, LONGEST_WAIT = 0.2, 10.0  # before a failed watch is tried again

Object = dict[str, Any]


class Place(NamedTuple):
    """Which object; equal to the controller's key."""

    kind: str
    namespace: str
    name: str


class KubernetesObjects:
    """`api` is a configured client; `place` makes the caller's keys."""

    def __init__(self, api: client.ApiClient, place: Callable[[str, str, str], Any] = Place) -> None:
        self._custom = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)
        self._place = place
        self._caches = {kind: _Cache(kind, self._custom) for kind in PLURALS}

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to watch."""
        for cache in self._caches.values():
            cache.start(changed)

    def stop(self) -> None:
        """End the watch."""
        for cache in self._caches.values():
            cache.stop()

    def present(self) -> Mapping[Any, Object]:
        """Return all objects. Raises Transient before the first complete reading."""
        return {
            self._place(kind, *where): object
            for kind, cache in self._caches.items()
            for where, object in cache.objects().items()
        }

    def create(self, key: Any, body: Mapping[str, Any]) -> None:
        """Create the object."""
        where = (GROUP, VERSION, key.namespace, PLURALS[key.kind])
        _call(key, self._custom.create_namespaced_custom_object, *where, body)

    def patch(self, key: Any, body: Mapping[str, Any]) -> None:
        """Merge into the object."""
        _call(key, self._custom.patch_namespaced_custom_object, *_where(key), body)

    def patch_status(self, key: Any, status: Mapping[str, Any]) -> Object:
        """Replace the fields of `status`."""
        body = {"status": status}
        found: Object = _call(key, self._custom.patch_namespaced_custom_object_status, *_where(key), body)
        return found

    def delete(self, key: Any) -> None:
        """Delete the object."""
        _call(key, self._custom.delete_namespaced_custom_object, *_where(key))

    def tell(self, key: Any, uid: str, name: str, reason: str, message: str, *, warning: bool) -> None:
        """Record an Event. Raises Conflict when it is there already."""
        now = datetime.now(UTC)
        event = client.CoreV1Event(
            metadata=client.V1ObjectMeta(name=name),
            involved_object=client.V1ObjectReference(
                api_version=f"{GROUP}/{VERSION}", kind=key.kind, namespace=key.namespace, name=key.name, uid=uid
            ),
            reason=reason,
            message=message[:1024],
            type="Warning" if warning else "Normal",
            source=client.V1EventSource(component=MANAGER),
            first_timestamp=now,
            last_timestamp=now,
            count=1,
        )
        _call(key, self._core.create_namespaced_event, key.namespace, event)


class _Cache:
    """All objects of one kind, kept by a thread."""

    def __init__(self, kind: str, custom: client.CustomObjectsApi) -> None:
        self._kind, self._custom = kind, custom
        self._held: dict[tuple[str, str], Object] | None = None
        self._error = "it has not answered yet"
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._watch = watch.Watch()

    def start(self, changed: Callable[[], None]) -> None:
        threading.Thread(target=self._run, args=(changed,), name=f"watch-{self._kind}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._watch.stop()

    def objects(self) -> dict[tuple[str, str], Object]:
        with self._lock:
            if self._held is None:
                raise Transient(f"the API server has not told its {PLURALS[self._kind]} yet: {self._error}")
            return dict(self._held)

    def _run(self, changed: Callable[[], None]) -> None:
        wait = SHORTEST_WAIT
        while not self._stopped.is_set():
            try:
                since = self._list(changed)
                wait = SHORTEST_WAIT
                self._follow(since, changed)
            except (ApiException, HTTPError, OSError, ValueError) as error:
                self._error = _reason(error)
                if getattr(error, "status", 0) != 410:
                    log.warning("watch.broken", kind=self._kind, reason=self._error, again_in=wait)
                    self._stopped.wait(wait)
                    wait = min(wait * 2, LONGEST_WAIT)

    def _list(self, changed: Callable[[], None]) -> str:
        where = (GROUP, VERSION, PLURALS[self._kind])
        answer: Any = self._custom.list_cluster_custom_object(*where, _request_timeout=CALL_SECONDS)
        with self._lock:
            self._held = {_identity(each): each | {"kind": self._kind} for each in answer["items"]}
        changed()
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, since: str, changed: Callable[[], None]) -> None:
        events: Any = cast(Any, self._watch).stream(
            self._custom.list_cluster_custom_object,
            GROUP,
            VERSION,
            PLURALS[self._kind],
            resource_version=since,
            allow_watch_bookmarks=True,
            timeout_seconds=WATCH_SECONDS,
            _request_timeout=(CALL_SECONDS, WATCH_SECONDS + CALL_SECONDS),
        )
        for event in events:
            kind, object = event["type"], event["object"]
            if kind != "BOOKMARK":
                self._note(kind, object)
                changed()

    def _note(self, kind: str, object: Object) -> None:
        with self._lock:
            held = self._held if self._held is not None else {}
            if kind == "DELETED":
                held.pop(_identity(object), None)
            else:
                held[_identity(object)] = object


def _identity(object: Object) -> tuple[str, str]:
    return (object["metadata"]["namespace"], object["metadata"]["name"])


def _where(key: Any) -> tuple[str, str, str, str, str]:
    return (GROUP, VERSION, key.namespace, PLURALS[key.kind], key.name)


def _call(key: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the API server; its refusals in delivery's words."""
    try:
        return function(*arguments, _request_timeout=CALL_SECONDS)
    except ApiException as error:
        where = f"{key.kind} {key.namespace}/{key.name}"
        match error.status:
            case 404:
                raise NotFound(f"{where}: {_reason(error)}") from error
            case 409:
                raise Conflict(f"{where}: {_reason(error)}") from error
            case 400 | 403 | 422:
                remedy = "bind the role of kustomize/base" if error.status == 403 else "this is a bug: report it"
                raise Rejected(f"{where}: {_reason(error)}", field=where, remedy=remedy) from error
        raise Transient(f"the API server answers {error.status}: {_reason(error)}") from error
    except (HTTPError, OSError) as error:
        raise Transient(f"the API server is away: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return what the API server says, in one line."""
    if isinstance(error, ApiException):
        return " ".join(str(error.body or error.reason).split())[:500]
    return " ".join(str(error).split())[:500]
