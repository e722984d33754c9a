"""Traces that move: what a reader sees and does with them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.console.browser.conftest import plot_of
from tests.console.browser.feeding import Feeder

TEN = "&".join(f"t={number << 16}.frequency" for number in range(1, 11))


def test_ten_traces_move_five_times_a_second(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/?{TEN}&span=10")
    page.wait_for_selector(".syms-trend .chip >> nth=9")
    page.evaluate("""() => {
        window.seen = [];
        const chip = document.querySelector('.syms-trend .chip .value');
        const note = () => window.seen.push([performance.now(), chip.textContent]);
        new MutationObserver(note).observe(chip, {childList: true});
    }""")
    page.wait_for_function("window.seen.length >= 20")
    seen = page.evaluate("window.seen")
    assert all(49.9 < float(value) < 50.1 for _, value in seen)
    assert (len(seen) - 1) / ((seen[-1][0] - seen[0][0]) / 1000) > 3  # 5 and more on a machine that has time for it


def test_a_reader_pauses_looks_back_and_goes_on(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/?t=65536.frequency&span=30")
    page.click(".syms-trend .tool.pause")
    page.wait_for_selector(".syms-trend.paused")
    page.click(".syms-trend .tool.earlier")
    page.wait_for_function("!document.querySelector('.syms-trend').classList.contains('busy')")
    box = plot_of(page)
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 30)
    page.wait_for_function("document.querySelector('.syms-trend .moment').textContent.length > 10")
    page.click(".syms-trend .tool.pause")
    page.wait_for_selector(".syms-trend:not(.paused)")


def test_what_is_seen_can_be_taken_home(page: Any, feeder: Feeder, tmp_path: Path) -> None:
    page.goto(f"{feeder.served.url}/?t=65536.frequency&t=65536.magnitude.VA&span=10")
    page.wait_for_selector(".syms-trend .pane >> nth=1")
    page.wait_for_function("[...document.querySelectorAll('.syms-trend .value')].every(e => /\\d/.test(e.textContent))")
    page.click(".syms-trend .tool.pause")
    with page.expect_download() as told:
        page.click(".syms-trend .tool.csv")
    rows = list(csv.reader(io.StringIO(Path(told.value.path()).read_text())))
    assert rows[0] == ["time", "North 01 f [Hz]", "North 01 |VA| [kV]"]
    assert len(rows) > 100
    assert all(abs(float(row[1]) - 50) < 0.1 for row in rows[1:] if row[1])
    with page.expect_download() as told:
        page.click(".syms-trend .tool.picture")
    assert Path(told.value.path()).read_bytes().startswith(b"\x89PNG")


def test_the_address_says_what_is_shown(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/?t=65536.frequency&t=131072.frequency&span=30")
    page.click(".syms-trend .chip >> nth=0")
    page.wait_for_function("new URLSearchParams(location.search).getAll('t').join() === '131072.frequency'")
    page.select_option(".syms-trend .span", "10")
    page.wait_for_function("new URLSearchParams(location.search).get('span') === '10'")
    assert parse_qs(urlsplit(page.url).query)["t"] == ["131072.frequency"]
