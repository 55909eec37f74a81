"""Errors of the mesh's client, turned into ours. Neighbours: traffic_mesh, metrics_mesh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from delivery.errors import Broken, Conflict, NotFound, Rejected, Transient
from mesh import errors

KINDS: dict[type[errors.MeshError], type[Rejected]] = {errors.NotFound: NotFound, errors.Conflict: Conflict}


@contextmanager
def ours() -> Iterator[None]:
    """Raise NotFound, Conflict, Rejected, Transient or Broken where the mesh's client raises its own."""
    try:
        yield
    except errors.Rejected as error:
        kind = KINDS.get(type(error), Rejected)
        raise kind(f"mesh: {error}", field=error.field, remedy=error.remedy) from error
    except errors.Transient as error:
        raise Transient(str(error), retry_after=error.retry_after) from error
    except errors.MeshError as error:
        raise Broken(f"mesh: {error}") from error
