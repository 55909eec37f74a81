"""TLS servers that show the certificate of the moment: for gRPC, and for whatever takes an `ssl.SSLContext`.

Both ask at each handshake, so a renewal needs no timer, no restart and cuts no connection. Neighbour: serving.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from mesh.identity.serving import Issued, ServingCertificate


def grpc_credentials(serving: ServingCertificate) -> grpc.ServerCredentials:
    """Return credentials for `add_secure_port`, of the sync server and of grpc.aio. Clients show no certificate."""

    def configuration() -> grpc.ServerCertificateConfiguration:
        issued = serving.current()
        return grpc.ssl_server_certificate_configuration([(issued.key_pem, issued.cert_pem)])

    return grpc.dynamic_ssl_server_credentials(configuration(), configuration)


def ssl_context(serving: ServingCertificate, *, alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """Return a server's context that replaces itself at each handshake after a renewal."""
    latest = serving.current()
    context = _context(latest, alpn)

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _outer: ssl.SSLContext) -> None:
        nonlocal latest, context
        issued = serving.current()
        if issued is not latest:
            latest, context = issued, _context(issued, alpn)
        connection.context = context

    outer = _context(latest, alpn)
    outer.sni_callback = choose  # called for clients that send no name, too
    return outer


def _context(issued: Issued, alpn: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn))
    with _as_file(issued.cert_pem + issued.key_pem) as path:
        context.load_cert_chain(path)
    return context


@contextmanager
def _as_file(text: bytes) -> Iterator[str]:
    """The ssl module reads keys from files only: one in memory where the system has that (read-only file systems)."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as file:  # mode 0600
        file.write(text)
        file.flush()
        yield file.name
