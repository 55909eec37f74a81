"""Reconcile: one pass carries out what objects ask, then writes what rows say. Neighbours: mirror, asked, changes.

One controller works at a time, by a lease in the database (the truth it shows); the others watch and wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from delivery.controller.asked import Asked, asked, cleared, shown_step
from delivery.controller.changes import Change, Create, Delete, Patch, Status, changes
from delivery.controller.mirror import Mirrored, mirror_environment, mirror_rollout, moment, shown_rollouts
from delivery.controller.objects import ENVIRONMENT, ROLLOUT, Key, Object, Objects
from delivery.environments import EnvironmentState, read_duration
from delivery.errors import ColorlaneError, Conflict, NotFound, Rejected, Transient
from delivery.flows.operate_environment import delete_environment, extend_environment
from delivery.flows.operate_rollout import approve_rollout, operate_rollout
from delivery.flows.world import World
from delivery.ports.store import Event
from delivery.rollouts.model import TERMINAL, Phase

log = structlog.get_logger(__name__)

LEASE = "controller"
LEASE_SECONDS = 10.0
PAUSE = 1.0  # seconds between passes; what is asked of an object wakes the next one at once
ENDED = 200  # ended rollouts looked at for the newest of each service
BAD = ("rolling_back", "rolled_back")  # phases that an Event shows as a warning


class Controller:
    """`namespace` gives the Kubernetes namespace of a project."""

    def __init__(self, world: World, objects: Objects, namespace: Callable[[str], str]) -> None:
        self._world, self._objects, self._namespace = world, objects, namespace
        self._wake, self._stop = threading.Event(), threading.Event()
        self._told: int | None = None  # the newest event that was shown
        # What was carried out and may still be seen: a watch is late, and taking a question away may fail.
        self._answered: dict[Key, tuple[Asked, dict[str, Any]]] = {}

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        """Work until stopped; what is away is tried again."""
        self._objects.start(self._wake.set)
        actor = f"{self._world.owner}#controller"
        try:
            while not self._stop.is_set():
                self._wake.clear()
                self._guarded_pass(actor)
                self._wake.wait(PAUSE)
        finally:
            self._objects.stop()
            self._world.store.release(LEASE, actor)

    def _guarded_pass(self, actor: str) -> None:
        try:
            if self._world.store.claim(LEASE, actor, LEASE_SECONDS, self._world.clock.now()):
                self.work()
            else:
                self._told = None  # the other one shows them
        except ColorlaneError as error:
            log.warning("controller.waits", reason=str(error))

    def work(self) -> None:
        """Make one pass. Raises Transient while the cluster or the database is away."""
        present = self._objects.present()
        for key, object in present.items():
            self._hear(key, object)
        wanted = self._wanted()
        for change in changes(wanted, present, moment(self._world.clock.now()) or ""):
            self._write(change)
        self._tell({key: object for key, object in present.items() if key in wanted})

    def _wanted(self) -> dict[Key, Mirrored]:
        store = self._world.store
        active = tuple(phase for phase in Phase if phase not in TERMINAL)
        rollouts = [*store.rollouts.find(phase=active, limit=10_000)]
        rollouts += shown_rollouts(store.rollouts.find(phase=tuple(TERMINAL), newest_first=True, limit=ENDED))
        projects = {project.name for project in store.projects.find(limit=10_000)}  # rollouts outlive them
        found = [mirror_rollout(row, self._namespace(row.project)) for row in rollouts if row.project in projects]
        found += [
            mirror_environment(row, self._namespace(row.project)) for row in store.environments.find(limit=10_000)
        ]
        return {each.key: each for each in found}

    def _hear(self, key: Key, object: Object) -> None:
        if key.kind == ENVIRONMENT and object["metadata"].get("deletionTimestamp"):
            self._end(key, object["spec"]["id"])
        order = asked(object)
        if order is None or self._answered.get(key, (order,))[0] != order:
            self._answered.pop(key, None)
        if order is None:
            return
        held = (object.get("status") or {}).get("operation") or {}
        generation = object["metadata"].get("generation", 0)
        if key not in self._answered and (held.get("generation") != generation or not object["spec"].get("operation")):
            outcome, message = self._carry_out(key, object, order)
            now = moment(self._world.clock.now())
            said = {"do": order.verb, "by": order.by, "outcome": outcome, "message": message, "at": now}
            self._answered[key] = (order, said | {"generation": generation})
        if key in self._answered:
            object = self._objects.patch_status(key, {"operation": self._answered[key][1]})
        if asked(object) == order:  # else it asks for something else by now: the next pass hears that
            with suppress(Conflict, NotFound):
                self._objects.patch(key, cleared(object))

    def _end(self, key: Key, id: str) -> None:
        try:
            self._check_own(key, id)
            if self._world.store.environments.get(id).state is EnvironmentState.ACTIVE:
                delete_environment(self._world, id, "kubernetes", "its object was deleted in the cluster")
        except Transient:
            raise
        except NotFound:
            return
        except Rejected as error:
            log.info("controller.refused", environment=id, reason=error.message)

    def _check_own(self, key: Key, id: str) -> None:
        """Raise NotFound unless the object is the row's own: a right in one namespace is none over another project."""
        store = self._world.store
        if key.kind == ROLLOUT:
            rollout = store.rollouts.get(id)
            own = mirror_rollout(rollout, self._namespace(rollout.project)).key
        else:
            environment = store.environments.get(id)
            own = mirror_environment(environment, self._namespace(environment.project)).key
        if own != key:
            raise NotFound(f"{id} is not shown by this object", remedy="ask the object that Colorlane made of it")

    def _carry_out(self, key: Key, object: Object, order: Asked) -> tuple[str, str]:
        """Return the outcome as it stands in the object. Raises Transient: then it is asked again.

        A yes that names no step is one to the step shown: heard twice, by two controllers say, it never is one to the
        step after it.
        """
        id: str = object["spec"]["id"]
        if order.step is None and order.verb in ("approve", "reject"):
            order = replace(order, step=shown_step(object))
        try:
            self._check_own(key, id)
            message = self._rollout(id, order) if key.kind == ROLLOUT else self._environment(id, order)
        except Transient:
            raise
        except Rejected as error:
            log.info("controller.refused", object=key.name, verb=order.verb, by=order.by, reason=error.message)
            return "refused", f"{error.message}; {error.remedy}" if error.remedy else error.message
        log.info("controller.done", object=key.name, verb=order.verb, by=order.by)
        return "done", message

    def _rollout(self, id: str, order: Asked) -> str:
        if not order.by:
            raise Rejected("the annotation colorlane.dev/by is missing", remedy="set it to your own user name")
        if order.verb in ("approve", "reject"):
            approve_rollout(
                self._world,
                id,
                order.by,
                order.verb == "approve",
                comment=order.reason,
                revision=order.revision,
                artifact=order.artifact,
                step=order.step,
            )
            return f"{order.verb} heard"
        rollout = operate_rollout(self._world, id, order.verb, order.by, reason=order.reason)
        return f"tried again as {rollout.id}" if order.verb == "retry" else f"{order.verb} heard"

    def _environment(self, id: str, order: Asked) -> str:
        try:
            seconds = read_duration(order.duration)
        except ValueError:
            seconds = 0.0
        if order.verb != "extend" or not seconds or not order.by:
            raise Rejected(
                f"cannot {order.verb!r} an environment for {order.duration!r}, asked by {order.by!r}",
                remedy="set colorlane.dev/operation=extend, colorlane.dev/for=7d and colorlane.dev/by=<your user name>",
            )
        extended = extend_environment(self._world, id, seconds, order.by)
        return f"lives until {moment(extended.expires_at)}"

    def _write(self, change: Change) -> None:
        """Write; what is overtaken, or has no namespace yet, is looked at again in the next pass."""
        try:
            match change:
                case Create(key, body):
                    self._objects.create(key, body)
                case Patch(key, body):
                    self._objects.patch(key, body)
                case Status(key, status):
                    self._objects.patch_status(key, status)
                case Delete(key, held):
                    if held:
                        self._objects.patch(key, {"metadata": {"finalizers": None}})
                    with suppress(NotFound):
                        self._objects.delete(key)
        except (Conflict, NotFound) as error:
            log.debug("controller.overtaken", object=change.key.name, reason=error.message)
        except Rejected as error:
            log.warning("controller.refused", object=change.key.name, reason=error.message, remedy=error.remedy)

    def _tell(self, present: Mapping[Key, Object]) -> None:
        """Show the trail of rows as Events of their objects. A controller that begins starts with what comes next."""
        store = self._world.store
        if self._told is None:
            newest = store.events(newest_first=True, limit=1)
            self._told = newest[0].id if newest else 0
            return
        by_subject = {f"{key.kind.lower()}/{object['spec']['id']}": (key, object) for key, object in present.items()}
        for event in store.events(after=self._told):
            if event.subject in by_subject:
                self._show(event, *by_subject[event.subject])
            self._told = event.id

    def _show(self, event: Event, key: Key, object: Object) -> None:
        reason = "".join(word.capitalize() for word in event.kind.replace("_", ".").split("."))
        message = f"{event.text} (by {event.actor})" if event.actor else event.text
        name = f"{key.name}.{event.id:x}"
        warning = event.kind == "rollout.phase" and event.text.startswith(BAD)
        with suppress(Rejected):
            self._objects.tell(key, object["metadata"]["uid"], name, reason, message, warning=warning)
