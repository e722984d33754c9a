"""A pipeline file: which nodes there are and who reads whom. Checked as a whole before anything starts.

    site: ../config/site.yaml
    journal: ../data/journal            # optional; by default ../data/journal/<name of this file>
    nodes:
      front:      {kind: balancer, listen: 0.0.0.0:4712}
      receivers:  {kind: receiver, from: front, copies: 2}
      archive:    {kind: archiver, from: receivers, path: ../data}

Several hosts: `hosts:` says where they are, and every node its `host` (`nodes/_hosts.py`).

`from` is the wire; nobody writes an address twice. The order in the file is the order of the data. A node with
copies is several processes, `receivers.1`, `receivers.2`; `from` names them all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from nodes import _hosts, _site, _sitewatch, _yaml
from nodes._faults import Faulty, Lines, suggestion
from nodes._kinds import KINDS, settings_of
from nodes._network import Host, Network, assign
from nodes._node import Place
from nodes._runfolder import run_folder
from nodes._settings import NAME, Names, Settings
from nodes._site import Site
from nodes._wiring import (
    Nodes,
    NodeSpec,
    check_links,
    check_raw,
    check_run,
    check_shared,
    check_statistics,
    check_triggers,
    check_wires,
    dialled,
)

MAX_COPIES = 64
COMMON = ("kind", "from", "copies", "host", "nice")
TOP = ("site", "journal", "hosts", "keys", "nodes")


class Common(Settings):
    """What every node can be told."""

    model_config = ConfigDict(extra="ignore")

    kind: str
    """Which kind of node, as balancer."""
    from_: Names = Field(default_factory=list, alias="from")
    """Name of the node that it reads, or a list of names."""
    copies: Annotated[int, Field(ge=1, le=MAX_COPIES)] = 1
    """Number of processes that share the work."""
    host: str = ""
    """Which of `hosts` it runs on, where the pipeline has several."""
    nice: Annotated[int, Field(ge=-20, le=19)] | None = None
    """Added to the nice value of its processes, instead of what its kind has; below 0 takes root or CAP_SYS_NICE."""


@dataclass(frozen=True)
class Pipeline:
    """A checked pipeline file."""

    path: Path
    """Absolute."""
    site: Site
    nodes: Nodes
    """In the order of the file."""
    run: str
    """Runtime folder."""
    journal: Path
    """Folder of the processes' journals, each in one of its own name."""
    hosts: dict[str, Host] = field(default_factory=dict)
    """By name; none: everything runs on one host."""
    keys: Path = Path()
    """Folder of the keys that hosts know each other by."""
    here: str = ""
    """The host that this is; "" if there is but one, or it was not asked for."""
    site_file: Path | None = None
    text: str = ""
    """Of the file."""
    entries: dict[str, Any] = field(default_factory=dict)
    """What stands under `nodes`, as it is written."""

    @property
    def processes(self) -> dict[str, NodeSpec]:
        """All processes, in the order of the file."""
        return {process: node for node in self.nodes.values() for process in node.processes}

    @property
    def local(self) -> dict[str, NodeSpec]:
        """The processes of this host; all, if there is but one."""
        return {process: node for process, node in self.processes.items() if node.host == self.here}

    @property
    def network(self) -> Network | None:
        """Where everybody is; None if there is but one host."""
        if not self.here:
            return None
        host_of = {process: node.host for process, node in self.processes.items()}
        return Network(self.here, self.hosts, host_of, self.keys, assign(self.hosts, host_of))

    @property
    def starting_order(self) -> list[str]:
        """The processes of this host, readers before those who feed them; stopping goes the other way round."""
        return sorted(self.local, key=self.order)

    @property
    def stopping_order(self) -> list[list[str]]:
        """The processes of this host, those who feed before those who read; those of one list may stop at once."""
        return [list(level) for _, level in groupby(reversed(self.starting_order), key=self.order)]

    def order(self, process: str) -> int:
        """Processes start in ascending order: that of their kind, before those of the same kind that feed them."""
        node = self.processes[process]
        same = any(self.nodes[source].kind == node.kind for source in node.sources)
        return KINDS[node.kind].order - same

    def place(self, process: str) -> Place:
        """Where a process stands. Raises KeyError for a name that is no process of this pipeline."""
        node = self.processes[process]
        return Place(
            name=process,
            node=node.name,
            copy=node.processes.index(process) + 1,
            readers_of=_by_kind([other for other in self.nodes.values() if node.name in other.sources]),
            sources=_by_kind([self.nodes[source] for source in node.sources]),
            run=self.run,
            site=self.site.model_dump(mode="json"),
            pipeline=str(self.path),
            journal=self.journal / process,
            network=self.network,
            raw=tuple(each.raw for each in self.nodes.values() if each.raw and node.name in each.sources),
            site_file=self.site_file,
            triggers_of=self._triggers_of(node),
            watched=tuple(self.processes) if KINDS[node.kind].watches else (),
            nice=node.nice,
        )

    def _triggers_of(self, reader: NodeSpec) -> dict[str, list[str]]:
        """See `Place.triggers_of`."""
        found: dict[str, list[str]] = {}
        for trigger in (self.nodes[source] for source in reader.sources if self.nodes[source].kind == "trigger"):
            theirs = _by_kind([self.nodes[source] for source in trigger.sources]).get("trigger")
            if theirs:
                found |= dict.fromkeys(trigger.processes, theirs)
        return found


def _by_kind(nodes: list[NodeSpec]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(node.kind, []).extend(node.processes)
    return found


def load(
    path: Path, only: str | None = None, here: str | None = None, standing: bool = False, wired: Path | None = None
) -> Pipeline:
    """The checked pipeline in a file. Raises Faulty with every fault of it and of its site file.

    `only` is a process: the wiring is checked whole, but settings just of this process's node, so that a
    receiver does not import what an archiver needs; and it starts again with the site file that was in force if that
    has faults now. So it is with `standing`, for who looks at a station that may be up. `here` is the host that this
    is, where there are several ("": the one whose key lies here); then its key must be there too. `wired` is where the
    text lies, if not in the file itself: as it was when a process was started, or as it is to be.
    """
    data, lines, text = _yaml.read(wired or path, str(path), limit=_yaml.MAX_WIRING)
    entries = _top(data, lines)
    hosts = _hosts.read(data.get("hosts") if isinstance(data, dict) else None, lines)
    nodes = {name: node for name, entry in entries.items() if (node := _common(name, entry, lines))}
    check_wires(nodes, set(entries) - set(nodes), lines)
    for name, node in list(nodes.items()):
        if only is None or only in node.processes:
            nodes[name] = _with_settings(node, entries, nodes, path, hosts, lines)
    check_shared(nodes, lines)
    check_raw(nodes, lines)
    check_statistics(nodes, lines)
    check_triggers(nodes, lines)
    _hosts.check(nodes, hosts, lines)
    journal = _folder(path.resolve(), data, "journal", f"../data/journal/{path.stem}", lines)
    keys = _folder(path.resolve(), data, "keys", "../config/keys", lines)
    if only is not None:
        here = next((node.host for node in nodes.values() if only in node.processes), None)
    here = "" if here is None or not hosts else _hosts.here(here, hosts, keys, lines)
    run = str(run_folder(path, here))
    check_run(nodes, run, lines)
    as_it_runs = only is not None or standing
    site = _site_in_force(path, data, run, lines) if as_it_runs else _load_site(path, data, lines)
    if site is not None and not as_it_runs:  # one that is up starts again, whoever is gone from the site meanwhile
        check_links(nodes, site, lines)
    if lines.faults or site is None:
        raise Faulty(lines.faults)
    return Pipeline(path.resolve(), site, nodes, run, journal, hosts, keys, here, _site_file(path, data), text, entries)


def _top(data: Any, lines: Lines) -> dict[str, Any]:
    """The entries under `nodes:`."""
    if not isinstance(data, dict):
        if not lines.faults:
            lines.fault((), "not a pipeline file", "write site: and nodes:")
        return {}
    for key in data:
        if key not in TOP:
            lines.fault((key,), f"unknown setting {key!r}", suggestion(key, TOP))
    nodes = data.get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        lines.fault(("nodes",), "no nodes", "write nodes: with one entry per node, as front: {kind: balancer, …}")
        return {}
    return nodes


def _folder(path: Path, data: Any, key: str, otherwise: str, lines: Lines) -> Path:
    """Where `journal:` or `keys:` says, relative to the file."""
    named = (data if isinstance(data, dict) else {}).get(key, otherwise)
    if not isinstance(named, str) or not named:
        lines.fault((key,), f"{key} is no folder", f"write {key}: {os.path.dirname(otherwise)}, or leave it out")
        return path.parent
    return Path(os.path.normpath(path.parent / named))


def _site_file(path: Path, data: Any) -> Path:
    named = data.get("site", "") if isinstance(data, dict) else ""
    return Path(os.path.normpath(path.resolve().parent / str(named)))


def _site_in_force(path: Path, data: Any, run: str, lines: Lines) -> Site | None:
    """The site file; if that has faults, the one that was in force last. A process must start again meanwhile.

    What is wrong with the tables of its network concerns none but detectors, who say so themselves.
    """
    apart = Lines(lines.file, lines.at, [])
    site = _load_site(path, data, apart, tables=False) or _sitewatch.kept(run, _site_file(path, data))
    if site is None:
        lines.faults.extend(apart.faults)
    return site


def _load_site(path: Path, data: Any, lines: Lines, *, tables: bool = True) -> Site | None:
    if not isinstance(data, dict):
        return None
    named = data.get("site")
    if not isinstance(named, str) or not named:
        lines.fault(("site",), "no site file is named", "write site: ../config/site.yaml")
        return None
    found = path.parent / named
    if not os.path.isfile(found):  # pathlib's raises for a name that is too long
        lines.fault(("site",), f"there is no site file {named!r}", "its path is relative to this file")
        return None
    try:
        return _site.load(found, shown=os.path.normpath(Path(lines.file).parent / named), tables=tables)
    except Faulty as faulty:
        lines.faults.extend(faulty.faults)
        return None


def _common(name: str, entry: Any, lines: Lines) -> NodeSpec | None:
    """Kind, wires and copies of one entry; None if they are too wrong to go on with it."""
    path = ("nodes", name)
    if not NAME.fullmatch(name):
        lines.fault(path, f"{name!r} can't be a node's name", "a letter, then up to 31 letters, digits, - and _")
        return None
    if not isinstance(entry, dict):
        lines.fault(path, f"{name}: no settings", "write {kind: …, from: …}")
        return None
    try:
        common = Common.model_validate(entry)
    except ValidationError as error:
        lines.settings(path, Common, error, name)
        return None
    if common.kind not in KINDS:
        lines.fault((*path, "kind"), f"{name}: unknown kind {common.kind!r}", suggestion(common.kind, KINDS))
        return None
    if common.copies > 1 and not KINDS[common.kind].copies:
        lines.fault((*path, "copies"), f"{name}: the work of a {common.kind} can't be shared", "leave copies out")
    raw = entry.get("raw") if common.kind == "publisher" else ""
    return NodeSpec(
        name,
        common.kind,
        tuple(common.from_),
        common.copies,
        host=common.host,
        nice=common.nice,
        raw=raw if isinstance(raw, str) else "",
    )


def _with_settings(
    node: NodeSpec, entries: dict[str, Any], nodes: Nodes, path: Path, hosts: dict[str, Host], lines: Lines
) -> NodeSpec:
    """The node with its kind's own settings, checked."""
    model = settings_of(node.kind)
    own = {key: value for key, value in entries[node.name].items() if key not in COMMON}
    if KINDS[node.kind].source and "to" in own:
        own["to"] = dialled(own["to"], entries, nodes, node.name, hosts, lines)
    try:
        settings = model.model_validate(own, context={"base": path.resolve().parent})
    except ValidationError as error:
        lines.settings(("nodes", node.name), model, error, node.name)
        return node
    return replace(node, settings=settings)
