"""What is done with slots between their release and their telling: merged, filled, tested, corrected, completed, held.

Rows go into the aligner of the table that they are *told* in, which is wider than their own where channels are derived;
these stay NaN until the slot is released. Everything works on all slots and devices of a release at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Released
from algorithms.columns import Counters
from algorithms.corrections import correct
from algorithms.derived import Recipe, Recipes, derive
from algorithms.lastvalues import LastRows
from algorithms.slotring import Rows
from nodes._groups import Groups
from nodes._merging import MODIFIED, Merger, Plan, plan
from nodes._shadows import Shadow, Shadows
from nodes._telling import Telling, own_channels, telling
from nodes._treatsettings import Correction, Treating
from nodes._vain import vain
from nodes._validating import ABSENT, TESTS, Limits, Validator, Watch, limits
from protocol import clock
from protocol.messages import FIXED_CHANNELS, Configuration, Table, split_device

PLANS = 64
"""Sets of devices of which it is kept how they are treated."""
UNCORRECTED = Correction()


class Placed(NamedTuple):
    """Rows as they stand in an aligner."""

    table: Table
    rows: Rows
    at: NDArray[np.intp] | slice
    """[n] which of the rows that came they are made of."""


@dataclass(frozen=True)
class Treated:
    """How the columns of some slots are treated."""

    factor: NDArray[np.float64]
    """[m, p]"""
    angle: NDArray[np.float64]
    """[m, p] degrees"""
    corrected: NDArray[np.bool_]
    """[m] whether anything is"""
    recipes: Recipes
    limits: Limits | None


class Treatment:
    """See the module."""

    def __init__(self, settings: Treating, numbers: Mapping[str, int]) -> None:
        """`numbers` of links by the site file."""
        self.settings = settings
        self._called = {number: name for name, number in numbers.items()}
        """Link -> its name in the site file when we began, which the settings mean whatever it is called since."""
        self.groups = Groups(settings.redundant, numbers)
        self.shadows = Shadows(settings.fill)
        names = [name for name, on in (("redundant", bool(settings.redundant)), ("filled", bool(settings.fill)),
                                       ("invalid", settings.validation.on), ("held", settings.missing == "last"))
                 if on]  # fmt: skip
        self.counters = Counters(names)
        """Rows of devices, as told."""
        self._seen = Counters(list(TESTS))
        self._watch = Watch(self._seen)
        self._known: dict[int, Configuration] = {}
        """As devices say it."""
        self._tellings: dict[int, Telling] = {}
        self._vain: list[str] | None = None
        """Alarms of names that nobody answers to; None: to be looked for anew."""
        self.told: dict[int, Configuration] = {}
        """Device -> what its rows are told as."""
        self._cast: list[Shadow] = []
        self._tables: dict[Table, tuple[NDArray[np.uint32], NDArray[np.intp], list[Table]]] = {}
        """Table of rows as they come -> (devices, ascending; which table each is told in; tables)."""
        self._mergers: dict[Table, Merger] = {}
        self._validators: dict[Table, Validator] = {}
        self._last: dict[Table, LastRows] = {}
        self._merging: dict[bytes, Plan | None] = {}
        """Devices -> how their columns become fewer."""
        self._plans: dict[tuple[Table, bytes], Treated] = {}

    # ── what rows mean ──────────────────────────────────────────────────────────────────────────────────────

    def configure(self, known: Configuration) -> Iterator[Configuration]:
        """What a device's rows mean from now on; yields what is told anew of it, or of the group that it is of."""
        device = known.device
        before = self.groups.target.get(device, device)
        self._known[device] = known
        self._tellings[device] = telling(known, self.settings, self._names(known))
        self._vain = None
        self._plans.clear()
        self._merging.clear()
        self._tables.clear()
        self.groups.note(self._tellings[device])
        self._cast += self.shadows.note(device, self._tellings)
        for target in {before, self.groups.target.get(device, device)}:
            first = self.groups.members.get(target, [target])[0]
            if first not in self._tellings or self.groups.target.get(first, first) != target:
                continue
            told = replace(self.groups.told(first), again=False)
            if _meaning(told) != (_meaning(self.told[target]) if target in self.told else None):
                self.told[target] = told
                yield told

    def new_shadows(self) -> Iterator[tuple[Table, int]]:
        """(table, number) of those that slots are to wait for from now on."""
        cast, self._cast = self._cast, []
        return ((shadow.table, shadow.number) for shadow in cast)

    def table(self, device: int) -> Table:
        """That the rows of a device are told in."""
        return self._tellings[device].table

    # ── before alignment ────────────────────────────────────────────────────────────────────────────────────

    def place(self, table: Table, rows: Rows) -> Iterator[Placed]:
        """Rows of one table as they stand in the aligners, and their shadows."""
        devices, which, tables = self._told_tables(table)
        if len(tables) == 1:
            yield Placed(tables[0], _widened(rows, table, tables[0]), slice(None))
        else:
            found = which[np.searchsorted(devices, rows.device).clip(max=devices.size - 1)]
            for number, told in enumerate(tables):
                at = np.flatnonzero(found == number)
                if at.size:
                    yield Placed(told, _widened(rows.take(at), table, told), at)
        for shadow, at in self.shadows.of(rows.device):
            yield Placed(shadow.table, shadow.of(rows.take(at)), at)

    def _told_tables(self, table: Table) -> tuple[NDArray[np.uint32], NDArray[np.intp], list[Table]]:
        if table not in self._tables:
            mine = {device: each.table for device, each in sorted(self._tellings.items()) if each.source == table}
            tables = sorted(set(mine.values())) or [table]
            which = [tables.index(each) for each in mine.values()]
            self._tables[table] = np.array(list(mine), np.uint32), np.array(which, np.intp), tables
        return self._tables[table]

    # ── after alignment ─────────────────────────────────────────────────────────────────────────────────────

    def treat(self, table: Table, released: Released, late: bool = False) -> Released | None:
        """Slots of one table as they are told; None if nothing is left (of rows that came late)."""
        merged = self._merged(table, released, late)
        if merged is None:
            return None
        released, how = merged, self._how(table, merged.device)
        time = clock.slot_time(released.slot, table.rate)
        if how.limits is not None:
            self._validator(table).validate(released, time, how.limits, late)
        self._correct(table, released, how)
        derive(released.values, how.recipes)
        if self.settings.missing == "last" and not late:
            last = self._last.setdefault(table, LastRows(table.channels, table.digitals))
            held = last.hold(released, time, self.settings.hold, int(ABSENT | MODIFIED))
            self.counters.add("held", released.device, held)
        return released

    def _merged(self, table: Table, released: Released, late: bool) -> Released | None:
        """With one column for each device that is told."""
        streams = released.device.tobytes()
        if streams not in self._merging:
            shadows = {number: each.device for number, each in self.shadows.all.items()}
            _make_room(self._merging)
            self._merging[streams] = plan(released.device, self.groups.target, self.groups.members, shadows)
        how = self._merging[streams]
        if how is None:
            return released
        told = self._merger(table).merge(released, how, late)
        return _without_empty(told) if late else told

    def _correct(self, table: Table, released: Released, how: Treated) -> None:
        if how.corrected.any():
            k, m, _ = released.values.shape
            end = FIXED_CHANNELS + 2 * how.factor.shape[1]
            correct(released.values[..., FIXED_CHANNELS:end].reshape(k, m, -1, 2), how.factor, how.angle)
            released.status[(released.present != 0) & how.corrected] |= MODIFIED

    def _how(self, table: Table, device: NDArray[np.uint32]) -> Treated:
        key = table, device.tobytes()
        if key not in self._plans:
            _make_room(self._plans)
            self._plans[key] = self._planned(table, device)
        return self._plans[key]

    def _planned(self, table: Table, device: NDArray[np.uint32]) -> Treated:
        tellings = [self._telling(number) for number in device.tolist()]
        pairs = table.phasors * table.components
        factor, angle = np.ones((len(tellings), pairs)), np.zeros((len(tellings), pairs))
        for m, each in enumerate(tellings):
            for p, wrong in enumerate(each.corrections if each else ()):
                factor[m, p], angle[m, p] = (wrong or UNCORRECTED).magnitude, (wrong or UNCORRECTED).angle
        validation = self.settings.validation
        return Treated(
            factor, angle, ((factor != 1) | (angle != 0)).any(axis=1),
            Recipes.of([each.recipe if each else Recipe() for each in tellings]),
            limits(validation, tellings, table) if validation.on else None,
        )  # fmt: skip

    def _telling(self, device: int) -> Telling | None:
        """Of a device that is told; None if its configuration never came."""
        return self._tellings.get(self.groups.members.get(device, [device])[0])

    def _merger(self, table: Table) -> Merger:
        return self._mergers.setdefault(table, Merger(self.counters))

    def _validator(self, table: Table) -> Validator:
        if table not in self._validators:
            pairs = table.phasors * table.components
            self._validators[table] = Validator(self.settings.validation, pairs, self.counters, self._seen)
        return self._validators[table]

    # ── how it goes ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def totals(self) -> dict[str, int]:
        """Rows of all devices, and those that failed each test."""
        tests = self._seen.names if self.settings.validation.on else []
        failed = {f"invalid_{name}": int(self._seen.of(name).sum()) for name in tests}
        return {name: int(self.counters.of(name).sum()) for name in self.counters.names} | failed

    @property
    def rejected(self) -> dict[int, int]:
        """Device -> rows of which validation took values out."""
        if "invalid" not in self.counters.names:
            return {}
        return dict(zip(self.counters.devices.tolist(), self.counters.of("invalid").tolist(), strict=True))

    def alarms(self, monotonic: int) -> list[str]:
        """What a person should look at."""
        if self._vain is None:
            self._vain = vain(self.settings, list(self._known.values()), self._names, self._called.values())
        return [*self.groups.alarms, *self.shadows.alarms, *self._vain, *self._watch.alarms(self.told, monotonic)]

    def _names(self, known: Configuration) -> list[str]:
        """What the settings may call a device, its link first."""
        link = self._called.get(split_device(known.device)[0], known.link)
        return [link, known.link, known.name, *filter(None, [self.groups.name_of(link)])]


def _make_room(plans: dict[Any, Any]) -> None:
    if len(plans) >= PLANS:
        plans.clear()


def _meaning(told: Configuration) -> tuple[object, ...]:
    """The same if nothing changed for who reads it."""
    return told.version, told.table, told.link, told.name


def _widened(rows: Rows, table: Table, told: Table) -> Rows:
    """The rows with room for what is derived."""
    if table == told:
        return rows
    values = np.full((rows.slot.size, told.channels), np.nan, np.float32)
    values[:, own_channels(table, told)] = rows.values
    return replace(rows, values=values)


def _without_empty(released: Released) -> Released | None:
    """Only devices and slots of which there is a row; None if there are none."""
    columns, slots = (np.flatnonzero(released.present.any(axis=axis)) for axis in (0, 1))
    if not columns.size:
        return None
    names = ("present", "quality", "status", "values", "digital")
    cells = {name: getattr(released, name)[np.ix_(slots, columns)] for name in names}
    return replace(released, slot=released.slot[slots], device=released.device[columns],
                   arrival=released.arrival[slots], **cells)  # fmt: skip
