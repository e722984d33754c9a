"""The kinds of node, as far as wiring must know them. Their modules are imported only when one is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nodes._node import Node, Place
from nodes._settings import Settings


@dataclass(frozen=True)
class Kind:
    """What may be wired to a kind."""

    what: str
    """What it does, in a line."""
    node: str
    """Its class in `nodes.<kind>`, beside `Settings`, or what makes one."""
    reads: tuple[str, ...] = ()
    """Kinds that its `from` may name; none: it has no `from`."""
    needs: tuple[str, ...] = ()
    """Kinds of which its `from` must name one: without it there is nothing to read."""
    serves: tuple[str, ...] = ()
    """Kinds of which one must read it: without it its work goes nowhere."""
    copies: bool = False
    """Several of it may share the work."""
    source: bool = False
    """It feeds its `to` from outside the pipeline, over the network, as a device does."""
    watches: bool = False
    """It hears the Health of every process."""
    order: int = 0
    """Started in ascending order, stopped in descending: a reader starts before and stops after who feeds it."""


KINDS: dict[str, Kind] = {
    "simulator": Kind("devices that do not exist", "Simulator", copies=True, source=True, order=90),
    "replayer": Kind("the device's side of a capture", "Replayer", source=True, order=90),
    "balancer": Kind("gives every device to the receiver with the fewest", "Balancer", serves=("receiver",), order=80),
    "receiver": Kind(
        "bytes of devices to rows", "receiver", reads=("balancer",), needs=("balancer",), copies=True, order=70
    ),
    "concentrator": Kind(
        "rows of all devices to slots, aligned in time",
        "Concentrator",
        reads=("receiver",),
        needs=("receiver",),
        order=60,
    ),
    "trigger": Kind(
        "slots to windows, leased to detectors; with on: suspicion to events",
        "trigger",
        reads=("concentrator", "trigger"),
        needs=("concentrator",),
        serves=("detector",),
        order=50,
    ),
    "detector": Kind(
        "judges windows with an algorithm", "Detector", reads=("trigger",), needs=("trigger",), copies=True, order=40
    ),
    "publisher": Kind(
        "aligned slots, or one device's frames, as an output stream for other control centres",
        "publisher",
        reads=("concentrator", "receiver"),
        needs=("concentrator", "receiver"),
        order=20,
    ),
    "archiver": Kind(
        "keeps rows and verdicts in HDF5",
        "Archiver",
        reads=("receiver", "trigger", "concentrator", "alarms"),
        needs=("receiver",),
        order=10,
    ),
    "alarms": Kind(
        "raises alarms of limits, events, bad data and processes, and tells them",
        "Alarms",
        reads=("concentrator", "trigger"),
        needs=("concentrator", "trigger"),
        watches=True,
        order=15,
    ),
    "console": Kind(
        "the station on web pages",
        "Console",
        reads=("concentrator", "trigger", "alarms"),
        needs=("concentrator",),
        watches=True,
        order=8,
    ),
    "caretaker": Kind("backups, retention, verifying, at their times", "Caretaker", order=5),
    "monitor": Kind("watches the machine's clock and disks", "Monitor", order=5),
}


def settings_of(kind: str) -> type[Settings]:
    """The settings model of a kind."""
    model: type[Settings] = importlib.import_module(f"nodes.{kind}").Settings
    return model


def node_of(kind: str) -> Callable[[Any, Place], Node]:
    """The class of a kind: made with its checked settings and its place."""
    node: Callable[[Any, Place], Node] = getattr(importlib.import_module(f"nodes.{kind}"), KINDS[kind].node)
    return node
