"""The spec parser: what a good file becomes, that every problem is told at once, and that nothing else is raised."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import InvalidSpec, Problem
from pipelines.specs import Analysis, CommandSpec, ImageSpec, Pause, SetWeight, Spec, parse_spec

GOOD = """\
project: bookshop
entry: productpage
manifests: k8s
services:
  productpage:
  reviews:
    path: services/reviews
    watch: ["services/reviews/**", "shared/**", "!services/reviews/docs/**"]
    build: {command: "npm ci --omit=dev", timeout: 1h30m}
    test: {command: node --test}
environments:
  production: {branch: main, strategy: canary}
  preview: {branches: ["feature/*", "*"], strategy: instant, auto_stop_in: 7d, fallback: strict}
strategies:
  canary:
    steps:
      - setWeight: 10
      - analysis: {max: 5m}
      - pause: {}
      - pause:
      - pause: {duration: 10s}
      - analysis:
      - setWeight: 100
    gate: {confidence: 99.9%, tolerance: {errors: 2%, latency: 15%}, minRequests: 20, warmup: 5}
    onInconclusive: rollback
    progressDeadline: 60s
    onNewer: queue
"""


def problems(text: str | bytes) -> list[Problem]:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(text)
    return list(caught.value.problems)


def one_problem(text: str | bytes) -> Problem:
    found = problems(text)
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def test_good_file_becomes_a_spec() -> None:
    spec = parse_spec(GOOD)
    assert (spec.project, spec.entry, spec.manifests) == ("bookshop", "productpage", "k8s")
    reviews = spec.services["reviews"]
    assert reviews.watch == ("/services/reviews/**", "shared/**", "!services/reviews/docs/**")
    assert reviews.build == CommandSpec("npm ci --omit=dev", 5400.0)
    assert reviews.test == CommandSpec("node --test", 300.0)
    canary = spec.strategies["canary"]
    assert canary.steps == (
        SetWeight(10), Analysis(300.0), Pause(None), Pause(None), Pause(10.0), Analysis(600.0), SetWeight(100),
    )  # fmt: skip
    assert canary.gate.confidence == pytest.approx(0.999)
    assert canary.gate.error_tolerance == pytest.approx(0.02)
    assert canary.gate.latency_tolerance == pytest.approx(0.15)
    assert (canary.gate.min_requests, canary.gate.warmup) == (20, 5.0)
    assert (canary.on_inconclusive, canary.progress_deadline, canary.on_newer) == ("rollback", 60.0, "queue")
    assert spec.environments["preview"].auto_stop_in == 7 * 86400
    assert spec.environments["preview"].fallback == "strict"
    assert spec.lines["services.reviews.path"] == 7


def test_defaults() -> None:
    spec = parse_spec("services: {shop: {}}")
    assert spec.entry == "shop"
    assert spec.manifests == "k8s"
    assert spec.services["shop"].path == "services/shop"
    assert spec.services["shop"].watch == ("/services/shop/**",)
    assert spec.environments["production"].branch == "main"
    assert spec.strategies["instant"].steps == ()


@pytest.mark.parametrize(
    ("branch", "name"), [("main", "production"), ("feature/x", "preview"), ("alice", "preview"), ("a/b/c", "preview")]
)
def test_environment_for_a_branch(branch: str, name: str) -> None:
    found = parse_spec(GOOD).environment_for(branch)
    assert found is not None
    assert found.name == name


def test_a_branch_nothing_matches_has_no_environment() -> None:
    spec = parse_spec("services: {shop: {}}\nenvironments: {production: {branch: main}}")
    assert spec.environment_for("alice") is None


def test_values_stay_as_written() -> None:
    """YAML 1.1 would read these as false, 90 and a number."""
    spec = parse_spec("services: {shop: {build: {command: true}}}\nenvironments: {production: {branch: no}}")
    assert spec.environments["production"].branch == "no"
    assert spec.services["shop"].build == CommandSpec("true", 600.0)


def test_all_problems_are_told_at_once_with_line_and_field() -> None:
    text = GOOD.replace("entry: productpage", "entry: productpge").replace("setWeight: 10\n", "setWeight: 120\n")
    text = text.replace("manifests:", "manifest:").replace("strategy: canary", "strategy: canry")
    found = {(problem.line, problem.field) for problem in problems(text)}
    assert found == {
        (2, "entry"),
        (3, "manifest"),
        (12, "environments.production.strategy"),
        (17, "strategies.canary.steps[0].setWeight"),
    }


def test_a_problem_names_file_line_field_value_and_remedy() -> None:
    problem = one_problem("services:\n  shop:\n    tets: {command: x}\n")
    assert str(problem) == "colorlane.yaml:3: services.shop.tets: is not a known key. Did you mean test?"
    problem = one_problem("services: {shop: {build: {command: make, timeout: soon}}}")
    assert problem.value == "soon"
    assert "e.g. 90s" in problem.remedy


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("services: {a: {path: ../x}}", "services.a.path", "not a path inside"),
        ("services: {a: {path: /etc}}", "services.a.path", "not a path inside"),
        ("services: {a: {path: .git/x}}", "services.a.path", "not a path inside"),
        ("services: {A_b: {}}", "services.A_b", "not a name"),
        ("services: {a--b: {}}", "services.a--b", "two hyphens"),
        ("services: {}", "services", "is empty"),
        ("entry: a", "services", "is missing"),
        ("services: {a: {build: {timeout: 5m}}}", "services.a.build.command", "is missing"),
        ("services: {a: {build: make}}", "services.a.build", "not a mapping"),
        ("services: {a: {build: {command: x, timeout: 0s}}}", "services.a.build.timeout", "not a usable duration"),
        ("services: {a: {build: {command: x, timeout: 400d}}}", "services.a.build.timeout", "not a usable duration"),
        ("services: {a: {watch: x}}", "services.a.watch", "not a list"),
        ("services: {a: {watch: ['*a*a*a*a*a*a*a']}}", "services.a.watch[0]", "wildcards"),
        ("services: {a: {}, b: {}}", "entry", "is missing"),
        ("services: {a: {}}\nenvironments: {preview: {branch: x}}", "environments.production", "is missing"),
        ("services: {a: {}}\nenvironments: {production: {}}", "environments.production", "needs either"),
        (
            "services: {a: {}}\nenvironments: {production: {branch: m}, staging: {branch: m}}",
            "environments.staging.branch",
            "has the branch of production",
        ),
        (
            "services: {a: {}}\nstrategies: {c: {steps: [{pause: {}, setWeight: 1}]}}",
            "strategies.c.steps[0]",
            "not one",
        ),
        ("services: {a: {}}\nstrategies: {c: {steps: [{setWeight: 1.5}]}}", "strategies.c.steps[0].setWeight", "whole"),
        ("services: {a: {}}\nstrategies: {c: {gate: {confidence: 99}}}", "strategies.c.gate.confidence", "percentage"),
        ("services: {a: {}}\nstrategies: {c: {onNewer: foo}}", "strategies.c.onNewer", "not one of"),
    ],
)
def test_what_is_refused(text: str, field: str, words: str) -> None:
    problem = next(problem for problem in problems(text) if problem.field == field)
    assert words in problem.message
    assert problem.remedy
    assert problem.line >= 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: [", "not valid YAML"),
        (b'a: "\\UFFFFFFFF"', "not valid YAML"),
        (b"- a", "not a mapping"),
        (b"services: {a: {}}\n---\nx: 1", "more than one document"),
        (b"services: !!python/object:os.system {a: {}}", "YAML tag"),
        (b"x: &a [*a]", "refers to itself"),
        (b"? [a]\n: b", "not plain text"),
        (b"x: " + b"[" * 40 + b"]" * 40, "nested deeper"),
        (b"#" * 300_000, "the limit is"),
    ],
)
def test_what_cannot_be_read(content: bytes, words: str) -> None:
    assert words in one_problem(content).message


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert "aliases expanded" in one_problem("l0: &l0 [x]\n" + levels).message


def test_aliases_are_welcome() -> None:
    spec = parse_spec("services: {a: {build: &b {command: make}}, c: {build: *b}}\nentry: a")
    assert spec.services["a"].build == spec.services["c"].build


def test_a_key_given_twice_is_refused() -> None:
    problem = one_problem("services: {a: {}}\nmanifests: x\nmanifests: y\n")
    assert (problem.line, problem.message) == (3, "is given twice, first on line 2")


def parses_or_refuses(content: bytes | str) -> None:
    try:
        found: object = parse_spec(content)
    except InvalidSpec as refused:
        found = refused.problems
    assert isinstance(found, Spec) or found


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(content: bytes) -> None:
    parses_or_refuses(content)


@given(st.text(max_size=200))
def test_any_text_parses_or_is_refused(content: str) -> None:
    parses_or_refuses(content)


SERVICE_WORDS = ["services", "a", "path", "watch", "build", "command", "timeout", "entry", "**", "é", ""]
ENVIRONMENT_WORDS = ["environments", "production", "branch", "branches", "strategy", "auto_stop_in"]
STRATEGY_WORDS = ["strategies", "steps", "setWeight", "pause", "duration", "analysis", "gate", "10m", "7", "99%"]
WORDS = st.sampled_from(SERVICE_WORDS + ENVIRONMENT_WORDS + STRATEGY_WORDS)
TREES = st.recursive(
    st.one_of(WORDS, st.none(), st.integers(), st.floats(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=30,
)


@given(st.dictionaries(WORDS, TREES, max_size=6))
@settings(max_examples=200)
def test_any_document_parses_or_is_refused(document: dict[str, object]) -> None:
    parses_or_refuses(yaml.safe_dump(document, allow_unicode=True))


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_good_file_parses_or_is_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 20)))
    parses_or_refuses(GOOD[:start] + data.draw(st.text(max_size=10)) + GOOD[end:])


def test_the_sample_is_valid() -> None:
    sample = Path(__file__).parents[4] / "samples" / "bookshop" / "colorlane.yaml"
    spec = parse_spec(sample.read_bytes())
    assert set(spec.services) == {"productpage", "details", "reviews", "ratings"}
    assert Pause(None) in spec.strategies["canary"].steps


DIGEST = f"sha256:{'a1' * 32}"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ('{base: "python:3.12-slim"}', ImageSpec(base="python:3.12-slim")),
        (f'{{base: "localhost:5000/a__b/c-d@{DIGEST}"}}', ImageSpec(base=f"localhost:5000/a__b/c-d@{DIGEST}")),
        ("{base: scratch}", ImageSpec(base="scratch")),
        (
            '{dockerfile: docker/Dockerfile, target: run, args: {A: "1", B: }}',
            ImageSpec(dockerfile="docker/Dockerfile", target="run", args={"A": "1", "B": ""}),
        ),
        (f'{{reference: "r.io/x:1@{DIGEST}"}}', ImageSpec(reference=f"r.io/x:1@{DIGEST}")),
    ],
)
def test_an_image_comes_from_one_source(text: str, image: ImageSpec) -> None:
    assert parse_spec(f"services: {{a: {{image: {text}}}}}").services["a"].image == image


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("{}", "image", "needs one of"),
        ('{base: x, reference: "y@sha256:1"}', "image.reference", "is not the name of an image"),
        ("{base: x, dockerfile: Dockerfile}", "image", "needs one of"),
        ('{reference: "r.io/x:1"}', "image.reference", "has no digest"),
        ("{base: Upper}", "image.base", "is not the name of an image"),
        ("{base: scratch, target: x}", "image", "without `dockerfile`"),
        ("{dockerfile: ../x}", "image.dockerfile", "is not a path"),
        ("{dockerfile: D, args: {a-b: 1}}", "image.args.a-b", "is not the name of a build argument"),
    ],
)
def test_an_image_that_cannot_be_made_is_refused(text: str, field: str, message: str) -> None:
    problem = one_problem(f"services: {{a: {{image: {text}}}}}")
    assert problem.field == f"services.a.{field}"
    assert message in problem.message
    assert problem.remedy
