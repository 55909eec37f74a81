"""Serving certificates: what the mesh's servers show, signed by its own authority, replaced long before they end.

Whoever shows a certificate asks `current()` at each handshake; renewing costs less than a millisecond there, so there
is no timer that could fail to run. Neighbours: keyring (signs), tls (asks).
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.identity.keyring import BACKDATED, RENEW_AFTER, Keyring, Root, key_text

LIFETIME = timedelta(hours=24)
LONGEST_COMMON_NAME = 64  # X.520's upper bound

log = structlog.get_logger("mesh.identity")


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and the roots to trust, all PEM; `renew_at` is when the next one is made."""

    cert_pem: bytes
    key_pem: bytes
    bundle_pem: bytes
    expires: datetime
    renew_at: datetime


def mesh_names(service: str, namespace: str, *, cluster_domain: str = "cluster.local") -> tuple[str, ...]:
    """Return the names under which a Service of the mesh is asked for, the one that proxies use first."""
    inside = f"{service}.{namespace}.svc"
    return (inside, f"{inside}.{cluster_domain}", f"{service}.{namespace}", service, "localhost", "127.0.0.1", "::1")


class ServingCertificate:
    """The certificate of one server as of now; safe to ask from any thread.

    `keyring` gives the authority's roots as they are now; `names` are DNS names and IP addresses.
    """

    def __init__(
        self,
        keyring: Callable[[], Keyring],
        names: Sequence[str],
        *,
        lifetime: timedelta = LIFETIME,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keyring = keyring
        self._names = tuple(names)
        self._lifetime = lifetime
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: Issued | None = None
        self._ring: Keyring | None = None

    def current(self) -> Issued:
        """Return the certificate to show now; a new one after two thirds of the last one's life or with new roots."""
        with self._lock:
            now, ring = self._clock(), self._keyring()
            if self._issued is None or now >= self._issued.renew_at or ring != self._ring:
                self._issued, self._ring = issue(ring, self._names, now, self._lifetime), ring
                log.info("certificate issued", name=self._names[0], expires=self._issued.expires.isoformat())
            return self._issued


def issue(ring: Keyring, names: Sequence[str], now: datetime, lifetime: timedelta = LIFETIME) -> Issued:
    """Have the keyring's signer make a server's certificate for these names; it never outlives its root."""
    root = ring.signer(now)
    key = ec.generate_private_key(ec.SECP256R1())
    expires = min(now + lifetime, root.certificate.not_valid_after_utc)
    certificate = _builder(root, names, key, now, expires).sign(root.key, hashes.SHA256())
    return Issued(
        certificate.public_bytes(serialization.Encoding.PEM),
        key_text(key),
        ring.bundle(),
        expires,
        now + (expires - now) * RENEW_AFTER,
    )


def _builder(
    root: Root, names: Sequence[str], key: ec.EllipticCurvePrivateKey, now: datetime, expires: datetime
) -> x509.CertificateBuilder:
    # What clients check are the alternative names; the common name is for people, and has no room for long ones.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:LONGEST_COMMON_NAME])])
    signer_key = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - BACKDATED, root.certificate.not_valid_before_utc))
        .not_valid_after(expires)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer_key), critical=False)
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
