"""Roots: renewed long before their end, the next one trusted long before it signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mesh.errors import Rejected
from mesh.identity.keyring import Keyring, make_root

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def first() -> Keyring:
    return Keyring().renewed(NOW)


def test_the_first_root_lives_ten_years(first: Keyring) -> None:
    (root,) = first.roots
    assert root.certificate.not_valid_after_utc == NOW + timedelta(days=3650)
    assert root.certificate.not_valid_before_utc < NOW
    assert first.signer(NOW) is root


def test_a_young_keyring_stays_as_it_is(first: Keyring) -> None:
    assert first.renewed(NOW + 6 * YEAR) is first


def test_the_next_root_is_trusted_before_it_signs(first: Keyring) -> None:
    seventh = NOW + 7 * YEAR
    second = first.renewed(seventh)
    assert [root.certificate_pem in second.bundle() for root in second.roots] == [True, True]
    assert second.signer(seventh) == first.roots[0]
    assert second.signer(NOW + 9.5 * YEAR) == second.roots[1]
    assert second.renewed(NOW + 8 * YEAR) is second


def test_an_ended_root_is_dropped_and_a_gap_of_decades_is_survived(first: Keyring) -> None:
    second = first.renewed(NOW + 7 * YEAR)
    assert second.renewed(NOW + 11 * YEAR).roots == second.roots[1:]
    (fresh,) = first.renewed(NOW + 50 * YEAR).roots
    assert fresh not in first.roots


def test_a_keyring_reads_back_what_it_wrote(first: Keyring) -> None:
    both = first.renewed(NOW + 7 * YEAR)
    assert Keyring.from_pem(both.to_pem()) == both
    assert b"PRIVATE" not in both.bundle()


@pytest.mark.parametrize("cut", ["nothing", "no key", "wrong key"])
def test_a_spoilt_store_is_refused_with_the_remedy(first: Keyring, cut: str) -> None:
    root, other = first.roots[0], make_root(NOW)
    text = {"nothing": b"x", "no key": root.certificate_pem, "wrong key": root.certificate_pem + other.key_pem}[cut]
    with pytest.raises(Rejected) as refused:
        Keyring.from_pem(text)
    assert "pods must then be restarted" in refused.value.remedy
