"""The console behind HAProxy, as `docs/behind-a-proxy.md` says it: a browser by https, addresses, cookies, lock-out."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from console.access.audit import Audit
from tests.authorities import Authority
from tests.browsers import chromium
from tests.doors import SECRET, form_token, make_book
from tests.system.test_console_gate import console, free_port

pytestmark = [pytest.mark.system, pytest.mark.slow]
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
PAGE = Path(__file__).parents[2] / "docs" / "behind-a-proxy.md"
PROXY, BROWSER, OTHER = "127.0.0.2", "127.0.0.1", "127.0.0.3"


def example(port: int, behind: int, pem: Path) -> str:
    """That of the page, for ports and a certificate of ours; it calls the console from an address of its own."""
    [text] = re.findall(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for what, ours in ((":443", f"127.0.0.1:{port}"), ("/etc/haproxy/station.pem", str(pem)),
                       ("127.0.0.1:8080", f"127.0.0.1:{behind} source {PROXY}")):  # fmt: skip
        assert text.count(what) == 1
        text = text.replace(what, ours)
    return text


@pytest.fixture
def here(tmp_path: Path) -> Iterator[str]:
    if HAPROXY is None:
        pytest.skip("no HAProxy: apt install haproxy")
    make_book(tmp_path)
    behind, port = free_port(), free_port()
    issued = Authority(tmp_path, "authority").issue("localhost")
    pem, settings = tmp_path / "station.pem", tmp_path / "haproxy.cfg"
    pem.write_text(issued.certificate.read_text() + issued.key.read_text())
    settings.write_text(example(port, behind, pem))
    with console(tmp_path, behind, PROXY), subprocess.Popen([HAPROXY, "-db", "-f", str(settings)]) as proxy:
        try:
            deadline = time.monotonic() + 30
            while not answers(port):
                assert proxy.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield f"https://localhost:{port}"
        finally:
            proxy.terminate()


def answers(port: int) -> bool:
    try:
        ssl.get_server_certificate(("127.0.0.1", port))
    except OSError:
        return False
    return True


def sign_in(here: str, address: str, name: str, password: str, **claimed: str) -> httpx.Response:
    """From an address of this machine."""
    way = httpx.HTTPTransport(local_address=address, verify=False)
    with httpx.Client(base_url=here, headers={"origin": here, **claimed}, transport=way, timeout=20) as browser:
        form = form_token(browser.get("/login").text)
        return browser.post("/login", data={"form": form, "name": name, "password": password})


def test_a_browser_behind_it(here: str, tmp_path: Path) -> None:
    with chromium() as browser:
        page = browser.new_page(locale="en-GB", ignore_https_errors=True)
        page.goto(f"{here}/")
        page.fill("#name", "oleg")
        page.fill("#password", SECRET)
        page.click("button")
        page.get_by_text("signed in as oleg").wait_for()
        page.wait_for_function("window.did_handshake")  # what is pressed before is not heard
        page.get_by_role("button", name="Acknowledge").click()  # by websocket
        page.get_by_text("acknowledged", exact=True).wait_for()
        [cookie] = [each for each in page.context.cookies() if "session" in each["name"]]
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-syms-session", True, True)
    lines = list(Audit(tmp_path / "audit").lines())
    assert [line["action"] for line in lines] == ["sign in", "acknowledge", "acknowledge"]
    assert {line["address"] for line in lines} == {BROWSER}


def test_one_who_tries_passwords_locks_nobody_else_out(here: str, tmp_path: Path) -> None:
    """And none who says that he is somewhere else."""
    for number in range(20):
        assert sign_in(here, OTHER, f"nobody{number}", "x", **{"x-forwarded-for": "192.0.2.9"}).status_code == 401
    assert sign_in(here, OTHER, "vera", SECRET).status_code == 429
    assert sign_in(here, BROWSER, "vera", SECRET).status_code == 303
    *tried, right = Audit(tmp_path / "audit").lines()
    assert {line["address"] for line in tried} == {OTHER}
    assert right["address"] == BROWSER
