"""NiceGUI behind the gate, in a browser and by hand: what its pages need works, what is forged does not."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from console.access.audit import Audit
from tests.browsers import chromium
from tests.doors import SECRET, form_token, make_book

pytestmark = [pytest.mark.system, pytest.mark.slow]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[str]:
    make_book(tmp_path)
    port = free_port()
    with console(tmp_path, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def console(tmp_path: Path, port: int, *proxies: str) -> Iterator[subprocess.Popen[bytes]]:
    """Its process, which answers."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.consoleapp", str(tmp_path), str(port), *proxies]
    repository = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(repository), "NICEGUI_STORAGE_PATH": str(tmp_path / "nicegui")}
    process = subprocess.Popen(command, cwd=repository, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/login", timeout=2)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def browser_of(here: str, name: str) -> httpx.Client:
    browser = httpx.Client(base_url=here, headers={"origin": here}, timeout=20)
    form = form_token(browser.get("/login").text)
    assert browser.post("/login", data={"form": form, "name": name, "password": SECRET}).status_code == 303
    return browser


def test_a_page_in_a_browser(here: str, tmp_path: Path) -> None:
    said: list[str] = []
    asked: set[str] = set()
    with chromium() as browser:
        page = browser.new_page(locale="en-GB")
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.add(request.url.partition("//")[2].partition("/")[0]))
        page.goto(here + "/")
        page.fill("#name", "oleg")
        page.fill("#password", SECRET)
        page.click("button")
        page.get_by_text("signed in as oleg").wait_for()
        page.wait_for_function("window.did_handshake")  # what is pressed before is not heard
        page.get_by_role("button", name="Acknowledge").click()
        page.get_by_text("acknowledged", exact=True).wait_for()
        page.get_by_text("cell 1").wait_for()
        page.locator("canvas").first.wait_for()
        page.locator(".main-svg").first.wait_for()
        assert page.evaluate("window.smuggled") is None
        blocked = [line for line in said if "Content Security Policy" in line]
        assert len(blocked) == 1, said  # the smuggled one
        assert "Executing inline script" in blocked[0]
        assert asked == {here.partition("//")[2]}
        with make_book(tmp_path, {}).changing() as users:
            users["oleg"] = users["oleg"].with_(disabled=True)
        page.get_by_role("button", name="Sign in").wait_for(timeout=30_000)
    acts = [(line["user"], line["action"], line["outcome"]) for line in Audit(tmp_path / "audit").lines()]
    assert acts == [("oleg", "sign in", "done"), ("oleg", "acknowledge", "begun"), ("oleg", "acknowledge", "done")]


def test_a_page_goes_on_when_the_console_is_started_again(tmp_path: Path) -> None:
    """Killed, so that nothing is put in order before; the page loads anew by itself, and nobody signs in."""
    make_book(tmp_path)
    port = free_port()
    with chromium() as browser:
        page = browser.new_page(locale="en-GB")
        with console(tmp_path, port) as first:
            page.goto(f"http://127.0.0.1:{port}/")
            page.fill("#name", "oleg")
            page.fill("#password", SECRET)
            page.click("button")
            page.get_by_text("signed in as oleg").wait_for()
            page.evaluate("window.before = 1")
            first.kill()
            first.wait(20)
        with console(tmp_path, port):
            page.wait_for_function("window.before === undefined", timeout=60_000)
            page.get_by_text("signed in as oleg").wait_for()
            page.wait_for_function("window.did_handshake")  # what is pressed before is not heard
            page.get_by_role("button", name="Acknowledge").click()
            page.get_by_text("acknowledged", exact=True).wait_for()
    acts = [(line["user"], line["action"]) for line in Audit(tmp_path / "audit").lines() if line["outcome"] == "done"]
    assert acts == [("oleg", "sign in"), ("oleg", "acknowledge")]


def test_a_forged_event(here: str, tmp_path: Path) -> None:
    """A viewer presses the operator's button in his own page, then in that of the operator, whose ids he has."""
    with closing(browser_of(here, "vera")) as viewer, closing(browser_of(here, "oleg")) as operator:
        forge(here, viewer, operator)
    acts = [(line["user"], line["action"], line["outcome"]) for line in Audit(tmp_path / "audit").lines()]
    assert acts[2:] == [("vera", "acknowledge", "refused")]


def forge(here: str, viewer: httpx.Client, operator: httpx.Client) -> None:
    """Waits for the answers."""
    cookie = "; ".join(f"{each.name}={each.value}" for each in viewer.cookies.jar)
    for whose, answer in ((viewer, "refused: vera is viewer"), (operator, "44")):
        page = whose.get("/").text
        client = re.findall(r"<i>([0-9a-f-]{36})</i>", page)[0]
        number, button = next(found for found in elements(page).items() if found[1].get("props", {}).get("label"))
        hello = {"client_id": client, "tab_id": "t", "document_id": "d", "next_message_id": 0, "EIO": 4}
        query = urlencode(hello | {"implicit_handshake": "true", "transport": "websocket"})
        press = {"id": int(number), "client_id": client, "listener_id": button["events"][0]["listener_id"], "args": []}
        place = f"{here.replace('http', 'ws')}/_nicegui_ws/socket.io/?{query}"
        with connect(place, origin=here, additional_headers={"Cookie": cookie}) as spoken:
            spoken.send("40")
            heard = [spoken.recv(10)]
            while not heard[-1].startswith("4"):
                heard.append(spoken.recv(10))
            with suppress(ConnectionClosed):
                spoken.send('42["event",' + json.dumps(press) + "]")
            while answer not in heard[-1]:
                heard.append(spoken.recv(10))


def elements(page: str) -> dict[str, dict[str, Any]]:
    """Of a page, by number."""
    text = page.partition("parseElements(String.raw`")[2].partition("`")[0]
    for mark, plain in (("&#36;", "$"), ("&#96;", "`"), ("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&")):
        text = text.replace(mark, plain)
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
