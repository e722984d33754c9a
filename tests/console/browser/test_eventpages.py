"""Events and alarms in a browser: what a reader finds, sees and does, and what he may not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.clock import SECOND, Now
from protocol.messages import AlarmAnswer
from tests.console.browser.conftest import sign_in
from tests.console.browser.feeding import Feeder, event
from tests.console.test_alarmdesk import alarm

LOADED = "document.querySelector('.syms-clip .moment')?.textContent.includes('+0.00 s')"
PACE = """async () => {
    const clip = getElement(Number(document.querySelector('.syms-clip').id.slice(1)));
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const [first, at] = [await frame(), clip.at];
    let now = first;
    while (now - first < 1000) now = await frame();
    return (clip.at - at) / (now - first);
}"""
"""Seconds of the replay in a second."""
ID = "20261201T040911.220Z_suspects"


@pytest.fixture
def told(feeder: Feeder) -> Iterator[Any]:
    """An event some seconds ago that is being judged."""
    said = event(time.time_ns() - 8 * SECOND, [each.device for each in feeder.plain[:12]])
    feeder.served.take(said)
    yield said
    feeder.served.do(_forget)


def _forget(console: Any) -> None:
    console.station._events.clear()
    console.events._live = {"": 0}


def test_events_come_while_one_looks_and_lead_to_their_page(page: Any, feeder: Feeder, told: Any) -> None:
    page.goto(f"{feeder.served.url}/events")
    line = page.locator(".syms-events tbody tr.open")
    line.wait_for()
    assert "North 01, North 02, North 03 ± 62 km" in line.inner_text()
    feeder.served.take(replace(told, answer=2, final=True, size_mhz=-88.0))
    page.wait_for_selector(".syms-events tbody tr.final >> text=−88")
    page.goto(f"{feeder.served.url}/events?kind=islanding")
    page.wait_for_selector(".syms-hint >> text=no such events")
    page.goto(f"{feeder.served.url}/events?kind=gen_trip&text=North+03")
    page.click(".syms-events tbody tr .kind")
    page.wait_for_url(f"**/events/{ID}?kind=gen_trip&text=North+03")
    page.wait_for_function(LOADED)


def test_the_page_of_an_event_shows_what_was_measured_and_goes_through_it(
    page: Any, feeder: Feeder, told: Any, pictures: Path
) -> None:
    page.goto(f"{feeder.served.url}/events/{ID}")
    page.wait_for_function(LOADED)
    assert page.locator(".syms-event .top .what").inner_text().startswith("generation trip 93%")
    page.select_option(".syms-clip .speed", "0.1")
    page.click(".syms-clip .tool.play")
    assert page.evaluate(PACE) == pytest.approx(0.1, abs=0.02)
    page.select_option(".syms-clip .speed", "10")
    page.wait_for_function("parseFloat(document.querySelector('.syms-clip .moment').textContent.split('+')[1]) > 1")
    page.click(".syms-event .q-tab >> nth=1")
    page.wait_for_selector(".syms-facts td:text('+0.080')")
    page.screenshot(path=pictures / "event.png")
    feeder.served.take(replace(told, answer=2, kind="load_loss", size_mhz=70.0))
    page.wait_for_selector(".syms-event .top >> text=load loss")


def test_an_event_that_is_none_is_told(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/events/nothing")
    page.wait_for_selector(".syms-hint >> text=There is no such event")


def test_who_may_not_see_or_take_home_does_not(browser: Any, feeder: Feeder, told: Any) -> None:
    south = [each.device for each in feeder.plain if each.region == "south"]
    feeder.served.take(replace(event(told.onset, south), id="20261201T050000.000Z_south"))
    for name, path, status in (
        ("vera", "/exports/anything", 403),
        ("oleg", "/exports/anything", 404),
        ("vera", f"/events/{ID}/traces", 200),
    ):
        context = browser.new_context()
        sign_in(context, feeder.served, name)
        assert context.request.get(feeder.served.url + path).status == status
        context.close()
    assert browser.new_context().request.get(f"{feeder.served.url}/events/{ID}/traces", max_redirects=0).status == 303
    context = browser.new_context()
    sign_in(context, feeder.served, "oleg")
    page = context.new_page()
    page.goto(f"{feeder.served.url}/events/20261201T050000.000Z_south")
    page.wait_for_selector(".syms-hint >> text=None of its devices is in your regions")
    context.close()


def _answering(console: Any) -> None:
    """Somebody keeps alarms, and does what is asked."""
    desk = console.station.alarms
    desk.due("console", Now(time.monotonic_ns(), time.time_ns()))

    def ask(action: str, id_: str, user: str, utc: int, text: str = "", span: int = 0) -> Future[AlarmAnswer]:
        told = desk.find(id_)
        state = {"acknowledge": "acknowledged", "shelve": "shelved"}.get(action, told.state)
        desk.take(replace(told, state=state, user=user, comment=text, until=span and utc + span))
        done: Future[AlarmAnswer] = Future()
        done.set_result(AlarmAnswer("alarms", "", True, "", []))
        return done

    desk.ask = ask


def test_alarms_are_acknowledged_and_shelved(page: Any, feeder: Feeder, browser: Any) -> None:
    feeder.served.do(_answering)
    feeder.served.take(alarm("a1", severity="critical"), alarm("a2"), alarm("a3", region="south"))
    page.goto(f"{feeder.served.url}/alarms")
    page.click(".syms-alarms tr[data-id=a1] .state")
    page.click("button:has-text('Acknowledge')")
    page.wait_for_selector(".syms-alarms tr.acknowledged[data-id=a1]")
    page.click(".syms-alarms tr[data-id=a2] .state")
    page.click("button:has-text('Shelve')")
    page.fill(".q-dialog input[maxlength]", "works on the line")
    page.click(".q-dialog button:has-text('Shelve')")
    page.wait_for_selector(".syms-alarms tr.shelved[data-id=a2] >> text=anna: works on the line")
    context = browser.new_context()
    sign_in(context, feeder.served, "vera")
    other = context.new_page()
    other.goto(f"{feeder.served.url}/alarms")
    other.wait_for_selector(".syms-alarms tr[data-id=a3]")
    assert other.locator("button:has-text('Acknowledge')").count() == 0
    context.close()
