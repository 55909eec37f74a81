"""Ports of the stack: taken ones are named with their setting, inner ones are remembered."""

import os
import socket

import pytest

from delivery.embedded.addresses import check_free, remembered_port
from delivery.errors import Rejected
from delivery.processes.ports import PortPool


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_names_the_setting_the_holder_and_the_remedy(taken):
    with pytest.raises(Rejected) as refusal:
        check_free({"COLORLANE_GATEWAY_PORT": ("127.0.0.1", taken)})
    assert refusal.value.message.startswith(f"port {taken} (COLORLANE_GATEWAY_PORT) is in use by pid {os.getpid()} (")
    assert refusal.value.remedy == "stop that program, or set COLORLANE_GATEWAY_PORT to a free port"


def test_two_parts_cannot_have_one_port():
    port = PortPool().take()
    both = {"COLORLANE_API_PORT": ("127.0.0.1", port), "COLORLANE_MESH_PORT": ("127.0.0.1", port)}
    with pytest.raises(Rejected, match=r"COLORLANE_API_PORT.* is given to two parts"):
        check_free(both)


def test_port_zero_is_refused():
    with pytest.raises(Rejected, match=r"port 0 .COLORLANE_XDS_PORT. is not a port to listen on"):
        check_free({"COLORLANE_XDS_PORT": ("127.0.0.1", 0)})


def test_an_inner_port_is_remembered_until_another_program_has_it(tmp_path):
    file, pool = tmp_path / "ports.json", PortPool()
    first = remembered_port(file, "redis", pool)
    assert remembered_port(file, "gateway-admin", pool) != first
    assert remembered_port(file, "redis", PortPool()) == first
    with socket.create_server(("127.0.0.1", first)):
        assert remembered_port(file, "redis", pool) != first
    file.write_text("{")
    assert remembered_port(file, "redis", pool)
