"""A certificate is replaced while its server runs: the next handshake sees the new one, nothing is cut."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import grpc
from cryptography import x509

from mesh.identity import Keyring, ServingCertificate, grpc_credentials, ssl_context


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC) - timedelta(hours=17)  # clients have a clock of their own

    def __call__(self) -> datetime:
        return self.now


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number


async def test_https_takes_a_renewed_certificate_without_cutting_connections() -> None:
    clock = Clock()
    ring = Keyring().renewed(clock.now)
    serving = ServingCertificate(lambda: ring, ["localhost"], clock=clock)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=ssl_context(serving))
    port = server.sockets[0].getsockname()[1]
    trust = ssl.create_default_context(cadata=ring.bundle().decode())

    async def connect() -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).serial_number, reader, writer

    first, reader, writer = await connect()
    assert first == serial(serving.current().cert_pem)
    clock.now += timedelta(hours=17)
    second, _, other = await connect()
    assert second == serial(serving.current().cert_pem) != first
    writer.write(b"still here\n")
    assert await reader.readline() == b"still here\n"
    for each in (writer, other):
        each.close()
    server.close()


async def test_grpc_takes_a_renewed_certificate() -> None:
    clock = Clock()
    ring = Keyring().renewed(clock.now)
    serving = ServingCertificate(lambda: ring, ["localhost"], clock=clock)
    server = grpc.aio.server()

    async def answer(_request: bytes, _context: object) -> bytes:
        return b"yes"

    method = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Ask": method}),))
    port = server.add_secure_port("127.0.0.1:0", grpc_credentials(serving))
    await server.start()
    seen = []
    for _ in range(2):
        channel = grpc.aio.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(ring.bundle()))
        async with channel:
            assert await channel.unary_unary("/test/Ask")(b"", timeout=10) == b"yes"
        shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
        assert serial(shown.encode()) == serial(serving.current().cert_pem)
        seen.append(shown)
        clock.now += timedelta(hours=17)
    assert seen[0] != seen[1]
    await server.stop(0)
