"""Pages in a real browser: Debian's Chromium through Playwright, against a console that is fed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.access.cookies import session_cookie
from tests.browsers import chromium
from tests.console.browser.feeding import Feeder, site
from tests.console.browser.serving import Served

PATIENCE = 15_000
"""ms that a page has to show what is expected."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def served(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console with a small site (`feeding.site`).

    Asks for the browser first: without one it need not start.
    """
    with Served(tmp_path_factory.mktemp("console"), site()) as up:
        yield up


@pytest.fixture(scope="session")
def feeder(served: Served) -> Feeder:
    """What feeds it: half a minute of what its devices say is there from the start."""
    fed = Feeder(served)
    fed.begin(30.0)
    return fed


@pytest.fixture(autouse=True)
def live(feeder: Feeder) -> Iterator[None]:
    """They go on while somebody may look; not beside the tests of other rooms that follow."""
    feeder.go_on()
    with feeder.live():
        yield


Open = Callable[..., Any]


@pytest.fixture
def open_as(browser: Any, feeder: Feeder) -> Iterator[Open]:
    """`open_as(name, **how)`: a tab of 1280 x 720 in which that user has signed in (`serving.PEOPLE`), `how` as of
    Playwright's contexts. No request may fail or leave this machine, no script may complain.
    """
    contexts: list[Any] = []
    troubles: list[str] = []

    def opened(name: str, **how: Any) -> Any:
        wanted = {"viewport": {"width": 1280, "height": 720}, "locale": "en-GB"} | how
        context = browser.new_context(**wanted)
        contexts.append(context)
        sign_in(context, feeder.served, name)
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE)
        _watch(tab, feeder.served.url, troubles)
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def page(open_as: Open) -> Any:
    """A tab of the administrator."""
    return open_as("anna")


def _watch(opened: Any, here: str, troubles: list[str]) -> None:
    opened.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
    opened.on("pageerror", lambda fault: troubles.append(f"error: {fault}"))
    opened.on("console", lambda said: troubles.append(f"{said.type}: {said.text}") if said.type == "error" else None)
    opened.on("request", lambda request: _stays(request.url, here, troubles))


DRAWN = "document.querySelector('.syms-trend .u-over')?.getBoundingClientRect().width > 100"


def plot_of(page: Any) -> dict[str, float]:
    """Where the first pane of the trend lies, once it is drawn."""
    page.wait_for_function(DRAWN)
    box = page.evaluate(
        "(({x, y, width, height}) => ({x, y, width, height}))"
        "(document.querySelector('.syms-trend .u-over').getBoundingClientRect())"
    )
    return dict(box)


def sign_in(context: Any, served: Served, name: str) -> None:
    """All tabs of a context are this user's (`serving.PEOPLE`) from now on."""
    cookie = {"name": session_cookie(False), "value": served.sign_in(name), "url": served.url}
    context.add_cookies([cookie])


def _stays(url: str, here: str, troubles: list[str]) -> None:
    if not url.startswith((here, here.replace("http", "ws"), "data:", "blob:")):
        troubles.append(f"leaves the machine: {url}")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests put screenshots."""
    return tmp_path_factory.mktemp("pictures")
