"""The compose file is valid by the Compose Specification, and its services are processes and settings that exist."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml
from compose_spec import PyCompose

from delivery.settings import Settings
from tests.architecture.processes import COMMANDS
from tests.architecture.sources import ROOT
from tests.docs.settings_page import known

FILE = ROOT / "docker-compose.yml"
REQUIRED = {"api", "worker-control", "worker-build", "mesh", "gateway", "redis", "postgres", "prometheus", "agent"}


@cache
def compose() -> dict[str, Any]:
    """Return the file with anchors and merges resolved, as compose itself reads it."""
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return document


def services() -> dict[str, dict[str, Any]]:
    named: dict[str, dict[str, Any]] = compose()["services"]
    return named


def test_it_is_valid_by_the_specification() -> None:
    parsed = PyCompose.from_yaml(yaml.safe_dump(compose(), sort_keys=False))
    assert parsed.services is not None
    assert parsed.services.keys() >= REQUIRED


def test_commands_are_those_of_the_embedded_stack() -> None:
    assert {name: services()[name]["command"] for name in COMMANDS} == COMMANDS


def test_references_resolve() -> None:
    for name, service in services().items():
        volumes = {str(each).partition(":")[0] for each in service.get("volumes", [])}
        assert {each for each in volumes if not each.startswith((".", "/"))} <= compose()["volumes"].keys(), name
        assert all((ROOT / each).exists() for each in volumes if each.startswith(".")), name
        assert set(service.get("networks", [])) <= compose()["networks"].keys(), name
        assert set(service.get("depends_on", {})) <= services().keys(), name


def test_who_is_waited_for_until_healthy_can_say_so() -> None:
    for name, service in services().items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in services()[other], (
                f"{name} waits for {other}"
            )


def test_images_are_pinned() -> None:
    for name, service in services().items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert tag != "latest", name


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(str(port).startswith("127.0.0.1:") for port in published)


def test_own_processes_are_restricted() -> None:
    for name, service in services().items():
        if service["image"].startswith("colorlane:"):
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert "no-new-privileges:true" in service["security_opt"], name


def test_secrets_have_no_default_and_come_from_the_environment() -> None:
    text = FILE.read_text()
    for variable in ("COLORLANE_API_TOKEN", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        uses = re.findall(r"\$\{" + variable + r"([^}]*)\}", text)
        assert uses
        assert all(use.startswith(":?") for use in uses)


def test_only_who_needs_a_secret_gets_it() -> None:
    holders = {name for name, each in services().items() if "COLORLANE_API_TOKEN" in each.get("environment", {})}
    assert holders == {"api"}
    holders = {name for name, each in services().items() if "COLORLANE_DATABASE_URL" in each.get("environment", {})}
    assert holders == {"api", "worker-control", "worker-build"}
    holders = {name for name, each in services().items() if "COLORLANE_REDIS_URL" in each.get("environment", {})}
    assert holders == {"api", "worker-control", "worker-build", "mesh"}, "applications run beside the agent"


def test_variables_are_settings_that_colorlane_knows() -> None:
    given = {name for service in services().values() for name in service.get("environment", {})}
    assert {name for name in given if name.startswith("COLORLANE_")} <= known().keys()


def test_prometheus_scrapes_ports_that_processes_listen_on() -> None:
    settings = Settings()
    ports = {settings.api_port, settings.mesh_port, 9090}
    scraped = yaml.safe_load((ROOT / "compose/prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in scraped for group in job["static_configs"] for target in group["targets"]}
    assert targets == {f"127.0.0.1:{port}" for port in ports}
