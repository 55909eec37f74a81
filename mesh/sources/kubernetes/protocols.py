"""Protocols: what a Service port speaks, as its Service says or its name and number suggest. Pure.

`appProtocol` comes first (KEP-3726 names), then the port's name up to the first `-`, as Istio and Linkerd read it, then
a few numbers whose protocols begin with the server's words. What nobody names is HTTP.
"""

from __future__ import annotations

from typing import Final

HTTP, HTTP2, GRPC, TCP = "http", "http2", "grpc", "tcp"

_WORDS: Final = {
    "http": HTTP,
    "kubernetes.io/ws": HTTP,
    "ws": HTTP,
    "http2": HTTP2,
    "h2c": HTTP2,
    "kubernetes.io/h2c": HTTP2,
    "grpc": GRPC,
    **dict.fromkeys(
        ("tcp", "tls", "https", "kubernetes.io/wss", "wss", "redis", "mysql", "postgres", "postgresql", "mongo"), TCP
    ),
    **dict.fromkeys(("mongodb", "kafka", "amqp", "mqtt", "nats", "memcached", "zookeeper", "etcd", "smtp", "ssh"), TCP),
}
_NUMBERS: Final = frozenset({22, 25, 443, 587, 1433, 2181, 3306, 4222, 5432, 5672, 6379, 8443, 9092, 11211, 27017})


def protocol(app_protocol: str, name: str, number: int) -> str:
    """Return http, http2, grpc or tcp."""
    said = _WORDS.get(app_protocol.lower()) if app_protocol else None
    named = _WORDS.get(name.lower().partition("-")[0]) if name else None
    return said or named or (TCP if number in _NUMBERS else HTTP)
