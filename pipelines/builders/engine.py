"""Engine: builds a Dockerfile by the Docker Engine API, as a process of its own that dies with its job.

`EngineBuilder` is the worker's side; run as a module it is the process, told what to do by a file. When the process is
stopped its connection ends, and with it the build: the engine cancels a build whose client has gone.
The login of registries goes to the engine with the request, for private bases; the build's containers never see it.
"""

from __future__ import annotations

import json
import shlex
import sys
import tarfile
from pathlib import Path
from typing import Any

from pipelines.builders.dockerfiles import finished
from pipelines.builders.process import ProcessBuilder
from pipelines.images.credentials import Credentials
from pipelines.ports import DockerfileRequest, KeepGoing, Log

KIND = "docker"


class EngineBuilder:
    """A Docker engine at `host` (`unix:///var/run/docker.sock`, `tcp://...`)."""

    def __init__(self, host: str, credentials: Credentials) -> None:
        self._host = host
        self._credentials = credentials

    @property
    def kind(self) -> str:
        """The engine's classic builder gives other layers than BuildKit."""
        return KIND

    def build(self, request: DockerfileRequest, workspace: Path, log: Log, keep_going: KeepGoing) -> Path:
        """Build, save the image as a file, and remove it from the engine; its layers stay there as cache."""
        home = workspace / "engine"
        home.mkdir(mode=0o700)
        logins = home / "config.json"
        logins.write_text(self._credentials.content())
        target = home / "image.tar"
        order = {
            "host": self._host,
            "logins": str(logins),
            "context": str(request.context),
            "target": str(target),
            "dockerfile": request.image.dockerfile,
            "stage": request.image.target,
            "args": dict(request.image.args),
            "platform": request.platform,
        }
        (home / "order.json").write_text(json.dumps(order))
        command = shlex.join([sys.executable, "-m", "pipelines.builders.engine", str(home / "order.json")])
        outcome = ProcessBuilder().execute(
            command, cwd=home, home=home, timeout=request.image.timeout, log=log, keep_going=keep_going
        )
        logins.unlink(missing_ok=True)
        return finished(request, outcome, log, target)


def main(order: dict[str, Any]) -> int:
    """Do what the order says; print what the engine says. Return an exit status."""
    import docker

    client = docker.APIClient(base_url=order["host"], version="auto", timeout=3600)
    client.reload_config(order["logins"])
    context = Path(order["target"]).with_name("context.tar")
    with tarfile.open(context, "w") as tar:
        tar.add(order["context"], arcname=".", filter=_anonymous)
    image = ""
    with context.open("rb") as file:
        events = client.build(
            fileobj=file, custom_context=True, dockerfile=order["dockerfile"], target=order["stage"] or None,
            buildargs=order["args"], platform=order["platform"], rm=True, forcerm=True, decode=True
        )  # fmt: skip
        for event in events:
            _say(event.get("stream") or _progress(event))
            if "error" in event:
                _say(f"{event['error']}\n")
                return 1
            image = event.get("aux", {}).get("ID", image)
    context.unlink()
    if not image:
        _say("the engine built no image\n")
        return 1
    with Path(order["target"]).open("wb") as archive:
        for chunk in client.get_image(image):
            archive.write(chunk)
    client.remove_image(image, noprune=True)
    return 0


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def _progress(event: dict[str, Any]) -> str:
    """Return the steps of a pull, without its moving bars."""
    return f"{event['status']} {event.get('id', '')}\n" if "status" in event and "progressDetail" not in event else ""


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
    except Exception as error:  # the log is where people look; a traceback tells them nothing
        sys.exit(f"the Docker engine cannot build this: {type(error).__name__}: {error}")
