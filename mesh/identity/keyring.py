"""Keyring: the roots of the mesh's authority, which of them signs, and when the next one is made. Pure but for chance.

Two or more roots overlap, so that no root's end takes the mesh down: the next one is made after two thirds of the
newest one's life and handed out with the bundle at once, but signs only when the older one is about to end. Who trusts
the bundle of any moment in between trusts both. Neighbours: authority (keeps it), serving (has certificates signed).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mesh.errors import Rejected

ROOT_LIFETIME = timedelta(days=3650)
BACKDATED = timedelta(hours=1)
"""Certificates count from this long before they are made: clocks of nodes differ."""
LAST_TENTH = 0.9
RENEW_AFTER = 2 / 3

_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n?", re.DOTALL)


@dataclass(frozen=True)
class Root:
    """A self-signed certificate and its key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The parsed certificate."""
        return x509.load_pem_x509_certificate(self.certificate_pem)

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The parsed key. Raises Rejected for one of another kind than ours."""
        key = serialization.load_pem_private_key(self.key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Rejected("the authority's key is not an elliptic-curve key", field="roots.pem", remedy="remove it")
        return key

    def at(self, share: float) -> datetime:
        """Return the moment at which this share (0 to 1) of the life is over."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return begin + (end - begin) * share


@dataclass(frozen=True)
class Keyring:
    """All roots that anyone may still meet, oldest first; never empty once made by `renewed`."""

    roots: tuple[Root, ...] = ()

    def signer(self, now: datetime) -> Root:
        """Return the root that signs: the oldest that is not in the last tenth of its life, else the newest."""
        return next((root for root in self.roots if now < root.at(LAST_TENTH)), self.roots[-1])

    def bundle(self) -> bytes:
        """Return the certificates to trust, as PEM."""
        return b"".join(root.certificate_pem for root in self.roots)

    def renewed(self, now: datetime, *, lifetime: timedelta = ROOT_LIFETIME) -> Keyring:
        """Return the keyring as it should be now: itself, or without what has ended and with the next root."""
        kept = tuple(root for root in self.roots if now < root.at(1))
        if not kept or now >= kept[-1].at(RENEW_AFTER):
            kept = (*kept, make_root(now, lifetime=lifetime))
        return self if kept == self.roots else Keyring(kept)

    def to_pem(self) -> bytes:
        """Return certificates and keys in one text; secret."""
        return b"".join(root.certificate_pem + root.key_pem for root in self.roots)

    @classmethod
    def from_pem(cls, text: bytes) -> Keyring:
        """Read what `to_pem` wrote. Raises Rejected where it is something else."""
        parts = [(match[1].decode(), match[0].rstrip(b"\n") + b"\n") for match in _PEM.finditer(text)]
        certificates = [pem for kind, pem in parts if kind == "CERTIFICATE"]
        keys = [pem for kind, pem in parts if kind.endswith("PRIVATE KEY")]
        try:
            roots = tuple(Root(*pair) for pair in zip(certificates, keys, strict=True))
            if not roots or any(root.certificate.public_key() != root.key.public_key() for root in roots):
                raise ValueError("certificates and keys do not belong together")
        except (TypeError, ValueError) as error:
            raise Rejected(
                f"the authority's store does not hold certificates with their keys: {error}",
                field="roots.pem",
                remedy="put back what was there, or delete it: new roots are made, and pods must then be restarted",
            ) from error
        return cls(tuple(sorted(roots, key=lambda root: root.certificate.not_valid_before_utc)))


def make_root(now: datetime, *, lifetime: timedelta = ROOT_LIFETIME) -> Root:
    """Make a new ECDSA P-256 root whose subject tells its day, so that people can tell two apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "colorlane"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"colorlane mesh {now:%Y-%m-%d}"),
        ]
    )
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Root(certificate.public_bytes(serialization.Encoding.PEM), key_text(key))


def key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM, not encrypted."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain)
