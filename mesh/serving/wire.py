"""Wire form of the discovery messages: requests parsed once, responses put together from shared bytes. Pure.

A response is a concatenation of protobuf fields, so resources that were serialised once go out to all proxies without
being built again.
"""

from __future__ import annotations

from typing import Any

from mesh.model.proxies import Proxy, read_proxy
from mesh.protos import message
from mesh.serving.exchange import Request, Response

_RESOURCE, _TYPE_URL, _NONCE, _REMOVED = 2, 4, 5, 6  # fields of DeltaDiscoveryResponse


def parse_request(content: bytes) -> Any:
    """Parse a DeltaDiscoveryRequest."""
    return message("envoy.service.discovery.v3.DeltaDiscoveryRequest").FromString(content)


def read_request(parsed: Any) -> Request:
    """Take what the protocol needs out of a parsed request."""
    return Request(
        type_url=parsed.type_url,
        subscribe=tuple(parsed.resource_names_subscribe),
        unsubscribe=tuple(parsed.resource_names_unsubscribe),
        initial_versions=dict(parsed.initial_resource_versions),
        nonce=parsed.response_nonce,
        error=parsed.error_detail.message if parsed.HasField("error_detail") else None,
    )


def read_node(parsed: Any) -> Proxy:
    """Read the proxy off the first request of a stream. Raises `Rejected` when it was not started by us."""
    return read_proxy(parsed.node.id, _plain(parsed.node.metadata))


def _plain(struct: Any) -> dict[str, Any]:
    return {name: _value(value) for name, value in struct.fields.items()}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _plain(value.struct_value)
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def write_response(response: Response) -> bytes:
    """Serialise a DeltaDiscoveryResponse."""
    fields = [_field(_RESOURCE, resource) for resource in response.resources]
    fields.append(_field(_TYPE_URL, response.type_url.encode()))
    fields.append(_field(_NONCE, response.nonce.encode()))
    fields += [_field(_REMOVED, name.encode()) for name in response.removed]
    return b"".join(fields)


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
