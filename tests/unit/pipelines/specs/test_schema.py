"""The published JSON Schema is that of the code, and agrees with the parser on good files."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from pipelines.errors import InvalidSpec
from pipelines.specs import parse_spec
from pipelines.specs.format import spec_schema
from pipelines.specs.schema import schema_text

ROOT = Path(__file__).parents[4]


def test_the_published_schema_is_current() -> None:
    published = (ROOT / "docs" / "colorlane.schema.json").read_text()
    assert published == schema_text(), "run: python -m pipelines.specs.schema > docs/colorlane.schema.json"


def test_the_sample_passes_the_schema() -> None:
    sample = yaml.safe_load((ROOT / "samples" / "bookshop" / "colorlane.yaml").read_text())
    jsonschema.Draft202012Validator.check_schema(spec_schema())
    jsonschema.validate(sample, spec_schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {pth: x}}",
        "services: {A: {}}",
        "services: {a: {build: {command: x, timeout: soon}}}",
        "services: {a: {}}\nstrategies: {c: {steps: [{setWeight: 101}]}}",
        "services: {a: {}}\nstrategies: {c: {steps: [{pause: {}, analysis: {}}]}}",
        "services: {a: {}}\nenvironments: {production: {branch: m, branches: [x]}}",
    ],
)
def test_schema_and_parser_refuse_the_same(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), spec_schema(), cls=jsonschema.Draft202012Validator)
    with pytest.raises(InvalidSpec):
        parse_spec(text)
