"""Who is behind a proxy: only our proxies are believed, and only in what they wrote themselves."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from console.access.forwarded import MOST, Caller, Proxies, Said
from tests.doors import HERE, Door, sign_in

OURS = tuple(ipaddress.ip_network(each) for each in ("127.0.0.1", "10.9.0.0/16", "2001:db8:9::/48"))
PROXY, BROWSER = "127.0.0.1", "192.0.2.7"


def told(peer: str, *said: tuple[str, str], header: Said = "X-Forwarded-For") -> Caller:
    raw = [(name.lower().encode(), value.encode()) for name, value in said]
    return Proxies(OURS, header).caller(peer, Headers(raw=raw))


def of(chain: str, peer: str = PROXY) -> str:
    return told(peer, ("X-Forwarded-For", chain)).address


@pytest.mark.parametrize(("chain", "address"), [
    (BROWSER, BROWSER), (f"198.51.100.1, {BROWSER}", BROWSER), (f"{BROWSER}, 10.9.3.4", BROWSER),
    (f"1.1.1.1, {BROWSER}, 10.9.3.4, 10.9.3.5", BROWSER), (f"{BROWSER}:47011", BROWSER),
    ("[2001:db8::7]:47011", "2001:db8::7"), ("2001:db8::7", "2001:db8::7"), (f"::ffff:{BROWSER}", BROWSER),
    (f"{BROWSER}, 2001:db8:9::1", BROWSER), ("", PROXY), ("unknown", PROXY), (f"{BROWSER}, unknown", PROXY),
    ("unknown, 10.9.3.4", "10.9.3.4"), ("10.9.3.4", "10.9.3.4"), ("<script>", PROXY), (f"{BROWSER}:", PROXY),
    ("127.0.0.1", PROXY), (", ,", PROXY), (f"{BROWSER}, 10.9.3.4:x", PROXY),
])  # fmt: skip
def test_the_first_that_is_none_of_ours_from_the_right(chain: str, address: str) -> None:
    assert of(chain) == address


@pytest.mark.parametrize("peer", [BROWSER, "10.8.0.1", "::1", "local", "2001:db8:8::1"])
def test_others_are_not_believed(peer: str) -> None:
    said = (("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "https"), ("Forwarded", "for=1.1.1.1;proto=https"))
    assert told(peer, *said) == told(peer, *said, header="Forwarded") == Caller(peer)
    assert Proxies().caller(PROXY, Headers({"X-Forwarded-For": "1.1.1.1"})) == Caller(PROXY)


def test_a_proxy_of_ours_that_came_by_ipv6() -> None:
    assert of(BROWSER, "::ffff:127.0.0.1") == BROWSER


def test_lines_of_a_header_are_one_list() -> None:
    """HAProxy adds a line of its own behind what the browser sent."""
    assert told(PROXY, ("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", BROWSER)).address == BROWSER


@pytest.mark.parametrize(("said", "tls"), [(["https"], True), (["HTTPS"], True), (["http"], False), ([], False),
    (["https, https"], True), (["https", "http"], False), (["http, https"], False), (["wss"], False)])  # fmt: skip
def test_whether_by_https(said: list[str], tls: bool) -> None:
    protos = [("X-Forwarded-Proto", each) for each in said]
    assert told(PROXY, ("X-Forwarded-For", BROWSER), *protos) == Caller(BROWSER, tls)
    assert told(PROXY, *protos) == Caller(PROXY, tls)


@pytest.mark.parametrize(("said", "caller"), [
    (f"for={BROWSER};proto=https", Caller(BROWSER, True)),
    (f"For=\"{BROWSER}:80\"; Proto=https;by=10.9.0.1", Caller(BROWSER, True)),
    (f"for=1.1.1.1;proto=http, for={BROWSER};proto=https, for=10.9.0.2;proto=http", Caller(BROWSER, True)),
    ('for="[2001:db8::7]:4711"', Caller("2001:db8::7")), (f"proto=https;for={BROWSER}", Caller(BROWSER, True)),
    ("for=_hidden;proto=https", Caller(PROXY, True)), ("for=unknown", Caller(PROXY)), ("nonsense", Caller(PROXY)),
    (f'for="{BROWSER}', Caller(PROXY)), (f'host="a, for=1.1.1.1";for={BROWSER}', Caller(BROWSER)), ("", Caller(PROXY)),
])  # fmt: skip
def test_rfc_7239(said: str, caller: Caller) -> None:
    assert told(PROXY, ("Forwarded", said), header="Forwarded") == caller


def test_the_header_that_our_proxies_do_not_write_is_the_browsers_word() -> None:
    both = (("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "https"), ("Forwarded", "for=2.2.2.2"))
    assert told(PROXY, both[0], both[2]).address == "1.1.1.1"
    assert told(PROXY, *both, header="Forwarded") == Caller("2.2.2.2", False)


def test_a_long_chain_is_followed_so_far() -> None:
    assert of(", ".join([BROWSER, *["10.9.0.1"] * (MOST - 1)])) == BROWSER
    assert of(", ".join([BROWSER, *["10.9.0.1"] * MOST])) == "10.9.0.1"


@given(st.text('0123456789.:[]",;= forproth\\x', max_size=60))
def test_nothing_that_is_sent_gives_other_than_an_address(text: str) -> None:
    for caller in (told(PROXY, ("X-Forwarded-For", text)), told(PROXY, ("Forwarded", text), header="Forwarded")):
        ipaddress.ip_address(caller.address)


def test_who_is_locked_out_is_the_browser_not_the_proxy(tmp_path: Path) -> None:
    door = Door(tmp_path, proxies=Proxies(OURS))

    def browser(address: str) -> object:
        made = door.browser(PROXY, HERE.replace("http", "https"))
        made.headers |= {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
        return made

    bad, good = browser(BROWSER), browser("192.0.2.8")
    for number in range(20):
        assert sign_in(bad, f"nobody{number}", "x").status_code == 401
    assert sign_in(bad, "vera").status_code == 429
    answer = sign_in(good, "vera")
    assert answer.status_code == 303
    assert all(word in answer.headers["set-cookie"] for word in ("__Host-syms-session=", "Secure"))
    assert answer.headers["strict-transport-security"]
    lines = list(door.access.audit.lines())
    assert {line["address"] for line in lines[:-1]} == {BROWSER}
    assert lines[-1]["address"] == "192.0.2.8"
    direct = door.browser("10.0.0.7")  # who comes by himself, without a proxy, over http
    direct.headers |= {"X-Forwarded-For": "1.1.1.1", "X-Forwarded-Proto": "https"}
    assert "Secure" not in sign_in(direct, "vera").headers["set-cookie"]
    assert list(door.access.audit.lines())[-1]["address"] == "10.0.0.7"
