"""Settings of a trigger that may be one thing or another: a length or two offsets, a word or a distance."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from nodes._settings import fault, parse_duration, quantity, show, show_time
from protocol.clock import SECOND, TIMES

DISTANCES = {"m": Decimal("0.001"), "km": Decimal(1)}
_distance = quantity(DISTANCES, '"300 km"')
_TIME = {"type": "string", "pattern": rf"^\s*[+-]?[0-9]+(\.[0-9]+)?\s*({'|'.join(TIMES)})\s*$"}


def _span(value: Any) -> int | tuple[int, int]:
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise fault(f"{value!r} is not two offsets", "write it as [-150 s, +30 s]")
        return parse_duration(value[0]), parse_duration(value[1])
    length = parse_duration(value)
    if length < SECOND:
        raise fault(f"{value!r} is too short", "write 1 s or more")
    return length


def _show_span(value: int | tuple[int, int]) -> Any:
    return show_time(value) if isinstance(value, int) else [show_time(each) for each in value]


def _reach(value: Any) -> str | float:
    if value in ("region", "all"):
        return str(value)
    if isinstance(value, str) and not any(letter.isdigit() for letter in value):
        raise fault(f"{value!r} says no neighbours", "write region, all, or a distance as 300 km")
    reach = float(_distance(value))
    if not reach > 0.0:
        raise fault(f"{value!r} is no distance", "write one above 0, as 300 km")
    return reach


def _show_reach(value: str | float) -> str:
    return value if isinstance(value, str) else show(value, DISTANCES, "km")


Span = Annotated[
    int | tuple[int, int],
    BeforeValidator(_span),
    PlainSerializer(_show_span, when_used="json"),
    WithJsonSchema({"anyOf": [_TIME, {"type": "array", "items": _TIME, "minItems": 2, "maxItems": 2}]}),
]
"""ns: a length of 1 s or more from "180 s", or two offsets from ["-150 s", "+30 s"]."""
Reach = Annotated[
    Literal["region", "all"] | float,
    BeforeValidator(_reach),
    PlainSerializer(_show_reach, when_used="json"),
    WithJsonSchema({"anyOf": [{"enum": ["region", "all"]}, {"type": "string", "pattern": r"^\s*[0-9.]+\s*k?m\s*$"}]}),
]
"""region, all, or km from "300 km"."""
