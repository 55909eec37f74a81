"""BuildKit: builds a Dockerfile by `buildctl` against a running buildkitd, wherever that is. Neighbour: buildkit_job.

`buildctl` sends the context and receives the image as a file; it also answers buildkitd's questions for logins, so that
private bases work while neither buildkitd's disk nor the build's containers hold a login. Pushing is the worker's.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pipelines.builders.dockerfiles import finished
from pipelines.builders.process import ProcessBuilder
from pipelines.builders.tools import SOURCE_DATE
from pipelines.images.credentials import Credentials
from pipelines.ports import DockerfileRequest, KeepGoing, Log

KIND = "buildkit"
Address = Callable[[DockerfileRequest, Log, KeepGoing], AbstractContextManager[str]]
"""Gives the address of a buildkitd that lives as long as the context; may raise Stopped, Transient, Rejected."""


def fixed_address(address: str) -> Address:
    """Return the address of a buildkitd that is always there."""
    return lambda _request, _log, _keep_going: nullcontext(address)


class BuildkitBuilder:
    """`environment` is what `buildctl` needs beyond a build's own, e.g. how to reach a cluster; nothing secret."""

    def __init__(
        self,
        address: Address,
        credentials: Credentials,
        *,
        environment: Mapping[str, str] | None = None,
        program: str = "buildctl",
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._environment = dict(environment or {})
        self._program = program

    @property
    def kind(self) -> str:
        """Equal for every place a buildkitd runs in."""
        return KIND

    def build(self, request: DockerfileRequest, workspace: Path, log: Log, keep_going: KeepGoing) -> Path:
        """Build; see the contract in ports."""
        home = workspace / "buildkit"
        (home / ".docker").mkdir(parents=True, mode=0o700)
        logins, target = home / ".docker" / "config.json", home / "image.tar"
        logins.touch(0o600)
        logins.write_text(self._credentials.content())
        with self._address(request, log, keep_going) as address:
            command = shlex.join([*self._prefix(), *self._arguments(address, request, target)])
            outcome = ProcessBuilder().execute(
                command, cwd=home, home=home, timeout=request.image.timeout, log=log, keep_going=keep_going
            )
        logins.unlink()
        return finished(request, outcome, log, target)

    def _prefix(self) -> list[str]:
        return ["env", *(f"{name}={value}" for name, value in sorted(self._environment.items()))]

    def _arguments(self, address: str, request: DockerfileRequest, target: Path) -> list[str]:
        dockerfile = request.context / request.image.dockerfile
        options = {
            "filename": dockerfile.name,
            "platform": request.platform,
            "build-arg:SOURCE_DATE_EPOCH": SOURCE_DATE,
            **({"target": request.image.target} if request.image.target else {}),
            **{f"build-arg:{name}": value for name, value in sorted(request.image.args.items())},
        }
        return [
            *(self._program, "--addr", address, "build", "--progress=plain", "--frontend=dockerfile.v0"),
            *("--local", f"context={request.context}", "--local", f"dockerfile={dockerfile.parent}"),
            *(part for name, value in options.items() for part in ("--opt", f"{name}={value}")),
            *("--output", f"type=oci,dest={target},rewrite-timestamp=true"),
        ]
