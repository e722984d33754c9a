"""The whole station on one machine: does it keep up, what does a device cost, where is its end?

    python -m benchmarks.station                              200, 1000 and 2000 devices, then the sweep
    python -m benchmarks.station --devices 2000 --seconds 600 one run
    python -m benchmarks.station --sweep 50,100,200           only the sweep

Every frame is 84 bytes, 16 float values, 50 a second of each device, in a TCP segment of its own. Everything is on:
journals, alignment, archive, each device judged by `emd` over 180 s every 120 s, staggered. A run waits until the
windows are full, then measures. In the sweep windows are 30 s every 20 s: as many samples a second are judged.

What was sent is the generator's count of frames that the kernel took, per device; what was archived is counted in the
HDF5 files.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from benchmarks._plots import chart, reference
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import GENERATOR, SUPERVISOR, Result, Run, compile_ahead

KINDS = {
    "receivers": ("receivers",),
    "concentrator": ("align",),
    "archiver": ("archive",),
    "trigger": ("windows",),
    "detectors": ("prejudge",),
    "others": ("front", "watch", SUPERVISOR),
}
"""Heading -> nodes."""
SWEEP = (50, 100, 200, 500, 1000, 1500, 2000, 2500, 3000)
SWEEP_WINDOW, SWEEP_EVERY, SWEEP_SECONDS = 30.0, 20.0, 40.0
LINEAR = 1.1
"""Cost of a device at any count against the cheapest count below: more is worse than linear."""
FLAT = 0.02
"""Growth of memory, from the second quarter of a run to the last, that still counts as flat; or 4 MiB."""


def run(devices: int, seconds: float, window: float, every: float, asked: argparse.Namespace) -> Result:
    """One station and its load."""
    options = [*(["--burst"] if asked.burst else []), *(["--rectangular"] if asked.rectangular else [])]
    return Run(devices, window, every, asked.receivers, asked.detectors).go(seconds, *options)


def cost_row(result: Result) -> list[str]:
    """Cores by kind, and what a device and a frame cost."""
    return [
        f"{result.devices}",
        *(f"{result.kind(*nodes):.3f}" for nodes in KINDS.values()),
        f"{result.station:.3f}",
        f"{result.cores[GENERATOR]:.3f}",
        f"{1e3 * result.station / result.devices:.3f}",
        f"{1e6 * result.station / result.pace:.2f}",
        f"{median(result.latency):.1f}",
        f"{max(result.latency):.1f}",
        "; ".join(result.breaks()) or "nothing",
    ]


COST_HEADS = (
    "devices",
    *(f"{kind} [cores]" for kind in KINDS),
    "station [cores]",
    "generator [cores]",
    "a device [1/1000 core]",
    "a frame [µs]",
    "p99 [ms]",
    "worst p99 [ms]",
    "what went wrong",
)


def account(results: list[Result]) -> str:
    """What became of frames and windows."""
    heads = [
        *("devices", "seconds", "sent", "archived", "late", "windows", "not judged", "no verdict"),
        *("end of window → verdict, median [s]", "worst [s]", "messages fetched"),
    ]
    return table(
        heads,
        [
            (
                each.devices, f"{each.seconds:.0f}", f"{each.sent:,}", f"{each.archived:,}", each.late, each.windows,
                each.unjudged, each.missing, f"{median(each.delays or [0]):.2f}", f"{max(each.delays, default=0):.2f}",
                f"{each.fetched:.0f}",
            )
            for each in results
        ],
    )  # fmt: skip


def memory(result: Result) -> str:
    """Memory of each process, early and late in the run."""
    rows = [(name, f"{early:.1f}", f"{late:.1f}") for name, (early, late) in result.growth.items()]
    heads = ("process", "second quarter [MiB]", "last quarter [MiB]")
    return f"Memory of its own at {result.devices} devices, median:\n\n{table(heads, rows)}"


def flat(result: Result) -> bool:
    """Whether no process of the station grew."""
    return all(
        late <= max(early * (1 + FLAT), early + 4) for name, (early, late) in result.growth.items() if name != GENERATOR
    )


def judged(results: list[Result]) -> str:
    """The goals that these runs can tell of."""
    lines = []
    for each in results:
        n, worst = each.devices, max(each.latency)
        equal = each.sent == each.archived and not each.unequal and each.sent > 0
        on_time = not each.missing and not each.unjudged and max(each.delays, default=0.0) <= 5
        lines += [
            goal(f"{n} devices: sent = archived, device by device", equal and not each.withheld),
            goal(f"{n} devices: no row late at a wait of 200 ms", each.late == 0),
            goal(f"{n} devices: every window judged, within 5 s of its end", on_time),
        ]
        limit = 20 if n <= 200 else 40
        lines.append(goal(f"{n} devices: p99 from last arrival to release ≤ {limit} ms in every span of 10 s "
                          f"(worst {worst:.1f} ms)", worst <= limit))  # fmt: skip
        if each.seconds >= 240:
            lines.append(goal(f"{n} devices: memory flat (≤ {FLAT:.0%} or 4 MiB)", flat(each)))
        if n == 1000:
            lines.append(goal(f"{n} devices: station ≤ 0.8 core ({each.station:.2f})", each.station <= 0.8))
    return goals(*lines)


def swept(results: list[Result]) -> str:
    """Table, plots, whether it is linear, and where it ends."""
    lines = {kind: [(each.devices, each.kind(*nodes)) for each in results] for kind, nodes in KINDS.items()}
    lines |= {
        "station": [(each.devices, each.station) for each in results],
        GENERATOR: [(each.devices, each.cores[GENERATOR]) for each in results],
    }
    cores = chart(
        "station_cores", "CPU of the station by number of devices", "devices, 50 frames/s each", "cores", lines
    )
    each_costs = {"station": [(each.devices, 1e6 * each.station / each.pace) for each in results]}
    frame = chart("station_frame", "CPU per frame", "devices, 50 frames/s each", "µs of the whole station", each_costs)
    broken = next((each for each in results if each.breaks()), None)
    end = f"No count in this sweep broke it; {results[-1].devices} devices were the most."
    if broken:
        busiest = max((name for name in broken.cores), key=lambda name: broken.cores[name])
        end = (
            f"It breaks at {broken.devices} devices: {'; '.join(broken.breaks())}. Busiest process: {busiest}, "
            f"{broken.cores[busiest]:.2f} of a core; all, generator included: {sum(broken.cores.values()):.2f} cores."
        )
    costs = [each.station / each.pace for each in results if not each.breaks()]
    linear = all(cost <= LINEAR * min(costs[: k + 1]) for k, cost in enumerate(costs))
    return "\n\n".join(
        [
            "### Cost per device",
            table(COST_HEADS, [cost_row(each) for each in results]),
            f"{reference(cores, 'CPU of the station')}\n{reference(frame, 'CPU per frame')}",
            end,
            goals(goal(f"no worse than linear (a device costs ≤ {LINEAR:.1f} of its least at fewer)", linear)),
        ]
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--devices", type=int, help="one run with so many")
    parser.add_argument("--seconds", type=float, default=600.0, help="measured, after the windows are full")
    parser.add_argument(
        "--window", type=float, default=180.0, help="of each device [s]; a new one after two thirds of it"
    )
    parser.add_argument("--sweep", help="only the sweep, over these counts, as 50,100,200")
    parser.add_argument("--receivers", type=int, default=2)
    parser.add_argument("--detectors", type=int, default=2)
    parser.add_argument("--burst", action="store_true", help="all devices send at once, not spread over the period")
    parser.add_argument("--rectangular", action="store_true", help="phasors as real and imaginary part")
    parser.add_argument("--quick", action="store_true", help="a few devices, a few seconds")
    asked = parser.parse_args()
    compile_ahead()
    section("The whole station", "benchmarks.station", *parts(asked))
    return 0


def parts(asked: argparse.Namespace) -> list[str]:
    """What is measured, and what it says."""
    if asked.quick:
        some = [run(100, 5, 12, 8, asked)]
        return [described(some, asked), swept([run(n, 5, 12, 8, asked) for n in (50, 100)])]
    counts = [int(word) for word in asked.sweep.split(",")] if asked.sweep else SWEEP
    said = []
    if not asked.sweep:
        plan = (
            [(asked.devices, asked.seconds)] if asked.devices else [(200, 60.0), (1000, 180.0), (2000, asked.seconds)]
        )
        every = asked.window * 2 / 3
        said.append(described([run(n, seconds, asked.window, every, asked) for n, seconds in plan], asked))
    if not asked.devices:
        said.append(swept(sweep(counts, asked)))
    return said


def sweep(counts: tuple[int, ...] | list[int], asked: argparse.Namespace) -> list[Result]:
    """All counts, or until it broke twice."""
    results: list[Result] = []
    for count in counts:
        try:
            results.append(run(count, SWEEP_SECONDS, SWEEP_WINDOW, SWEEP_EVERY, asked))
        except SystemExit as fault:
            progress(f"{count} devices: {fault}")
            break
        if sum(bool(each.breaks()) for each in results) > 1:
            break
    return results


def described(results: list[Result], asked: argparse.Namespace) -> str:
    """Runs one by one."""
    how = "all at once" if asked.burst else "spread over the reporting period"
    copies = f"{asked.receivers} receivers, {asked.detectors} detectors; devices send {how}."
    alarms = sorted({alarm for each in results for alarm in each.alarms})
    return "\n\n".join(
        [
            copies,
            account(results),
            table(COST_HEADS, [cost_row(each) for each in results]),
            memory(results[-1]),
            f"Alarms: {'; '.join(alarms)}" if alarms else "",
            judged(results),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
