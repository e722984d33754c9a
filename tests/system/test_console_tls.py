"""The console under TLS of its own: what browsers get; a renewed certificate is taken up while they are served."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from console.server import WebServer
from nodes._servertls import ServerTls
from nodes._tls import LOOK_EVERY
from protocol.clock import SECOND, Now
from tests.authorities import Authority
from tests.doors import Door, sign_in

pytestmark = pytest.mark.system
START = Now(LOOK_EVERY, 1_700_000_000 * SECOND)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "plant")


@pytest.fixture
def tls(authority: Authority) -> ServerTls:
    made = authority.issue("localhost")
    return ServerTls(made.certificate, made.key)


@pytest.fixture
def here(tls: ServerTls, tmp_path: Path) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = WebServer(Door(tmp_path, tls=True).gate, listening, tls.context)
    server.start()
    yield f"https://localhost:{listening.getsockname()[1]}"
    server.stop()


def shown(here: str) -> str:
    """The certificate, PEM."""
    return ssl.get_server_certificate(("127.0.0.1", int(here.rpartition(":")[2])))


def test_who_signs_in_gets_a_cookie_for_https_alone(here: str, authority: Authority) -> None:
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    with httpx.Client(base_url=here, verify=trust, headers={"origin": here}) as browser:
        answer = sign_in(browser, "vera")  # type: ignore[arg-type]
        assert answer.status_code == 303
        given = answer.headers["set-cookie"]
        assert all(word in given for word in ("__Host-syms-session=", "Secure", "HttpOnly", "SameSite=strict"))
        assert answer.extensions["network_stream"].get_extra_info("ssl_object").version() == "TLSv1.3"
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(here, verify=ssl.create_default_context())
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(here.replace("https", "http"))


def test_a_renewed_certificate_is_shown_and_one_that_does_not_fit_is_not(
    here: str, tls: ServerTls, authority: Authority, tmp_path: Path
) -> None:
    held = authority.folder / "plant-localhost.crt"
    before = shown(here)
    assert tls.alarms(START) == []
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other").issue("localhost")
    shutil.copy(other.certificate, held)
    os.utime(held, ns=(1, 1))
    [alarm] = tls.alarms(Now(2 * LOOK_EVERY, START.utc))
    assert "no certificate with its key" in alarm
    assert shown(here) == before
    authority.issue("localhost", days=20)
    [alarm] = tls.alarms(Now(3 * LOOK_EVERY, int(held.stat().st_mtime) * SECOND))
    assert "the console's certificate ends on" in alarm
    assert shown(here) == held.read_text()[held.read_text().index("-----BEGIN") :] != before
