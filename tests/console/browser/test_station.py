"""The page of the station in a browser: the pipeline, counters, logs, devices, and who may change what."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from console.access.audit import Audit
from console.access.book import LOOK_EVERY, Book
from console.access.users import Role, User
from nodes import _users
from protocol.clock import SECOND
from protocol.messages import Health, device_number
from tests.console.browser.conftest import PATIENCE, sign_in
from tests.console.browser.feeding import Feeder
from tests.doors import HASH

WIRING = """\
site: site.yaml
nodes:
  front:      {kind: balancer,     listen: 127.0.0.1:47121}
  receivers:  {kind: receiver,     from: front, copies: 2}
  archive:    {kind: archiver,     from: [receivers, windows], path: data/archive}
  align:      {kind: concentrator, from: receivers, wait: 100 ms}
  windows:    {kind: trigger,      from: align, of: frequency, window: 20 s, every: 10 s}
  prejudge:   {kind: detector,     from: windows, algorithm: emd}
  watch:      {kind: monitor}
"""
KINDS = {
    "front": "balancer", "receivers.1": "receiver", "receivers.2": "receiver", "archive": "archiver",
    "align": "concentrator", "windows": "trigger", "prejudge": "detector", "watch": "monitor",
}  # fmt: skip
COUNTERS: dict[str, dict[str, float]] = {
    "receiver": {"received": 25_000.0, "corrupt": 0.0, "links": 6.0, "journal_bytes": 1.8e6, "journal_segments": 1.0},
    "archiver": {"received": 50_000.0, "archived": 49_990.0, "commits": 47.0},
    "concentrator": {"rows": 50_000.0, "release_p99_ms": 116.8},
    "trigger": {"windows": 34.0}, "detector": {"windows": 34.0, "mean_ms": 5.9},
    "balancer": {"connections.receivers.1": 6.0, "connections.receivers.2": 6.0},
}  # fmt: skip


SECONDS = itertools.count()


def health(name: str, second: int, **more: Any) -> Health:
    """What a process says of itself after so many seconds."""
    kind = KINDS[name]
    grown = {counter: value + 300.0 * second * (counter in ("received", "archived", "rows"))
             for counter, value in COUNTERS.get(kind, {}).items()}  # fmt: skip
    told: dict[str, Any] = {
        "node": name, "kind": kind, "pid": 4000 + len(name), "uptime": 100.0 + second, "cpu": 10.0 + 0.1 * second,
        "memory": 70 << 20, "counters": grown, "queues": {"waiting": 3} if kind == "trigger" else {}, "columns": [],
        "devices": np.zeros(0, np.uint32), "labels": [], "counts": np.zeros((0, 0)), "alarms": [],
        "time": (1_796_000_000 + second) * SECOND,
    }  # fmt: skip
    return Health(**{**told, **more})


def books(second: int) -> dict[str, Any]:
    """What the archiver says of the site's devices; the third one's frames are damaged."""
    numbers = [device_number(number, 0) for number in range(1, 13)]
    counts = np.array([[1000.0 + 50 * second - 4 * (k == 2), 900.0 + 50 * second, 4.0 * (k == 2)] for k in range(12)])
    labels = [f"{'North' if k < 6 else 'South'} {k + 1:02d}" for k in range(12)]
    return {"columns": ["received", "archived", "corrupt"], "devices": np.array(numbers, np.uint32),
            "labels": labels, "counts": counts}  # fmt: skip


def processes(console: Any) -> None:
    """In the console: these are those of its pipeline."""
    console.station.ask(lambda board: board.processes.__setitem__(slice(None), list(KINDS)))


@pytest.fixture(scope="module")
def station(feeder: Feeder) -> Feeder:
    """A pipeline whose processes spoke twice."""
    folder = feeder.served.folder
    (folder / "site.yaml").write_text("station: North Hub\nunknown: admit\n")
    (folder / "pipeline.yaml").write_text(WIRING)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    for name in KINDS:
        (logs / f"{name}.log").write_text(f"2026-12-01T08:00:00Z [info] {name} begins\n[warning] {name} is slow\n")
    feeder.served.do(processes)
    speak(feeder)
    return feeder


def speak(feeder: Feeder) -> None:
    """All processes, two seconds more."""
    for second in (next(SECONDS), next(SECONDS)):
        said = [health(name, second, **(books(second) if name == "archive" else {})) for name in KINDS]
        said[4] = health("align", second, alarms=["late rows: 3 %"])
        feeder.served.take(*said)


def test_the_pipeline_is_drawn_with_its_figures(page: Any, station: Feeder, pictures: Path) -> None:
    page.goto(f"{station.served.url}/station")
    box = page.locator("[data-node=align]")
    box.wait_for()
    speak(station)
    page.locator("[data-node=align]", has_text="300 rows/s").wait_for()
    assert page.locator("[data-node]").count() == 7
    assert "117 ms" in box.text_content()
    assert page.locator("[data-node=align].alarm").count() == 1
    page.locator("[data-node=receivers]").click()
    page.get_by_text("receivers.1 is slow").wait_for()
    page.get_by_text("journal_segments").wait_for()
    page.screenshot(path=pictures / "station.png")
    with open(station.served.folder / "logs" / "receivers.1.log", "a") as log:
        log.write("[error] and this came later\n")
    page.locator(".syms-lines .error", has_text="and this came later").wait_for()


@pytest.mark.slow
def test_devices_are_sorted_filtered_and_counted(page: Any, station: Feeder) -> None:
    page.goto(f"{station.served.url}/station?tab=devices")
    speak(station)
    grid = page.locator(".syms-grid").first
    grid.get_by_text("North 03").wait_for()
    assert grid.locator("tbody tr:not(.space)").count() == 12
    grid.get_by_role("columnheader", name="corrupt").click()
    first = grid.locator("tbody tr:not(.space)").first
    first.get_by_text("North 03").wait_for()
    grid.get_by_role("searchbox").fill("south")
    page.wait_for_function("document.querySelectorAll('.syms-grid tbody tr:not(.space)').length === 6")


def test_who_is_bound_to_a_region_sees_its_devices_and_no_processes(browser: Any, station: Feeder) -> None:
    context = browser.new_context()
    sign_in(context, station.served, "oleg")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{station.served.url}/station?tab=devices")
    speak(station)
    page.get_by_text("North 03").wait_for()
    assert page.get_by_text("South 07").count() == 0
    for tab in ("", "?tab=pipeline", "?tab=storage"):  # these concern the whole station
        page.goto(f"{station.served.url}/station{tab}")
        page.get_by_text("North 03").wait_for()
        assert page.get_by_role("tab").count() == 2
        assert page.locator("[data-node=align]").count() == 0
    assert page.request.get(f"{station.served.url}/metrics").status == 403
    assert page.request.get(f"{station.served.url}/api/v1/nodes").status == 403
    assert page.request.get(f"{station.served.url}/api/v1/devices").status == 200
    context.close()


def test_a_viewer_gets_no_button_and_is_refused(browser: Any, station: Feeder) -> None:
    context = browser.new_context()
    sign_in(context, station.served, "vera")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{station.served.url}/station")
    page.locator("[data-node=align]").click()
    page.locator("[data-node=align].chosen").wait_for()
    for name in ("Start", "Copies …", "Algorithm …", "Take up the edited file"):
        assert page.get_by_role("button", name=name).count() == 0
    assert page.locator(".actions button").count() == 0
    station.served.do(forged)
    page.get_by_role("button", name="Do it").click()
    page.get_by_text("vera is viewer; restart needs engineer").wait_for()
    context.close()
    acts = [(line["action"], line["outcome"]) for line in Audit(station.served.folder / "audit").lines()
            if line["user"] == "vera" and line["action"] == "restart"]  # fmt: skip
    assert acts == [("restart", "refused")]


def forged(console: Any) -> None:
    """In the console: what somebody without the buttons gets who makes his page say that one was pressed."""
    import gc

    from console.pages._change import Changes

    [changes] = [each for each in gc.get_objects() if isinstance(each, Changes) and each._page.user.name == "vera"]
    with changes._veil.client:
        changes.act("restart", "align")


@pytest.mark.slow
def test_who_is_an_engineer_no_more_is_put_out_before_anything_is_done(browser: Any, station: Feeder) -> None:
    book = Book(station.served.folder / "users.yaml", _users.load)
    with book.changing() as users:
        users["erik"] = User(name="erik", role=Role.ENGINEER, password=HASH)
    time.sleep(LOOK_EVERY / SECOND)  # the console looks at the file now and then, when somebody asks
    context = browser.new_context()
    context.request.get(station.served.url)
    sign_in(context, station.served, "erik")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{station.served.url}/station")
    page.locator("[data-node=align]").click()
    page.locator("[data-node=align].chosen").wait_for()
    page.locator(".actions button").nth(2).click()
    page.get_by_text("Restart align").wait_for()
    with book.changing() as users:
        users["erik"] = users["erik"].with_(role=Role.VIEWER)
    time.sleep(LOOK_EVERY / SECOND)
    page.get_by_role("button", name="Do it").click()
    page.wait_for_url("**/login**")
    context.close()
    acts = [line["action"] for line in Audit(station.served.folder / "audit").lines() if line["user"] == "erik"]
    assert "restart" not in acts
    with book.changing() as users:
        del users["erik"]


def _pretending(console: Any) -> None:
    """In the console: a `scale` that says what it would do, and notes what it did."""
    from console.verbs import Verbs

    console.honest = Verbs.ask, Verbs.carry_out

    async def ask(self: Verbs, *words: str) -> dict[str, Any]:
        if words[0] != "scale":
            return dict(await console.honest[0](self, *words))
        step = {"do": "start", "process": f"prejudge.{words[3]}", "why": "one more", "cost": "nothing"}
        return {"plan": {"steps": [step]}}

    async def carry_out(self: Verbs, words: Sequence[str], on_lines: Any) -> dict[str, Any]:
        if words[0] != "scale":
            return dict(await console.honest[1](self, words, on_lines))
        console.carried_out = [*getattr(console, "carried_out", []), words[3]]
        return {}

    Verbs.ask, Verbs.carry_out = ask, carry_out  # type: ignore[method-assign]


def _honest(console: Any) -> list[str]:
    from console.verbs import Verbs

    Verbs.ask, Verbs.carry_out = console.honest  # type: ignore[method-assign]
    return list(getattr(console, "carried_out", []))


def test_nothing_is_done_but_what_an_engineer_was_shown(open_as: Any, station: Feeder) -> None:
    page = open_as("emil")
    station.served.do(_pretending)
    try:
        page.goto(f"{station.served.url}/station")
        page.locator("[data-node=prejudge]").click(timeout=2 * PATIENCE)
        page.get_by_role("button", name="Copies …").click()
        page.get_by_label("Copies", exact=True).fill("3")
        page.get_by_role("button", name="Show what would be done").click()
        page.get_by_text("start prejudge.3").wait_for()
        page.get_by_label("Copies", exact=True).fill("4")
        page.get_by_role("button", name="Do it").click()
        page.get_by_text("By now this is what would be done.").wait_for()
        page.get_by_text("start prejudge.4").wait_for()
        page.get_by_role("button", name="Do it").click()
        page.get_by_text("Done.", exact=True).wait_for()
    finally:
        assert station.served.do(_honest) == ["4"]
    acts = [(line["action"], line["outcome"]) for line in Audit(station.served.folder / "audit").lines()
            if line["user"] == "emil" and line["action"] != "sign in"]  # fmt: skip
    assert acts == [("scale", "begun"), ("scale", "done")]


@pytest.mark.slow
def test_an_administrator_sees_what_an_edit_would_do(page: Any, station: Feeder) -> None:
    page.goto(f"{station.served.url}/station")
    page.get_by_role("button", name=re.compile("Take up the edited file")).click()
    page.get_by_text("Nothing is to be changed.").wait_for(timeout=2 * PATIENCE)
    assert not page.get_by_role("button", name="Do it").is_visible()
