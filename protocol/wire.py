"""Message <-> ZeroMQ parts: tag | msgpack header | raw arrays.

The header is `[values, arrays]`: `values` has the fields in order (None where an array goes), `arrays` has
`[dtype, shape]` per array part. A newer sender's extra fields are ignored, an older sender's missing ones
take their defaults, so both directions of a rolling upgrade work.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np

from protocol.messages import REGISTRY

MAX_HEADER = 16 * 1024 * 1024
"""Bytes; a header larger than this is refused before it is unpacked."""
KINDS = frozenset("uif")


class WireError(Exception):
    """Parts that are no message. The sender's fault: count it, name it, go on."""


def pack(message: Any) -> list[bytes | memoryview]:
    """The parts of a registered message. Arrays go as they are (no copy if C-contiguous)."""
    values: list[Any] = []
    arrays: list[list[Any]] = []
    parts: list[bytes | memoryview] = []
    for spec in dataclasses.fields(message):
        value = getattr(message, spec.name)
        if isinstance(value, np.ndarray):
            flat = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
            arrays.append([flat.dtype.str, list(flat.shape)])
            parts.append(flat.data.cast("B") if flat.size else b"")
            value = None
        values.append(value)
    return [message.TAG, msgpack.packb([values, arrays]), *parts]


def unpack(parts: Sequence[Any]) -> Any:
    """The message in some ZeroMQ parts (anything with a buffer). Arrays are read-only views of the parts.

    Raises WireError if the parts are no message of ours.
    """
    if len(parts) < 2:
        raise WireError(f"{len(parts)} parts: want a tag, a header and arrays")
    tag = bytes(memoryview(parts[0])[:4])
    cls = REGISTRY.get(tag)
    if cls is None:
        raise WireError(f"unknown tag {tag!r}")
    try:
        values, arrays = _header(parts[1])
        fields = _fill(values, arrays, parts[2:])
        specs = dataclasses.fields(cls)
        return cls(**{spec.name: value for spec, value in zip(specs, fields, strict=False)})
    except (ValueError, TypeError, msgpack.UnpackException) as fault:
        raise WireError(f"{cls.__name__}: {fault}") from fault


def _header(part: Any) -> tuple[list[Any], list[Any]]:
    view = memoryview(part)
    if view.nbytes > MAX_HEADER:
        raise WireError(f"header of {view.nbytes} bytes, limit {MAX_HEADER}")
    values, arrays = msgpack.unpackb(view, strict_map_key=False)
    if not isinstance(values, list) or not isinstance(arrays, list):
        raise ValueError("header is not [values, arrays]")
    return values, arrays


def _fill(values: list[Any], arrays: list[Any], parts: Sequence[Any]) -> list[Any]:
    """Values with the arrays put where the Nones stand. Every None of ours is an array: no field is optional."""
    if len(arrays) != len(parts):
        raise ValueError(f"header names {len(arrays)} arrays, {len(parts)} came")
    waiting = iter(_array(name, shape, part) for (name, shape), part in zip(arrays, parts, strict=True))
    if sum(value is None for value in values) != len(parts):
        raise ValueError("the header's places for arrays are not as many as its arrays")
    return [next(waiting) if value is None else value for value in values]


def _array(name: str, shape: list[int], part: Any) -> np.ndarray[Any, Any]:
    dtype = np.dtype(name)
    view = memoryview(part)
    if dtype.kind not in KINDS or any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"array of {name} {shape} is not one of ours")
    if math.prod(shape) * dtype.itemsize != view.nbytes:
        raise ValueError(f"array of {name} {shape} in {view.nbytes} bytes")
    array: np.ndarray[Any, Any] = np.frombuffer(view, dtype=dtype).reshape(shape)
    array.flags.writeable = False
    return array
