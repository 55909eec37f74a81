"""The command line of the init container: what it prints and refuses, and that it needs the standard library only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mesh.capture import kernel
from mesh.capture.__main__ import main
from mesh.errors import Rejected


def test_rules_can_be_read_without_any_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["print", "--dns", "--exclude-outbound-ports", "3306"]) == 0
    printed = capsys.readouterr().out
    assert "udp dport 53 redirect to :15053" in printed
    assert "tcp dport { 53, 3306 } return" in printed


def test_the_sidecar_s_ports_stay_excluded_whatever_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["print", "--exclude-inbound-ports", "9090,15000-15199"]) == 0
    assert "tcp dport { 9090, 15000-15199 } return" in capsys.readouterr().out


def test_virtual_addresses_are_captured_where_only_some_destinations_are(capsys: pytest.CaptureFixture[str]) -> None:
    main(["print", "--include-outbound-cidrs", "10.0.0.0/8", "--dns"])
    printed = capsys.readouterr().out
    assert "ip daddr { 10.0.0.0/8, 240.240.0.0/16 } meta l4proto tcp redirect to :15001" in printed
    assert "ip6 daddr { 2001:2::/48 } meta l4proto tcp redirect to :15001" in printed


def test_wrong_options_name_the_option_and_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", "--exclude-outbound-cidrs", "somewhere"]) == 2
    said = capsys.readouterr().err
    assert "--exclude-outbound-cidrs: 'somewhere' is not usable" in said
    assert "10.0.0.0/8" in said


def test_without_the_right_it_says_what_to_grant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise Rejected("not allowed", remedy="grant NET_ADMIN")

    monkeypatch.setattr(kernel, "require_net_admin", refuse)
    for command in ("apply", "clean", "show"):
        assert main([command]) == 1
        assert "not allowed; grant NET_ADMIN" in capsys.readouterr().err


def test_the_init_container_starts_light() -> None:
    heavy = ("google", "grpc", "structlog", "pydantic")
    code = f"import sys, mesh.capture.__main__; print([each for each in {heavy} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
