"""What the tests of exports are made of: an archive with every oddity, and what stands in it, by our own reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive.exports.exporting import Report, export
from archive.exports.forms import Comtrade, Form
from archive.exports.wishes import Wish, wish
from archive.finish import finish_all
from archive.reading import open_archive
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Configuration, Table
from tests import archives as makers

FAST, SLOW, HARMONICS = Table(50, 2, 1, 1), Table(60, 1, 0, 0), Table(1, 2, 0, 0, orders=3)
ODD = '=站,北 "A"/\\[1]: x'
"""A name that is a formula to a spreadsheet, has what files and sheets must not have, and commas."""


def fill(root: Path) -> Path:
    """Two hours' border, gaps, two stations with a name, a station off the grid, other rates, harmonics, words."""
    archive = Archive(root)
    held = {
        1: makers.configuration(1, FAST, phasors=["UA", "IA"], phasor_units=["V", "A"]),
        2: makers.configuration(2, FAST, name=ODD, digital_valid=[0b101], digital_normal=[0b100]),
        3: makers.configuration(3, SLOW, name="twin"),
        4: makers.configuration(4, SLOW, name="twin", nominal=60),
    }
    harmonics = makers.spectrum(held[1], HARMONICS, [1, 3, 5], phasors=["UA", "IA"], phasor_units=["V", "A"])
    for each in [*held.values(), harmonics]:
        archive.take(each)
    for start in (0, 45 * 60 * 50):  # the second is after an hour's border
        archive.take(makers.measurements([1] * 120, makers.grid(start, 120), FAST))
        with_gap = np.delete(makers.grid(start, 120), slice(40, 60))
        archive.take(makers.measurements([2] * 100, with_gap, FAST, seed=2))
    archive.take(makers.measurements([3] * 90, makers.grid(0, 90, 60), SLOW, seed=3))
    archive.take(makers.measurements([4] * 90, makers.grid(0, 90, 60) + 1_234_567, SLOW, seed=4))
    archive.take(makers.spectra(harmonics, makers.seconds(0, 3), seed=5))
    archive.commit(makers.NONE)
    archive.close()
    return root


def event(root: Path, onset: int = makers.T0 + SECOND) -> None:
    """An event of the first station, a second before and after its onset."""
    archive = Archive(root)
    archive.take(makers.verdict(1, onset))
    archive.commit(makers.NONE)
    archive.write_events(makers.NONE, 0, SECOND, SECOND, everything=True)
    archive.close()


def judged(root: Path) -> None:
    """What an event trigger says: an event of the first two stations, one that was bad data of the second one, with
    files of a second before and after, and an open one."""
    archive = Archive(root)
    bad: dict[str, Any] = {"disturbance": False, "kind": "none", "suspicions": []}
    for suspected, answer, more in ((1, 1, {}), (1, 3, {}), (15, 3, bad)):
        archive.take(makers.event(makers.T0 + suspected * SECOND // 10, answer=answer, **more))
    archive.commit(makers.NONE)
    archive.write_events(makers.NONE, 0, SECOND, SECOND, everything=True)
    archive.take(makers.event(makers.T0 + 2 * SECOND, trigger="sweep"))
    archive.commit(makers.NONE)
    archive.close()


def finished(root: Path) -> Path:
    """The same archive as finished files."""
    finish_all(root)
    return root


@dataclass(frozen=True)
class Truth:
    """Rows of one configuration, in order of time."""

    configuration: Configuration
    time: NDArray[np.int64]
    status: NDArray[np.uint16]
    values: NDArray[np.float32]
    digital: NDArray[np.uint16]

    def within(self, start: int, end: int) -> Truth:
        """Those of [start, end) ns."""
        here = (self.time >= start) & (self.time < end)
        return replace(self, time=self.time[here], status=self.status[here], values=self.values[here],
                       digital=self.digital[here])  # fmt: skip


def truths(root: Path) -> dict[int, Truth]:
    """Number of a device -> its rows, as they are printed."""
    found: dict[int, list[Any]] = {}
    with open_archive(root) as held:
        for rows in held.rows():
            if rows.aside is None:
                found.setdefault(rows.configuration.device, []).append(rows)
    return {device: _joined(rows) for device, rows in found.items()}


def _joined(rows: list[Any]) -> Truth:
    time = np.concatenate([each.time for each in rows])
    order = np.argsort(time, kind="stable")
    fields = [np.concatenate([getattr(each, name) for each in rows])[order] for name in ("status", "values", "digital")]
    return Truth(rows[0].configuration, time[order], *fields)


def exported(root: Path, form: Form, out: Path, comtrade: Comtrade = Comtrade.ASCII, **asked: Any) -> Report:
    """Written, with what the command line would say."""
    wanted: Wish = wish(root, **asked)
    return export(root, wanted, form, out, lambda _: lambda _: None, comtrade)
