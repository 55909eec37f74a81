"""`colorlane.yaml` to `Spec`: reads the document, validates it against the format, tells all problems at once. Pure."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from pipelines.errors import InvalidSpec, Problem
from pipelines.specs.document import Node, read_document
from pipelines.specs.format import (
    BUILD_TIMEOUT,
    IMAGE_TIMEOUT,
    TEST_TIMEOUT,
    CommandForm,
    EnvironmentForm,
    ImageForm,
    ServiceForm,
    SpecForm,
    StepForm,
    StrategyForm,
)
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
from pipelines.specs.references import INSTANT, reference_problems, suggestion

SPEC_FILE = "colorlane.yaml"
MAX_PROBLEMS = 50  # more helps nobody; the rest shows after these are mended

_DEFAULT_ENVIRONMENTS = {
    "production": EnvironmentSpec("production", INSTANT, branch="main"),
    "preview": EnvironmentSpec("preview", INSTANT, branches=("*",), auto_stop_in=7 * 86400.0),
}
_WORDS = {
    "missing": ("is missing", "Add it; see docs/pipelines.md"),
    "string_type": ("is not text", "Write text here"),
    "dict_type": ("is not a mapping", "Write `key: value` lines below it"),
    "model_type": ("is not a mapping", "Write `key: value` lines below it"),
    "tuple_type": ("is not a list", "Write `- item` lines below it"),
    "too_long": ("has too many items", "Make it shorter"),
    "too_short": ("is empty", "Add at least one item"),
}

Location = tuple[str | int, ...]


def parse_spec(content: bytes | str, file: str = SPEC_FILE) -> Spec:
    """Return the validated spec. Raises InvalidSpec, and nothing else, whatever the content."""
    root, problems = read_document(content, file)
    if root is None:
        raise InvalidSpec(problems)
    form: SpecForm | None = None
    try:
        form = SpecForm.model_validate(_plain(root))
    except ValidationError as error:
        problems += [_problem(root, file, details) for details in error.errors(include_url=False)]
    problems += reference_problems(root, file)
    if problems or form is None:
        raise InvalidSpec(sorted(problems, key=lambda problem: problem.line)[:MAX_PROBLEMS])
    return _spec(form, dict(_lines(root, "")))


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return node.value


def _lines(node: Node, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            path = f"{prefix}.{key}" if prefix else key
            yield path, node.keys[key]
            yield from _lines(child, path)


def _problem(root: Node, file: str, details: Mapping[str, Any]) -> Problem:
    """Translate one of pydantic's errors: its location gives line and field, its type the words."""
    location = tuple(part for part in details["loc"] if part != "[key]")
    context = details.get("ctx", {})
    if details["type"] == "extra_forbidden":
        message, remedy = "is not a known key", suggestion(str(location[-1]), _known_keys(location[:-1]))
    elif "remedy" in context:
        message, remedy = context["message"], context["remedy"]
    else:
        message, remedy = _WORDS.get(details["type"], (str(details["msg"]), "See docs/pipelines.md"))
    value = details["input"] if isinstance(details["input"], str) else ""
    shown = value if len(value) <= 80 else f"{value[:79]}…"
    message = f"{message}: {shown}" if shown else message
    return Problem(file, _line_at(root, location), _field(location), message, shown, remedy)


def _line_at(root: Node, location: Location) -> int:
    node, line = root, root.line
    for part in location:
        if isinstance(node.value, dict) and part in node.value:
            line, node = node.keys[str(part)], node.value[str(part)]
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.line
        else:
            break
    return line


def _field(location: Location) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:80]}" for part in location)
    return text.lstrip(".")


def _known_keys(location: Location) -> list[str]:
    """Return the keys of the form that stands at `location`, by walking the forms' annotations."""
    current: Any = SpecForm
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = _bare(current.model_fields[str(part)].annotation)
        else:
            current = _bare(typing.get_args(current)[-1 if isinstance(part, str) else 0])
    return list(current.model_fields)


def _bare(annotation: Any) -> Any:
    """Strip Annotated."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _spec(form: SpecForm, lines: Mapping[str, int]) -> Spec:
    environments = {name: _environment(name, item) for name, item in form.environments.items()}
    strategies = {INSTANT: StrategySpec(INSTANT)}
    strategies |= {name: _strategy(name, item) for name, item in form.strategies.items()}
    return Spec(
        entry=form.entry or next(iter(form.services)),
        manifests=form.manifests,
        services={name: _service(name, item) for name, item in form.services.items()},
        environments=environments or dict(_DEFAULT_ENVIRONMENTS),
        strategies=strategies,
        project=form.project or "",
        lines=lines,
    )


def _service(name: str, form: ServiceForm) -> ServiceSpec:
    path = form.path or f"services/{name}"
    own = "**" if path == "." else f"/{path}/**"
    return ServiceSpec(
        name=name,
        path=path,
        watch=(own, *(pattern for pattern in form.watch if pattern != own.lstrip("/"))),
        build=_command(form.build, BUILD_TIMEOUT),
        test=_command(form.test, TEST_TIMEOUT),
        image=_image(form.image),
    )


def _image(form: ImageForm | None) -> ImageSpec | None:
    if form is None:
        return None
    return ImageSpec(
        base=form.base or "",
        dockerfile=form.dockerfile or "",
        target=form.target or "",
        args=form.args or {},
        reference=form.reference or "",
        timeout=form.timeout or IMAGE_TIMEOUT,
    )


def _command(form: CommandForm | None, timeout: float) -> CommandSpec | None:
    return CommandSpec(form.command, form.timeout or timeout) if form else None


def _environment(name: str, form: EnvironmentForm) -> EnvironmentSpec:
    return EnvironmentSpec(
        name=name,
        strategy=form.strategy,
        branch=form.branch or "",
        branches=form.branches or (),
        auto_stop_in=form.auto_stop_in,
        fallback=form.fallback,
    )


def _strategy(name: str, form: StrategyForm) -> StrategySpec:
    gate = GateSpec(
        confidence=form.gate.confidence,
        error_tolerance=form.gate.tolerance.errors,
        latency_tolerance=form.gate.tolerance.latency,
        min_requests=form.gate.minRequests,
        warmup=form.gate.warmup or 0.0,
    )
    return StrategySpec(
        name=name,
        steps=tuple(_step(step) for step in form.steps),
        gate=gate,
        on_inconclusive=form.onInconclusive,
        progress_deadline=form.progressDeadline,
        on_newer=form.onNewer,
    )


def _step(form: StepForm) -> Step:
    if form.setWeight is not None:
        return SetWeight(form.setWeight)
    if form.pause is not None:
        return Pause(form.pause.duration)
    return Analysis(form.analysis.max if form.analysis else 600.0)
