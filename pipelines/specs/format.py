"""The format of `colorlane.yaml`: which key may stand where, with which type, default and meaning. Pure.

The only place that states it: `parse` validates against these forms, `schema` prints them for editors.
Field names are the YAML keys (Argo Rollouts' for steps, GitLab's for environments). A default of None means "not
given": it is not offered to the user as a value, so the types do not name it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipelines.specs.values import (
    LABEL_SCHEMA,
    BranchName,
    Confidence,
    Count,
    DirectoryPath,
    Duration,
    FallbackWord,
    FilePath,
    ImageName,
    Label,
    OnInconclusive,
    OnNewer,
    Pattern,
    PinnedImage,
    ShellText,
    Slowdown,
    Tolerance,
    VariableName,
    VariableText,
    Weight,
    refuse,
)

BUILD_TIMEOUT = 600.0
TEST_TIMEOUT = 300.0
IMAGE_TIMEOUT = 1800.0


def _empty_for_null(value: object) -> object:
    """`pause:` and `reviews:` with nothing behind them mean: all defaults."""
    return {} if value is None else value


def _absent(description: str) -> Any:
    """Return a field that may be left out; it is then None."""
    return Field(None, description=description)


class Form(BaseModel):
    """A mapping that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CommandForm(Form):
    """A shell command of a job."""

    command: ShellText = Field(description="Run by `sh -c` in a copy of the service's path.")
    timeout: Duration = _absent("Then the command and all it started are stopped. Default 10m for build, 5m for test.")


class ImageForm(Form):
    """Where the service's image comes from: exactly one of base, dockerfile, reference."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [key]} for key in ("base", "dockerfile", "reference")]}
    )

    base: ImageName = _absent("The built tree becomes one layer on top of this image; `scratch` is the empty one.")
    dockerfile: FilePath = _absent("A file in the service's directory, which is the context of the build.")
    target: Label = _absent("The stage of the Dockerfile to build; default: the last.")
    args: Annotated[dict[VariableName, VariableText], Field(max_length=50)] = _absent(
        "Build arguments of the Dockerfile; not for secrets: they are in the image."
    )
    timeout: Duration = _absent("Then the build of the Dockerfile is stopped. Default 30m.")
    reference: PinnedImage = _absent("An image somebody else built, with its digest; nothing is built.")

    @model_validator(mode="after")
    def _one_source(self) -> ImageForm:
        if sum(value is not None for value in (self.base, self.dockerfile, self.reference)) != 1:
            raise refuse("needs one of `base`, `dockerfile`, `reference`", "Give exactly one of the three")
        if self.dockerfile is None and any(value is not None for value in (self.target, self.args, self.timeout)):
            raise refuse(
                "has `target`, `args` or `timeout` without `dockerfile`", "Remove them, or name the Dockerfile"
            )
        return self


class ServiceForm(Form):
    """A service: a deployable unit with ports."""

    path: DirectoryPath = _absent("Source directory; default services/<name>.")
    watch: Annotated[tuple[Pattern, ...], Field(max_length=50)] = Field(
        (),
        description="Gitignore-like patterns: a change of such a file builds the service; `!` leaves files out.",
    )
    build: CommandForm = _absent("The tree after it is the artifact.")
    test: CommandForm = _absent("Must succeed; does not change the artifact.")
    image: ImageForm = _absent("Where its container image comes from; ignored by platforms that run no images.")


class EnvironmentForm(Form):
    """A kind of environment."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["branch"]}, {"required": ["branches"]}]})

    branch: BranchName = _absent("The one branch deployed here.")
    branches: Annotated[tuple[BranchName, ...], Field(min_length=1, max_length=50)] = _absent(
        'One environment for each branch these match; "*" matches all.'
    )
    strategy: Label = Field("instant", description="A key of `strategies`, or `instant`.")
    auto_stop_in: Duration = _absent("Deleted when not pushed to for so long.")
    fallback: FallbackWord = Field(
        "fallback", description="What meets a coloured request whose workload is dead: the base's version, or a 503."
    )

    @model_validator(mode="after")
    def _one_source(self) -> EnvironmentForm:
        if (self.branch is None) == (self.branches is None):
            raise refuse("needs either `branch` or `branches`", "Give exactly one of the two")
        return self


class PauseForm(Form):
    """A wait."""

    duration: Duration = _absent("How long; without it, until approved.")


class AnalysisForm(Form):
    """Hold until the gate passes."""

    max: Duration = Field(600.0, description="Then `onInconclusive` decides.", json_schema_extra={"default": "10m"})


class StepForm(Form):
    """One step of a rollout: exactly one of the keys."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    setWeight: Weight = _absent("Percent of the requests for the candidate.")
    pause: Annotated[PauseForm, BeforeValidator(_empty_for_null)] = _absent("Nothing in it: until approved.")
    analysis: Annotated[AnalysisForm, BeforeValidator(_empty_for_null)] = _absent(
        "Judge the candidate on live metrics."
    )

    @model_validator(mode="after")
    def _one_key(self) -> StepForm:
        given = [value for value in (self.setWeight, self.pause, self.analysis) if value is not None]
        if len(given) != 1:
            raise refuse("is not one step", "Give exactly one of setWeight, pause, analysis in each item of the list")
        return self


class ToleranceForm(Form):
    """How much worse the candidate may be."""

    errors: Tolerance = Field(0.01, description="Of the error rate.", json_schema_extra={"default": "1%"})
    latency: Slowdown = Field(0.10, description="Of the latency.", json_schema_extra={"default": "10%"})


class GateForm(Form):
    """What live metrics must show."""

    confidence: Confidence = Field(
        0.99, description="False alarms stay below 100% minus this.", json_schema_extra={"default": "99%"}
    )
    tolerance: ToleranceForm = Field(default_factory=ToleranceForm)
    minRequests: Count = Field(50, description="Of the candidate, before any pass.")
    warmup: Duration = _absent("Requests in this first time are not counted.")


class StrategyForm(Form):
    """How a service is released."""

    steps: Annotated[tuple[StepForm, ...], Field(max_length=100)] = Field((), description="None: instant.")
    gate: GateForm = Field(default_factory=GateForm)
    onInconclusive: OnInconclusive = Field("pause", description="What ends an analysis without a verdict.")
    progressDeadline: Duration = Field(
        120.0, description="The candidate must be ready by then.", json_schema_extra={"default": "2m"}
    )
    onNewer: OnNewer = Field("supersede", description="What a newer commit does to a running rollout.")


Services = dict[Label, Annotated[ServiceForm, BeforeValidator(_empty_for_null)]]


_LABELLED: dict[str, Any] = {"propertyNames": LABEL_SCHEMA}


class SpecForm(Form):
    """Colorlane's description of a repository: its services, environments and strategies."""

    project: Label = _absent("If given, must equal the registered name.")
    entry: Label = _absent("The service the gateway exposes; may be left out when there is only one.")
    manifests: DirectoryPath = Field("k8s", description="Kustomize directory with plain Kubernetes manifests.")
    services: Services = Field(min_length=1, max_length=1000, json_schema_extra=_LABELLED)
    environments: dict[Label, EnvironmentForm] = Field(
        default_factory=dict,
        max_length=100,
        description="Default: production from main, a preview for all others.",
        json_schema_extra=_LABELLED,
    )
    strategies: dict[Label, StrategyForm] = Field(default_factory=dict, max_length=100, json_schema_extra=_LABELLED)


def spec_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the format."""
    schema = _without_nulls(SpecForm.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "colorlane.yaml"}


def _without_nulls(schema: Any) -> Any:
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
        return {key: _without_nulls(value) for key, value in kept.items()}
    return [_without_nulls(item) for item in schema] if isinstance(schema, list) else schema
