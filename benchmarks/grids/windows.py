"""A window: a grid runs with its ambient and an event, its devices measure, and the label says what was so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from benchmarks.grids import ambient, events, oscillations
from benchmarks.grids.ambient import Loads
from benchmarks.grids.devices import EVERY, MARGIN, RATE, clean, degrees, filtered, measured, nearest
from benchmarks.grids.events import Event, Scene
from benchmarks.grids.faulty import SORTS, Gaps, spoilt
from benchmarks.grids.machines import NOMINAL
from benchmarks.grids.network import F8, I8
from benchmarks.grids.running import STEP, Course, run

SECONDS = 180
SAMPLES = SECONDS * RATE
WARM = round(40.0 / STEP)
"""Steps before the window, in which the ambient gets going."""
STEPS = WARM + SAMPLES * EVERY + MARGIN
BEFORE = round(1.5 / STEP)
"""Steps of a run without ambient before the event."""
OFFSET = 0.015
"""Hz rms of the constant offset of a window's frequency."""
SHARES = {
    "gen_trip": 7, "load_loss": 5, "line_trip": 5, "fault_3ph": 3, "fault_2ph": 3, "fault_ground": 5,
    "osc_inter_area": 4, "osc_forced": 4, "osc_subsync": 3, "clean": 10, "bad": 14,
}  # fmt: skip
"""Of the windows of a grid; `clean` and `bad` are quiet."""
WITH_BAD_DATA = 1 / 3
"""Of the windows with an event."""
RAMPS = 0.15
"""Of the windows without an event hold a slow ramp."""
TWO = 0.07
"""Of the windows with bad data have them of two devices."""
WAYS: dict[str, Callable[[Scene, np.random.Generator, int, int], Event]] = {
    **{name: getattr(events, name) for name in list(SHARES)[:6]},
    **{name: getattr(oscillations, name) for name in list(SHARES)[6:9]},
}
LOUDEST = 200.0
"""mHz of a swing that is still told from a collapse."""
DEEPEST = 0.8
"""Per unit of a dip; the angle of a voltage that is gone says nothing."""
TRIES = 20


@dataclass(frozen=True)
class Window:
    """Samples and their label."""

    label: dict[str, Any]
    frequency: F8
    """[m, n] Hz from nominal"""
    size: F8
    angle: F8
    sequences: tuple[int, F8, F8] | None
    """(first sample, negative, zero [m, k]) of an unsymmetrical fault"""
    gaps: Gaps


class Planned(NamedTuple):
    """What a window is to hold."""

    kind: str
    """Of SHARES"""
    sorts: tuple[str, ...]
    """Of bad data, of a device each"""


@dataclass(frozen=True)
class Shown:
    """What an event does by itself."""

    largest: float
    """mHz"""
    median: float
    voltage: float
    """Per unit"""
    holds: bool
    """The grid stays together."""


def plan(count: int, rng: np.random.Generator) -> list[Planned]:
    """So many windows in a random order, their kinds in the shares that are given (largest remainders)."""
    share = np.array(list(SHARES.values())) * count / sum(SHARES.values())
    whole = np.floor(share).astype(int)
    for k in np.argsort(whole - share, kind="stable")[: count - whole.sum()]:
        whole[k] += 1
    kinds = np.repeat(list(SHARES), whole)
    events = np.flatnonzero(np.isin(kinds, list(WAYS)))
    spoils = (kinds == "bad").astype(int)
    spoils[rng.choice(events, round(WITH_BAD_DATA * len(events)), replace=False)] = 1
    spoils[spoils > 0] += rng.random(np.count_nonzero(spoils)) < TWO
    sorts = iter(np.concatenate([rng.permutation(SORTS) for _ in range(1 + spoils.sum() // len(SORTS))]).tolist())
    planned = [Planned(str(kind), tuple(next(sorts) for _ in range(many)))
               for kind, many in zip(kinds, spoils, strict=True)]  # fmt: skip
    return [planned[k] for k in rng.permutation(count)]


def made(scene: Scene, name: str, system: str, planned: Planned, seed: int) -> Window:
    """A window; the same for the same seed."""
    rng, happens = np.random.default_rng(seed), planned.kind in WAYS
    loads = ambient.drawn(scene.grid, scene.level, rng, STEPS, STEP)
    loads.drawn[:] *= np.exp(0.3 * rng.standard_normal())
    at, event = _happening(scene, planned.kind, rng) if happens else (STEPS, _nothing(scene, rng))
    onset = (at - WARM) * STEP if happens else None
    ran = run(scene.grid, scene.buses, _course(scene, event, loads), 0, STEPS)
    quiet = ran.middle[WARM : max(at, WARM + round(5.0 / STEP))]
    detail = event.detail | {"ambient_rms_mhz": round(float(1e3 * NOMINAL * np.std(quiet)), 2)}
    seen = measured(ran.voltage[:, WARM - MARGIN :], scene.devices, rng, OFFSET * rng.standard_normal())
    bad, gaps = [], []
    rows = rng.choice(len(scene.devices), len(planned.sorts), replace=False)
    for row, sort in zip(rows.tolist(), planned.sorts, strict=True):
        label, missing = spoilt(rng, seen, scene.devices[row], row, onset, sort)
        bad.append(label)
        gaps += missing
    label = {
        "id": name, "file": f"{system}.npz", "system": system, "seed": seed, "disturbance": happens,
        "kind": planned.kind if happens else "none", "t_event": None if onset is None else round(onset, 4),
        **_place(scene, event.origins), "size_mw": None if event.size_mw is None else round(event.size_mw, 1),
        "detail": detail, "bad_data": bad, "devices": [device.id for device in scene.devices],
        **_closest(scene, event.origins, detail),
    }  # fmt: skip
    return Window(label, seen.frequency, seen.size, seen.angle, _sequences(scene, event, at), gaps)


def _course(scene: Scene, event: Event, loads: Loads | None) -> Course:
    return Course([scene.rest, *event.stages], loads, event.currents, event.drive, event.swing)


def _nothing(scene: Scene, rng: np.random.Generator) -> Event:
    """No event, but now and then a ramp."""
    return oscillations.slow_ramp(scene, rng, STEPS, WARM) if rng.random() < RAMPS else Event()


def _happening(scene: Scene, kind: str, rng: np.random.Generator) -> tuple[int, Event]:
    """(step, event with what it does) of one that the grid survives, and seldom of one too small to be asked for."""
    latest = 110.0 if kind in ("osc_inter_area", "osc_forced") else 165.0
    for _ in range(TRIES):
        at = WARM + round(rng.uniform(15.0, latest) / STEP)
        event = WAYS[kind](scene, rng, at, STEPS)
        shown = alone(scene, event, at)
        if shown.holds and (not marginal(shown) or rng.random() < 0.3):
            return at, replace(event, detail=event.detail | _told(shown))
    raise RuntimeError(f"{scene.devices[0].id[:-2]}: no {kind} in {TRIES} tries that the grid survives")


def alone(scene: Scene, event: Event, at: int) -> Shown:
    """What an event does without ambient and noise."""
    first, stop = at - BEFORE, min(STEPS, at + round(event.lasts / STEP))
    ran = run(scene.grid, scene.buses, _course(scene, event, None), first, stop)
    if not np.all(np.isfinite(ran.voltage)):
        return Shown(np.inf, np.inf, np.inf, False)
    seen = clean(ran.voltage, scene.devices)
    peaks = 1e3 * np.abs(seen.frequency).max(axis=1)
    apart = np.ptp(ran.state[0] - scene.grid.rest.angle)
    holds = bool(
        apart < np.pi / 2
        and not (event.swing is not None and peaks.max() > LOUDEST)
        and np.abs(ran.middle).max() * NOMINAL < 0.5
        and np.abs(ran.voltage).min() > 1e-3
    )
    change = float(np.abs(seen.size - seen.size[:, :1]).max())
    return Shown(float(peaks.max()), float(np.median(peaks)), change, holds and change < DEEPEST)


def marginal(shown: Shown) -> bool:
    """Too small to be asked for."""
    return shown.largest < 3.0 and shown.voltage < 0.003


def _told(shown: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {
        "peak_mhz_largest": round(shown.largest, 2),
        "peak_mhz_median": round(shown.median, 2),
        "voltage_change_pu_largest": round(shown.voltage, 4),
    }
    return told | {"marginal": True} if marginal(shown) else told


def _place(scene: Scene, origins: Any) -> dict[str, Any]:
    if not len(origins):
        return {"bus": None, "lat": None, "lon": None}
    middle = degrees(scene.grid.network.position[list(origins)]).mean(axis=0)
    return {"bus": int(origins[0]), "lat": round(float(middle[0]), 4), "lon": round(float(middle[1]), 4)}


def _closest(scene: Scene, origins: Any, detail: dict[str, Any]) -> dict[str, Any]:
    """Which devices are nearest, and both ends of a line into its detail."""
    if not len(origins):
        return {}
    buses: I8 = np.array(origins)
    places = degrees(scene.grid.network.position[buses])
    if len(origins) == 2:
        detail["ends"] = np.round(places, 4).tolist()
    far, electrical, first = nearest(scene.grid, scene.devices, scene.distance, places.mean(axis=0), buses)
    return {
        "bus_name": f"BUS{int(buses[0])}", "nearest_geo": [scene.devices[k].id for k in far],
        "nearest_elec": [scene.devices[k].id for k in electrical], "nearest_geo_km": round(first, 1),
    }  # fmt: skip


def _sequences(scene: Scene, event: Event, at: int) -> tuple[int, F8, F8] | None:
    """The sequence voltages of a fault as devices' filters show them."""
    shown = event.sequences
    if shown is None:
        return None
    first, count = (at - WARM) // EVERY - 5, 25
    begin = WARM + first * EVERY - MARGIN
    pulse = np.zeros(count * EVERY + 2 * MARGIN)
    pulse[at - begin : shown.stop - begin] = 1.0
    some = slice(MARGIN - 1, MARGIN - 1 + count * EVERY, EVERY)
    course = np.array([filtered(pulse, device.sharp)[some] for device in scene.devices])
    return first, shown.negative[:, None] * course, shown.zero[:, None] * course
