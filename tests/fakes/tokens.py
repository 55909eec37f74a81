"""A token service as registries use them: gives tokens signed by a certificate the registry trusts.

Format: distribution's docs/spec/auth/jwt.md, with the certificate in the header (`x5c`).
"""

from __future__ import annotations

import base64
import datetime
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID


class TokenService:
    """Knows one user; `scopes` are those it was asked for."""

    def __init__(self, place: Path, user: str, password: str) -> None:
        self.bundle = place / "token-roots.pem"
        self.scopes: list[str] = []
        self.port = 0
        self._key = rsa.generate_private_key(65537, 2048)
        self._login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def configuration(self) -> dict[str, object]:
        """Return the registry's `auth`."""
        realm = f"http://127.0.0.1:{self.port}/token"
        return {"token": {"realm": realm, "service": "tests", "issuer": "tests", "rootcertbundle": str(self.bundle)}}

    def answer(self, path: str, authorization: str) -> dict[str, str] | None:
        """Return the token for a request; None when the login is wrong."""
        if authorization != self._login:
            return None
        scopes = parse_qs(urlsplit(path).query).get("scope", [])
        self.scopes += scopes
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        return {"token": self._token(access)}

    def _token(self, access: list[dict[str, object]]) -> str:
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {"iss": "tests", "sub": "pusher", "aud": "tests", "exp": now + 300, "nbf": now - 10, "iat": now,
                  "jti": str(now), "access": access}  # fmt: skip
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@contextmanager
def token_service(place: Path, user: str, password: str) -> Iterator[TokenService]:
    """Run a token service on loopback until the end of the block."""
    service = TokenService(place, user, password)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = service.answer(self.path, self.headers.get("Authorization", ""))
            content = json.dumps(token or {"errors": [{"code": "UNAUTHORIZED"}]}).encode()
            self.send_response(200 if token else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
