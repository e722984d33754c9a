"""Message <-> ZeroMQ parts: tag | msgpack header | raw arrays.

The header is `[values, arrays]`: `values` has the fields in order (None where an array goes), `arrays` has
`[dtype, shape]` per array part. A newer sender's extra fields are ignored, an older sender's missing ones
take their defaults, so both directions of a rolling upgrade work.

What comes is held to be hostile: everything has a limit, and each field is checked against its dataclass
(`protocol.checks`), so that nothing but `WireError` is raised here and nothing that gets through surprises a node.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
import numpy as np

from protocol.checks import MAX_DEPTH, WORD, checks_of, depth_of
from protocol.messages import REGISTRY

MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of a message with all its parts."""
MAX_PARTS = 64
MAX_HEADER = 4 * 1024 * 1024
"""Bytes; a header larger than this is refused before it is unpacked."""
MAX_NOTE = 256 * 1024
"""Bytes of a note between a balancer and its receivers: a `welcome` names up to 20,000 connections."""
MAX_DIMENSIONS = 4
LIMITS: dict[str, Any] = {
    "max_str_len": 1 << 18,
    "max_bin_len": 1 << 18,
    "max_array_len": 1 << 17,
    "max_map_len": 1 << 12,
    "max_ext_len": 0,
}
"""Of one text, one list, one map within a header; extension types are none of ours."""
DTYPES = {name: np.dtype(name) for name in ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8")}
FAULTS = (ValueError, TypeError, KeyError, OverflowError, BufferError, msgpack.UnpackException)
"""What Python, numpy and msgpack raise of bytes that are no message."""


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
            flat = value
            if not (value.flags.c_contiguous and value.dtype.str in DTYPES):
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
    if not 2 <= len(parts) <= MAX_PARTS:
        raise WireError(f"{len(parts)} parts: want a tag, a header and arrays, {MAX_PARTS} at most")
    tag = bytes(memoryview(parts[0])[:4])
    cls = REGISTRY.get(tag)
    if cls is None:
        raise WireError(f"unknown tag {tag!r}")
    try:
        values, arrays = _header(parts[1])
        values = _fill(values, arrays, parts[2:])
        sizes: dict[str, int] = {}
        return cls(**{name: check(value, sizes) for (name, check), value in zip(checks_of(cls), values, strict=False)})
    except FAULTS as fault:
        raise WireError(f"{cls.__name__}: {fault}") from fault


def _header(part: Any) -> tuple[list[Any], list[Any]]:
    view = memoryview(part)
    if view.nbytes > MAX_HEADER:
        raise ValueError(f"header of {view.nbytes} bytes, limit {MAX_HEADER}")
    values, arrays = msgpack.unpackb(view, strict_map_key=False, **LIMITS)
    if not isinstance(values, list) or not isinstance(arrays, list):
        raise ValueError("header is not [values, arrays]")
    return values, arrays


def _fill(values: list[Any], arrays: list[Any], parts: Sequence[Any]) -> list[Any]:
    """Values with the arrays put where the Nones stand. Every None of ours is an array: no field is optional."""
    if len(arrays) != len(parts):
        raise ValueError(f"header names {len(arrays)} arrays, {len(parts)} came")
    views = [memoryview(part) for part in parts]
    if (total := sum(view.nbytes for view in views)) > MAX_MESSAGE:
        raise ValueError(f"{total} bytes of arrays, limit {MAX_MESSAGE}")
    waiting = iter([_array(name, shape, view) for (name, shape), view in zip(arrays, views, strict=True)])
    if sum(value is None for value in values) != len(parts):
        raise ValueError("the header's places for arrays are not as many as its arrays")
    return [next(waiting) if value is None else value for value in values]


def _array(name: str, shape: list[int], view: memoryview) -> np.ndarray[Any, Any]:
    dtype = DTYPES.get(name)
    if dtype is None or type(shape) is not list or not 1 <= len(shape) <= MAX_DIMENSIONS:
        raise ValueError(f"array of {name!r:.20} {shape!r:.60} is not one of ours")
    for size in shape:
        if type(size) is not int or not 0 <= size <= MAX_MESSAGE:
            raise ValueError(f"array of {name} has an impossible shape: {shape!r:.60}")
    if math.prod(shape) * dtype.itemsize != view.nbytes:
        raise ValueError(f"array of {name} {shape} in {view.nbytes} bytes")
    array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, view)
    array.setflags(write=False)
    return array


def unpack_note(data: bytes, known: Mapping[str, Mapping[str, type]] | None = None) -> dict[str, Any]:
    """A note between a balancer and its receivers: a map of texts whose `say` tells what it is.

    `known` has the fields of each note that is understood, with their types (a `float` may come as an int); others
    may come too, but none of these may be missing or of another type. Raises WireError.
    """
    if len(data) > MAX_NOTE:
        raise WireError(f"a note of {len(data)} bytes, limit {MAX_NOTE}")
    try:
        note = msgpack.unpackb(data, strict_map_key=True, **LIMITS)
    except FAULTS as fault:
        raise WireError(f"no note: {fault}") from fault
    if type(note) is not dict or type(note.get("say")) is not str or not all(type(key) is str for key in note):
        raise WireError(f"no note: {note!r:.60}")
    if depth_of(note) > MAX_DEPTH:
        raise WireError(f"note {note['say']!r:.40} is nested deeper than {MAX_DEPTH}")
    if known is not None:
        _check_note(note, known)
    return note


def _check_note(note: dict[str, Any], known: Mapping[str, Mapping[str, type]]) -> None:
    fields = known.get(note["say"])
    if fields is None:
        raise WireError(f"unknown note {note['say']!r:.40}")
    for name, kind in fields.items():
        value = note.get(name)
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits or (type(value) is int and value not in WORD):
            raise WireError(f"note {note['say']}: {name} is {value!r:.60}, not of type {kind.__name__}")
