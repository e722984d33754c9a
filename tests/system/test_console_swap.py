"""An engineer gives detectors another algorithm on the page while devices send: no frame and no window is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archive.reading import open_archive
from commands._account import drained, frames
from commands._station import PrivateStation, free_port
from console.access.audit import Audit
from console.access.users import Role, User
from console.board import Board
from protocol.clock import SECOND
from tests.browsers import chromium
from tests.doors import HASH, PEOPLE, SECRET, make_book

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

DEVICES = 3
PATIENCE = 120.0
ENGINEER = User(name="emil", role=Role.ENGINEER, password=HASH)


def wiring(folder: Path) -> dict[str, object]:
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": DEVICES, "phasors": 1},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": ["receivers", "windows"], "path": str(folder / "data")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "1 s"},
        "windows": {"kind": "trigger", "from": "align", "window": "10 s", "every": "1 s", "timeout": "20 s"},
        "prejudge": {"kind": "detector", "from": "windows", "copies": 2, "algorithm": "emd"},
        "console": {"kind": "console", "from": "align", "listen": f"127.0.0.1:{free_port()}"},
    }  # fmt: skip


@pytest.fixture
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def ok(board: Board) -> float:
    return board.voices["windows"].last.counters.get("ok", 0.0) if "windows" in board.voices else 0.0


def swap(page: Any, address: str) -> None:
    """From signing in to *Done*."""
    page.goto(f"{address}station")
    page.fill("input[name=name]", ENGINEER.name)
    page.fill("input[type=password]", SECRET)
    page.click("button[type=submit]")
    page.locator("[data-node=prejudge]").click()
    page.get_by_role("button", name="Algorithm …").click()
    page.get_by_label("Algorithm", exact=True).click()
    page.get_by_role("option", name="rocof", exact=True).click()
    page.get_by_role("button", name="Show what would be done").click()
    page.get_by_text("algorithm: emd → rocof").wait_for()
    page.get_by_text("stand in prejudge.3").wait_for()
    page.get_by_role("button", name="Do it").click()
    page.get_by_text("Done.", exact=True).wait_for()


def test_another_algorithm_by_a_page(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(locale="en-GB", viewport={"width": 1280, "height": 720})
    page.set_default_timeout(PATIENCE * 1000)
    with PrivateStation(wiring(tmp_path), {"station": "test", "unknown": "admit"}) as station:
        make_book(station.folder / "config", {"emil": ENGINEER, "anna": PEOPLE["anna"]})
        assert station.wait(lambda board: ok(board) >= 2 * DEVICES, PATIENCE)
        swap(page, station.pipeline.nodes["console"].settings.address)  # type: ignore[union-attr]
        before = ok(station.board)
        assert station.wait(lambda board: ok(board) >= before + 4 * DEVICES, PATIENCE)
        station.stop("simulator")
        assert station.wait(drained, PATIENCE), frames(station.board)
        station.stop()
        counts, log = frames(station.board), list(Audit(station.folder / "data" / "audit").lines())
    assert counts["sent"] == counts["archived"] > 0
    assert [(line["user"], line["action"], line["outcome"]) for line in log][-2:] == [
        ("emil", "swap", "begun"), ("emil", "swap", "done"),
    ]  # fmt: skip
    with open_archive(tmp_path / "data") as found:
        verdicts = found.verdicts()
    judged = sorted(zip(verdicts["device"].tolist(), verdicts["start"].tolist(), strict=True))
    assert len(judged) == len(set(judged))
    for _, mine in itertools.groupby(judged, key=lambda each: each[0]):
        starts = [start for _, start in mine]
        assert {after - start for start, after in itertools.pairwise(starts)} == {SECOND}
    assert set(verdicts["algorithm"].tolist()) - {""} == {"emd", "rocof"}  # nobody judges an incomplete one
    assert set(verdicts["outcome"].tolist()) <= {"ok", "incomplete"}
