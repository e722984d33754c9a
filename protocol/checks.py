"""Whether a message's fields are what its dataclass says: types, bounds, and sizes that fit each other.

A field's annotation is the rule: `Annotated[U4, "n"]` is an array of uint32 whose length is n wherever the message
names n again; `Annotated[int, range(1 << 16)]` is a bounded number. A reader may rely on what it says, whoever sent it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np

from protocol.messages import Table

MAX_DEPTH = 8
"""Of lists and maps within one another in a field without a type of its own."""
WORD = range(-(1 << 63), 1 << 63)
"""What an int may be that says nothing else: it fits an int64."""

Sizes = dict[str, int]
"""Sizes by name, as far as the message has told them."""
Check = Callable[[Any, Sizes], Any]
"""Value -> the value as its field wants it (a list becomes a tuple). Raises ValueError."""


@cache
def checks_of(cls: type) -> tuple[tuple[str, Check], ...]:
    """(field, check) of a message class, in the order of its fields."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple((spec.name, _compile(hints[spec.name], spec.name)) for spec in dataclasses.fields(cls))


def _compile(hint: Any, name: str) -> Check:
    """The check for one annotation."""
    rules: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        rules = tuple(marks)
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return _anything(name)
    if origin is np.ndarray:
        return _array(np.dtype(get_args(inner[1])[0]), rules, name)
    if origin is list:
        element = Annotated[inner[0], *rules[1:]] if rules[1:] else inner[0]
        return _list(_compile(element, name), rules[0] if rules else "", name)
    if origin is dict:
        return _map(_compile(inner[1], name), name)
    if origin is tuple:
        return _table(name) if rules == ("table",) else _tuple([_compile(each, name) for each in inner], name)
    return _scalar(hint, rules, name)


def _scalar(kind: type, rules: tuple[Any, ...], name: str) -> Check:
    bounds = next((rule for rule in rules if isinstance(rule, range)), WORD)

    def number(value: Any, sizes: Sizes) -> Any:
        if type(value) is not int or value not in bounds:
            raise ValueError(f"{name} is {value!r:.60}, not a whole number from {bounds.start} to {bounds.stop - 1}")
        return value

    def measure(value: Any, sizes: Sizes) -> Any:
        if type(value) is not float and type(value) is not int:
            raise ValueError(f"{name} is {value!r:.60}, not a number")
        return float(value)

    def other(value: Any, sizes: Sizes) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{name} is {value!r:.60}, not of type {kind.__name__}")
        return value

    if kind is int:
        return number
    if kind is float:
        return measure
    if kind not in (str, bool):
        raise TypeError(f"{name}: no rule for {kind}")
    return other


def _array(dtype: np.dtype[Any], dims: tuple[Any, ...], name: str) -> Check:
    def check(value: Any, sizes: Sizes) -> Any:
        if type(value) is not np.ndarray or value.dtype != dtype or value.ndim != len(dims):
            raise ValueError(f"{name} is no array of {dtype} [{', '.join(dims)}]")
        for dim, size in zip(dims, value.shape, strict=True):
            _fit(sizes, dim, size, name)
        return value

    return check


def _fit(sizes: Sizes, dim: str, size: int, name: str) -> None:
    if sizes.setdefault(dim, size) != size:
        raise ValueError(f"{name} has {size} where {dim} is {sizes[dim]}")


def _list(element: Check, dim: str, name: str) -> Check:
    def check(value: Any, sizes: Sizes) -> Any:
        if type(value) is not list:
            raise ValueError(f"{name} is {value!r:.60}, not a list")
        if dim:
            _fit(sizes, dim, len(value), name)
        return [element(each, sizes) for each in value]

    return check


def _tuple(elements: list[Check], name: str) -> Check:
    def check(value: Any, sizes: Sizes) -> Any:
        if type(value) not in (list, tuple) or len(value) != len(elements):
            raise ValueError(f"{name} is {value!r:.60}, not {len(elements)} values")
        return tuple(element(each, sizes) for element, each in zip(elements, value, strict=True))

    return check


def _table(name: str) -> Check:
    """A `Table` as its key, which sets p, a, d, o and c."""
    rate, count = _scalar(int, (range(-(1 << 15), 1 << 15),), name), _scalar(int, (range(1 << 16),), name)
    plain, whole = _tuple([rate, *[count] * 3], name), _tuple([rate, *[count] * 5], name)

    def check(value: Any, sizes: Sizes) -> Any:
        fields = whole if isinstance(value, list | tuple) and len(value) == len(Table._fields) else plain
        table = Table(*fields(value, sizes))
        if table.rate == 0:
            raise ValueError(f"{name} has no rate")
        if table.orders and table.frequencies:
            raise ValueError(f"{name} has harmonics and inter-harmonics")
        own = ("p", table.phasors), ("a", table.analogs), ("d", table.digitals)
        for dim, size in (*own, ("o", table.orders or table.frequencies), ("c", table.channels)):
            _fit(sizes, dim, size, name)
        return table.key

    return check


def _map(element: Check, name: str) -> Check:
    def check(value: Any, sizes: Sizes) -> Any:
        if type(value) is not dict or not all(type(key) is str for key in value):
            raise ValueError(f"{name} is {value!r:.60}, not a map of texts")
        return {key: element(each, sizes) for key, each in value.items()}

    return check


def _anything(name: str) -> Check:
    def check(value: Any, sizes: Sizes) -> Any:
        if depth_of(value) > MAX_DEPTH:
            raise ValueError(f"{name} is nested deeper than {MAX_DEPTH}")
        return value

    return check


def depth_of(value: Any) -> int:
    """Levels of lists and maps within one another; `MAX_DEPTH + 1` for anything deeper than `MAX_DEPTH`."""
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, list | dict)]:
        depth += 1
        if depth > MAX_DEPTH:
            break
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth
