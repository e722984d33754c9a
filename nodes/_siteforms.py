"""How addresses, networks and IDCODEs are written in a site file, and in settings that name such."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from nodes._settings import Address, fault, parse_address
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
