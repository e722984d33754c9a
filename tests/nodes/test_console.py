"""What a console can be told: addresses beyond this machine want TLS; where its users are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from console.alarms import Unanswered
from nodes._node import Letter, Place, StartError
from nodes.console import Console, Settings
from protocol.clock import SECOND, Now
from protocol.messages import AlarmAnswer
from tests.authorities import Authority
from tests.doors import PEOPLE, make_book


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"])
def test_on_this_machine_it_needs_no_certificate(listen: str) -> None:
    assert Settings.model_validate({"listen": listen}).address == f"http://{listen}/"


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "10.0.0.7:8080", "[::]:8080", "station.example:8080"])
def test_beyond_it_wants_tls(listen: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"there is no TLS; add certificate: and key:, or listen: 127\.0\.0\.1"):
        Settings.model_validate({"listen": listen})
    files: dict[str, Any] = {"certificate": str(tmp_path / "a.crt"), "key": str(tmp_path / "a.key")}
    assert Settings.model_validate({"listen": listen, **files}).address == f"https://{listen}/"


def test_half_a_certificate_is_none() -> None:
    with pytest.raises(ValidationError, match="go together; give both, or neither"):
        Settings.model_validate({"key": "a.key"})


def test_its_users_are_beside_the_folder_of_the_pipeline(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipelines" / "a.yaml"
    assert Settings().users_file(pipeline) == tmp_path / "config" / "users.yaml"
    assert Settings(users=tmp_path / "u.yaml").users_file(pipeline) == tmp_path / "u.yaml"


def test_what_is_asked_on_pages_goes_to_who_keeps_alarms_and_his_answer_to_them(tmp_path: Path) -> None:
    place = Place("console", "console", 1, {}, {"alarms": ["alarms"]}, str(tmp_path), {"station": "x"}, "p.yaml")
    node, now = Console(Settings(), place), Now(SECOND, SECOND)
    desk = node.station.alarms
    list(node.ready(desk.fd, now))  # asks which there are
    asked = desk.ask("acknowledge", "a1", "anna", now.utc)
    [letter] = node.ready(desk.fd, now)
    assert isinstance(letter, Letter)
    assert (letter.to, letter.message.action, letter.message.reader) == ("alarms", "acknowledge", "console")
    assert list(node.receive(AlarmAnswer("alarms", letter.message.request, True, "", []), now)) == []
    assert asked.result(0).done


def test_without_who_keeps_alarms_nothing_is_sent(tmp_path: Path) -> None:
    place = Place("console", "console", 1, {}, {}, str(tmp_path), {}, "p.yaml")
    node = Console(Settings(), place)
    asked = node.station.alarms.ask("acknowledge", "a1", "anna", 1)
    assert isinstance(asked.exception(0), Unanswered)
    assert list(node.ready(node.station.alarms.fd, Now(SECOND, SECOND))) == []
    assert not node.station.alarms.there


def test_sessions_stay_when_it_is_started_again(tmp_path: Path) -> None:
    make_book(tmp_path)
    settings = Settings(users=tmp_path / "users.yaml", audit=tmp_path / "audit")
    place = Place("console", "console", 1, {}, {}, str(tmp_path), {}, "p.yaml")
    node = Console(settings, place)
    node._access = node._made_access()
    token = node._access.sessions.begin(PEOPLE["vera"], "127.0.0.1", node._access.clock().monotonic)
    list(node.stop(Now(SECOND, SECOND)))
    assert (tmp_path / "console.sessions").stat().st_mode & 0o777 == 0o600
    again = Console(settings, place)._made_access()
    assert again.sessions.of_token(token)


def test_proxies_are_addresses_or_networks() -> None:
    said = Settings.model_validate({"proxies": ["127.0.0.1", "2001:db8::/32"], "proxy_header": "Forwarded"})
    assert [str(each) for each in said.proxies] == ["127.0.0.1/32", "2001:db8::/32"]
    for wrong in ({"proxies": ["proxy.example"]}, {"proxies": ["10.0.0.1/8"]}, {"proxy_header": "X-Real-IP"}):
        with pytest.raises(ValidationError):
            Settings.model_validate(wrong)


def test_certificates_that_can_not_be_used_are_told_before_anything_is_served(tmp_path: Path) -> None:
    place = Place("console", "console", 1, {}, {}, str(tmp_path), {}, "p.yaml")
    made = Authority(tmp_path, "plant").issue("localhost")
    others = {"key": tmp_path / "none.key"}, {"certificate": tmp_path / "none.crt"}
    for other, said in zip(others, ("none.key: No such file", "none.crt: No such file"), strict=True):
        settings = Settings(**{"certificate": made.certificate, "key": made.key, **other})
        with pytest.raises(StartError, match=said):
            list(Console(settings, place).start(Now(0, 0)))
    made.key.chmod(0o644)
    with pytest.raises(StartError, match="others may read this key"):
        list(Console(Settings(certificate=made.certificate, key=made.key), place).start(Now(0, 0)))
