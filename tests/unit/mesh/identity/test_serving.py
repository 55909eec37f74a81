"""Serving certificates: names, renewal at two thirds of their life, and chains that the standard verifier accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509 import verification

from mesh.identity.keyring import Keyring
from mesh.identity.serving import ServingCertificate, issue, mesh_names

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = mesh_names("colorlane-mesh", "colorlane")


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_names_of_the_mesh() -> None:
    assert NAMES[0] == "colorlane-mesh.colorlane.svc"
    assert "colorlane-mesh.colorlane.svc.cluster.local" in NAMES


def test_the_bundle_verifies_the_certificate_for_each_name() -> None:
    ring = Keyring().renewed(NOW)
    issued = issue(ring, NAMES, NOW)
    leaf = x509.load_pem_x509_certificate(issued.cert_pem)
    store = verification.Store(x509.load_pem_x509_certificates(issued.bundle_pem))
    for name in NAMES[:4]:
        verifier = verification.PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(name))
        assert verifier.verify(leaf, [])[0] == leaf
    assert issued.expires == NOW + timedelta(hours=24)


def test_it_renews_itself_at_two_thirds_of_its_life() -> None:
    clock, ring = Clock(), Keyring().renewed(NOW)
    serving = ServingCertificate(lambda: ring, NAMES, clock=clock)
    first = serving.current()
    clock.now = NOW + timedelta(hours=15, minutes=59)
    assert serving.current() is first
    clock.now = NOW + timedelta(hours=16)
    second = serving.current()
    assert second.cert_pem != first.cert_pem
    assert second.expires == NOW + timedelta(hours=40)
    assert second.bundle_pem == first.bundle_pem


def test_new_roots_are_taken_over_at_once_and_old_ones_still_sign() -> None:
    rings = [Keyring().renewed(NOW)]
    serving = ServingCertificate(lambda: rings[-1], NAMES, clock=Clock())
    first = serving.current()
    rings.append(rings[0].renewed(NOW + timedelta(days=2600)))
    assert serving.current().bundle_pem != first.bundle_pem
    assert first.bundle_pem in serving.current().bundle_pem


def test_a_certificate_never_outlives_its_root() -> None:
    ring = Keyring().renewed(NOW, lifetime=timedelta(hours=3))
    assert issue(ring, ["a"], NOW).expires == NOW + timedelta(hours=3)


def test_long_names_fit() -> None:
    name = "a" * 60 + ".colorlane.svc"
    issued = issue(Keyring().renewed(NOW), [name], NOW)
    names = x509.load_pem_x509_certificate(issued.cert_pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == [name]
