"""Notifications reach real receivers on this machine: mail, webhook and syslog; one that is dead holds up nobody."""

from __future__ import annotations

import hashlib
import hmac
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from commands._station import free_port
from nodes._node import Watch
from nodes._notifysettings import Notify
from nodes._notifyways import Sender
from protocol.clock import SECOND, Now
from tests.alarming import Bench, event, hertz, place
from tests.authorities import Authority
from tests.suspicions import START, configuration

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

PATIENCE = 10.0
ITEM = {
    "id": "0123456789", "told": "raised", "change": "raised", "state": "unacknowledged", "source": "limit",
    "kind": "Frequency", "subject": "站 1\r\nBcc: x@y", "device": 1, "region": 'north "1]', "severity": "serious",
    "text": "frequency 49.7 Hz", "active": True, "value": float("nan"), "raised": START, "cleared": 0, "time": START,
}  # fmt: skip
LATER = {**ITEM, "id": "99", "severity": "notice", "subject": "PMU 2", "told": "cleared", "cleared": START + SECOND}


def notify(**way: Any) -> Notify:
    return Notify.model_validate(way)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "test")


@pytest.fixture(scope="module")
def server_side(authority: Authority) -> ssl.SSLContext:
    issued = authority.issue("localhost", other="DNS:localhost,IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    return context


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.yaml"
    path.write_text("mail: open sesame\nhook: key\n")
    path.chmod(0o600)
    return path


def eventually(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)
    return found


class Mailbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, auth: Any) -> AuthResult:
        self.logins.append((auth.login, auth.password))
        return AuthResult(success=auth.password == b"open sesame")


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_is_a_digest_of_the_alarms(
    security: str, authority: Authority, server_side: ssl.SSLContext, secrets: Path
):
    box = Mailbox()
    tls: dict[str, Any] = {"none": {}, "tls": {"ssl_context": server_side}, "starttls": {
        "tls_context": server_side, "require_starttls": True, "authenticator": box.log_in, "auth_required": True,
    }}[security]  # fmt: skip
    controller = Controller(box, "127.0.0.1", free_port(), **tls)
    controller.start()
    try:
        login = {"user": "syms", "password": "mail"} if security == "starttls" else {}
        host = "localhost" if security != "none" else "127.0.0.1"
        way = notify(email={"server": f"{host}:{controller.port}",
                            "security": security, "authority": authority.certificate, "sender": "syms@grid.example",
                            "recipients": ["duty@grid.example", "night@grid.example"], **login})  # fmt: skip
        Sender("North Hub", secrets).send(way, [ITEM, LATER])
    finally:
        controller.stop()
    [(recipients, mail)] = box.taken
    assert recipients == ["duty@grid.example", "night@grid.example"]
    assert mail["Subject"] == "[North Hub] serious raised: 站 1  Bcc: x@y: Frequency (+1)"
    assert mail["Bcc"] is None, "a name does not become a header"
    lines = mail.get_content().splitlines()
    assert lines[0].startswith("serious: 站 1  Bcc: x@y: Frequency raised 2023-11-14 22:13:20 UTC: frequency 49.7 Hz")
    assert lines[1].startswith("notice: PMU 2: Frequency cleared 2023-11-14 22:13:21 UTC")
    assert box.logins == ([(b"syms", b"open sesame")] if login else [])


def test_a_mail_server_that_is_not_who_it_should_be_gets_nothing(tmp_path: Path, server_side: ssl.SSLContext):
    box = Mailbox()
    controller = Controller(box, "127.0.0.1", free_port(), tls_context=server_side)
    controller.start()
    try:
        other = Authority(tmp_path, "other")
        way = notify(email={"server": f"localhost:{controller.port}", "authority": other.certificate,
                            "sender": "a@b", "recipients": ["c@d"]})  # fmt: skip
        with pytest.raises(ssl.SSLError):
            Sender("x", None).send(way, [ITEM])
    finally:
        controller.stop()
    assert box.taken == []


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers what the server is set to."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.answer)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def hook() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Hook)
    server.taken, server.answer = [], 204
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_signed_json(hook: Any, authority: Authority, server_side: ssl.SSLContext, secrets: Path):
    sender = Sender("North Hub", secrets)
    sender.send(notify(webhook={"url": f"http://127.0.0.1:{hook.server_port}/a?b=c", "secret": "hook"}), [ITEM, LATER])
    hook.socket = server_side.wrap_socket(hook.socket, server_side=True)
    tls = {"url": f"https://localhost:{hook.server_port}/", "secret": "hook", "authority": authority.certificate}
    sender.send(notify(webhook=tls), [ITEM])
    (path, headers, body), (_, _, other) = hook.taken
    told = json.loads(body)
    assert (path, told["station"], [each["id"] for each in told["alarms"]]) == (
        "/a?b=c",
        "North Hub",
        ["0123456789", "99"],
    )
    assert told["alarms"][0]["value"] is None
    assert json.loads(other)["alarms"][0]["told"] == "raised"
    wanted = hmac.new(b"key", headers["X-Syms-Time"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Syms-Signature"] == f"sha256={wanted}"


def test_an_answer_of_a_webhook_that_is_no_yes_is_a_failure(hook: Any, secrets: Path):
    hook.answer = 503
    with pytest.raises(OSError, match="answers 503"):
        Sender("x", secrets).send(
            notify(webhook={"url": f"http://127.0.0.1:{hook.server_port}", "secret": "hook"}), [ITEM]
        )
    secrets.chmod(0o644)
    with pytest.raises(OSError, match="chmod 600"):
        Sender("x", secrets).send(
            notify(webhook={"url": f"http://127.0.0.1:{hook.server_port}", "secret": "hook"}), [ITEM]
        )


WANTED = ('<131>1 2023-11-14T22:13:20Z North-Hub syms - raised [syms@32473 id="0123456789" source="limit" '
          'kind="Frequency" subject="站 1  Bcc: x@y" severity="serious" state="unacknowledged" region="north \\"1\\]"] '
          "\ufeffserious: 站 1  Bcc: x@y: Frequency raised 2023-11-14 22:13:20 UTC: frequency 49.7 Hz")  # fmt: skip


def test_syslog_by_udp_and_to_this_machine(tmp_path: Path):
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE)
        Sender("North Hub", None).send(notify(syslog={"to": f"127.0.0.1:{receiver.getsockname()[1]}"}), [ITEM, LATER])
        assert receiver.recv(4096).decode() == WANTED
        assert receiver.recv(4096).startswith(b"<133>1 ")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(str(tmp_path / "log"))
        receiver.settimeout(PATIENCE)
        Sender("North Hub", None, str(tmp_path / "log")).send(notify(syslog={}), [ITEM])
        assert receiver.recv(4096).decode() == WANTED
    with pytest.raises(OSError, match="is there a syslog"):
        Sender("North Hub", None, str(tmp_path / "none")).send(notify(syslog={}), [ITEM])


@pytest.mark.parametrize("by", ["tcp", "tls"])
def test_syslog_by_tcp_counts_octets(by: str, authority: Authority, server_side: ssl.SSLContext):
    came: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(PATIENCE)

        def receive() -> None:
            connection, _ = listening.accept()
            if by == "tls":
                connection = server_side.wrap_socket(connection, server_side=True)
            with closing(connection):
                while data := connection.recv(4096):
                    came.append(data)

        thread = threading.Thread(target=receive)
        thread.start()
        to = {"to": f"localhost:{listening.getsockname()[1]}", "by": by, "authority": authority.certificate}
        Sender("North Hub", None).send(notify(syslog=to), [ITEM, LATER])
        thread.join(PATIENCE)
    data = b"".join(came)
    size, _, rest = data.partition(b" ")
    assert rest[: int(size)].decode() == WANTED
    assert rest[int(size) :].partition(b" ")[2].startswith(b"<133>1 ")


# ── of a node ───────────────────────────────────────────────────────────────────────────────────────────────────────


def turn(bench: Bench, moment: Now) -> None:
    """What the runtime does: look at the node's descriptor, then wake it."""
    [fd] = [each.fd for each in bench.start if isinstance(each, Watch)]
    if select.select([fd], [], [], 0)[0]:
        bench.do(bench.node.ready(fd, moment))
    bench.do(bench.node.wake(moment))


def test_a_dead_receiver_holds_up_nobody_and_gets_all_when_it_is_back(tmp_path: Path, hook: Any, secrets: Path):
    hook.answer = 500
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:  # takes the connection, and never says a word
        ways = [{"webhook": {"url": f"http://127.0.0.1:{hook.server_port}", "secret": "hook"}},
                {"email": {"server": f"127.0.0.1:{deaf.getsockname()[1]}", "sender": "a@b",
                           "recipients": ["c@d"]}}]  # fmt: skip
        where = place(tmp_path, tmp_path / "journal")
        bench = Bench(where, notify=ways, secrets=str(secrets)).begin(0)
        begun, clock = time.monotonic(), Now(1_000 * SECOND, START)
        bench.hear(configuration(1), configuration(2, 1), hertz(0, 50, 2, {1: 49.7, 2: 50}), event(), seconds=1)
        for second in range(2, 12):
            turn(bench, Now(clock.monotonic + second * SECOND, clock.utc + second * SECOND))
        assert time.monotonic() - begun < 2.0, "the node waited for a receiver"
        eventually(lambda: hook.taken)
        eventually(lambda: turn(bench, Now(clock.monotonic + 12 * SECOND, clock.utc + 12 * SECOND))
                   or any("takes no notifications" in text for text in bench.node.health(clock)["alarms"]))  # fmt: skip
        turn(bench, Now(clock.monotonic + 14 * SECOND, clock.utc + 14 * SECOND))
        assert [word.subject for word in bench.words if word.source == "notify"] == ["webhook 127.0.0.1"]
        bench.die()  # killed: what was not sent is in its journal
        hook.answer = 200
        before = len(hook.taken)
        second_life = Bench(where, notify=ways, secrets=str(secrets)).begin(20)
        eventually(lambda: turn(second_life, Now(clock.monotonic + 21 * SECOND, clock.utc + 21 * SECOND))
                   or len(hook.taken) > before)  # fmt: skip
        told = [each["kind"] for each in json.loads(hook.taken[-1][2])["alarms"]]
        assert told[:2] == ["Frequency", "gen_trip"]
        eventually(lambda: turn(second_life, Now(clock.monotonic + 22 * SECOND, clock.utc + 22 * SECOND))
                   or second_life.node.outbox.lanes[0].sent)  # fmt: skip
        second_life.die()
        third = Bench(where, notify=ways, secrets=str(secrets))
        third.begin(30)
        assert not third.node.outbox.lanes[0].waiting, "what was sent is not sent again"
        assert third.node.outbox.lanes[1].waiting
        third.die()
        for each in (bench, second_life, third):
            assert each.node.threads is not None
            each.node.threads.close(0.0)
