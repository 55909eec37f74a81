"""Specs: the user's `colorlane.yaml`, read, checked and turned into frozen dataclasses. Pure.

`document` reads bounded YAML and keeps line numbers, `format` states what may stand where, `references` checks what
names what, `model` has the nouns the rest of Colorlane sees, `schema` prints the format as JSON Schema.
"""

from pipelines.specs.model import (
    Analysis,
    CommandSpec,
    EnvironmentSpec,
    GateSpec,
    ImageSpec,
    Pause,
    ServiceSpec,
    SetWeight,
    Spec,
    Step,
    StrategySpec,
)
from pipelines.specs.parse import SPEC_FILE, parse_spec

__all__ = [
    "SPEC_FILE",
    "Analysis",
    "CommandSpec",
    "EnvironmentSpec",
    "GateSpec",
    "ImageSpec",
    "Pause",
    "ServiceSpec",
    "SetWeight",
    "Spec",
    "Step",
    "StrategySpec",
    "parse_spec",
]
