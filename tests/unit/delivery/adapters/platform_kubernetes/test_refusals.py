"""What a refusal of the API server means, and what to do about it."""

from __future__ import annotations

import pytest

from delivery.adapters.platform_kubernetes.refusals import Refused, explained
from delivery.errors import ColorlaneError, Rejected, Transient


def refusal(code: int, message: str = "no", *causes: dict[str, str], retry_after: str = "") -> Refused:
    return Refused(code, {"message": message, "reason": "X", "details": {"causes": list(causes)}}, retry_after)


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (refusal(401), Transient),
        (refusal(429), Transient),
        (refusal(500, "etcdserver: leader changed"), Transient),
        (refusal(500, "failed to create typed patch object (...): .spec.foo: field not declared in schema"), Rejected),
        (refusal(503), Transient),
        (refusal(403, "x is being terminated", {"reason": "NamespaceTerminating"}), Transient),
        (refusal(404), Rejected),
        (refusal(409), Transient),
        (refusal(422), Rejected),
    ],
)
def test_kinds(refused: Refused, kind: type[ColorlaneError]) -> None:
    assert type(explained(refused, "Deployment/x in shop")) is kind


def test_a_busy_server_says_when_to_come_back() -> None:
    error = explained(refusal(429, retry_after="7"), "x")
    assert isinstance(error, Transient)
    assert error.retry_after == 7.0


RIGHTS = (
    'User "system:serviceaccount:c:worker" cannot patch resource "deployments" in API group "apps" in the namespace "s"'
)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (RIGHTS, "grant patch on apps/deployments to system:serviceaccount:c:worker"),
        ('User "u" cannot get resource "pods" in API group "" in the namespace "s"', "grant get on pods to u"),
        ("exceeded quota: small, requested: pods=1", "raise the quota"),
        ('violates PodSecurity "restricted:latest"', "policy"),
    ],
)
def test_403_says_what_to_do(message: str, words: str) -> None:
    error = explained(refusal(403, message), "Deployment/x in shop")
    assert isinstance(error, Rejected)
    assert words in error.remedy


def test_an_immutable_field_is_named() -> None:
    cause = {
        "reason": "FieldValueInvalid",
        "field": "spec.selector",
        "message": "Invalid value: {}: field is immutable",
    }
    error = explained(refusal(422, "long", cause), "Deployment/x in shop")
    assert isinstance(error, Rejected)
    assert error.field == "spec.selector"
    assert error.message == "Deployment/x in shop: spec.selector: Invalid value: {}: field is immutable"
    assert "another name" in error.remedy


def test_another_managers_field_is_no_stale_read() -> None:
    taken = refusal(
        409, "conflict", {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": 'with "hpa"'}
    )
    assert [cause.field for cause in taken.taken] == [".spec.replicas"]
    assert not taken.moved
    assert refusal(409).moved
    assert refusal(422, "x", {"field": "metadata.uid", "message": "immutable"}).moved
