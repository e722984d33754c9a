"""Settings, once: what a kind of node can be told, as one typed model.

Parsing, faults, documentation, JSON schema and defaults all come from the model. A unit stands in the value
("180 s", "100 ms", "4 GiB", "90 %"); a bare number where a unit belongs is a fault. The docstring under a
field is its documentation.

    class Settings(_settings.Settings):
        window: Duration = 180 * SECOND
        \"\"\"Length of a window.\"\"\"

Defaults are written in the base unit (ns, bytes, shares of 1) and shown in the natural one. What every node has
in a pipeline file (`kind`, `from`, `copies`) belongs to the pipeline and not to a kind's own model.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from algorithms.documented import Documented
from protocol.clock import TIMES

SIZES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
"""Unit to bytes."""
FREQUENCIES = {"mHz": Decimal("0.001"), "Hz": Decimal(1), "kHz": Decimal(1000)}
"""Unit to hertz."""

_QUANTITY = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*([^\s0-9.]+)\s*")
_RATE = re.compile(r"\s*([0-9]+)\s*(?:/s|fps)\s*")
_EVERY = re.compile(r"\s*every\s+([0-9]+)\s*s\s*")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
"""What a node may be called."""


class Settings(Documented):
    """Base of every kind's settings: unknown names are faults, and nothing changes after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


def fault(what: str, remedy: str) -> PydanticCustomError:
    """The error a validator raises: what is wrong, and what the person should write instead."""
    return PydanticCustomError("syms", "{what}; {remedy}", {"what": what, "remedy": remedy})


def quantity(units: Mapping[str, int | Decimal], example: str) -> Callable[[Any], Decimal]:
    """A parser of "<number> <unit>" to the base unit of `units`; `example` is the remedy's."""

    def parse(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise fault(f"{value!r} is not a number with a unit", f"write it as {example}")
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise fault(f"{value!r} has no unit", f"write it as {example} ({', '.join(units)})")
        number, unit = match.groups()
        if unit not in units:
            raise fault(f"unknown unit {unit!r} in {value!r}", f"one of {', '.join(units)}, as in {example}")
        try:
            return Decimal(number) * units[unit]
        except InvalidOperation:
            raise fault(f"{value!r} is no sensible number", f"write it as {example}") from None

    return parse


def show(value: float, units: Mapping[str, int | Decimal], zero: str) -> str:
    """A value in base units, in the largest unit (they ascend) that it is a whole number of; 0 in the unit `zero`."""
    exact = Decimal(str(value))
    fits = [unit for unit, size in units.items() if exact % size == 0] or [next(iter(units))]
    unit = fits[-1] if exact else zero
    return f"{(exact / units[unit]).normalize():f} {unit}"


def show_time(value: float) -> str:
    """Nanoseconds as a person writes them: 120 s, but 2 h."""
    long = abs(value) >= 600 * TIMES["s"]
    return show(
        value, {unit: TIMES[unit] for unit in ("ns", "us", "ms", "s", *(("min", "h", "d") if long else ()))}, "s"
    )


def show_size(value: float) -> str:
    """Bytes as a person writes them."""
    return show(value, {unit: SIZES[unit] for unit in ("B", "KiB", "MiB", "GiB", "TiB")}, "B")


def show_share(value: float) -> str:
    """0.9 -> "90 %"."""
    return f"{(Decimal(str(value)) * 100).normalize():f} %"


def show_frequency(value: float) -> str:
    """0.02 -> "20 mHz"."""
    return show(value, FREQUENCIES, "Hz")


def show_rate(value: int) -> str:
    """50 -> "50/s", -5 -> "every 5 s"."""
    return f"{value}/s" if value > 0 else f"every {-value} s"


def show_like(example: str, value: float) -> str:
    """A value in base units as a person writes it, who wrote `example`: 1e9 -> "1 s" beside "200 ms"."""
    match = _QUANTITY.fullmatch(example)
    unit = match[2] if match else ""
    if unit == "%":
        return show_share(value)
    for units, shown in ((TIMES, show_time), (SIZES, show_size), (FREQUENCIES, show_frequency)):
        if unit in units:
            return shown(value)
    return str(value)


_duration = quantity(TIMES, '"180 s" or "100 ms"')
_size = quantity(SIZES, '"4 GiB"')
_frequency = quantity(FREQUENCIES, '"20 mHz" or "50 Hz"')
_share = quantity({"%": Decimal("0.01")}, '"90 %"')


def _whole(parse: Callable[[Any], Decimal], smallest: str) -> Callable[[Any], int]:
    def validate(value: Any) -> int:
        parsed = parse(value)
        if parsed != parsed.to_integral_value() or abs(parsed) >= 2**63:
            raise fault(f"{value!r} can't be counted in {smallest}", "write a number that fits")
        return int(parsed)

    return validate


parse_duration = _whole(_duration, "ns")
"""ns, from "180 s" or "-20 s"."""
parse_size = _whole(_size, "bytes")
"""Bytes, from "4 GiB"."""


def parse_share(value: Any) -> float:
    """0..1, from "90 %"."""
    return float(_share(value))


def parse_rate(value: Any) -> int:
    """DATA_RATE: "50/s" -> 50, "every 5 s" -> -5."""
    text = value if isinstance(value, str) else ""
    if match := _RATE.fullmatch(text):
        rate = int(match[1])
    elif match := _EVERY.fullmatch(text):
        rate = -int(match[1])
    else:
        raise fault(f"{value!r} is not a rate", 'write it as "50/s" or "every 5 s"')
    if not rate or not -32767 <= rate <= 32767:
        raise fault(f"{value!r} is not a rate that C37.118 can say", "1/s … 32767/s")
    return rate


class Address(NamedTuple):
    """A place on the network. `str()` gives it back as written."""

    host: str
    """IPv4 or IPv6 address (without brackets), or a host name."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """A setting of this type is written as text."""
        return core_schema.no_info_plain_validator_function(
            parse_address, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        """For editors."""
        return {"type": "string", "examples": ["0.0.0.0:4712"]}


_HOST = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,253}")


def parse_address(value: Any) -> Address:
    """From "0.0.0.0:4712", "pmu-7.example:4712", "[::1]:4712". Port 0 (any free one) is allowed."""
    if isinstance(value, Address):
        return value
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or not _is_host(host, bracketed):
        raise fault(f"{value!r} is not HOST:PORT", 'write it as "0.0.0.0:4712" ("[::]:4712" for IPv6)')
    return Address(host, int(port))


def _is_host(host: str, bracketed: bool) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).version == (6 if bracketed else 4)
    except ValueError:
        numeric = all(part.isdigit() for part in host.split("."))
        return not bracketed and not numeric and _HOST.fullmatch(host) is not None


def _names(value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise fault(f"{value!r} names no node", "write one name, or a list as [receivers, windows]")
    if len(set(names)) < len(names):
        raise fault(f"{value!r} names a node twice", "name it once")
    return names


def _beside(value: Any, info: ValidationInfo) -> Path:
    """A path as written in a YAML file is relative to that file (`context["base"]`), not to the shell."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise fault(f"{value!r} is not a path", 'write it as "../data"')
    base = (info.context or {}).get("base", Path())
    return Path(base, Path(value).expanduser())


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise fault(f"{value!r} is no sensible number", "write a finite one")
    return value


def _pattern(units: Mapping[str, Any], sign: str = "") -> dict[str, Any]:
    return {"type": "string", "pattern": rf"^\s*{sign}[0-9]+(\.[0-9]+)?\s*({'|'.join(units)})\s*$"}


Duration = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(parse_duration),
    PlainSerializer(show_time, when_used="json"),
    WithJsonSchema(_pattern(TIMES) | {"examples": ["180 s", "100 ms"]}),
]
"""ns, from "180 s", "100 ms", "2 min"; never negative."""
Offset = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(show_time, when_used="json"),
    WithJsonSchema(_pattern(TIMES, "[+-]?") | {"examples": ["-20 s", "+30 s"]}),
]
"""ns, from "-20 s" or "+30 s"."""
Size = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(parse_size),
    PlainSerializer(show_size, when_used="json"),
    WithJsonSchema(_pattern(SIZES) | {"examples": ["4 GiB", "16 MiB"]}),
]
"""Bytes, from "4 GiB" or "500 MB"."""
Frequency = Annotated[
    float,
    BeforeValidator(lambda value: float(_frequency(value))),
    PlainSerializer(show_frequency, when_used="json"),
    WithJsonSchema(_pattern(FREQUENCIES, "[+-]?") | {"examples": ["20 mHz", "50 Hz"]}),
]
"""Hz, from "20 mHz" or "50 Hz"; may be negative."""
Share = Annotated[
    float,
    Field(ge=0, le=1),
    BeforeValidator(parse_share),
    PlainSerializer(show_share, when_used="json"),
    WithJsonSchema(_pattern({"%": 1}) | {"examples": ["90 %"]}),
]
"""0..1, from "90 %"."""
Rate = Annotated[
    int,
    BeforeValidator(parse_rate),
    PlainSerializer(show_rate, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\s*([0-9]+\s*(/s|fps)|every\s+[0-9]+\s*s)\s*$"}),
]
"""DATA_RATE: frames per second from "50/s"; negative seconds per frame from "every 5 s"."""
Names = Annotated[
    list[str],
    BeforeValidator(_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
"""Names of nodes, from one name or a list."""
FilePath = Annotated[
    Path, BeforeValidator(_beside), PlainSerializer(str, when_used="json"), WithJsonSchema({"type": "string"})
]
"""A file or folder, relative to the YAML file it stands in."""
Port = Annotated[int, Field(ge=1, le=65535)]
Number = Annotated[float, AfterValidator(_finite)]
"""A plain number without a unit (a count, a factor)."""
