"""Bodies of requests, validated field by field, and their nouns. Neighbours: app (routes), model (nouns)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, field_validator
from pydantic_core import PydanticCustomError

from mesh.model import nouns

LABEL = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
DOMAIN = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)?$"
IDENTITY = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
NODE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
FULL = 100
MOST_VERSIONS = 20
NEWEST = 2**53 - 1
"""Generations are compared in Redis, whose numbers are exact up to here."""

Label = Annotated[str, Field(pattern=LABEL, max_length=63)]
Version = Annotated[str, Field(pattern=VERSION, max_length=128)]
Color = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", max_length=40)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Weight = Annotated[int, Field(ge=0, le=FULL)]

LabelPath = Annotated[str, Path(pattern=LABEL, max_length=63)]
NodePath = Annotated[str, Path(pattern=NODE, max_length=253)]
GenerationQuery = Annotated[int, Query(ge=1, le=NEWEST)]
ColorPath = Annotated[str, Path(pattern=r"^(-|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$", max_length=40)]


class Body(BaseModel):
    """Unknown fields are refused: a misspelt one would otherwise be lost in silence."""

    model_config = ConfigDict(extra="forbid")


class IntentBody(Body):
    """Weights of a lane, version -> percent."""

    generation: int = Field(ge=1, le=NEWEST)
    stable: Version
    weights: dict[Version, Weight] = Field(max_length=MOST_VERSIONS)

    @field_validator("weights")
    @classmethod
    def _sum(cls, weights: dict[str, int]) -> dict[str, int]:
        total = sum(weights.values())
        if total != FULL:
            remedy = f"let the weights of all versions sum to {FULL}"
            raise PydanticCustomError("sum", "weights sum to {total}, not to {full}", _said(total, remedy))
        return weights

    def noun(self, key: nouns.LaneKey) -> nouns.Intent:
        """Return the intent."""
        return nouns.Intent(key, self.generation, self.stable, dict(sorted(self.weights.items())))


def _said(total: int, remedy: str) -> dict[str, object]:
    return {"total": total, "full": FULL, "remedy": remedy}


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

    domain: Annotated[str, Field(pattern=DOMAIN, max_length=253)] = ""
    entry: EntryBody


class PortBody(Body):
    """One Service port of a replica."""

    name: str = Field(default="http", pattern=r"^[a-z0-9-]*$", max_length=63)
    port: PortNumber
    inbound: PortNumber
    target: PortNumber
    protocol: str = Field(default="http", pattern="^(http|http2|grpc)$")


class EndpointBody(Body):
    """One replica."""

    id: str = Field(pattern=IDENTITY, max_length=400)
    namespace: Label
    service: Label
    color: Color = ""
    version: Version
    address: IPvAnyAddress = Field(default="127.0.0.1", validate_default=True)  # a name would be refused by proxies
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
            address=str(self.address),
            ports=tuple(
                nouns.Port(each.name, each.port, each.inbound, each.target, each.protocol) for each in self.ports
            ),
            outbound=self.outbound,
            state=self.state,
        )


class NodeBody(Body):
    """All replicas of a node."""

    endpoints: list[EndpointBody]
