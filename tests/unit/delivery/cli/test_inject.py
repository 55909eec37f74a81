"""`colorlane mesh inject`: files, directories and standard input in; YAML out, words beside it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.delivery.cli.conftest import Answer

Cli = Callable[..., Answer]
POD = "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app}]}\n"
HOST = "kind: Pod\nmetadata: {name: h}\nspec: {hostNetwork: true}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_text("roots")
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "a.yaml").write_text(POD)
    (tmp_path / "k8s" / "b.yml").write_text(HOST)
    (tmp_path / "k8s" / "notes.txt").write_text("not: [yaml")
    return tmp_path


def test_a_directory_becomes_one_stream_and_again_the_same(colorlane: Cli, folder: Path) -> None:
    done = colorlane("mesh", "inject", "-f", str(folder / "k8s"), "--ca-file", str(folder / "ca.crt"), "-n", "shop")
    assert done.code == 0, done.err
    injected, host = yaml.safe_load_all(done.out)
    assert injected["spec"]["initContainers"][1]["name"] == "colorlane-proxy"
    assert host == yaml.safe_load(HOST)
    assert "Pod shop/a" in done.err
    assert "hostNetwork" in done.err
    again = folder / "again.yaml"
    again.write_text(done.out)
    assert colorlane("mesh", "inject", "-f", str(again), "--ca-file", str(folder / "ca.crt")).out == done.out


def test_standard_input_and_options(colorlane: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(POD))
    words = ("--mode", "proxy", "--image", "mine:2", "--ca-file", str(folder / "ca.crt"))
    done = colorlane("mesh", "inject", "-f", "-", *words)
    (proxy,) = yaml.safe_load(done.out)["spec"]["initContainers"]
    assert proxy["image"] == "mine:2"


def test_what_is_missing_is_said_with_the_remedy(colorlane: Cli, folder: Path) -> None:
    lacking = colorlane("mesh", "inject", "-f", str(folder / "k8s"))
    assert lacking.code == 2
    assert "kubectl -n colorlane get secret colorlane-mesh-ca" in lacking.err
    absent = colorlane("mesh", "inject", "-f", str(folder / "no.yaml"), "--ca-file", str(folder / "ca.crt"))
    assert (absent.code, "no.yaml" in absent.err) == (2, True)
    bad = colorlane("mesh", "inject", "-f", str(folder / "k8s" / "notes.txt"), "--ca-file", str(folder / "ca.crt"))
    assert bad.code not in (0, 2)
    assert "not YAML" in bad.err
