"""Make releases: artifact and manifests become rows named by content. Neighbours: deploy_run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from delivery.errors import Conflict, Rejected
from delivery.flows.world import World
from delivery.releases import Manifest, Release, release_version
from pipelines.runs import Run


def release_id(project: str, service: str, version: str) -> str:
    """Return the id of the one release with this content."""
    return f"{project}/{service}/{version}"


def make_releases(
    world: World, run: Run, artifacts: Mapping[str, str], manifests: Mapping[str, Sequence[Manifest]]
) -> dict[str, Release]:
    """Return service -> release. Raises Rejected for a service without manifests."""
    made = {}
    for service, artifact in artifacts.items():
        if not manifests.get(service):
            raise Rejected(
                f"the manifests have no Deployment for service {service}",
                field="manifests",
                value=service,
                remedy=f"add a Deployment and a Service named {service} to the kustomization",
            )
        made[service] = _release(world, run, service, artifact, manifests[service])
    return made


def _release(world: World, run: Run, service: str, artifact: str, manifests: Sequence[Manifest]) -> Release:
    version = release_version(artifact, manifests)
    fresh = Release(
        id=release_id(run.project, service, version),
        project=run.project,
        service=service,
        version=version,
        artifact=artifact,
        revision=run.revision,
        ref=run.ref,
        run=run.id,
        manifests=tuple(manifests),
        created_at=world.clock.now(),
    )
    try:
        return world.store.releases.add(fresh)
    except Conflict:
        return world.store.releases.get(fresh.id)
