"""Records survive, damaged ones are passed over, dead processes are not living."""

import os

from delivery.processes.identity import Identity, identify
from delivery.processes.records import (
    ProcessRecord,
    delete_record,
    living_records,
    load_record,
    save_record,
    write_atomic,
)


def test_round_trip(tmp_path):
    record = ProcessRecord("mesh", Identity(1, 2, "boot"), ("python", "-m", "mesh"))
    save_record(tmp_path, record)
    assert load_record(tmp_path / "mesh.json") == record
    assert [p.name for p in tmp_path.iterdir()] == ["mesh.json"]
    delete_record(tmp_path, "mesh")
    assert load_record(tmp_path / "mesh.json") is None


def test_only_living_processes_are_listed(tmp_path):
    me = identify(os.getpid())
    save_record(tmp_path, ProcessRecord("me", me, ("x",)))
    save_record(tmp_path, ProcessRecord("recycled", Identity(me.pid, me.started + 1, me.boot), ("x",)))
    write_atomic(tmp_path / "damaged.json", "{")
    assert [record.name for record in living_records(tmp_path)] == ["me"]
