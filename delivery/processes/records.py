"""Durable records: small JSON files, replaced atomically, and what stands in one about a process.

Neighbours: identity (what is recorded), `platform_local.records` and `embedded.supervisor` (who records).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from delivery.processes.identity import Identity, is_alive


def write_atomic(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Replace `path` by `text` so that a reader, or a crash at any moment, sees the old or the new file whole.

    `mode`: permissions of the new file, less those that the umask takes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


@dataclass(frozen=True)
class ProcessRecord:
    """A process that was started under a name."""

    name: str
    identity: Identity
    argv: tuple[str, ...]


def save_record(folder: Path, record: ProcessRecord) -> None:
    """Write `<folder>/<name>.json`."""
    who = record.identity
    body = {"name": record.name, "pid": who.pid, "started": who.started, "boot": who.boot, "argv": list(record.argv)}
    write_atomic(folder / f"{record.name}.json", json.dumps(body))


def load_record(path: Path) -> ProcessRecord | None:
    """Return the record, None when there is none or it cannot be read."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        identity = Identity(int(body["pid"]), int(body["started"]), str(body["boot"]))
        return ProcessRecord(str(body["name"]), identity, tuple(body["argv"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def living_records(folder: Path) -> list[ProcessRecord]:
    """Return the records of a folder whose processes still run."""
    records = (load_record(path) for path in sorted(folder.glob("*.json")))
    return [record for record in records if record is not None and is_alive(record.identity)]


def delete_record(folder: Path, name: str) -> None:
    """Delete the record if it exists."""
    (folder / f"{name}.json").unlink(missing_ok=True)
