"""The console beside a station at work: what it costs, how often traces move, whether acquisition notices.

    python -m benchmarks.console [--devices 500] [--seconds 60] [--browsers 3]

The delivered station with a console takes so many devices at 50 rows a second; first with nobody looking, then with
browsers (Chromium, headless, on the same machine) that each show ten traces and the map, then while they draw as much
of their own and ask nothing of the station, then again with nobody. What the third adds is the browsers' doing, who
share the cores here and nowhere else; what the second adds to the third is the console's. Chromium draws by software
here and would take all that cores have; it runs at the lowest priority.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._programs import Program, cpu
from benchmarks._report import progress, table
from benchmarks._stations import START_PATIENCE, compile_ahead, site, wiring
from commands._station import PrivateStation, free_port
from console.access.book import Book
from console.access.passwords import Hasher
from console.access.users import Role, User
from console.board import Board
from nodes import _users

CHROMIUM = "/usr/bin/chromium"
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
NAME, PASSWORD = "bench", "a benchmark of ten traces"
TRACES = 10
SPAN = 2.0
"""Seconds between two looks."""
CALIBRATE = 4.0
"""Seconds of a look at how much browsers draw."""
FORGET = 11.0
"""Seconds after which p99, which is of the last 500 slots, has none of those before."""
QUERY = "&".join(f"t={number << 16}.frequency" for number in range(1, TRACES + 1)) + "&span=10"
COUNT = """() => {
    window.moved = 0;
    let last = '';
    setInterval(() => {
        const said = document.querySelector('.syms-trend .chip .value')?.textContent;
        if (said !== last) { window.moved += 1; last = said; }
    }, 20);
}"""
"""Counts how often the value beside the first trace changed."""
DRAW = """<canvas id="c" width="1200" height="600"></canvas><script>
    const paint = document.getElementById('c').getContext('2d');
    window.busy = 20;
    setInterval(() => {
        const until = performance.now() + window.busy;
        paint.clearRect(0, 0, 1200, 600);
        while (performance.now() < until) {
            paint.beginPath();
            for (let x = 0; x < 1200; x += 2) paint.lineTo(x, 300 + 200 * Math.sin(x / 50 + until));
            paint.stroke();
        }
    }, 160);
</script>"""
"""A page that draws for `busy` ms about as often as traces move."""


@dataclass
class Looked:
    """What was seen over some time."""

    core: float
    """Of the console's process."""
    p99: float
    """ms from a slot's last arrival to its release; the median of looks."""
    worst: float


def watch(station: PrivateStation, seconds: float) -> Looked:
    """Look every `SPAN`; the console's CPU from its Health."""
    first = station.board.voices["console"].last
    latencies: list[float] = []
    at = time.monotonic() + SPAN

    def look(board: Board) -> None:
        nonlocal at
        if time.monotonic() >= at:
            at += SPAN
            latencies.append(board.total("concentrator", "release_p99_ms"))

    station.wait(lambda _: False, seconds, look)
    last = station.board.voices["console"].last
    core = (last.cpu - first.cpu) / ((last.time - first.time) / 1e9)
    return Looked(core, median(latencies), max(latencies))


def watch_both(station: PrivateStation, seconds: float) -> tuple[Looked, float]:
    """`watch`, and the cores that browsers use meanwhile."""
    processes = chromiums()
    before, begun = used(processes), time.monotonic()
    seen = watch(station, seconds)
    return seen, (used(processes) - before) / (time.monotonic() - begun)


def used(processes: list[int]) -> float:
    """CPU seconds of those of them that live."""
    return sum(cpu(pid) for pid in processes if Path(f"/proc/{pid}").exists())


def chromiums() -> list[int]:
    """Processes of browsers."""
    found = []
    for said in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):  # it may end while it is looked at
            if said.read_text().strip() == Path(CHROMIUM).name:
                found.append(int(said.parent.name))
    return found


def draw_as_much(pages: list[Any], share: float) -> None:
    """They leave the console and draw for themselves, with about `share` cores in all."""
    busy = 20.0
    for page in pages:
        page.goto("about:blank")  # else its connection to the console lives on
        page.set_content(DRAW)
    for _ in range(3):
        for page in pages:
            page.evaluate(f"window.busy = {busy}")
        begun, processes = time.monotonic(), chromiums()
        before = used(processes)
        pages[0].wait_for_timeout(CALIBRATE * 1e3)
        busy = min(150.0, busy * share / max(0.01, (used(processes) - before) / (time.monotonic() - begun)))


def open_page(browser: Any, address: str) -> tuple[Any, float]:
    """(a page with ten traces, seconds until the page showed its first figures), signed in."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}login")
    page.fill("input[name=name]", NAME)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector(".syms-now")
    begun = time.monotonic()
    page.goto(f"{address}?{QUERY}")
    page.wait_for_function("/[0-9]/.test(document.querySelector('.tiles')?.textContent || '')")
    seconds = time.monotonic() - begun
    page.wait_for_selector(f".syms-trend .chip >> nth={TRACES - 1}")
    page.evaluate(COUNT)
    return page, seconds


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--browsers", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer devices, some seconds, one browser")
    told = parser.parse_args()
    if told.quick:
        told.devices, told.seconds, told.browsers = 100, 10, 1
    if not Path(CHROMIUM).exists():
        raise SystemExit(f"{CHROMIUM} is not there: apt install chromium")
    compile_ahead()
    report(told)


def report(told: argparse.Namespace) -> None:
    """Run it."""
    from playwright.sync_api import sync_playwright

    port, pages = free_port(), free_port()
    nodes = wiring(port) | {"console": {"kind": "console", "from": ["align"], "listen": f"127.0.0.1:{pages}"}}
    with (
        PrivateStation(nodes, site(told.devices)) as station,
        Program("load", "--to", f"127.0.0.1:{port}", "--devices", told.devices) as load,
        sync_playwright() as playwright,
    ):
        if not station.wait(lambda _: load.said.get("running") == told.devices, START_PATIENCE):
            raise SystemExit("not all devices were told to send")
        with Book(station.folder / "config" / "users.yaml", _users.load).changing() as users:
            users[NAME] = User(name=NAME, role=Role.VIEWER, password=Hasher().make(PASSWORD))
        station.listen(10)
        progress(f"{told.devices} devices, nobody looks, {told.seconds:.0f} s")
        alone = watch(station, told.seconds)
        browsers, opened, shown = [], [], []
        polite = station.folder / "chromium"  # a session of its own has a share of its own: nice alone would not do
        polite.write_text(f'#!/bin/sh\necho 19 2>/dev/null >/proc/self/autogroup\nexec nice -n 19 {CHROMIUM} "$@"\n')
        polite.chmod(0o700)
        for _ in range(told.browsers):
            browser = playwright.chromium.launch(executable_path=polite, args=list(OPTIONS))
            page, seconds = open_page(browser, f"http://127.0.0.1:{pages}/")
            browsers.append(browser)
            opened.append(page)
            shown.append(seconds)
        progress(f"{told.browsers} browsers look, {told.seconds:.0f} s")
        station.listen(FORGET)
        before = [page.evaluate("window.moved") for page in opened]
        begun, (seen, share) = time.monotonic(), watch_both(station, told.seconds)
        gone = time.monotonic() - begun
        moved = [(page.evaluate("window.moved") - was) / gone for page, was in zip(opened, before, strict=True)]
        progress(f"{told.browsers} browsers draw for themselves, {told.seconds:.0f} s")
        draw_as_much(opened, share)
        station.listen(FORGET)
        drawn, own = watch_both(station, told.seconds)
        for browser in browsers:
            browser.close()
        progress(f"nobody looks again, {told.seconds:.0f} s")
        station.listen(FORGET)
        after = watch(station, told.seconds)
    print("## Console\n")
    print(f"{told.devices} devices at 50/s, {told.seconds:.0f} s each, {told.browsers} browsers on the same machine.\n")
    phases = (alone, seen, drawn, after)
    rows = [
        ["core of the console", *(f"{each.core:.1%}" for each in phases)],
        ["cores of the browsers", "", f"{share:.2f}", f"{own:.2f}", ""],
        ["p99 from last arrival to release, median of looks", *(f"{each.p99:.1f} ms" for each in phases)],
        ["the same, worst look", *(f"{each.worst:.1f} ms" for each in phases)],
        ["times a second that traces moved, slowest browser", "", f"{min(moved):.1f}", "", ""],
        ["seconds to the first figures of a page, each browser", "", ", ".join(f"{s:.1f}" for s in shown), "", ""],
    ]
    print(table(["", "nobody looks", "browsers look", "browsers draw for themselves", "nobody looks again"], rows))


if __name__ == "__main__":
    main()
