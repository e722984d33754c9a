"""The page Export in a browser: what is asked for comes as a file; who may see less gets less, a viewer nothing."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comtrade
import numpy as np
import pytest

from archive.writer import Archive
from console.access.audit import Audit
from tests.archives import NONE, grid, measurements
from tests.console.browser.feeding import TABLE, Feeder

Open = Callable[..., Any]
NORTH, SOUTH = 1, 7
"""Links of a device in each region."""
SECONDS = 20


@pytest.fixture
def archived(feeder: Feeder) -> Iterator[Feeder]:
    """The console has an archive with a device of each region."""
    folder = feeder.served.folder / "archive"
    if not folder.exists():
        archive = Archive(folder)
        for known in feeder.plain:
            archive.take(known)
        for link in (NORTH, SOUTH):
            archive.take(measurements([link] * 50 * SECONDS, grid(0, 50 * SECONDS), TABLE))
        archive.commit(NONE)
        archive.close()
    feeder.served.do(_with_archive)
    yield feeder
    feeder.served.do(_without)


def _with_archive(console: Any) -> None:
    console.exports._archive = console.archive = Path(console.run) / "archive"


def _without(console: Any) -> None:
    console.exports._archive = console.archive = None


def asked(page: Any, form: str) -> None:
    """Ten seconds of frequencies in a format."""
    fields = page.locator(".syms-export .form")
    fields.get_by_label("Quantities").click()
    page.get_by_role("option", name="Frequency", exact=True).click()
    page.keyboard.press("Escape")
    fields.get_by_label("From (UTC)").fill("2026-05-03 09:20")
    for field, choice in (("For", "10 s"), ("Format", form)):
        fields.get_by_label(field, exact=True).click()
        page.get_by_role("option", name=choice, exact=True).click()


def taken(page: Any, form: str) -> zipfile.ZipFile:
    asked(page, form)
    with page.expect_download(timeout=60_000) as told:
        page.get_by_role("button", name="Export", exact=True).click()
    page.locator(".syms-jobs .job", has_text="ready").wait_for()
    return zipfile.ZipFile(told.value.path())


@pytest.mark.slow
def test_binary_comtrade_is_asked_for_and_fetched(page: Any, archived: Feeder, tmp_path: Path) -> None:
    page.goto(f"{archived.served.url}/export")
    with taken(page, "COMTRADE, binary32") as packed:
        assert sorted(packed.namelist()) == ["North 01.cfg", "North 01.dat", "South 07.cfg", "South 07.dat"]
        packed.extractall(tmp_path)
    record = comtrade.Comtrade(ignore_warnings=True, use_numpy_arrays=True, use_double_precision=True)
    record.load(str(tmp_path / "North 01.cfg"), encoding="utf-8")
    expected = measurements([NORTH] * 500, grid(0, 500), TABLE).values[:, 0]
    assert record.cfg.ft == "BINARY32"
    np.testing.assert_allclose(record.analog[0], expected, atol=np.nanmax(expected) * 2.0**-31)


def test_who_sees_the_north_alone_takes_the_north_home(open_as: Open, archived: Feeder) -> None:
    page = open_as("oleg")
    page.goto(f"{archived.served.url}/export")
    with taken(page, "CSV") as packed:
        [name] = packed.namelist()
        rows = list(csv.reader(io.StringIO(packed.read(name).decode("utf-8-sig"))))
    assert [cell for cell in rows[0] if cell.endswith("[Hz]")] == ["North 01: frequency [Hz]"]
    assert not any("South" in cell for cell in rows[0])
    assert len(rows) == 1 + 500


def _hold(console: Any) -> None:
    console.exports._turns.acquire()


def _go_on(console: Any) -> None:
    console.exports._turns.release()


@pytest.mark.slow
def test_what_waits_for_its_turn_says_so_and_is_taken_back(page: Any, archived: Feeder) -> None:
    archived.served.do(_hold)
    try:
        page.goto(f"{archived.served.url}/export")
        asked(page, "HDF5")
        page.get_by_role("button", name="Export", exact=True).click()
        job = page.locator(".syms-jobs .job")
        job.get_by_text("HDF5: waiting for its turn").wait_for()
        job.get_by_role("button").click()
        job.wait_for(state="detached")
    finally:
        archived.served.do(_go_on)
    assert archived.served.do(_states) == ["cancelled"]


def _states(console: Any) -> list[str]:
    return [job.state for job in console.exports._jobs.values() if job.form == "hdf5"]


def test_a_viewer_has_no_button_and_is_refused(open_as: Open, archived: Feeder) -> None:
    page = open_as("vera")
    page.goto(f"{archived.served.url}/export")
    button = page.get_by_role("button", name="Export", exact=True)
    button.wait_for()
    assert button.is_disabled()
    archived.served.do(_forged)
    page.get_by_text("vera is viewer; export needs operator").wait_for()
    lines = Audit(archived.served.folder / "audit").lines()
    said = [line["outcome"] for line in lines if (line["user"], line["action"]) == ("vera", "export")]
    assert said[-1] == "refused"
    assert archived.served.do(_owners).count("vera") == 0


def _forged(console: Any) -> None:
    """What somebody gets who makes his page say that the button was pressed."""
    import gc

    from console.pages.export import ExportForm

    form = next(each for each in gc.get_objects() if isinstance(each, ExportForm) and each._page.user.name == "vera")
    with form._begin.client:
        form._go()


def _owners(console: Any) -> list[str]:
    return [job.owner for job in console.exports._jobs.values()]
