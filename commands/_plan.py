"""What is to be done so that a running station becomes what a pipeline file says: compared and ordered, not done.

What runs is told by the processes themselves (`commands/_running.py`), each with the wiring that it was started by.
Only what must follow is restarted. The order loses nothing: new receivers and new detectors come first, then those that
leave hand on what they have, then what changed is restarted, who reads before who feeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import yaml

from nodes._kinds import KINDS
from nodes._node import StartError, node_of
from nodes._pipeline import Pipeline
from nodes._wiring import NodeSpec

JOURNALLED = ("receiver", "trigger", "concentrator")
"""Kinds that leave: what they said and readers have not got yet is handed on first."""
EARLY = (*JOURNALLED, "detector")
"""Kinds of which a new one is started before others leave. Others may need a port or a folder that is not free yet."""
SITE = ("balancer", "receiver", "concentrator", "detector", "publisher", "archiver")
"""Kinds that look at the site file."""

RESTART = {
    "alarms": "alarms come 1 to 3 s late; those that stand, stand again",
    "archiver": "rows wait in the receivers' journals, 1 to 3 s; nothing is lost",
    "balancer": "devices that dial meanwhile dial again; those connected notice nothing",
    "caretaker": "a backup or a check that is under way begins anew at its next time",
    "concentrator": "slots come 1 to 3 s late; nothing is lost",
    "console": "its pages come back after some seconds, and everybody signs in again",
    "detector": "it judges what it has first; no window is lost or judged twice",
    "monitor": "clock and disks are not looked at for 3 s",
    "publisher": "its clients are hung up on and dial again; they miss what is told meanwhile",
    "receiver": "its devices are read 1 to 3 s late, nothing is lost; those under TLS dial again",
    "replayer": "its recording begins anew",
    "simulator": "its devices dial again",
    "trigger": "windows are judged 1 to 3 s late; none is lost or judged twice",
}
"""What it costs to restart one, by kind."""
REMOVE = {
    **dict.fromkeys(KINDS, "it ends"),
    "archiver": "it commits what it has; nothing is archived there any more",
    "balancer": "its devices are hung up on",
    "concentrator": "its minutes and flags go to their readers first",
    "detector": "it judges what it has first; no window is lost or judged twice",
    "publisher": "its clients are hung up on",
    "receiver": "its connections go to others, its rows to their readers, nothing is lost; those under TLS dial again",
    "trigger": "windows not complete yet are not judged; its verdicts go to their readers first",
}  # fmt: skip


class Do(StrEnum):
    """What is done with a process."""

    START = "start"
    STAND_IN = "stand in"
    """Start one more of its kind, until all others are restarted."""
    RESTART = "restart"
    LEAVE = "leave"
    """Have it hand on what it has, and end."""
    STOP = "stop"


@dataclass(frozen=True)
class Step:
    """One of the things to do, in order."""

    do: Do
    process: str
    why: str
    cost: str
    of: str = ""
    """Of one that stands in: the process whose settings it has."""


@dataclass(frozen=True)
class Difference:
    """One node that is another now."""

    node: str
    what: str
    """added, removed or changed"""
    kind: str
    settings: list[tuple[str, str, str]] = field(default_factory=list)
    """(name, old, new) as YAML; "" where it is not written."""


@dataclass(frozen=True)
class Plan:
    """See the module."""

    differences: list[Difference]
    steps: list[Step]
    kept: list[str]
    """Processes that are left alone."""

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Running:
    """A process that supervisord has."""

    name: str
    wiring: Pipeline
    """That it was started by."""
    of: str
    """Its name there: another one where it stands in."""
    leaving: bool = False

    @property
    def spec(self) -> NodeSpec:
        return self.wiring.processes[self.of]


def make(running: Sequence[Running], new: Pipeline) -> Plan:
    """Raises StartError for what can't be changed while the station runs."""
    _check(running, new)
    here = {each.name: each for each in running}
    stays = {name: each for name, each in here.items() if name in new.local}
    whys = {name: why for name, each in stays.items() if (why := _why(each, new))}
    added = [name for name in new.starting_order if name not in here]
    gone = [each for name, each in here.items() if name not in new.local]
    early = [name for name in added if new.local[name].kind in EARLY]
    steps = [
        *(_start(name, new) for name in early),
        *_removals(gone),
        *_restarts([name for name in new.starting_order if name in whys], whys, new, early),
        *(_start(name, new) for name in added if name not in early),
    ]
    kept = [name for name in new.local if name in stays and name not in whys]
    return Plan(list(_differences(running, new)), steps, kept)


def _check(running: Iterable[Running], new: Pipeline) -> None:
    remedy = f"syms down {new.path}, then syms up"
    for each in running:
        node = new.nodes.get(each.spec.name)
        if node is not None and node.kind != each.spec.kind:
            what = f"{node.name} runs as a {each.spec.kind} and is a {node.kind} in the file"
            raise StartError(f"{what}: give it another name, or {remedy}")
        if each.wiring.journal != new.journal:
            raise StartError(f"the journal can't move while the station runs: {remedy}")
        if (each.wiring.hosts, each.wiring.keys) != (new.hosts, new.keys):
            raise StartError(f"hosts and keys can't change while the station runs: {remedy}")


# ── what is to be done ──────────────────────────────────────────────────────────────────────────────────────


def _start(name: str, new: Pipeline) -> Step:
    return Step(Do.START, name, f"{new.local[name].name} wants it", "nothing")


def _removals(gone: Iterable[Running]) -> Iterator[Step]:
    """Those who feed first. A receiver whose balancer goes too has nobody to give its connections to."""
    going = {each.name for each in gone}
    for each in sorted(gone, key=lambda one: (-one.wiring.order(one.of), one.name)):
        kind = each.spec.kind
        alone = kind == "receiver" and going >= set(each.wiring.place(each.of).sources.get("balancer", []))
        why = "it only stood in" if each.name != each.of else f"{each.spec.name} does not want it any more"
        cost = "its devices were hung up on; its rows go to their readers" if alone else REMOVE[kind]
        yield Step(Do.LEAVE if kind in JOURNALLED else Do.STOP, each.name, why, cost)


def _restarts(names: Sequence[str], whys: Mapping[str, str], new: Pipeline, early: Sequence[str]) -> Iterator[Step]:
    """Detectors roll: a new one joins before the first of the old ones goes."""
    pools: dict[str, list[str]] = {}
    for name in names:
        pools.setdefault(new.local[name].name, []).append(name)
    for pool, members in pools.items():
        kind = new.local[members[0]].kind
        fresh = any(new.local[name].name == pool for name in early)
        rolls = kind == "detector" and not fresh and not new.hosts and len(members) == new.nodes[pool].copies
        stand_in = f"{pool}.{new.nodes[pool].copies + 1}"
        if rolls:
            yield Step(Do.STAND_IN, stand_in, f"so that {pool} goes on meanwhile", "nothing", of=members[0])
        for name in members:
            yield Step(Do.RESTART, name, whys[name], RESTART[kind])
        if rolls:
            yield Step(Do.STOP, stand_in, "it only stood in", REMOVE[kind])


def _why(running: Running, new: Pipeline) -> str:
    """Why a process must be restarted; "" if it may stay as it is."""
    if running.leaving:
        return "it was leaving"
    if running.name != running.of:
        return "it only stood in"
    old, now = running.spec, new.local[running.name]
    changed = [name for name, *_ in _settings(old, now, _entry(running.wiring, old.name), _entry(new, now.name))]
    changed = [name for name in changed if name not in ("copies", "from")]
    reasons = [f"other settings: {', '.join(changed)}"] if changed else []
    before, after = _wires(running.wiring, running.of), _wires(new, running.name)
    for wire, was in before.items():
        if was != after[wire]:
            reasons.append(_because(wire, was, after[wire]))
    return "; ".join(reasons)


def _because(wire: str, was: Any, now: Any) -> str:
    if wire not in ("it reads", "it is read by", "it watches"):
        return f"{wire} is another"
    more, less = sorted(set(now) - set(was)), sorted(set(was) - set(now))
    told = [f"{wire} {', '.join(more)} too"] if more else []
    told += [f"{wire} {', '.join(less)} no more"] if less else []
    return ", ".join(told) or f"{wire} others"


def _wires(pipeline: Pipeline, process: str) -> dict[str, Any]:
    """What a process knows of others, as far as it does not learn that while it runs.

    Detectors join their triggers, and receivers their balancers, by themselves.
    """
    place, kind = pipeline.place(process), pipeline.processes[process].kind
    by_name = {"detector": node_of, "receiver": node_of} if kind in ("trigger", "balancer") else {}
    readers = {by_name.get(other, str)(name) for other, names in place.readers_of.items() for name in names}
    return {
        "it reads": sorted(name for names in place.sources.values() for name in names),
        "it is read by": sorted(readers),
        "it watches": sorted(place.watched),
        "what it passes on": place.raw,
        "who tells events": place.triggers_of,
        "the site file": place.site_file if kind in SITE else None,
        "where the others are": place.network,
        "which copy it is": place.copy if KINDS[kind].source else 0,
    }


# ── what differs ────────────────────────────────────────────────────────────────────────────────────────────


def _differences(running: Sequence[Running], new: Pipeline) -> Iterator[Difference]:
    """In the order of the new file; what is gone comes last."""
    pools: dict[str, list[Running]] = {}
    for each in running:
        pools.setdefault(each.spec.name, []).append(each)
    for name in dict.fromkeys(process.name for process in new.local.values()):
        node = new.nodes[name]
        if name not in pools:
            yield Difference(name, "added", node.kind)
            continue
        settings: dict[str, tuple[str, str, str]] = {}
        for each in pools[name]:
            for one in _settings(each.spec, node, _entry(each.wiring, name), _entry(new, name)):
                settings.setdefault(one[0], one)
        if settings:
            yield Difference(name, "changed", node.kind, list(settings.values()))
    for name in pools.keys() - {process.name for process in new.local.values()}:
        yield Difference(name, "removed", pools[name][0].spec.kind)


def _entry(pipeline: Pipeline, node: str) -> dict[str, Any]:
    """What stands under its name in the file."""
    entry: dict[str, Any] = pipeline.entries[node]
    return entry


def _settings(
    old: NodeSpec, new: NodeSpec, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """(name, old, new) of what means something else now, as it is written."""
    for name, was, now in (("from", old.sources, new.sources), ("copies", old.copies, new.copies)):
        if was != now:
            yield name, _written(before, name, was), _written(after, name, now)
    if old.nice != new.nice:
        yield "nice", _written(before, "nice"), _written(after, "nice")
    former = old.settings.model_dump(mode="json") if old.settings else {}
    wanted = new.settings.model_dump(mode="json") if new.settings else {}
    for name in dict.fromkeys([*former, *wanted]):
        if former.get(name) != wanted.get(name):
            yield name, _written(before, name), _written(after, name)


def _written(entry: Mapping[str, Any], name: str, otherwise: Any = "") -> str:
    value = entry.get(name, otherwise)
    if isinstance(value, tuple):
        value = list(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return "" if value == "" else text.removesuffix("\n").removesuffix("...").rstrip("\n")


def lines(plan: Plan) -> Iterator[str]:
    """For people."""
    signs = {"added": "+", "removed": "-", "changed": "~"}
    for each in plan.differences:
        yield f"{signs[each.what]} {each.node} ({each.kind}){'' if each.settings else f' {each.what}'}"
        for name, old, new in each.settings:
            yield f"    {name}: {old or 'default'} → {new or 'default'}"
    if plan.steps:
        yield "what is done, in this order:"
    for step in plan.steps:
        yield f"  {step.do} {step.process}: {step.why}"
        if step.cost != "nothing":
            yield f"      {step.cost}"
    if plan.steps and plan.kept:
        yield f"untouched: {', '.join(plan.kept)}"
