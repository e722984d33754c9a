"""The console beside a station at work: what it costs, how often traces move, whether acquisition notices.

    python -m benchmarks.console [--devices 500] [--seconds 60] [--browsers 3]

The delivered station with a console takes so many devices at 50 rows a second; first with nobody looking, then with
browsers (Chromium, headless, on the same machine) that each show ten traces and the map, then again with nobody, which
shows what else changed meanwhile. Chromium draws by software
here and would take all that cores have; it runs at the lowest priority, as it would on a machine of its own.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._programs import Program
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
        begun = time.monotonic()
        seen = watch(station, told.seconds)
        gone = time.monotonic() - begun
        moved = [(page.evaluate("window.moved") - was) / gone for page, was in zip(opened, before, strict=True)]
        for browser in browsers:
            browser.close()
        progress(f"nobody looks again, {told.seconds:.0f} s")
        station.listen(FORGET)
        after = watch(station, told.seconds)
    print("## Console\n")
    print(f"{told.devices} devices at 50/s, {told.seconds:.0f} s each, {told.browsers} browsers on the same machine.\n")
    p99 = [f"{each.p99:.1f} ms" for each in (alone, seen, after)]
    worst = [f"{each.worst:.1f} ms" for each in (alone, seen, after)]
    rows = [
        ["core of the console", *(f"{each.core:.1%}" for each in (alone, seen, after))],
        ["p99 from last arrival to release, median of looks", *p99],
        ["the same, worst look", *worst],
        ["times a second that traces moved, slowest browser", "", f"{min(moved):.1f}", ""],
        ["seconds to the first figures of a page, each browser", "", ", ".join(f"{s:.1f}" for s in shown), ""],
    ]
    print(table(["", "nobody looks", "browsers look", "nobody looks again"], rows))


if __name__ == "__main__":
    main()
