"""Ports: probing, who holds one, a pool that never hands one out twice."""

import os
import socket

import pytest

from delivery.processes.ports import NoFreePort, PortPool, listening_ports, port_holder, port_is_free


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_seen_with_its_holder(listener):
    assert not port_is_free(listener)
    assert port_holder(listener).startswith(f"pid {os.getpid()} (")
    assert listener in listening_ports([os.getpid()])


def test_the_pool_passes_over_taken_ports(listener):
    pool = PortPool(listener, listener + 50, start=0)  # some of the neighbours may be anyone's
    assert pool.take() > listener
    with pytest.raises(NoFreePort):
        PortPool(listener, listener + 1, start=0).take()


def test_reserved_ports_come_back_only_when_given_back():
    pool = PortPool(21000, 21200, start=0)
    first = pool.take()
    assert pool.take() != first
    other = PortPool(first, first + 1, start=0)
    other.reserve([first])
    with pytest.raises(NoFreePort):
        other.take()
    other.give_back([first])
    assert other.take() == first
