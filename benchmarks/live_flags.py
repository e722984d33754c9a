"""Bad data as they come: what it costs, and how many of the labelled ones the stream's tests name.

    python -m benchmarks.live_flags [--devices 1000] [--folder ../shared/data/scenarios]

Cost is CPU seconds of one process for a second of all devices, 50 rows a second each. The scenarios (labelled windows)
are no part of this project; without them their table is left out. A device counts as named if it is flagged with the
label's kind, and as wrongly named if it is flagged and has no label. Kinds that only windows show are not looked for.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np

from algorithms.observations import Observations
from algorithms.quality import Fault
from algorithms.quality.stream import Inspector, Rows
from archive.scenarios import Folder
from nodes._flagging import Flagging, Found

RATE = 50
KINDS = (Fault.SPIKES, Fault.FROZEN, Fault.GAP, Fault.PACKET_LOSS, Fault.ZERO_FILL)
BEGIN = 1_700_000_000 * RATE
PERIOD = 1_000_000_000 // RATE
SILENT = 20 * RATE
"""Slots after a window in which nothing is lacking, so that all of it is looked at."""


def cost(devices: int, seconds: int) -> float:
    """CPU seconds for a second of the stream, slots one by one; the median."""
    draw = np.random.default_rng(0)
    inspector, spent = Inspector(RATE), []
    numbers, nominal = np.arange(devices, dtype=np.uint32), np.full(devices, 50.0)
    for second in range(seconds):
        noise = draw.standard_normal((3, RATE, 1, devices)).astype(np.float32)
        begun = time.process_time()
        for k in range(RATE):
            slot = np.array([BEGIN + second * RATE + k])
            rows = Rows(slot, numbers, nominal, 50 + 5e-4 * noise[0, k], 1 + 1e-3 * noise[1, k], 1e-2 * noise[2, k])
            for _ in inspector.push(rows):
                pass
        spent.append(time.process_time() - begun)
    return median(spent[10:])


def flagged(seen: Observations) -> list[tuple[int, str, float]]:
    """(place of the device, kind, start [s]) of every span that is told of a window."""
    inspector, flagging = Inspector(RATE), Flagging()
    told: dict[tuple[int, str, int], float] = {}
    after = np.full((SILENT, seen.devices), np.nan)
    series = [np.concatenate([x.T, np.where(np.isnan(x[:, -1:]).T, after, x[:, -1:].T)]).astype(np.float32)
              for x in (seen.frequency, seen.magnitude, np.degrees(seen.angle))]  # fmt: skip
    numbers = np.arange(seen.devices, dtype=np.uint32)
    series[2][seen.samples :] += np.random.default_rng(0).normal(0.0, 0.01, (SILENT, seen.devices)).astype(np.float32)
    rows = Rows(BEGIN + np.arange(len(series[0])), numbers, np.full(seen.devices, seen.nominal), *series)
    for at in range(0, len(series[0]), RATE):
        part = slice(at, at + RATE)
        some = Rows(rows.slot[part], numbers, rows.nominal, *(x[part] for x in series))
        found = [
            Found(each.device, each.kind, (each.start - BEGIN) * PERIOD, (each.stop - BEGIN) * PERIOD, each.score)
            for each in inspector.push(some)
            if each.start < BEGIN + seen.samples
        ]
        until = ((inspector.looked or BEGIN) - BEGIN) * PERIOD
        word = flagging.take(found, numbers.tolist(), 0, until)
        if word is not None:
            spans = zip(word.device.tolist(), word.kind, word.start.tolist(), strict=True)
            told |= {(device, kind, start): start / 1e9 for device, kind, start in spans}
    return [(device, kind, start) for (device, kind, _), start in told.items()]


def figures(path: Path) -> dict[str, tuple[Counter[str], Counter[str], int, list[float]]]:
    """System -> (labels by kind, those named, devices wrongly named, errors of the start [s])."""
    labels = {each["id"]: each for each in json.loads((path / "labels.json").read_text())}
    folder, found = Folder(path), dict[str, tuple[Counter[str], Counter[str], int, list[float]]]()
    for scenario in folder.scenarios:
        label = labels[scenario.id]
        wanted, named, wrong, errors = found.get(scenario.system, (Counter(), Counter(), 0, []))
        spans = flagged(folder.observations(scenario))
        bad = {each["device"] for each in label["bad_data"]}
        wrong += len({scenario.devices[device] for device, _, _ in spans} - bad)
        for each in (each for each in label["bad_data"] if each["type"] in set(KINDS)):
            wanted[each["type"]] += 1
            mine = [start for device, kind, start in spans
                    if (scenario.devices[device], kind) == (each["device"], each["type"])]  # fmt: skip
            named[each["type"]] += bool(mine)
            errors += [min(mine) - each["t_start"]] if mine else []
        found[scenario.system] = wanted, named, wrong, errors
    return found


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path("../shared/data/scenarios"))
    parser.add_argument("--quick", action="store_true", help="some seconds, and no scenarios")
    told = parser.parse_args()
    print("## Bad data of the live stream\n")
    print(
        f"- {told.devices} devices at {RATE}/s: {cost(told.devices, 14 if told.quick else told.seconds):.1%} of a core"
    )
    if told.quick or not told.folder.exists():
        return
    for system, (wanted, named, wrong, errors) in figures(told.folder).items():
        kinds = ", ".join(f"{kind} {named[kind]} of {count}" for kind, count in sorted(wanted.items()))
        right = sum(named.values())
        precision = right / (right + wrong) if right + wrong else float("nan")
        start = f"{np.median(np.abs(errors)):.2f} s" if errors else "-"
        print(f"- {system}: {right} of {sum(wanted.values())} named ({kinds or 'no labels'}); {wrong} wrongly, "
              f"precision {precision:.2f}; start off by {start} (median)")  # fmt: skip


if __name__ == "__main__":
    main()
