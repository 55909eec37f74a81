"""A terminal in a pod, by the API server's `exec` (v4 of the channel protocol). Neighbours: console, connection."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Sequence
from typing import Any

from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL, RESIZE_CHANNEL, STDERR_CHANNEL, STDOUT_CHANNEL
from websocket import WebSocketException

from delivery.errors import Rejected, Transient


class KubernetesShell:
    """Contract: `delivery.ports.platform.Shell`. Raises Rejected when it may not be opened."""

    def __init__(self, client: ApiClient, namespace: str, pod: str, container: str, command: Sequence[str]) -> None:
        # The library swaps a method of the client while it opens the connection: a copy, for others use the client.
        core = CoreV1Api(copy.copy(client))
        try:
            self._socket: Any = stream(
                core.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=["env", "TERM=xterm-256color", *command],
                stdin=True,
                stdout=True,
                stderr=True,
                tty=True,
                _preload_content=False,
            )
        except ApiException as error:
            if error.status in (403, 404):
                remedy = "grant create on pods/exec to the API's ServiceAccount" if error.status == 403 else ""
                raise Rejected(f"no shell in {pod}: {error.reason}", field="pods/exec", remedy=remedy) from error
            raise Transient(f"no shell in {pod}: {error.reason}") from error
        except (OSError, WebSocketException) as error:
            raise Transient(f"no shell in {pod}: {error}") from error

    def read(self, seconds: float) -> bytes | None:
        """Return output as it comes."""
        if self._socket.is_open():
            try:
                self._socket.update(timeout=seconds)
            except (OSError, WebSocketException):
                return None
        found = b"".join(_bytes(self._socket.read_channel(each)) for each in (STDOUT_CHANNEL, STDERR_CHANNEL))
        return found if found or self._socket.is_open() else None

    def write(self, data: bytes) -> None:
        """Send keystrokes; those to a program that has ended are lost."""
        with contextlib.suppress(OSError, WebSocketException):
            self._socket.write_stdin(data.decode(errors="replace"))

    def resize(self, columns: int, rows: int) -> None:
        """Tell the size of the window."""
        with contextlib.suppress(OSError, WebSocketException):
            self._socket.write_channel(RESIZE_CHANNEL, json.dumps({"Width": columns, "Height": rows}))

    def close(self) -> int | None:
        """End the connection; the kubelet ends the program with it."""
        ended = not self._socket.is_open()
        with contextlib.suppress(OSError, WebSocketException):
            self._socket.close()
        return _exit_code(_bytes(self._socket.read_channel(ERROR_CHANNEL))) if ended else None


def _bytes(text: str | bytes | None) -> bytes:
    return text if isinstance(text, bytes) else (text or "").encode()


def _exit_code(status: bytes) -> int | None:
    """Return the code from the status that ends a command: Success, or NonZeroExitCode with its cause."""
    try:
        said = json.loads(status)
        if said.get("status") == "Success":
            return 0
        causes = (said.get("details") or {}).get("causes") or []
        return next((int(each["message"]) for each in causes if each.get("reason") == "ExitCode"), None)
    except (ValueError, KeyError, TypeError):
        return None
