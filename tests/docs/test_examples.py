"""Examples of files are files: `colorlane.yaml` passes the parser, other YAML and JSON is at least YAML and JSON."""

from __future__ import annotations

import json

import pytest
import yaml

from pipelines.specs import parse_spec
from tests.docs.pages import Block, blocks

YAML = blocks("yaml", "yml")
SPECS = [block for block in YAML if "services:" in block.text and "manifests:" in block.text]
JSON = blocks("json")


def where(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("block", SPECS, ids=where)
def test_complete_specs_are_accepted(block: Block) -> None:
    assert parse_spec(block.text).services


def test_there_is_a_complete_spec() -> None:
    assert SPECS


@pytest.mark.parametrize("block", YAML, ids=where)
def test_yaml_is_yaml(block: Block) -> None:
    assert list(yaml.safe_load_all(block.text))


@pytest.mark.parametrize("block", JSON, ids=where)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)
