"""All pages in Chinese: no word of English is left but names, units and what identifies something."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.alarms import Desk
from protocol.clock import SECOND
from tests.console.browser.feeding import Feeder, event
from tests.console.browser.test_eventpages import _answering, _forget
from tests.console.browser.test_station import KINDS, speak, station
from tests.console.test_alarmdesk import alarm

pytestmark = pytest.mark.slow
__all__ = ["station"]

ID = "20261201T040911.220Z_suspects"
RULES = [
    "voltage dips by 0.012 pu, 85 % of it is back after 0.5 s",
    "negative sequence 0.02 of the dip, zero sequence 1.1 standard deviations",
    "the grid's frequency moves by -61.0 mHz (-9.1 standard deviations), single devices by 3.0; voltages step 1.0 up, "
    "2.0 down, angles 3.0 ahead, 4.0 back",
    "a line at 0.456 Hz, 12.1 times the usual, in 80 % of the window; at twice its frequency 2.1 times; a jolt of 0.3 "
    "with it",
]
DETAIL = {
    "rules": RULES, "probabilities": {"gen_trip": 0.93, "load_loss": 0.05}, "scores": {"transient": 4.2, "slow": 0.1},
    "transient": {"s": 12.1, "by": "frequency", "whole": 3.9},
}  # fmt: skip
ALARMS = {
    "frequency 49.7 Hz at North 01, below 49.8 Hz; 3 values are beyond it": "limit",
    "bad data, clock offset; check its time source": "flag",
    "gen trip, -61 mHz, near North 01, at 47.70 119.40 ± 62 km, at 08:00:00 UTC, 93% sure, 12 devices looked at; "
    "more is to come": "event",
    "windows is silent; see `syms status` and its log": "health",
}
SEEN = """() => {
  // Names of icons are no text, and logs stay as processes write them.
  for (const other of document.querySelectorAll(".q-icon, .syms-lines")) other.style.display = "none";
  const found = [document.title, document.body.innerText];
  for (const each of document.querySelectorAll("[title], [placeholder], [aria-label]"))
    if (each.checkVisibility()) found.push(each.title, each.placeholder, each.ariaLabel);
  return found.filter(Boolean).join("\\n");
}"""
WORD = re.compile(r"[A-Za-z][A-Za-z'’]+")
NAMES = {*WORD.findall(
    "SYMS syms North South Hub Load Plant north south anna emil oleg vera UTC PMU SMD STAT IDCODE CPU THD IEEE GB WIND "
    "VA VB VC IA IB IC Excel COMTRADE HDF CSV MATLAB Parquet English alarms"
)}  # fmt: skip
UNITS = {*WORD.findall("Hz mHz MW Mvar kV pu km ms min MB GB KB KiB MiB GiB rad")}


@pytest.fixture
def told(station: Feeder) -> Iterator[Feeder]:
    """An event with all that is said of one, alarms of every kind."""
    devices = [each.device for each in station.plain[:12]]
    station.served.take(replace(event(time.time_ns() - 8 * SECOND, devices), final=True, detail=DETAIL))
    station.served.do(_answering)
    station.served.take(*(
        alarm(f"a{place}", source=source, text=text, kind="频率") for place, (text, source) in enumerate(ALARMS.items())
    ))  # fmt: skip
    speak(station)
    yield station
    station.served.do(_forget)
    station.served.do(_quiet)


def _quiet(console: Any) -> None:
    console.station.alarms = Desk()


def english(page: Any, names: set[str]) -> set[str]:
    """Words that are seen and are no names."""
    words = set(WORD.findall(page.evaluate(SEEN)))
    return words - names - UNITS - NAMES


def ids(feeder: Feeder) -> set[str]:
    """Words of what identifies something: processes, counters, commands, digital channels, the event, files."""
    said = "received archived corrupt connections, syms status, breaker closed, line tripped, reclosing, spare"
    told = [*KINDS, said, ID, "identify", "disturbance", str(feeder.served.folder)]
    return {word for each in told for word in WORD.findall(each)}


TABS = {"/": ".syms-panel.side .q-tab", "/station": ".syms-station > .tabs .q-tab",
        f"/events/{ID}": ".syms-event .q-tab",
        "/admin": ".syms-admin .user .q-tab"}  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/events", f"/events/{ID}", "/alarms", "/station", "/export", "/admin"])
def test_no_english_is_left(open_as: Any, told: Feeder, path: str, pictures: Path) -> None:
    page = open_as("anna", locale="zh-CN")
    page.goto(told.served.url + path)
    names, left = ids(told), dict[str, set[str]]()
    if path == "/admin":
        page.get_by_text("oleg").first.click()
    tabs = page.locator(TABS.get(path, "nothing"))
    page.wait_for_timeout(2500)
    for at in range(max(1, tabs.count())):
        if tabs.count():
            tabs.nth(at).click()
            page.wait_for_timeout(1500)
        page.screenshot(path=pictures / f"zh{path.replace('/', '-')}-{at}.png")
        left[str(at)] = english(page, names)
    for at, menu in enumerate(("user", "choices")):
        page.locator(".syms-bar .q-btn").nth(at).dispatch_event("click")
        page.wait_for_timeout(500)
        left[menu] = english(page, names)
        page.keyboard.press("Escape")
        page.wait_for_timeout(500)
    assert {where: words for where, words in left.items() if words} == {}
