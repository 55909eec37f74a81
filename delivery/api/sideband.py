"""Sideband: words to the person who pushes, put into the stream Git already shows as `remote: ...`. Pure.

The answer of `git receive-pack` is a series of pkt-lines, each with a leading band number when the client asked for
side-band-64k (1: report, 2: progress for people), ended by a flush packet `0000`. Lines for people go before that
flush; an answer without bands is left alone. Source: gitprotocol-pack, gitprotocol-common.
"""

from __future__ import annotations

from collections.abc import Sequence

FLUSH = b"0000"
PROGRESS_BAND = b"\x02"
BANDS = (1, 2)


class Sideband:
    """Passes the answer through, holding back as many bytes as the flush packet has."""

    def __init__(self) -> None:
        self._held = b""
        self._head = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may be sent on now."""
        if len(self._head) < 5:
            self._head = (self._head + chunk)[:5]
        data = self._held + chunk
        self._held = data[-len(FLUSH) :]
        return data[: -len(FLUSH)]

    def close(self, lines: Sequence[str]) -> bytes:
        """Return the rest, with `lines` before the flush when the stream has bands."""
        has_bands = len(self._head) == 5 and self._head[4] in BANDS
        if not has_bands or self._held != FLUSH:
            return self._held
        return b"".join(_packet(line) for line in lines) + FLUSH


def _packet(line: str) -> bytes:
    payload = PROGRESS_BAND + line.encode()[:60_000] + b"\n"
    return b"%04x" % (len(payload) + 4) + payload
