"""Codec: frozen dataclasses <-> JSON-able values, driven by their annotations. Pure; used by stores and APIs.

Rules, so that what is stored can be read by eye and by later versions:

- a dataclass is an object with its fields' names; a field that is missing takes its default, an unknown one is an
  error (state written by a newer version is never dropped in silence);
- a union of dataclasses carries the class name under `"kind"`;
- enums are their values, tuples and sequences are lists, bytes are base64, a float that JSON has no number for is the
  string `"inf"`, `"-inf"` or `"nan"`;
- `Any` and `Mapping[str, Any]` are taken as they are and must be JSON-able already.
"""

from __future__ import annotations

import base64
import math
import types
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from delivery.errors import Broken

T = TypeVar("T")

KIND = "kind"


def encode(value: Any) -> Any:
    """Return the JSON-able form of a noun (or of a value in one). Raises Broken for a type that has none."""
    return _encode(value, tagged=False)


def decode(cls: type[T], data: Any) -> T:
    """Return the `cls` that `encode` made `data` from. Raises Broken naming the field that does not fit."""
    return cast(T, _decode(cls, data, cls.__name__))


def _encode(value: Any, *, tagged: bool) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if is_dataclass(value) and not isinstance(value, type):
        return _encode_dataclass(value, tagged=tagged)
    if isinstance(value, Mapping):
        return {str(key): _encode(item, tagged=False) for key, item in value.items()}
    if isinstance(value, Sequence | frozenset):
        items = sorted(value) if isinstance(value, frozenset) else value
        return [_encode(item, tagged=False) for item in items]
    raise Broken(f"cannot encode {type(value).__name__}: give it a rule in delivery.codec")


def _encode_dataclass(value: Any, *, tagged: bool) -> dict[str, Any]:
    cls: Any = type(value)
    hints = _hints(cls)
    encoded: dict[str, Any] = {KIND: cls.__name__} if tagged else {}
    for each in fields(value):
        encoded[each.name] = _encode_field(getattr(value, each.name), hints[each.name])
    return encoded


def _encode_field(value: Any, hint: Any) -> Any:
    """Encode by the annotation, which alone knows whether a dataclass stands in a union."""
    if is_dataclass(value) and not isinstance(value, type):
        return _encode_dataclass(value, tagged=_tagged(hint))
    if get_origin(hint) in (tuple, Sequence) and isinstance(value, Sequence):
        item = _item_hints(hint, len(value))
        return [_encode_field(each, item[index]) for index, each in enumerate(value)]
    if get_origin(hint) is Mapping and isinstance(value, Mapping):
        inner = get_args(hint)[1]
        return {str(key): _encode_field(each, inner) for key, each in value.items()}
    return _encode(value, tagged=False)


def _decode(hint: Any, data: Any, where: str) -> Any:
    if hint is Any:
        return data
    if _is_union(hint):
        return _decode_union(hint, data, where)
    origin = get_origin(hint)
    if origin in (tuple, Sequence):
        if not isinstance(data, list):
            raise Broken(f"{where}: a list is wanted, got {type(data).__name__}")
        inner = _item_hints(hint, len(data))
        return tuple(_decode(inner[index], each, f"{where}[{index}]") for index, each in enumerate(data))
    if origin in (Mapping, dict):
        if not isinstance(data, dict):
            raise Broken(f"{where}: an object is wanted, got {type(data).__name__}")
        value_hint = get_args(hint)[1]
        return {key: _decode(value_hint, each, f"{where}.{key}") for key, each in data.items()}
    if _is_noun(hint):
        return _decode_dataclass(hint, data, where)
    return _decode_scalar(hint, data, where)


def _decode_scalar(hint: Any, data: Any, where: str) -> Any:
    try:
        if hint is type(None):
            if data is not None:
                raise ValueError("null is wanted")
            return None
        if isinstance(hint, type) and issubclass(hint, Enum):
            return hint(data)
        if hint is bytes:
            return base64.b64decode(data, validate=True)
        if hint is float and (isinstance(data, int | float | str) and not isinstance(data, bool)):
            return float(data)
        if hint is int and isinstance(data, bool):
            raise ValueError("a number is wanted")
        if hint in (int, str, bool) and isinstance(data, hint):
            return data
    except (ValueError, TypeError) as error:
        raise Broken(f"{where}: {error}") from error
    raise Broken(f"{where}: {getattr(hint, '__name__', hint)} is wanted, got {data!r}")


def _decode_dataclass(cls: type, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise Broken(f"{where}: an object is wanted, got {type(data).__name__}")
    hints = _hints(cls)
    known = {each.name: each for each in fields(cls)}
    unknown = sorted(data.keys() - known.keys() - {KIND})
    if unknown:
        raise Broken(f"{where}: unknown fields {', '.join(unknown)}: written by a newer version of Colorlane?")
    values: dict[str, Any] = {}
    for name, each in known.items():
        if name in data:
            values[name] = _decode(hints[name], data[name], f"{where}.{name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise Broken(f"{where}.{name}: missing")
    return cls(**values)


def _decode_union(hint: Any, data: Any, where: str) -> Any:
    choices = get_args(hint)
    if data is None and type(None) in choices:
        return None
    classes: dict[str, type] = {choice.__name__: choice for choice in choices if _is_noun(choice)}
    if len(classes) > 1:
        kind = data.get(KIND) if isinstance(data, dict) else None
        if kind not in classes:
            raise Broken(f"{where}.kind: {kind!r} is none of {', '.join(sorted(classes))}")
        return _decode_dataclass(classes[kind], data, where)
    plain = [choice for choice in choices if choice is not type(None)]
    for choice in plain[:-1]:
        try:
            return _decode(choice, data, where)
        except Broken:
            continue
    return _decode(plain[-1], data, where)


def _is_noun(hint: Any) -> bool:
    return isinstance(hint, type) and is_dataclass(hint)


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _tagged(hint: Any) -> bool:
    """Tell whether `hint` is a union of several dataclasses, whose members need a tag."""
    return _is_union(hint) and sum(_is_noun(choice) for choice in get_args(hint)) > 1


def _item_hints(hint: Any, length: int) -> list[Any]:
    """Return the annotation of each item of `tuple[X, ...]`, `tuple[X, Y]` or `Sequence[X]`."""
    arguments = get_args(hint)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return [arguments[0]] * length
    if get_origin(hint) is Sequence:
        return [arguments[0]] * length
    if len(arguments) != length:
        raise Broken(f"{hint}: {len(arguments)} items are wanted, got {length}")
    return list(arguments)


@cache
def _hints(cls: Hashable) -> dict[str, Any]:
    """Return a class's annotations, resolved once: stores decode the same few nouns all day."""
    return get_type_hints(cls)
