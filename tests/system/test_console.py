"""From the demonstration to the event's files, as somebody who reads nothing but the screen; pictures of all pages.

SYMS_PICTURES=docs/pictures pytest tests/system/test_console.py -m ''      makes those of docs/console.md anew
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from commands._firstlink import pages
from commands._station import PrivateStation
from commands.demo import SITE, wiring
from console.access.audit import Audit
from nodes import _yaml
from tests.browsers import chromium

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]

PATIENCE = 90.0
SECONDS = 60
NAME, PASSWORD = "anna", "a quiet morning on the hill"
FINAL = ".syms-events tbody tr.final"
PAGES = {"now": "/", "alarms": "/alarms", "station": "/station", "export": "/export", "admin": "/admin"}
SETTLED = 2_500
"""ms that a page has to draw before its picture is taken."""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get("SYMS_PICTURES") or tmp_path / "pictures").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def station(browser: Any, tmp_path: Path) -> Iterator[PrivateStation]:
    """The demonstration, whose devices go on after the trip."""
    site, *_ = _yaml.read(SITE)
    with PrivateStation(wiring(SECONDS, 20, 1, tmp_path / "archive"), site) as up:
        yield up


def shown(page: Any, folder: Path, name: str) -> None:
    """A picture of a page; something is on it."""
    page.wait_for_timeout(SETTLED)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size > 20_000


def become_administrator(page: Any, station: PrivateStation, pictures: Path) -> str:
    """By the link that is printed; the console's address."""
    [(link, once)] = pages(station.pipeline)
    assert once
    page.goto(link)
    shown(page, pictures, "first")
    page.fill("input[name=name]", NAME)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector(".syms-now")
    assert list(pages(station.pipeline)) == [(link.partition("first/")[0], False)]
    return str(link).partition("/first/")[0]


def taken_home(page: Any, form: str) -> Path:
    """A file of the event whose page is open."""
    page.click("[data-mark=take], .q-btn:has-text('Take home')")
    with page.expect_download(timeout=PATIENCE * 1000) as told:
        page.click(f".q-menu .q-item:has-text('{form}')")
    return Path(told.value.path())


def test_a_newcomer_finds_the_event_and_takes_it_home(browser: Any, station: PrivateStation, pictures: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB", accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    address = become_administrator(page, station, pictures)

    page.goto(f"{address}/events")
    page.wait_for_selector(FINAL)
    shown(page, pictures, "events")
    page.click(f"{FINAL} .kind")
    page.wait_for_function("document.querySelector('.syms-clip .moment')?.textContent.includes('+0.00 s')")
    assert "generation trip" in page.locator(".syms-event .top .what").inner_text()
    shown(page, pictures, "event")

    page.click("button:has-text('Acknowledge')")
    page.wait_for_selector("button:has-text('Acknowledge')", state="hidden")
    book = openpyxl.load_workbook(io.BytesIO(taken_home(page, "Excel").read_bytes()), read_only=True)
    assert len(book.sheetnames) >= 20
    with zipfile.ZipFile(taken_home(page, "COMTRADE")) as packed:
        assert {Path(name).suffix for name in packed.namelist()} >= {".cfg", ".dat"}

    for name, path in PAGES.items():
        page.goto(address + path)
        shown(page, pictures, name)
    page.goto(f"{address}/station")
    page.wait_for_selector(".syms-pipeline .node")
    log = Audit(station.folder / "data" / "audit")
    done = [line["action"] for line in log.lines() if line["outcome"] == "done"]
    assert {"users", "acknowledge", "export"} <= set(done)
    assert log.verify().faults == []
    context.close()
