"""Terminal: this side of a shell: keystrokes out, output in, until the other side ends. Neighbours: service.

Input that is no terminal (a pipe) is sent as it is and then ended, so `echo ls | colorlane service shell ...` works.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from delivery.cli.client import FAILED, REFUSED, UNREACHABLE, Failure

ENDED_FROM_AFAR = 1
END_OF_INPUT = b"\x04"


def attach(base: str, path: str, query: Mapping[str, Any], token: str) -> int:
    """Open the shell and stay until it ends; return its exit code. Raises Failure."""
    address = f"{base.replace('http', 'ws', 1)}/api/v1/{path}?{urlencode(query, doseq=True)}"
    try:
        with connect(address, additional_headers={"authorization": f"Bearer {token}"}, proxy=None) as socket:
            return _converse(socket)
    except InvalidStatus as error:
        raise Failure(*_refusal(error), REFUSED) from error
    except ConnectionClosed as error:
        said = error.rcvd.reason if error.rcvd else ""
        raise Failure(said or "the shell was cut off", "", REFUSED if said else FAILED) from error
    except OSError as error:
        raise Failure(f"no Colorlane API at {base} ({error})", "is it running?", UNREACHABLE) from error


def _refusal(error: InvalidStatus) -> tuple[str, str]:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        body = json.loads(error.response.body or b"")
        return str(body["detail"]), str(body.get("remedy", ""))
    return f"the API answers {error.response.status_code}", ""


def _converse(socket: ClientConnection) -> int:
    with _raw_keys(), _ends_with(threading.Event()) as done:
        threading.Thread(target=_send_keys, args=(socket, done), daemon=True).start()
        with _sizes_told(socket):
            for message in socket:
                if isinstance(message, bytes):
                    os.write(sys.stdout.fileno(), message)
                else:
                    code = json.loads(message).get("exit")
                    return ENDED_FROM_AFAR if code is None else int(code)
    return ENDED_FROM_AFAR


@contextlib.contextmanager
def _ends_with(done: threading.Event) -> Iterator[threading.Event]:
    try:
        yield done
    finally:
        done.set()


def _send_keys(socket: ClientConnection, done: threading.Event) -> None:
    keys = sys.stdin.fileno()
    with contextlib.suppress(ConnectionClosed, OSError):
        while not done.is_set():
            if select.select([keys], [], [], 0.2)[0]:
                data = os.read(keys, 4096)
                socket.send(data or END_OF_INPUT)
                if not data:
                    return


@contextlib.contextmanager
def _raw_keys() -> Iterator[None]:
    """Pass every key on, Ctrl-C too; the terminal is as before afterwards, whatever happens."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _sizes_told(socket: ClientConnection) -> Iterator[None]:
    """Tell the size of the window now and whenever it changes."""

    def tell(*_: object) -> None:
        size = shutil.get_terminal_size()
        with contextlib.suppress(ConnectionClosed):
            socket.send(json.dumps({"resize": [size.columns, size.lines]}))

    tell()
    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
