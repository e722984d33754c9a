"""Pages in a real browser: Debian's Chromium through Playwright, against a console that is fed by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.access.cookies import session_cookie
from tests.console.browser.feeding import Feeder, site
from tests.console.browser.serving import Served

CHROMIUM = shutil.which("chromium")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-dev-shm-usage"),
)
PATIENCE = 15_000
"""ms that a page has to show what is expected."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests; skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


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


@pytest.fixture
def page(browser: Any, feeder: Feeder) -> Iterator[Any]:
    """A tab of 1280 x 720 that looks at it; no request may fail or leave this machine, no script may complain."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB", accept_downloads=True)
    sign_in(context, feeder.served, "anna")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    troubles: list[str] = []
    opened.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
    opened.on("pageerror", lambda fault: troubles.append(f"error: {fault}"))
    opened.on("console", lambda said: troubles.append(f"{said.type}: {said.text}") if said.type == "error" else None)
    opened.on("request", lambda request: _stays(request.url, feeder.served.url, troubles))
    yield opened
    context.close()
    assert troubles == []


def sign_in(context: Any, served: Served, name: str) -> None:
    """All tabs of a context are this user's (`tests.doors.PEOPLE`) from now on."""
    cookie = {"name": session_cookie(False), "value": served.sign_in(name), "url": served.url}
    context.add_cookies([cookie])


def _stays(url: str, here: str, troubles: list[str]) -> None:
    if not url.startswith((here, here.replace("http", "ws"), "data:", "blob:")):
        troubles.append(f"leaves the machine: {url}")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests put screenshots."""
    return tmp_path_factory.mktemp("pictures")
