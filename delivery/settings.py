"""Settings of every delivery process: environment variables `COLORLANE_*`, read once by `bootstrap` and nobody else.

Each field states unit, default and reason. Neighbours: bootstrap, embedded (which passes them on to the processes).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Validated on construction; a wrong value is refused with the variable's name."""

    model_config = SettingsConfigDict(env_prefix="COLORLANE_", extra="ignore", frozen=True)

    state_dir: Path = Field(Path(".colorlane"), description="Everything Colorlane keeps; one directory to back up.")
    domain: str = Field("localhost", description="Suffix of project hosts; *.localhost resolves without DNS.")

    api_host: str = Field("127.0.0.1", description="Loopback, because the default has no access control.")
    api_port: int = Field(8000, ge=0, le=65535, description="HTTP API, Git host and page.")
    api_token: str = Field("", repr=False, description="Bearer token; demanded as soon as api_host is not loopback.")
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

    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False, description="Broker; losing it loses no work.")
    database_url: str = Field("", repr=False, description="SQLAlchemy URL; empty: SQLite in the state directory.")

    sweep_interval: float = Field(0.5, gt=0, description="Seconds between looks for due rows; bounds a lost wake.")
    tick_interval: float = Field(0.3, gt=0, description="Seconds between ticks of a rollout that watches metrics.")
    hot_interval: float = Field(0.1, gt=0, description="Seconds between ticks while readiness or ACKs are due.")
    detect_interval: float = Field(5.0, gt=0, description="Seconds between looks at the embedded host's refs.")
    remote_detect_interval: float = Field(120.0, gt=0, description="The same for remote hosts; they limit rates.")

    lease: float = Field(15.0, gt=0, description="Seconds a claim lasts; a dead local owner's ends at once.")
    job_lease: float = Field(20.0, gt=0, description="Seconds; the build worker renews it every fifth of that.")
    job_attempts: int = Field(3, ge=1, description="A job whose worker died this often fails instead of looping.")

    history_days: float = Field(30.0, gt=0, description="Days events, deliveries and logs of ended runs are kept.")
    log_megabytes: int = Field(1000, ge=1, description="Logs of runs may be as large in all; the oldest go first.")

    control_threads: int = Field(8, ge=1, description="Control work waits on HTTP and Git, so more than cores.")
    build_threads: int = Field(2, ge=1, description="Builds at a time; each is a child process of its own.")

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
