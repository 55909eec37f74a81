"""Settings of every delivery process: environment variables `COLORLANE_*`, read once by `bootstrap` and nobody else.

Each field states unit, default and reason. Neighbours: bootstrap, embedded (which passes them on to the processes).
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_IMAGE_PLATFORM = r"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$"


class Settings(BaseSettings):
    """Validated on construction; a wrong value is refused with the variable's name."""

    model_config = SettingsConfigDict(env_prefix="COLORLANE_", extra="ignore", frozen=True)

    state_dir: Path = Field(Path(".colorlane"), description="Everything Colorlane keeps; one directory to back up.")
    domain: str = Field("localhost", description="Suffix of project hosts; *.localhost resolves without DNS.")

    api_host: str = Field("127.0.0.1", description="Loopback, because the default has no access control.")
    api_port: int = Field(8000, ge=0, le=65535, description="HTTP API, Git host and page.")
    api_token: str = Field("", repr=False, description="Bearer token; demanded as soon as api_host is not loopback.")
    shell_token: str = Field("", repr=False, description="Opens terminals in replicas; empty: nobody can.")
    gateway_host: str = Field("127.0.0.1", description="Loopback: applications are shown to this machine only.")
    gateway_port: int = Field(8080, ge=0, le=65535, description="Where users meet the applications.")
    gateway_name: str = Field("main", description="Name of this gateway's Envoy; several need one each.")
    xds_address: str = Field(
        "127.0.0.1", description="Host the gateway finds the mesh at; also its certificate's name."
    )
    xds_port: int = Field(15010, ge=0, le=65535, description="gRPC of the mesh; Istio's number.")
    xds_ca_file: Path | None = Field(None, description="PEM of the mesh's roots: the gateway speaks TLS to the mesh.")
    xds_token_file: Path | None = Field(None, description="Token the gateway shows; may be replaced at any time.")
    mesh_port: int = Field(15012, ge=0, le=65535, description="HTTP API of the mesh.")
    mesh_url: str = Field("", description="Base URL of the mesh's HTTP API; empty: loopback and mesh_port.")
    mesh_token: str = Field("", repr=False, description="Bearer token of the mesh's HTTP API, where it asks for one.")

    platform: Literal["local", "kubernetes"] = Field(
        "local", description="Where workloads run: processes here, or pods."
    )
    kubeconfig: str = Field("", description="File; empty: the cluster this runs in, else the user's own kubeconfig.")
    kubernetes_namespace: str = Field("{project}", description="Namespace of a project's workloads; a template.")
    preview_namespaces: Literal["shared", "own"] = Field(
        "shared",
        description="own: each preview in a namespace `<project's>-<color>` of its own, with quota and policy.",
    )
    preview_quota: str = Field("pods=50", description="ResourceQuota of a preview's own namespace; empty: none.")
    preview_callers: str = Field("", description="Further namespaces that may call a preview in its own; by commas.")
    control_namespace: str = Field("colorlane", description="Colorlane's own: its gateway may call previews.")
    pod_security: str = Field("", description="Level enforced in namespaces made by Colorlane; empty: the cluster's.")
    pull_secret: str = Field("", description="Name of the imagePullSecret of every pod; it must be in the namespace.")
    expect_sidecars: bool = Field(
        False, description="Pods without an injected sidecar are not ready; on with the webhook."
    )

    capture: bool = Field(
        False, description="Lead workloads' connections to their sidecars by kernel rules; root on Linux, nftables."
    )

    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False, description="Broker; losing it loses no work.")
    database_url: str = Field("", repr=False, description="SQLAlchemy URL; empty: SQLite in the state directory.")

    sweep_interval: float = Field(0.5, gt=0, description="Seconds between looks for due rows; bounds a lost wake.")
    tick_interval: float = Field(0.3, gt=0, description="Seconds between ticks of a rollout that watches metrics.")
    hot_interval: float = Field(0.1, gt=0, description="Seconds between ticks while readiness or ACKs are due.")
    detect_interval: float = Field(5.0, gt=0, description="Seconds between looks at the embedded host's refs.")
    remote_detect_interval: float = Field(120.0, gt=0, description="The same for remote hosts; they limit rates.")

    owner: str = Field("", description="Place of this process in leases; empty: host and PID namespace. One at a time.")
    lease: float = Field(15.0, gt=0, description="Seconds a claim lasts; a dead local owner's ends at once.")
    job_lease: float = Field(20.0, gt=0, description="Seconds; the build worker renews it every fifth of that.")
    job_attempts: int = Field(3, ge=1, description="A job whose worker died this often fails instead of looping.")

    history_days: float = Field(30.0, gt=0, description="Days events, deliveries and logs of ended runs are kept.")
    log_megabytes: int = Field(1000, ge=1, description="Logs of runs may be as large in all; the oldest go first.")

    control_threads: int = Field(8, ge=1, description="Control work waits on HTTP and Git, so more than cores.")
    build_threads: int = Field(2, ge=1, description="Builds at a time; each is a child process of its own.")

    builder: Literal["auto", "process", "docker", "buildkit", "kubernetes"] = Field(
        "auto",
        description="Who builds Dockerfiles; process: nobody. auto: buildkit_address, else docker_host, else a Job.",
    )
    buildkit_address: str = Field("", description="A running buildkitd: unix://, tcp:// or kube-pod://.")
    buildkit_image: str = Field("moby/buildkit:v0.26.2-rootless", description="Of the pods that build Dockerfiles.")
    build_namespace: str = Field("colorlane-builds", description="Where these pods run, apart from everything else.")
    docker_host: str = Field("", description="A Docker engine, e.g. unix:///var/run/docker.sock; it means root there.")
    image_repository: str = Field("", description="Where images go: <this>/<project>/<service>; empty: kept as files.")
    image_base: str = Field("", description="Base image of services that name none in colorlane.yaml.")
    image_bases: dict[str, str] = Field({}, description="JSON: base as written -> what to take instead, e.g. a mirror.")
    image_platform: str = Field("linux/amd64", pattern=_IMAGE_PLATFORM, description="What the nodes are, os/arch.")
    image_load: str = Field("", description="Command that loads a kept image; {archive} is its file. No shell.")
    registry_auth_file: Path | None = Field(None, description="Logins like Docker's config.json, a secret's file.")
    registry_insecure: str = Field("", description="Registries spoken to without TLS, host:port, by commas.")

    @field_validator("image_load")
    @classmethod
    def _names_the_archive(cls, text: str) -> str:
        """Refuse a command that could not load anything."""
        if text and not any("{archive}" in part for part in shlex.split(text)[1:]):
            raise ValueError("must be a command with {archive} among its arguments")
        return text

    @property
    def database(self) -> str:
        """The SQLAlchemy URL to use."""
        return self.database_url or f"sqlite:///{self.state_dir.resolve() / 'colorlane.db'}"

    @property
    def mesh(self) -> str:
        """Base URL of the mesh's HTTP API, without a trailing slash."""
        return (self.mesh_url or f"http://127.0.0.1:{self.mesh_port}").rstrip("/")

    @property
    def api_url(self) -> str:
        """Base URL people use for links into this API, without a trailing slash."""
        loopback = ("127.0.0.1", "0.0.0.0", "::", "::1")  # noqa: S104  compared, not bound
        host = "localhost" if self.api_host in loopback else self.api_host
        return f"http://{host}:{self.api_port}"
