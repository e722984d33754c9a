"""Moving and zooming with mouse and fingers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.console.browser.conftest import plot_of
from tests.console.browser.feeding import Feeder

SEEN = "(() => { const e = document.querySelector('.syms-trend'); return getElement(Number(e.id.slice(1))).seen; })()"
"""From, until [ms] of the trend."""
PLACE = """(name) => {
    const map = getElement(Number(document.querySelector('.syms-map').id.slice(1)));
    const dot = map.dots?.find((each) => map.devices[each.k].name === name);
    return dot && map.schematic ? [dot.x, dot.y] : null;
}"""
"""Of a device in the schematic."""


def test_a_mouse_moves_and_zooms_a_trend(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/?t=65536.frequency&span=60")
    page.wait_for_selector(".syms-trend .chip")
    box = plot_of(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 200, y, steps=4)
    page.mouse.up()
    page.wait_for_selector(".syms-trend.paused")
    page.wait_for_timeout(300)
    since, until = page.evaluate(SEEN)
    assert until - since == pytest.approx(60_000, rel=1e-6)
    page.mouse.wheel(0, -300)
    page.wait_for_function(f"{SEEN}[1] - {SEEN}[0] < 55000")
    here, nearer = (x + 200 - box["x"]) / box["width"], page.evaluate(SEEN)
    under = [begin + here * (end - begin) for begin, end in ((since, until), nearer)]
    assert under[1] == pytest.approx(under[0], abs=50)  # what is under the mouse stays there
    page.mouse.dblclick(x, y)
    page.wait_for_selector(".syms-trend:not(.paused)")


def test_a_device_of_the_map_is_tapped(open_as: Callable[..., Any], feeder: Feeder) -> None:
    page = open_as("vera", has_touch=True, viewport={"width": 1024, "height": 768})
    page.goto(feeder.served.url)
    page.wait_for_selector(".syms-facts td.name")
    page.get_by_role("button", name="By region").tap()
    page.wait_for_function(f"({PLACE})('North 02')")
    box, place = page.locator(".syms-map").bounding_box(), page.evaluate(PLACE, "North 02")
    page.touchscreen.tap(box["x"] + place[0], box["y"] + place[1])
    page.wait_for_selector(".syms-map .tip >> text=North 02 · north")
    page.wait_for_selector(".syms-facts td.value >> text=North 02")
