"""The import contracts of `.importlinter`, and that they are what they should be: sentences, exhaustive, unexcused."""

from __future__ import annotations

import configparser
import subprocess
import sys

import pytest

from tests.architecture.sources import PACKAGES, ROOT

CONTRACT = "importlinter:contract:"


@pytest.fixture(scope="module")
def contracts() -> dict[str, configparser.SectionProxy]:
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / ".importlinter")
    return {name.removeprefix(CONTRACT): parsed[name] for name in parsed.sections() if name.startswith(CONTRACT)}


def test_imports_keep_the_contracts() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "0 broken" in done.stdout


def test_contract_names_are_sentences(contracts: dict[str, configparser.SectionProxy]) -> None:
    short = [
        key for key, contract in contracts.items() if not contract["name"].endswith(".") or " " not in contract["name"]
    ]
    assert not short


def test_layers_are_exhaustive_for_every_package(contracts: dict[str, configparser.SectionProxy]) -> None:
    layers = [contract for contract in contracts.values() if contract["type"] == "layers"]
    assert all(contract.getboolean("exhaustive") for contract in layers)
    assert {contract["containers"].strip() for contract in layers} >= set(PACKAGES)


def test_no_import_is_excused(contracts: dict[str, configparser.SectionProxy]) -> None:
    excused = {key: contract["ignore_imports"] for key, contract in contracts.items() if contract.get("ignore_imports")}
    assert not excused, f"change the layers, or the code: {excused}"
