"""What a cluster can do that injection makes use of. Neighbours: bootstrap (asks once), mesh.injection."""

from __future__ import annotations

import re
from typing import Any, Protocol

import structlog

from mesh.errors import MeshError

NATIVE_SLEEP = (1, 30)
"""First version whose API servers take `lifecycle.preStop.sleep` (KEP-3960, beta and on by default)."""

log = structlog.get_logger("mesh.webhook")


class Server(Protocol):
    """The part of mesh.apiserver.ApiServer that is used."""

    async def get(self, path: str) -> dict[str, Any]:
        """Read an object."""
        ...


async def has_native_sleep(server: Server) -> bool:
    """Whether pods may have a `preStop.sleep`; an older API server refuses the whole pod. True where nobody tells."""
    try:
        said = await server.get("/version")
    except MeshError as error:
        log.warning("version of the cluster is not known, preStop.sleep is used", reason=error.message)
        return True
    numbers = [re.match(r"\d+", str(said.get(part, ""))) for part in ("major", "minor")]  # providers write `29+`
    version = tuple(int(each[0]) for each in numbers if each)
    return len(version) != len(NATIVE_SLEEP) or version >= NATIVE_SLEEP
