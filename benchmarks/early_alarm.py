"""Early windows: what the pre-screen costs, how often it is wrong, what it sees how soon, and a real station's time
from a disturbance to the suspicion.

    python -m benchmarks.early_alarm [--quick] [--devices 2000] [--folder ../shared/data/scenarios]

Costs are CPU seconds of one process. The scenarios (labelled windows and their reader `load.py`) are no part of this
project; without them their table is left out. At the end a station with the load of `load.c` runs until its windows
are full; then all devices see 0.1 Hz fall within 3 s, and the verdicts on early windows are waited for as a reader of
the trigger hears them.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import chi2

from algorithms.prescreen import Limits, Prescreen
from benchmarks import _quiet
from benchmarks._alarms import Calm, Seen, scenarios
from benchmarks._programs import Program
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import site, wiring
from commands._station import PrivateStation, free_port
from nodes.trigger import Settings
from protocol.messages import Cause, Verdict

CHECKOUT = Path(__file__).parents[1]
RATE, DEVICES = 50, 2000
DAY, LEARNING = 86400, 3600.0
SLOPES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Hz/s"""
MOST_COST, MOST_FALSE, MOST_SECONDS = 0.05, 1.0, 1.5
SIZES = ((0, 5), (5, 15), (15, 50), (50, float("inf")))
"""mHz: bounds of the event's own share in the frequency of the strongest device."""
STARTING, WAITING = 120.0, 10.0


def cost(seconds: int) -> tuple[float, float]:
    """Seconds of CPU that a second of all devices costs, in words of one slot and of five; medians."""
    values = np.stack(list(_quiet.Devices(_quiet.KINDS[0], DEVICES).slots(RATE)))
    columns, spent = np.arange(DEVICES), {1: [0.0], 5: [0.0]}
    screens = {size: Prescreen(RATE, Limits(ready=0)) for size in spent}
    for second in range(seconds):
        for size, screen in screens.items():
            screen.widen(DEVICES)
            begun = time.process_time()
            for at in range(0, RATE, size):
                slot = np.arange(second * RATE + at, second * RATE + at + size)
                for _ in screen.push(slot, columns, values[at : at + size]):
                    pass
            spent[size].append(time.process_time() - begun)
    return median(spent[1][1:]), median(spent[5][1:])


def upper(count: int) -> float:
    """What `count` events of a Poisson process are expected to be at most, with 95 % confidence [Garwood1936]."""
    return float(chi2.ppf(0.95, 2 * (count + 1)) / 2)


def false_windows(kind: _quiet.Kind, days: float, devices: int) -> list[Calm]:
    """Alarms of quiet devices in their first hour, and in so many device-days after it."""
    watched = _quiet.Watched(_quiet.Devices(kind, devices), devices)
    watched.go(LEARNING)
    first = watched.forget()
    watched.go(days * DAY / devices)
    progress(f"{kind.name}: {len(watched.alarms)} alarms in {days:g} device-days")
    return [
        Calm(f"{kind.name}, first hour", first, LEARNING * devices / DAY),
        Calm(kind.name, len(watched.alarms), days),
    ]


def calm_rows(calm: list[Calm]) -> list[list[str]]:
    """Quiet devices, simulated and recorded."""
    return [
        [each.name, f"{each.alarms}", f"{each.days:.2f}", f"{each.alarms / each.days:.2f}", f"{bound:.2f}"]
        for each in calm
        for bound in [upper(each.alarms) / each.days]
    ]


def slopes(devices: int) -> list[list[str]]:
    """Share of devices that alarm within a second, and how soon, by how fast the frequency falls."""
    rows = []
    for slope in SLOPES:
        watched = _quiet.Watched(_quiet.Devices(_quiet.KINDS[0], devices, seed=2), devices)
        begin = watched.go(1.5, slope)
        delays = [(alarm.slot - begin) / RATE for alarm in watched.alarms]
        soon = sum(delay <= 1.0 for delay in delays) / devices
        rows.append([f"{1e3 * slope:g} mHz/s", f"{soon:.0%}", f"{len(delays) / devices:.0%}", _delay(delays)])
    return rows


def _delay(delays: list[float]) -> str:
    return f"{median(delays):.2f} ({np.percentile(delays, 90):.2f})" if delays else ""


def seen_text(seen: list[Seen]) -> str:
    """The labelled disturbances; nothing if there are none."""
    if not seen:
        return ""
    heads = ["disturbance", "devices", "alarm within 1.5 s", "s: median (90 %)", "early", "whole"]
    after = Settings().alarm_after / 1e9
    return (
        f"Labelled scenarios, each device on its own. `early`: `emd` calls the window suspicious that ends {after:g} s "
        f"after the alarm; `whole`: the one of 180 s that holds what followed, too.\n\n{table(heads, seen_rows(seen))}"
    )


def seen_rows(seen: list[Seen]) -> list[list[str]]:
    """The labelled disturbances, by size and by kind."""
    groups = {f"{low} to {high:g} mHz": [each for each in seen if low <= each.size < high] for low, high in SIZES}
    groups |= {kind: [each for each in seen if each.kind == kind] for kind in sorted({each.kind for each in seen})}
    return [
        [
            name,
            str(len(some)),
            f"{sum(each.delay is not None for each in some) / len(some):.0%}",
            _delay([each.delay for each in some if each.delay is not None]),
            f"{sum(each.early for each in some) / len(some):.0%}",
            f"{sum(each.whole for each in some) / len(some):.0%}",
        ]
        for name, some in groups.items()
        if some
    ]


@dataclass
class EndToEnd:
    """What a station showed."""

    devices: int
    early: list[float]
    """Seconds from the first slot of the disturbance to the suspicions on early windows, as they came."""
    before: int
    """Early windows before."""
    watched: float
    """Devices that the pre-screen watched when the disturbance came."""
    behind: float
    """ms: p99 of how late the generator sent."""
    counters: dict[str, float]


def end_to_end(devices: int, window: float, every: float, detectors: int) -> EndToEnd:
    """A disturbance in a real station. Raises SystemExit if the devices can't be connected."""
    port, heard = free_port(), list[tuple[float, Verdict]]()
    nodes = wiring(port, detectors=detectors, window=window, every=every)
    nodes["windows"] |= {"alarm": True}

    def hear(word: Any) -> None:
        if isinstance(word, Verdict) and word.cause == Cause.ALARM:
            heard.append((time.time(), word))

    with (
        PrivateStation(nodes, site(devices), (Verdict.TAG,), hear) as station,  # type: ignore[attr-defined]
        Program("load", "--to", f"127.0.0.1:{port}", "--devices", devices, "--trip", window + 8) as load,
    ):
        if not station.wait(lambda _: load.said.get("running") == devices, STARTING):
            raise SystemExit(f"only {load.said.get('running', 0)} of {devices} devices were told to send")
        progress(f"{devices} devices send; the disturbance comes in {window + 8:g} s")
        station.wait(lambda _: bool(load.said["trip_at"]), window + 30)
        watched = station.board.voices["windows"].last.counters["early_watched"]
        station.listen(WAITING)
        counters = dict(station.board.voices["windows"].last.counters)
        said = load.end()
    trip = said["trip_at"]
    early = [at - trip / 1e9 for at, word in heard if word.stop > trip and word.suspicious]
    return EndToEnd(devices, early, sum(word.stop <= trip for _, word in heard), watched, said["late_p99_ms"], counters)


def end_to_end_text(result: EndToEnd, window: float) -> str:
    """Its paragraph."""
    if not result.early:
        cut, missing = (int(result.counters[name]) for name in ("early", "early_incomplete"))
        return (
            f"{result.devices} devices, windows of {window:g} s: no suspicion within {WAITING:g} s. Of them "
            f"{result.watched:g} were watched when the disturbance came, {cut} had early windows, {missing} lacked "
            f"samples for them; the generator was late by {result.behind:.0f} ms (p99)."
        )
    passed = int(result.counters.get("early_passed", 0))
    return (
        f"End to end, {result.devices} devices, windows of {window:g} s, 0.1 Hz lost within 3 s: first suspicion after "
        f"{result.early[0]:.2f} s, the last of {len(result.early)} after {result.early[-1]:.2f} s; {passed} devices "
        f"were left to the schedule; {result.before} early windows before the disturbance; the generator was late by "
        f"{result.behind:.0f} ms (p99)."
    )


def main() -> None:
    """All four."""
    shared = Path(os.environ.get("SYMS_SHARED", CHECKOUT.parent / "shared"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few device-days, 50 devices end to end")
    parser.add_argument("--devices", type=int, help="of the station (2000)")
    parser.add_argument("--detectors", type=int, default=2)
    parser.add_argument("--days", type=float, help="device-days of each kind of quiet devices, after an hour (80)")
    parser.add_argument("--folder", type=Path, default=shared / "data" / "scenarios")
    asked = parser.parse_args()
    days, devices = asked.days or (8 if asked.quick else 80), asked.devices or (50 if asked.quick else DEVICES)
    window, every = (64.0, 32.0) if asked.quick else (180.0, 120.0)

    one, five = cost(5 if asked.quick else 30)
    quiet = [calm for kind in _quiet.KINDS for calm in false_windows(kind, days, 200 if asked.quick else DEVICES)]
    falling = slopes(100 if asked.quick else 500)
    seen, calm = scenarios(asked.folder, 5 if asked.quick else 1)
    station = end_to_end(devices, window, every, asked.detectors)
    section(
        "Early alarm",
        "benchmarks.early_alarm",
        f"Pre-screen of {DEVICES} devices at {RATE} frames a second: {1e3 * one:.1f} ms of CPU a second in words of "
        f"one slot, {1e3 * five:.1f} ms in words of five; {1e6 * one / DEVICES / RATE:.3f} µs a value.",
        table(
            ["quiet devices", "early windows", "device-days", "a device-day", "at most (95 %)"], calm_rows(quiet + calm)
        ),
        table(["the frequency falls by", "alarm within 1 s", "within 1.5 s", "s: median (90 %)"], falling),
        seen_text(seen),
        end_to_end_text(station, window),
        told(one, quiet[1::2], station),
    )


def told(one: float, quiet: list[Calm], station: EndToEnd) -> str:
    """The goals."""
    *usual, tails, heavier = (upper(each.alarms) / each.days for each in quiet)
    first = min(station.early, default=float("inf"))
    return goals(
        goal(f"cost at most {MOST_COST:.0%} of a core ({one:.2%})", one <= MOST_COST),
        goal(
            f"at most {MOST_FALSE:g} false window a device-day (with 95 %: {max(usual):.2f})", max(usual) <= MOST_FALSE
        ),
        goal(f"the same of a walk with heavy tails ({tails:.2f})", tails <= MOST_FALSE),
        goal(f"the same of one with heavier tails ({heavier:.2f})", heavier <= MOST_FALSE),
        goal(
            f"disturbance to suspicion at most {MOST_SECONDS:g} s, {station.devices} devices ({first:.2f} s)",
            first <= MOST_SECONDS,
        ),
    )


if __name__ == "__main__":
    main()
