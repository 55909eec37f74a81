"""A mesh behind its door: TLS with a certificate of a real authority, it has nothing, and writes down who came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from mesh.identity import ServingCertificate, grpc_credentials
from mesh.protos import message

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METRICS = "opentelemetry.proto.collector.metrics.v1.MetricsService"


class FakeMesh:
    """`streams`, `exports`: the `authorization` of each stream and each export; `nodes`: the nodes of the streams."""

    def __init__(self, serving: ServingCertificate) -> None:
        self.streams: list[str] = []
        self.exports: list[str] = []
        self.nodes: list[Any] = []
        self.cut = asyncio.Event()
        self._server = grpc.aio.server()
        ads = grpc.stream_stream_rpc_method_handler(self._discover)
        export = grpc.unary_unary_rpc_method_handler(self._export)
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(ADS, {"DeltaAggregatedResources": ads}),
                grpc.method_handlers_generic_handler(METRICS, {"Export": export}),
            )
        )
        self.port = self._server.add_secure_port("127.0.0.1:0", grpc_credentials(serving))

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)

    async def cut_streams(self) -> None:
        """End all streams; proxies come again."""
        self.cut.set()
        self.cut = asyncio.Event()

    async def _discover(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        self.streams.append(authorization(context))
        cut, asked, nonce = asyncio.ensure_future(self.cut.wait()), set(), 0
        while True:
            reading = asyncio.ensure_future(anext(requests, b""))
            await asyncio.wait({reading, cut}, return_when=asyncio.FIRST_COMPLETED)
            if cut.done() or not reading.result():
                reading.cancel()
                await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
            request = message("envoy.service.discovery.v3.DeltaDiscoveryRequest").FromString(reading.result())
            if request.HasField("node"):
                self.nodes.append(request.node)
            if request.type_url not in asked:  # the first of its type; what follows are ACKs
                asked.add(request.type_url)
                nonce += 1
                answer = message("envoy.service.discovery.v3.DeltaDiscoveryResponse")()
                answer.type_url, answer.nonce = request.type_url, str(nonce)
                answer.removed_resources.extend(request.resource_names_subscribe)
                yield answer.SerializeToString()

    async def _export(self, _request: bytes, context: Any) -> bytes:
        self.exports.append(authorization(context))
        return b""


def authorization(context: Any) -> str:
    return dict(context.invocation_metadata()).get("authorization", "")
