"""How events are told in a list: as plain values, for a reader's language."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from archive import layout
from archive.records import Record
from console.eventlist import Entry
from console.texts import Texts
from protocol.clock import MILLISECOND

NAMED = 3
"""Devices that are named."""
GROUPS = {"gen_trip": "power", "load_loss": "power", "line_trip": "fault", "fault_3ph": "fault", "fault_2ph": "fault",
          "fault_ground": "fault", "osc_inter_area": "osc", "osc_forced": "osc", "osc_subsync": "osc",
          "islanding": "island"}  # fmt: skip
"""Kind -> what it is marked as."""


def row(entry: Entry, text: Texts, query: str, mine: Collection[str] | None = None) -> dict[str, Any]:
    """A line of the list; its link keeps what is looked for. `mine`: names that the reader may see; None: all."""
    event = entry.event
    return {
        "name": entry.name,
        "link": f"/events/{entry.name}{query}",
        "onset": event.onset // MILLISECOND,
        "kind": kind(entry, text),
        "group": GROUPS.get(event.kind, "other"),
        "sure": _number(event.confidence) if event.disturbance else None,
        "mhz": _number(event.size_mhz),
        "mw": _number(event.size_mw),
        "place": place(entry, text, mine),
        "devices": len(event.devices),
        "state": entry.state,
        "said": text(f"events.state_{entry.state}"),
    }


def kind(entry: Entry, text: Texts) -> str:
    """What it was; of what verdicts alone made, the algorithm."""
    if entry.state in ("failed", "rejected"):
        return text(f"events.state_{entry.state}")
    return text.of("kind", entry.event.kind or entry.event.algorithm)


def place(entry: Entry, text: Texts, mine: Collection[str] | None = None) -> str:
    """By the nearest devices; of what was none, which data were bad."""
    event = entry.event

    def seen(names: list[str]) -> list[str]:
        return [each for each in names if mine is None or each in mine]

    if entry.state == "rejected":
        bad = seen(event.bad)
        return text("events.bad_data", names=_some(bad)) if bad else ""
    nearest = seen(event.nearest)
    if not nearest:
        return _some(seen(event.devices))
    near = text("events.near", name=_some(nearest[:NAMED]))
    return f"{near}  {text('events.within', km=f'{event.ellipse[0]:.0f}')}" if len(event.ellipse) == 3 else near


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)


def moment(time: int) -> str:
    """ns UTC to the millisecond; "" for 0."""
    return f"{layout.moment(time):%Y-%m-%d %H:%M:%S.%f}"[:-3] if time else ""


def title(held: Record, text: Texts) -> str:
    """What it was, how sure that is, how large."""
    if not held.answers:
        return text("events.state_suspected")
    said = held.counting
    if said.outcome != "ok":
        return text("event.not_judged", why=said.error)
    if not said.disturbance:
        return text("event.nothing")
    sizes = [f"{each:+.0f} {unit}" for each, unit in ((said.size_mhz, "mHz"), (said.size_mw, "MW"))
             if each == each]  # fmt: skip
    return "  ".join([f"{text.of('kind', said.kind)} {said.confidence:.0%}", *sizes])
