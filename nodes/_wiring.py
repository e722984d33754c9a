"""Who reads whom: the checks that need the whole pipeline at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nodes._faults import Lines, suggestion
from nodes._kinds import KINDS
from nodes._network import Host
from nodes._settings import Address, Settings
from nodes._site import Site
from protocol.clock import SECOND

IPC_PATH_LIMIT = 107
"""Bytes of a unix socket's path (sun_path less its NUL)."""
LONGEST_SUFFIX = ".handover.new"
"""Of the sockets that a process opens in the runtime folder (others: .inbox, .news)."""
UDP = "listen_udp"
"""The setting of a port of UDP; the others are of TCP."""


@dataclass(frozen=True)
class NodeSpec:
    """One entry under `nodes:`."""

    name: str
    kind: str
    sources: tuple[str, ...]
    """Names of the nodes in its `from`."""
    copies: int
    settings: Settings | None = None
    """Its own settings; None before they are checked, or where only the wiring was asked for."""
    host: str = ""
    """Name of the host that its processes run on; "" if the pipeline has but one."""
    raw: str = ""
    """Name of the link whose frames it wants as they come."""
    nice: int | None = None
    """Of its processes; None: what its kind has."""

    @property
    def processes(self) -> list[str]:
        """Process names of all copies."""
        return [self.name] if self.copies == 1 else [f"{self.name}.{copy}" for copy in range(1, self.copies + 1)]


Nodes = dict[str, NodeSpec]


def check_wires(nodes: Nodes, broken: set[str], lines: Lines) -> None:
    """Faults in `from`: unknown names, wrong kinds, readers and workers that nobody feeds, cycles.

    `broken` are entries too faulty to be in `nodes`: what hangs on them is not judged.
    """
    for node in nodes.values():
        if not broken & set(node.sources):
            _check_sources(node, nodes, lines)
        serves = KINDS[node.kind].serves
        readers = {other.kind for other in nodes.values() if node.name in other.sources}
        if serves and not broken and not readers & set(serves):
            what = f"{node.name}: nobody takes the work of this {node.kind}"
            lines.fault(("nodes", node.name), what, f"add {' or '.join(map(_a, serves))} with from: {node.name}")
    for cycle in _cycles(nodes):
        what = f"{cycle[0]}: a cycle of work: {' -> '.join([*cycle, cycle[0]])}"
        lines.fault(("nodes", cycle[0], "from"), what, "data go one way: take one of these out of a from")


def _check_sources(node: NodeSpec, nodes: Nodes, lines: Lines) -> None:
    kind = KINDS[node.kind]
    where = ("nodes", node.name, "from")
    if node.sources and not kind.reads:
        lines.fault(where, f"{node.name}: {_a(node.kind)} reads nobody", "leave from out")
        return
    good = True
    for source in node.sources:
        if source not in nodes:
            good = False
            lines.fault(where, f"{node.name}: nobody is called {source!r}", suggestion(source, nodes))
        elif nodes[source].kind not in kind.reads:
            good = False
            what = f"{node.name}: {_a(node.kind)} can't read {source}, {_a(nodes[source].kind)}"
            others = {name: other for name, other in nodes.items() if name != node.name}
            lines.fault(where, what, f"it reads {_names(others, kind.reads)}")
    if not node.sources and kind.needs:
        lines.fault(where, f"{node.name}: nobody feeds this {node.kind}", f"add from: {_names(nodes, kind.needs)}")
    elif good and kind.needs and not {nodes[source].kind for source in node.sources} & set(kind.needs):
        what = f"{node.name}: nothing to read for this {node.kind}"
        lines.fault(where, what, f"name in from also {_names(nodes, kind.needs)}")


def _names(nodes: Nodes, kinds: tuple[str, ...]) -> str:
    """The nodes of these kinds that there are, for a remedy; else the kinds."""
    there = [node.name for node in nodes.values() if node.kind in kinds]
    return " or ".join(there or [_a(kind) for kind in kinds])


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _cycles(nodes: Nodes) -> Iterator[list[str]]:
    """Cycles of `from` that share no node, each in the way of the data from its first node in the file."""
    left = {name: [source for source in node.sources if source in nodes] for name, node in nodes.items()}
    while _peel(left):
        trail = [next(iter(left))]
        while (source := next(name for name in left[trail[-1]] if name in left)) not in trail:
            trail.append(source)
        cycle = trail[trail.index(source) :][::-1]
        first = next(position for name in nodes for position, member in enumerate(cycle) if member == name)
        yield cycle[first:] + cycle[:first]
        for name in cycle:
            del left[name]


def _peel(left: dict[str, list[str]]) -> bool:
    """Take away all that have no source left; what stays reads, in the end, a cycle. Returns whether any stays."""
    while ends := [name for name, sources in left.items() if not any(source in left for source in sources)]:
        for name in ends:
            del left[name]
    return bool(left)


def dialled(to: Any, entries: dict[str, Any], nodes: Nodes, name: str, hosts: dict[str, Host], lines: Lines) -> Any:
    """`to: front` is where the balancer `front` listens, as seen from its device, for what that speaks; HOST:PORT stays
    as it is."""
    if not isinstance(to, str) or ":" in to:
        return to
    where = ("nodes", name, "to")
    balancers = [node.name for node in nodes.values() if node.kind == "balancer"]
    spoken = str(entries[name].get("protocol", "c37118"))
    setting = "listen" if spoken == "c37118" else "listen_gbt26865"
    listen = str(entries[to].get(setting)) if to in balancers else ""
    if to in nodes and to not in balancers:
        lines.fault(where, f"{name}: {to} is {_a(nodes[to].kind)}, devices dial a balancer", suggestion(to, balancers))
    elif to in balancers and setting not in entries[to]:
        lines.fault(where, f"{name}: {to} has no port for {spoken}", f"give {to} {setting}: HOST:PORT")
    elif to not in entries:
        lines.fault(where, f"{name}: nobody is called {to!r}", f"{suggestion(to, balancers)}; or write HOST:PORT")
    elif listen.endswith(":0"):
        lines.fault(where, f"{name}: {to} listens on any free port", f"give {to} a port")
    far = hosts.get(nodes[to].host) if to in nodes else None
    address = (f"[{far.address}]:" if ":" in far.address else f"{far.address}:") if far else ""
    for everywhere, here in (("0.0.0.0:", address or "127.0.0.1:"), ("[::]:", address or "[::1]:")):
        listen = here + listen.removeprefix(everywhere) if listen.startswith(everywhere) else listen
    # Where the balancer's own address is faulty, that fault is enough.
    return listen if ":" in listen else str(Address("127.0.0.1", 1))


def check_shared(nodes: Nodes, lines: Lines) -> None:
    """What two nodes of a host can't have both: a port to listen on (`0.0.0.0` takes it everywhere), a folder to
    archive in.
    """
    ports: tuple[list[tuple[NodeSpec, Address]], ...] = [], []
    """Of TCP, of UDP."""
    folders: dict[tuple[str, str], str] = {}
    for node in nodes.values():
        for setting, listen in listens(node):
            taken = ports[setting == UDP]
            for other in (other for other, theirs in taken if other.host == node.host and _clash(theirs, listen)):
                what = f"{node.name}: port {listen.port} is taken by {other.name}"
                lines.fault(("nodes", node.name, setting), what, "give each its own port")
            taken.append((node, listen))
        if node.kind == "archiver" and (path := getattr(node.settings, "path", None)) is not None:
            owner = folders.setdefault((node.host, os.path.normpath(path)), node.name)
            if owner != node.name:
                what = f"{node.name}: {owner} archives in the same folder"
                lines.fault(("nodes", node.name, "path"), what, "give each its own path")


def check_links(nodes: Nodes, site: Site, lines: Lines) -> None:
    """Links that settings name must be in the site file, unless devices may come that it does not know; and frames are
    passed on of C37.118 alone."""
    known = {device.name: device.protocol for device in site.devices}
    for node in nodes.values():
        for where, link in getattr(node.settings, "links", ()):
            if link not in known and site.unknown == "refuse":
                what = f"{node.name}: {where[0]}: no device of the site is called {link!r}"
                lines.fault(("nodes", node.name, *where), what, suggestion(link, known))
            elif node.raw and known.get(link, "c37118") != "c37118":
                what = f"{node.name}: {link!r} speaks {known[link]}, and only C37.118 is passed on with raw"
                remedy = (
                    "name a device of that protocol, or leave raw out: a publisher tells any device's rows as C37.118"
                )
                lines.fault(("nodes", node.name, *where), what, remedy)


def check_statistics(nodes: Nodes, lines: Lines) -> None:
    """Statistics and flags go from a concentrator that makes them to an archiver that names it."""
    for node in nodes.values():
        wanted = getattr(node.settings, "statistics", None)
        readers = [other for other in nodes.values() if other.kind == "archiver" and node.name in other.sources]
        if wanted and not readers:
            what = f"{node.name}: nobody archives its statistics"
            lines.fault(("nodes", node.name, "statistics"), what, f"add {node.name} to the from of an archiver")
        for reader in readers if wanted is False and not getattr(node.settings, "flags", False) else ():
            what = f"{reader.name}: {node.name} says nothing to an archiver"
            remedy = f"add statistics: true or flags: true to {node.name}, or take it out"
            lines.fault(("nodes", reader.name, "from"), what, remedy)


def check_triggers(nodes: Nodes, lines: Lines) -> None:
    """An event trigger reads a trigger of scheduled windows, no other trigger reads one; and to each its algorithms."""
    for node in nodes.values():
        on = getattr(node.settings, "on", None) if node.kind == "trigger" else None
        where = ("nodes", node.name, "from")
        read = [nodes[name] for name in node.sources if name in nodes and nodes[name].kind == "trigger"]
        if on == "schedule" and read:
            what = f"{node.name}: with on: schedule a trigger can't read {read[0].name}, a trigger"
            lines.fault(where, what, "write on: suspicion, or take it out")
        elif on == "suspicion" and not read:
            scheduled = [each.name for each in nodes.values() if getattr(each.settings, "on", "") == "schedule"]
            what = f"{node.name}: on: suspicion, and nobody tells it of one"
            lines.fault(where, what, f"name in from also {' or '.join(scheduled) or 'a trigger with on: schedule'}")
        for source in read if on == "suspicion" else ():
            if getattr(source.settings, "on", "") == "suspicion":
                what = f"{node.name}: {source.name} tells events, not suspicions"
                lines.fault(where, what, f"read the trigger that {source.name} reads")
        if node.kind == "detector" and node.settings is not None:
            _check_algorithm(node, nodes, lines)


ROUNDED = 0.95
"""Of a shortest window, which is reckoned for one reporting rate."""


def _check_algorithm(node: NodeSpec, nodes: Nodes, lines: Lines) -> None:
    """Windows of several devices, and of a quantity, are for algorithms that take them."""
    algorithm = getattr(node.settings, "algorithm", "")
    together = bool(getattr(node.settings, "together", False))
    wants = getattr(node.settings, "wants", ())
    for source in (nodes[name] for name in node.sources if name in nodes):
        on, of = getattr(source.settings, "on", None), getattr(source.settings, "of", None)
        if on == "schedule" and of is not None and wants and not of.startswith(wants):
            what = f"{node.name}: {algorithm} can't judge {of}, and {source.name} cuts windows of that"
            remedy = f"let it read a trigger with of: {' or '.join(wants)} …, or choose another algorithm"
            lines.fault(("nodes", node.name, "algorithm"), what, remedy)
        if on is not None and (on == "suspicion") != together:
            many = "several devices" if together else "one device"
            wanted = "suspicion" if together else "schedule"
            what = f"{node.name}: {algorithm} judges {many} at a time, the windows of {source.name} are others"
            remedy = f"let it read a trigger with on: {wanted}, or choose another algorithm (syms algorithms)"
            lines.fault(("nodes", node.name, "algorithm"), what, remedy)
            continue
        least, shortest = getattr(source.settings, "least", None), float(getattr(node.settings, "shortest", 0.0))
        if least is not None and least < ROUNDED * shortest * SECOND:
            which = "windows" if on == "schedule" else "first answers"
            what = (
                f"{node.name}: {algorithm}, as it is set, needs windows of {shortest:.1f} s at least, and the {which}"
            )
            what += f" of {source.name} have {least / SECOND:g} s"
            lines.fault(
                ("nodes", source.name, "window"), what, "make `window` longer, or spans of the algorithm shorter"
            )


PORTS = ("listen", "listen_tls", "listen_gbt26865", "data_listen")
"""Settings that say where a node listens."""


def listens(node: NodeSpec) -> list[tuple[str, Address]]:
    """Where a node listens, by setting; any free port is left out."""
    found = [(setting, getattr(node.settings, setting, None)) for setting in (*PORTS, UDP)]
    return [(setting, listen) for setting, listen in found if isinstance(listen, Address) and listen.port]


def check_raw(nodes: Nodes, lines: Lines) -> None:
    """Who passes frames on reads receivers, all other publishers concentrators."""
    for node in (each for each in nodes.values() if each.kind == "publisher"):
        kind = "receiver" if node.raw else "concentrator"
        for source in (nodes[name] for name in node.sources if name in nodes):
            if source.kind == ("concentrator" if node.raw else "receiver"):
                what = f"{node.name}: {'with' if node.raw else 'without'} raw a publisher can't read {source.name}"
                lines.fault(
                    ("nodes", node.name, "from"), f"{what}, {_a(source.kind)}", f"it reads {_names(nodes, (kind,))}"
                )


def _clash(one: Address, other: Address) -> bool:
    everywhere = {one.host, other.host} & {"0.0.0.0", "::"}
    return one.port == other.port and (one.host == other.host or bool(everywhere))


def check_run(nodes: Nodes, run: str, lines: Lines) -> None:
    """Unix sockets must fit into their address."""
    for node in nodes.values():
        longest = f"{run}/{node.processes[-1]}{LONGEST_SUFFIX}"
        if (size := len(os.fsencode(longest))) > IPC_PATH_LIMIT:
            what = f"{node.name}: the path of its socket has {size} bytes, {IPC_PATH_LIMIT} fit ({longest})"
            lines.fault(("nodes", node.name), what, "set SYMS_RUN to a shorter folder, or shorten the name")
