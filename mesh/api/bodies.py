"""Bodies of requests, validated field by field, and their nouns. Neighbours: app (routes), model (nouns)."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mesh.model import nouns

LABEL = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
FULL = 100

Label = Annotated[str, Field(pattern=LABEL, max_length=63)]
Version = Annotated[str, Field(pattern=VERSION, max_length=128)]
Color = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", max_length=40)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]

LabelPath = Annotated[str, Path(pattern=LABEL, max_length=63)]
ColorPath = Annotated[str, Path(pattern=r"^(-|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$", max_length=40)]


class Body(BaseModel):
    """Unknown fields are refused: a misspelt one would otherwise be lost in silence."""

    model_config = ConfigDict(extra="forbid")


class IntentBody(Body):
    """Weights of a lane, version -> percent."""

    generation: int = Field(ge=1)
    stable: Version
    weights: dict[Version, Annotated[int, Field(ge=0, le=FULL)]]

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if sum(self.weights.values()) != FULL:
            raise ValueError(f"weights sum to {sum(self.weights.values())}, not to {FULL}")
        return self

    def noun(self, key: nouns.LaneKey) -> nouns.Intent:
        """Return the intent."""
        return nouns.Intent(key, self.generation, self.stable, dict(sorted(self.weights.items())))


class EnvironmentBody(Body):
    """What a colour falls back to."""

    base: Color = ""
    fallback: nouns.Fallback = nouns.Fallback.FALLBACK


class EntryBody(Body):
    """The service that the domain leads to."""

    service: Label
    port: PortNumber


class NamespaceBody(Body):
    """A project at the gateway; an empty domain is not exposed."""

    domain: Annotated[str, Field(pattern=r"^[a-z0-9.-]*$", max_length=253)] = ""
    entry: EntryBody


class PortBody(Body):
    """One Service port of a replica."""

    name: str = Field(default="http", max_length=63)
    port: PortNumber
    inbound: PortNumber
    target: PortNumber
    protocol: str = Field(default="http", pattern="^(http|http2|grpc)$")


class EndpointBody(Body):
    """One replica."""

    id: str = Field(min_length=1, max_length=400)
    namespace: Label
    service: Label
    color: Color = ""
    version: Version
    address: str = Field(default="127.0.0.1", max_length=64)
    ports: list[PortBody]
    outbound: PortNumber
    state: nouns.State

    def noun(self, node: str) -> nouns.Endpoint:
        """Return the endpoint as registered by a node."""
        return nouns.Endpoint(
            id=self.id,
            node=node,
            namespace=self.namespace,
            service=self.service,
            color=self.color,
            version=self.version,
            address=self.address,
            ports=tuple(
                nouns.Port(each.name, each.port, each.inbound, each.target, each.protocol) for each in self.ports
            ),
            outbound=self.outbound,
            state=self.state,
        )


class NodeBody(Body):
    """All replicas of a node."""

    endpoints: list[EndpointBody]
