"""What to start and drain, and how a workload is."""

from hypothesis import given
from hypothesis import strategies as st

from delivery.adapters.platform_local.decisions import Change, ReplicaView, decide, workload_status
from delivery.workloads import Health, WorkloadKey

KEY = WorkloadKey("bookshop", "reviews", "", "v1")


def view(ordinal, state="ready", current=True, **more):
    return ReplicaView(ordinal, state, current, **more)


def test_missing_replicas_start_with_free_ordinals():
    assert decide(3, [view(1), view(0, "draining")]) == Change(start=(2, 3))


def test_surplus_replicas_drain_the_unready_and_the_newest_first():
    assert decide(1, [view(0, "starting"), view(1), view(2)]) == Change(drain=(0, 2))


def test_the_old_drain_only_when_as_many_new_are_ready():
    old = [view(0, current=False), view(1, current=False)]
    assert decide(2, old) == Change(start=(2, 3))
    assert decide(2, [*old, view(2), view(3, "starting")]) == Change()
    assert decide(2, [*old, view(2), view(3)]) == Change(drain=(0, 1))


def test_removal_drains_all():
    assert decide(0, [view(0), view(1, current=False)]) == Change(drain=(0, 1))


@given(
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from(["starting", "ready", "draining"]), st.booleans()), max_size=8),
)
def test_decisions_never_collide_and_never_cut_off(wanted, shapes):
    replicas = [view(n, state, current) for n, (state, current) in enumerate(shapes)]
    change = decide(wanted, replicas)
    assert not set(change.start) & {r.ordinal for r in replicas}
    assert not set(change.drain) & {r.ordinal for r in replicas if r.state == "draining"}
    ready_before = sum(r.state == "ready" for r in replicas)
    ready_after = sum(r.state == "ready" and r.ordinal not in change.drain for r in replicas)
    assert ready_after >= min(wanted, ready_before), "a change never drains what is still needed"
    current = [r for r in replicas if r.current and r.state != "draining" and r.ordinal not in change.drain]
    assert len(current) + len(change.start) == wanted


def status(wanted, *replicas, removed=False):
    return workload_status(KEY, wanted, removed, replicas)


def test_health():
    assert status(2, view(0), view(1)).health is Health.READY
    assert status(0).health is Health.READY
    assert status(2, view(0), view(1, "starting")).health is Health.STARTING
    assert status(1, view(0, "starting", ever_ready=True)).health is Health.DEGRADED
    assert status(1, view(0, "starting", failures=2, reason="crash")).health is Health.FAILING
    assert status(1, view(0, "starting", waiting=31, reason="refused")).reason == "refused"
    assert status(1, view(0, "starting", waiting=31)).health is Health.FAILING
    assert status(2, view(0, ever_ready=True), view(1, "starting", failures=5)).health is Health.DEGRADED
    assert status(0, view(0, "draining"), removed=True).health is Health.STOPPING
    assert status(0, removed=True).health is Health.ABSENT


def test_a_replacement_that_does_not_come_up_is_not_hidden_by_the_old_one():
    reading = status(1, view(0, current=False), view(1, "starting", failures=3, reason="exited with code 1"))
    assert (reading.health, reading.ready) == (Health.FAILING, 0)
