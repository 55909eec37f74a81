"""Settings of the mesh process, read from the environment (`COLORLANE_*`). Only the composition root reads them."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Defaults serve the embedded stack: everything on loopback."""

    model_config = SettingsConfigDict(env_prefix="COLORLANE_", extra="ignore")

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", description="where the mesh keeps its truth")
    xds_host: str = Field(default="127.0.0.1", description="address that proxies connect to")
    xds_port: int = Field(default=15010, ge=0, le=65535, description="gRPC port: xDS and OTLP metrics")
    mesh_host: str = Field(default="127.0.0.1", description="address of the mesh's HTTP API")
    mesh_port: int = Field(default=15012, ge=0, le=65535, description="port of the mesh's HTTP API")
    weights_lease: float = Field(
        default=600.0, ge=2, le=86_400, description="seconds that weights hold at proxies while the mesh is away"
    )
    log_json: bool = Field(default=True, description="log lines as JSON")
