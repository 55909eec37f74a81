"""Certificates and kubeconfig files of a test cluster: one authority, and what it signs for servers and users."""

from __future__ import annotations

import datetime
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=2)  # of a cluster that lives for one test run, or for a day at a developer's desk
SIGNING = x509.KeyUsage(  # what an authority's key may do; Python >= 3.13 refuses an authority that does not say so
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
SERVICE_ADDRESS = "10.96.0.1"  # the first of the Service range: how pods reach the API server


@dataclass(frozen=True)
class KeyPair:
    """The files of a certificate and of its private key, PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs for servers and users; `folder` keeps all files, readable by the owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("colorlane-test-authority", [])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = _unsigned(self._name, self._key.public_key()).add_extension(constraints, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        certificate = certificate.add_extension(identifier, critical=False).add_extension(SIGNING, critical=True)
        self.pair = self._write("ca", certificate, self._key)

    def server(self, name: str, *more_addresses: str) -> KeyPair:
        """Sign for a server on the loopback, known in the cluster as `kubernetes`."""
        hosts = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", name]
        addresses = ["127.0.0.1", "::1", SERVICE_ADDRESS, *more_addresses]
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in dict.fromkeys(addresses)]
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _unsigned(_name(name, []), key.public_key()).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        return self._sign(name, certificate, key, ExtendedKeyUsageOID.SERVER_AUTH)

    def user(self, name: str, groups: list[str]) -> KeyPair:
        """Sign for a user: the API server reads the user from CN and the groups from O."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(name, _unsigned(_name(name, groups), key.public_key()), key, ExtendedKeyUsageOID.CLIENT_AUTH)

    def token_key(self, name: str) -> Path:
        """Write a key pair for signing service account tokens; the API server takes the public half from it too."""
        return _write_key(self._folder / f"{name}.key", rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def _sign(
        self, name: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, usage: x509.ObjectIdentifier
    ) -> KeyPair:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        issued = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return self._write(name.replace(":", "-"), issued.add_extension(issuer, critical=False), key)

    def _write(self, name: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> KeyPair:
        certificate = self._folder / f"{name}.crt"
        signed = builder.issuer_name(self._name).sign(self._key, hashes.SHA256())
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return KeyPair(certificate, _write_key(self._folder / f"{name}.key", key))


def _name(common: str, organizations: list[str]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _unsigned(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return path


def write_kubeconfig(path: Path, url: str, authority: Path | str, user: dict[str, str]) -> Path:
    """Write a kubeconfig of one context. `authority`: a file, or base64 data; `user`: the fields of its user entry."""
    trust = {"certificate-authority" if isinstance(authority, Path) else "certificate-authority-data": str(authority)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, **trust}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1))  # JSON is YAML; every reader of kubeconfig takes it
    return path


def certificate_user(pair: KeyPair) -> dict[str, str]:
    """Return the user entry of a kubeconfig that shows a client certificate."""
    return {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
