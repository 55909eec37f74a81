"""What a process knows of one kind of objects of the cluster, kept up to date by a watch. Neighbours: api, readings.

List, then watch from the list's version with bookmarks; a watch that ends in good order goes on from the newest version
seen, one that breaks or is `410 Gone` begins anew, a server that is away is asked again after growing pauses. Not the
library's informer (37): it asks a lost server again without a pause, and cannot tell whether what it holds is current.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from delivery.adapters.platform_kubernetes.api import Api, path_of
from delivery.adapters.platform_kubernetes.names import key_of
from delivery.adapters.platform_kubernetes.refusals import FORBIDDEN, Refused
from delivery.errors import Transient
from delivery.workloads import WorkloadKey
from mesh.model.pods import PROJECT

WATCH_SECONDS = 300  # a server ends a watch after that; the next one may reach another server
SILENCE = 100.0  # seconds; bookmarks come about every minute, so a longer silence is a dead connection
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
DENIED_PAUSE = 30.0  # seconds between looks whether the right has been granted
LOSSES_KEPT = 10

Object = dict[str, Any]

log = structlog.get_logger(__name__)


class Watch:
    """The objects of one kind, listed and watched by a thread of its own. Those who derive say what is kept of them.

    `labels`: a selector. `current`: everything is known and a watch is open. `_keep` and `_forget` run under `_lock`.
    """

    def __init__(self, api: Api, kind: str, namespace: str = "", labels: str = "") -> None:
        self._api, self._kind, self._namespace, self._labels = api, kind, namespace, labels
        self._lock = threading.Lock()
        self._objects: dict[str, Object] = {}  # by uid
        self._version = ""
        self._stop = threading.Event()
        self.current = False
        self.denied = False
        self._thread = threading.Thread(target=self._run, name=f"watch {kind} {namespace or 'everywhere'}", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End it; an open watch notices with its next line."""
        self._stop.set()

    def _keep(self, item: Object) -> None:
        item["metadata"].pop("managedFields", None)  # half of what an object weighs
        self._objects[item["metadata"]["uid"]] = item

    def _forget(self, uid: str) -> None:
        self._objects.pop(uid, None)

    def _changed(self) -> None:
        """Called, without the lock, after anything has changed."""

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                if not self._version:
                    self._list()
                self._watch()
                pause = FIRST_PAUSE
                continue
            except Refused as refused:
                self._note_refusal(refused)
            except (Transient, ValueError) as error:
                log.info("platform.watch_lost", kind=self._kind, why=str(error))
            finally:
                self.current = False
            # A watch that goes on from an old version is open long before it has told what was missed: list instead.
            self._version = ""
            self._stop.wait(DENIED_PAUSE if self.denied else random.uniform(0.5, 1) * pause)  # noqa: S311  spread
            pause = min(pause * 1.6, LONGEST_PAUSE)

    def _note_refusal(self, refused: Refused) -> None:
        if refused.code == FORBIDDEN and not self.denied:
            log.info("platform.watch_denied", kind=self._kind, namespace=self._namespace, why=refused.message)
            self.denied = True

    def _selection(self) -> dict[str, str]:
        return {"labelSelector": self._labels} if self._labels else {}

    def _list(self) -> None:
        found, version = self._api.find(self._kind, self._namespace, **self._selection())
        with self._lock:
            for uid in self._objects.keys() - {each["metadata"]["uid"] for each in found}:
                self._forget(uid)
            for item in found:
                self._keep(item)
        self._version, self.denied = version, False
        self._changed()

    def _watch(self) -> None:
        query = {**self._selection(), "watch": "true", "allowWatchBookmarks": "true"}
        query |= {"resourceVersion": self._version, "timeoutSeconds": str(WATCH_SECONDS)}
        with self._api.lines(path_of(self._kind, self._namespace), query, SILENCE) as lines:
            self.current = True
            for line in lines:
                if self._stop.is_set():
                    return
                self._take(json.loads(line))

    def _take(self, event: Object) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise Refused(int(item.get("code", 0)), item)
        self._version = item["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return
        with self._lock:
            if event["type"] == "DELETED":
                self._forget(item["metadata"]["uid"])
            else:
                self._keep(item)
        self._changed()


class Watched(Watch):
    """The objects of one kind that belong to workloads, by workload. Started once; may be read from any thread."""

    def __init__(self, api: Api, kind: str, namespace: str, now: Callable[[], float] = time.time) -> None:
        super().__init__(api, kind, namespace, PROJECT)
        self._now = now
        self._of: dict[WorkloadKey, dict[str, Object]] = defaultdict(dict)
        self._lost: dict[str, tuple[float, ...]] = {}

    def of(self, key: WorkloadKey, namespace: str) -> list[Object]:
        """Return the objects of a workload. They are not to be changed."""
        with self._lock:
            return [each for each in self._of.get(key, {}).values() if each["metadata"]["namespace"] == namespace]

    def of_project(self, project: str) -> list[Object]:
        """Return the objects of a project's workloads."""
        with self._lock:
            found = [objects for key, objects in self._of.items() if key.project == project]
            return [each for objects in found for each in objects.values()]

    def lost(self, uid: str) -> Sequence[float]:
        """Return when a pod stopped being ready, as far as this process has seen it."""
        with self._lock:
            return self._lost.get(uid, ())

    def _keep(self, item: Object) -> None:
        uid, key = item["metadata"]["uid"], key_of(item)
        before = self._objects.get(uid)
        if before is not None and is_ready(before) and not is_ready(item):
            self._lost[uid] = (*self._lost.get(uid, ()), self._now())[-LOSSES_KEPT:]
        self._leave(uid)
        if key is not None:
            super()._keep(item)
            self._of[key][uid] = item

    def _forget(self, uid: str) -> None:
        self._leave(uid)
        self._lost.pop(uid, None)

    def _leave(self, uid: str) -> None:
        before = self._objects.pop(uid, None)
        key = key_of(before) if before else None
        if key is not None:
            self._of[key].pop(uid, None)
            if not self._of[key]:
                del self._of[key]


def is_ready(item: Object) -> bool:
    """Tell whether a pod is ready."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
