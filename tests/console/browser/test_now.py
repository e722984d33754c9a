"""The page Now: what a reader sees and does there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from protocol.clock import SECOND
from tests.console.browser.feeding import Feeder, event

Open = Callable[..., Any]


def text(page: Any, selector: str) -> str:
    return str(page.locator(selector).first.inner_text())


def test_the_site_at_a_glance(page: Any, feeder: Feeder) -> None:
    feeder.served.take(event(feeder.told - 5 * SECOND, [each.device for each in feeder.plain]))
    page.goto(feeder.served.url)
    page.wait_for_function("document.querySelector('.syms-tiles .value')?.textContent.startsWith('50.0') || "
                           "document.querySelector('.syms-tiles .value')?.textContent.startsWith('49.9')")  # fmt: skip
    assert text(page, ".syms-tiles .caption") == "Mean frequency of 14 devices"
    assert "14" in text(page, ".syms-tiles .count")
    assert "UTC" in text(page, ".syms-clock .time")
    page.wait_for_function("document.querySelectorAll('.syms-trend .chip').length === 6")


def test_a_device_is_chosen_and_shown(page: Any, feeder: Feeder) -> None:
    page.goto(feeder.served.url)
    page.wait_for_selector(".syms-facts td.name")
    choice = page.locator(".syms-panel.side input").first
    choice.fill("South 09")
    page.get_by_role("option", name="South 09").click()
    page.wait_for_function(
        "[...document.querySelectorAll('.syms-facts td.value')].some(e => e.textContent === 'South 09')"
    )
    told = page.locator(".syms-facts td.name").all_inner_texts()
    assert "Frequency" in told
    page.get_by_role("tab", name="Phasors").click()
    page.wait_for_function("document.querySelectorAll('.syms-phasors .row').length === 6")
    page.wait_for_function("/127|126/.test(document.querySelector('.syms-phasors .row').textContent)")
    page.get_by_role("tab", name="Regions").click()
    page.wait_for_function("document.querySelectorAll('.syms-facts tr.head').length === 1")
    page.wait_for_selector(".syms-facts td.name >> text=south")
    assert page.locator(".syms-facts td.name").all_inner_texts() == ["Whole site", "north", "south"]


@pytest.mark.slow
def test_harmonics_and_inter_harmonics(page: Any, feeder: Feeder) -> None:
    page.goto(feeder.served.url)
    page.get_by_role("tab", name="Spectrum").click()
    page.wait_for_selector("text=This device tells no harmonics")
    choice = page.locator(".syms-panel.side input").first
    for name, expected in (("Load L1", "THD"), ("Plant R1", "Total")):
        choice.fill(name)
        page.get_by_role("option", name=name).click()
        page.wait_for_selector(f".syms-bars .list b >> text={expected}")
        page.wait_for_selector(".syms-bars .list span >> text=/VA [0-9.]+ %/")


def test_quantities_are_chosen(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/?t=65536.frequency")
    page.wait_for_selector(".syms-trend .chip")
    page.get_by_role("button", name="Choose quantities").click()
    page.get_by_label("Devices").fill("North 02")
    page.get_by_role("option", name="North 02").click()
    page.keyboard.press("Escape")
    page.get_by_label("Quantities").click()
    page.get_by_role("option", name="Active power I", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_function("document.querySelectorAll('.syms-trend .pane').length === 2")
    names = page.locator(".syms-trend .chip .name").all_inner_texts()
    assert names == ["North 01 f", "North 02 f", "North 02 P I"]


@pytest.mark.slow
@pytest.mark.parametrize(("language", "words"), [("en", "Mean frequency"), ("zh", "平均频率")])
def test_it_is_seen_in_both_languages_and_by_night(open_as: Open, feeder: Feeder, language: str, words: str) -> None:
    page = open_as("vera", viewport={"width": 1024, "height": 768})
    page.goto(feeder.served.url)
    page.context.add_cookies([
        {"name": "syms_language", "value": language, "url": feeder.served.url},
        {"name": "syms_look", "value": "dark", "url": feeder.served.url},
    ])  # fmt: skip
    page.reload()
    page.wait_for_selector(f".syms-tiles .caption:has-text('{words}')")
    assert page.evaluate("document.body.classList.contains('body--dark')")
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert wide == [1024, 768]


def test_who_sees_the_north_alone_sees_nothing_of_the_south(open_as: Open, feeder: Feeder) -> None:
    page = open_as("oleg")
    begin = time.monotonic()
    page.goto(f"{feeder.served.url}/?t=65536.frequency&t=524288.frequency&t=458752.difference.VA&ref=458752.angle.VA")
    page.wait_for_selector(".syms-trend .chip")
    page.wait_for_selector(".syms-tiles .caption:has-text('Mean frequency of 6 devices')")
    assert page.locator(".syms-trend .chip .name").all_inner_texts() == ["North 01 f"]
    assert time.monotonic() - begin < 15
    assert "South" not in page.content()
