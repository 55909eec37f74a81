"""Job log: a file that grows as the job speaks, and stops growing when it says too much. Neighbours: builders, runner.

Of a chatty job the first four fifths of the limit and the last fifth are kept; what is between is counted and left out.
Memory stays at the size of the tail.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

LIMIT = 10_000_000  # bytes of one job's log
_RECENT = 4096
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class JobLog:
    """One attempt's log; appends, so that an earlier attempt's output stays readable. A context manager."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._tail_size = limit // 5
        self._head_left = limit - self._tail_size
        self._tail = bytearray()
        self._left_out = 0
        self._recent = bytearray()

    def __enter__(self) -> JobLog:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write what was held back and close."""
        self.close()

    def write(self, chunk: bytes) -> None:
        """Append output; it is in the file when this returns, unless the log is past its head."""
        self._recent += chunk[-_RECENT:]
        del self._recent[:-_RECENT]
        if self._head_left > 0:
            head, chunk = chunk[: self._head_left], chunk[self._head_left :]
            self._head_left -= len(head)
            _write_all(self._file, head)
            if self._head_left == 0:
                _write_all(self._file, b"\n[colorlane] the output is long: from here on only its end is kept\n")
        self._tail += chunk
        if len(self._tail) > 2 * self._tail_size:
            self._trim()

    def note(self, text: str) -> None:
        """Append a line of Colorlane's own."""
        start = b"" if not self._recent or self._recent.endswith(b"\n") else b"\n"
        self.write(start + f"[colorlane] {text}\n".encode("utf-8", "replace"))

    def last_line(self) -> str:
        """Return the last line that is not blank since our latest note, i.e. of the latest command; else "".

        Cleaned of terminal codes, at most 200 characters.
        """
        lines = self._recent.decode("utf-8", "replace").replace("\r", "\n").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return "" if last.startswith("[colorlane]") else _CONTROL.sub("", last).strip()[:200]

    def close(self) -> None:
        """Write the tail and close; harmless to repeat."""
        if self._file < 0:
            return
        self._trim()
        if self._left_out:
            _write_all(self._file, f"[colorlane] {self._left_out} bytes left out here\n".encode())
        _write_all(self._file, bytes(self._tail))
        os.close(self._file)
        self._file = -1

    def _trim(self) -> None:
        """Cut the tail to its size, at the beginning of a line where there is one."""
        excess = len(self._tail) - self._tail_size
        if excess <= 0:
            return
        newline = self._tail.find(b"\n", excess - 1, excess + 4096)
        cut = newline + 1 if newline >= 0 else excess
        del self._tail[:cut]
        self._left_out += cut


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
