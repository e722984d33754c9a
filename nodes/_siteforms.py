"""How addresses, networks and IDCODEs are written in a site file, and in settings that name such."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from nodes._settings import Address, fault, parse_address, quantity, show
from protocol.gbt26865.common import IDENTITY

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(value: Any) -> Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        return ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError as error:
        what = f"{value!r} is no IP address or network" + (
            ": it has host bits set" if "host bits" in str(error) else ""
        )
        raise fault(what, 'write it as "10.1.0.7" or "10.1.0.0/24"') from None


def _ip(value: Any) -> IP:
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return value
    try:
        return ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise fault(f"{value!r} is no IP address", 'write it as "10.1.0.7"') from None


def _group(value: Any) -> IP:
    group = _ip(value)
    if not group.is_multicast:
        raise fault(f"{value!r} is no multicast group", 'write one of 224.0.0.0/4 or ff00::/8, as "239.1.1.1"')
    return group


def _port_or_address(value: Any) -> Address:
    """4713 -> every local address, port 4713."""
    if str(value).isdecimal():
        value = f"0.0.0.0:{value}"
    return parse_address(value)


IDENTITY_HEX = re.compile(r"[0-9a-fA-F]{16}")


def _identity(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) else ""
    if IDENTITY_HEX.fullmatch(text):
        return text
    try:
        if 0 < len(text.encode("gbk")) <= IDENTITY:
            return text
    except UnicodeEncodeError:
        pass
    raise fault(f"{value!r} is no IDCODE of {IDENTITY} bytes", 'write its characters as "0GX00GP1", or 16 hex digits')


_TEXT = WithJsonSchema({"type": "string"})
IdentityText = Annotated[str, BeforeValidator(_identity), _TEXT]
NetworkText = Annotated[Network, BeforeValidator(_network), PlainSerializer(str, when_used="json"), _TEXT]
IPText = Annotated[IP, BeforeValidator(_ip), PlainSerializer(str, when_used="json"), _TEXT]
GroupText = Annotated[IP, BeforeValidator(_group), PlainSerializer(str, when_used="json"), _TEXT]
BusText = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(min_length=1, max_length=64),
    WithJsonSchema({"type": ["string", "integer"]}),
]
"""Name of a bus; many are numbers."""
PortOrAddress = Annotated[
    Address,
    BeforeValidator(_port_or_address),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1, "maximum": 65535}]}),
]


def _dials_in_or_address(value: Any) -> Address | str:
    return "dials_in" if value == "dials_in" else parse_address(value)


DialsInOrAddress = Annotated[
    Address | Literal["dials_in"], BeforeValidator(_dials_in_or_address), WithJsonSchema({"type": "string"})
]


RESPONSES = {"MW/Hz": 1, "GW/Hz": 1000}
ENERGIES = {"MWs": 1, "GWs": 1000}


def _above_nothing(units: Mapping[str, int], example: str) -> Callable[[Any], float]:
    parse = quantity(units, f'"{example}"')

    def validate(value: Any) -> float:
        found = float(parse(value))
        if not found > 0.0:
            raise fault(f"{value!r} is not above 0", f'write it as "{example}"')
        return found

    return validate


def _with_unit(units: Mapping[str, int], example: str) -> tuple[Any, ...]:
    unit = next(iter(units))
    schema = {"type": "string", "pattern": rf"^\s*[0-9]+(\.[0-9]+)?\s*({'|'.join(units)})\s*$", "examples": [example]}
    return (
        BeforeValidator(_above_nothing(units, example)),
        PlainSerializer(lambda value: show(value, units, unit), when_used="json"),
        WithJsonSchema(schema),
    )


PowerPerHertz = Annotated[float, *_with_unit(RESPONSES, "1500 MW/Hz")]
"""MW/Hz"""
Energy = Annotated[float, *_with_unit(ENERGIES, "40 GWs")]
"""MW·s"""


def family_of(protocol: str) -> str:
    """Of protocols whose devices may call at one port."""
    return "c37118" if protocol == "c37118" else "gbt26865"


def plain(address: str | IP) -> IP:
    """An address without IPv6 around IPv4."""
    ip = ipaddress.ip_address(address)
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
