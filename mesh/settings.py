"""Settings of the mesh process, read from the environment (`COLORLANE_*`). Only the composition root reads them."""

from __future__ import annotations

from typing import Literal

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
    mesh_token: str = Field(
        default="", repr=False, description="bearer token of the mesh's HTTP API; demanded beyond loopback"
    )
    mesh_advertise: str = Field(
        default="", description="base URL at which other replicas of the mesh reach this one; empty: it is the only one"
    )
    xds_tls: Literal["off", "on"] = Field(default="off", description="xDS over TLS with the mesh's own certificate")
    xds_auth: Literal["off", "kubernetes"] = Field(
        default="off", description="kubernetes: proxies show their ServiceAccount token, audience colorlane-mesh"
    )
    registry: Literal["redis", "kubernetes"] = Field(
        default="redis", description="where endpoints come from: told over the HTTP API, or watched in a cluster"
    )
    watch_namespaces: str = Field(
        default="", description="Kubernetes namespaces to watch, separated by commas; empty: all of them"
    )
    kubeconfig: str = Field(default="", description="path of a kubeconfig; empty: the pod's own account")
    namespace: str = Field(default="colorlane", description="Kubernetes namespace of Colorlane itself")
    kubernetes_namespace: str = Field(default="{project}", description="Kubernetes namespace of a project's pods")
    preview_namespaces: Literal["shared", "own"] = Field(
        default="shared", description="own: previews have namespaces `<project's>-<color>`, as API and workers are told"
    )
    mesh_service: str = Field(default="colorlane-mesh", description="name of the mesh's Service, for its certificate")
    mesh_identity: str = Field(
        default="", description="file of the mesh's roots where they are not kept in a Secret of Kubernetes"
    )
    webhook_host: str = Field(default="127.0.0.1", description="address of the admission webhook")
    webhook_port: int = Field(
        default=0, ge=0, le=65535, description="HTTPS port of the webhook that injects sidecars (15017); 0: none"
    )
    webhook_name: str = Field(
        default="colorlane-sidecar", description="MutatingWebhookConfiguration whose caBundle is kept right"
    )
    sidecar_image: str = Field(
        default="colorlane", description="image of injected sidecars and of their init container"
    )
    sidecar_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = Field(
        default="", description="imagePullPolicy of injected containers; empty: the cluster's default"
    )
    sidecar_pull_secret: str = Field(default="", description="imagePullSecret that injected pods are given")
    sidecar_mode: Literal["transparent", "proxy"] = Field(
        default="transparent", description="transparent: packets are redirected; proxy: HTTP_PROXY, needs no right"
    )
    sidecar_drain_seconds: int = Field(
        default=5, ge=0, le=3600, description="seconds applications serve on after their pod is told to end"
    )
    sidecar_native_sleep: Literal["auto", "on", "off"] = Field(
        default="auto", description="drain by preStop.sleep; auto: where the cluster knows it (Kubernetes >= 1.30)"
    )
    revision: str = Field(default="", description="injects only pods and namespaces labelled colorlane.dev/revision so")
    xds_connection_age: float = Field(
        default=0.0, ge=0, description="seconds after which a proxy connects anew, to spread over replicas; 0: never"
    )
    drain_seconds: float = Field(
        default=0.0, ge=0, le=600, description="seconds over which proxies are sent to other replicas at the end"
    )
    gateway_absence: float = Field(
        default=86_400.0,
        ge=1,
        description="seconds that an absent gateway is waited for; never longer than the lease of the weights",
    )
    weights_lease: float = Field(
        default=600.0, ge=2, le=86_400, description="seconds that weights hold at proxies while the mesh is away"
    )
    log_json: bool = Field(default=True, description="log lines as JSON")
