"""A pipeline on several hosts: what the file says of them, and which one this is.

hosts:
  a: {address: 10.0.0.1, ports: 5600-5699}
  b: {address: 10.0.0.2, ports: 5600-5699}
nodes:
  front: {kind: balancer, host: a, …}
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError, WithJsonSchema

from nodes import _keys
from nodes._faults import Lines, suggestion
from nodes._network import PORTS_EACH, Host
from nodes._settings import NAME, Settings, fault
from nodes._wiring import UDP, Nodes, NodeSpec, listens

_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
TOGETHER = {"receiver": "balancer"}
"""A kind that must be on the host of another, which hands it sockets."""


def _address(value: Any) -> str:
    try:
        address = ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise fault(f"{value!r:.60} is no IP address", "write the one that the other hosts reach it by") from None
    if address.is_unspecified or address.is_multicast:
        raise fault(f"{value} is no address of one host", "write the one that the other hosts reach it by")
    return str(address)


def _ports(value: Any) -> tuple[int, int]:
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    first, last = map(int, found.groups()) if found else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise fault(f"{value!r:.60} is no range of ports", "write FIRST-LAST from 1024 to 65535, as 5600-5699")
    return first, last


class HostSettings(Settings):
    """One entry under `hosts:`."""

    address: Annotated[str, BeforeValidator(_address)]
    """IP address that the other hosts reach it by; its processes listen there."""
    ports: Annotated[
        tuple[int, int], BeforeValidator(_ports), WithJsonSchema({"type": "string", "pattern": "^[0-9]+-[0-9]+$"})
    ]
    """TCP ports for its processes, two each, as 5600-5699."""


def read(data: Any, lines: Lines) -> dict[str, Host]:
    """The hosts under `hosts:`; none if there is but one."""
    if data is None:
        return {}
    if not isinstance(data, dict) or not data:
        lines.fault(("hosts",), "no hosts", "write hosts: with one entry per host, or leave it out")
        return {}
    found: dict[str, Host] = {}
    for name, entry in data.items():
        if not NAME.fullmatch(name):
            lines.fault(("hosts", name), f"{name!r} can't be a host's name", "a letter, then up to 31 letters, digits")
            continue
        if not isinstance(entry, dict):
            lines.fault(("hosts", name), f"host {name}: no settings", "write {address: …, ports: FIRST-LAST}")
            continue
        try:
            settings = HostSettings.model_validate(entry)
        except ValidationError as error:
            lines.settings(("hosts", name), HostSettings, error, f"host {name}")
            continue
        found[name] = Host(name, settings.address, *settings.ports)
    _check_overlap(found, lines)
    return found


def _check_overlap(hosts: dict[str, Host], lines: Lines) -> None:
    """Two names for one machine may not share ports."""
    seen: list[Host] = []
    for host in hosts.values():
        for other in seen:
            if other.address == host.address and other.first <= host.last and host.first <= other.last:
                what = f"host {host.name}: {other.name} has the same address and some of the same ports"
                lines.fault(("hosts", host.name, "ports"), what, "give each its own")
        seen.append(host)


def check(nodes: Nodes, hosts: dict[str, Host], lines: Lines) -> None:
    """Faults of nodes on hosts: unknown, missing or apart from whom they must be with, and ports that run out."""
    for node in nodes.values():
        where = ("nodes", node.name, "host")
        if node.host and not hosts:
            lines.fault(
                where, f"{node.name}: the pipeline has no hosts", "add hosts: with addresses, or leave host out"
            )
        elif hosts and not node.host:
            lines.fault(where, f"{node.name}: on which host?", f"add host: {' or '.join(hosts)}")
        elif hosts and node.host not in hosts:
            lines.fault(where, f"{node.name}: unknown host {node.host!r}", suggestion(node.host, hosts))
        elif hosts:
            _check_together(node, nodes, lines)
    for host in hosts.values():
        if all(node.host in hosts and node.host != host.name for node in nodes.values()):
            lines.fault(("hosts", host.name), f"host {host.name}: no node runs there", "take it out")
        _check_ports(host, [node for node in nodes.values() if node.host == host.name], lines)


def _check_together(node: NodeSpec, nodes: Nodes, lines: Lines) -> None:
    for source in (nodes[name] for name in node.sources if name in nodes):
        if TOGETHER.get(node.kind) == source.kind and source.host and source.host != node.host:
            what = f"{node.name}: its {source.kind} {source.name} is on host {source.host}"
            remedy = f"a socket is handed over on one host only: write host: {source.host}"
            lines.fault(("nodes", node.name, "host"), what, remedy)


def _check_ports(host: Host, nodes: list[NodeSpec], lines: Lines) -> None:
    needed = PORTS_EACH * sum(node.copies for node in nodes)
    there = host.last - host.first + 1
    where = ("hosts", host.name, "ports")
    if needed > there:
        what = f"host {host.name}: {needed} ports are needed, {there} are there"
        lines.fault(where, what, f"write ports: {host.first}-{host.first + needed - 1}, or more")
    for node in nodes:
        for setting, listen in listens(node):
            if setting != UDP and host.first <= listen.port <= host.last:
                what = f"{node.name}: port {listen.port} is one of those of host {host.name}"
                lines.fault(("nodes", node.name, setting), what, f"take one outside {host.first}-{host.last}")


def here(asked: str, hosts: dict[str, Host], keys: Any, lines: Lines) -> str:
    """The host that this is: the one asked for, else the only one whose key lies here. It must have its key."""
    names = [asked] if asked else [name for name in _keys.own_names(keys) if name in hosts]
    if len(names) != 1:
        of = " or ".join(names or hosts)
        lines.fault(("hosts",), f"which host is this, {of}?", "say it with --host, or SYMS_HOST in the environment")
        return ""
    if names[0] not in hosts:
        lines.fault(("hosts",), f"there is no host {names[0]!r}", suggestion(names[0], hosts))
        return ""
    try:
        _keys.read_pair(keys, names[0])
    except _keys.KeyFault as wrong:
        what, _, remedy = str(wrong).partition("; ")
        lines.fault(("hosts", names[0]), what, remedy or "see docs/two-hosts.md")
    return names[0]
