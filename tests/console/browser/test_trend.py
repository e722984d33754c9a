"""Traces that move: what a reader sees and does with them."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from console.pages import _trends
from tests.console.browser.conftest import plot_of
from tests.console.browser.feeding import Feeder

AT_CURSOR = """() => {
    const [pane] = getElement(Number(document.querySelector('.syms-trend').id.slice(1))).panes;
    const at = pane.plot.cursor.idx;
    return [new Date(pane.found.time[at]).toISOString(), pane.found.traces[0].value[at]];
}"""
"""Time and value under the cursor."""
COLOURS = """async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), {width: image.width, height: image.height});
    const ctx = canvas.getContext('2d');
    ctx.drawImage(image, 0, 0);
    const { data: rgba } = ctx.getImageData(0, 0, image.width, image.height);
    return getElement(Number(document.querySelector('.syms-trend').id.slice(1))).made.map(({ colour }) => {
        const wanted = [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
        let count = 0;
        for (let k = 0; k < rgba.length; k += 4) count += wanted.every((value, c) => rgba[k + c] === value);
        return count;
    });
}"""
"""Pixels of the colour of each trace in a picture."""
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
    at, column = page.evaluate(AT_CURSOR)
    assert page.locator(".syms-trend .moment").inner_text().endswith(f"{at[11:23]}")
    assert float(page.locator(".syms-trend .chip .value").inner_text()) == pytest.approx(column, abs=6e-5)
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
    picture = Path(told.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    colours = page.evaluate(COLOURS, base64.b64encode(picture).decode())
    assert min(colours) > 100  # px of each trace: its line, and that of its legend


def test_the_address_says_what_is_shown(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/?t=65536.frequency&t=131072.frequency&span=30")
    page.click(".syms-trend .chip >> nth=0")
    page.wait_for_function("new URLSearchParams(location.search).getAll('t').join() === '131072.frequency'")
    page.select_option(".syms-trend .span", "10")
    page.wait_for_function("new URLSearchParams(location.search).get('span') === '10'")
    assert parse_qs(urlsplit(page.url).query)["t"] == ["131072.frequency"]


def _impatient(console: Any) -> None:
    _trends.RENEW_FROM, _trends.RENEW_EVERY = 30.0, 1.0


def _patient(console: Any) -> None:
    _trends.RENEW_FROM, _trends.RENEW_EVERY = RENEW


RENEW = _trends.RENEW_FROM, _trends.RENEW_EVERY
PAST = "getElement(Number(document.querySelector('.syms-trend').id.slice(1))).made[0].data.past"


@pytest.mark.slow
def test_what_was_before_is_fetched_anew_while_a_long_span_is_looked_at(page: Any, feeder: Feeder) -> None:
    """A browser forgets what came live some hours ago; the archive has it."""
    feeder.served.do(_impatient)
    try:
        page.goto(f"{feeder.served.url}/?t=65536.frequency&span=60")
        page.wait_for_selector(".syms-trend .chip")
        page.wait_for_function(f"{PAST} !== null")
        until = page.evaluate(f"{PAST}.until")
        page.wait_for_function(f"{PAST}.until >= {until} + 1000 && Math.abs({PAST}.until - {PAST}.from - 60000) < 1")
        assert page.locator(".syms-trend:not(.paused)").count() == 1
    finally:
        feeder.served.do(_patient)
