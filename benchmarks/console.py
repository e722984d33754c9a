"""The console with many devices and some readers: what it costs, how often traces move, how soon a page is there.

    python -m benchmarks.console [--devices 500] [--browsers 3] [--seconds 20]

The console is a process of its own without a station: it is told 50 slots a second as a concentrator tells them; each
browser (headless Chromium, on the same machine) looks at Now with ten traces over a minute. CPU is that of the
console's process. Its messages come by a pipe, not by ZeroMQ.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._report import goal, goals, progress, section, table
from protocol import clock
from protocol.clock import SECOND
from tests.console.browser.conftest import CHROMIUM, QUIET
from tests.console.browser.feeding import RATE, configuration, fundamentals, site
from tests.console.browser.serving import Served

SLOTS = 2
"""Of one message."""
TRACES = 10
SHARE, UPDATES, SOON = 0.30, 5.0, 2.0
"""What is wanted: of a core, a second, seconds."""
Measured = tuple[list[tuple[int, float]], float, float, list[float]]
WATCH = """() => {
    window.moves = [];
    const chip = document.querySelector('.syms-trend .chip .value');
    new MutationObserver(() => window.moves.push(performance.now())).observe(chip, {childList: true});
}"""


def cpu(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def fed(up: Served, devices: int) -> Iterator[None]:
    """All devices say something, as it comes."""
    known = [
        configuration(k + 1 << 16, f"D {k + 1:03d}", f"region {k % 8}", (44 + k % 23 / 5, 117 + k // 23 / 5))
        for k in range(devices)
    ]
    up.take(*known)
    first = clock.slot_of(time.time_ns(), RATE)
    ready = [fundamentals(known, int(clock.slot_time(first + k * SLOTS, RATE)), SLOTS) for k in range(RATE // SLOTS)]
    stop = threading.Event()

    def feed() -> None:
        done = 0
        while not stop.wait(max(0.0, (done + 1) * SLOTS / RATE - (time.time_ns() / SECOND - first / RATE))):
            told = ready[done % len(ready)]
            object.__setattr__(told, "slot", first + done * SLOTS + told.slot - told.slot[0])
            up.take(told)
            done += 1

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def share(up: Served, seconds: float) -> float:
    """Of a core."""
    begun, used = time.monotonic(), cpu(up.pid)
    time.sleep(seconds)
    return (cpu(up.pid) - used) / (time.monotonic() - begun)


def opened(browser: Any, up: Served) -> tuple[Any, float]:
    """A tab that looks at Now, and the seconds until it showed something."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.add_cookies(up.cookies("anna"))
    page = context.new_page()
    wanted = "&".join(f"t={k + 1 << 16}.frequency" for k in range(TRACES))
    begun = time.monotonic()
    page.goto(f"{up.url}/?{wanted}&span=60")
    page.wait_for_selector(f".syms-trend .chip >> nth={TRACES - 1}")
    return page, time.monotonic() - begun


def measure(devices: int, browsers: int, seconds: float) -> Measured:
    """((browsers, share of a core), …), seconds until the first page, age of the newest slot [s] at the end, updates a
    second in each browser."""
    from playwright.sync_api import sync_playwright

    costs, pages, first = [], [], 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Served(Path(folder), site()) as up,
        fed(up, devices),
        sync_playwright() as player,
    ):
        time.sleep(3)
        costs.append((0, share(up, seconds)))
        for count in range(1, browsers + 1):
            page, took = opened(player.chromium.launch(executable_path=CHROMIUM, args=list(QUIET)), up)
            pages.append(page)
            first = first or took
            if count in (1, browsers):
                time.sleep(3)
                for each in pages:
                    each.evaluate(WATCH)
                costs.append((count, share(up, seconds)))
                progress(f"{count} browsers: {costs[-1][1]:.1%} of a core")
        behind = up.do(age)
        moves = [each.evaluate("window.moves") for each in pages]
        for each in pages:
            each.context.browser.close()
    return costs, first, behind, [(len(each) - 1) / (each[-1] - each[0]) * 1000 for each in moves]


def age(console: Any) -> float:
    """Seconds that the newest slot is old."""
    return float(time.time_ns() - console.station.newest()) / SECOND


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--devices", type=int, default=500)
    asked.add_argument("--browsers", type=int, default=3)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--quick", action="store_true")
    args = asked.parse_args()
    if CHROMIUM is None:
        section("The console and its readers", "benchmarks.console", "No Chromium here: not measured.")
        return
    seconds = 3.0 if args.quick else args.seconds
    costs, first, behind, updates = measure(args.devices, args.browsers, seconds)
    rows = [(f"{count} browsers", f"{each:.1%}") for count, each in costs]
    section(
        f"The console: {args.devices} devices at {RATE} rows a second, {TRACES} traces in each browser",
        "benchmarks.console",
        table(["", "of a core"], rows),
        f"First page: {first:.2f} s. Traces move {min(updates):.1f} to {max(updates):.1f} times a second. "
        f"The newest slot is {behind * 1000:.0f} ms old.",
        goals(
            goal(f"at most {SHARE:.0%} of a core with {args.browsers} browsers", costs[-1][1] <= SHARE),
            goal(f"traces move at least {UPDATES:g} times a second", min(updates) >= UPDATES),
            goal(f"a page within {SOON:g} s", first <= SOON),
        ),
    )


if __name__ == "__main__":
    main()
