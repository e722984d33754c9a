"""TLS without sockets: two ends in memory, and the files that they are made of."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes._certificates import DAY, TlsFault, ends
from nodes._tls import HANDSHAKE_BYTES, CertificateWatch, Contexts, Session, Tls, make_context
from protocol.clock import SECOND, Now
from tests.authorities import ENDED, Authority, Issued, openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def station(authority: Authority) -> Issued:
    return authority.issue("station.example")


@pytest.fixture(scope="module")
def device(authority: Authority) -> Issued:
    return authority.issue("device.example", other="DNS:device.example,IP:10.1.0.7")


def tls(authority: Authority, issued: Issued, **more: Any) -> Tls:
    return Tls.model_validate(authority.files(issued) | more)


def ours(settings: Tls) -> Session:
    """The station's end, which was dialled."""
    return Session(make_context(settings.terms(dialled=False)), dialled=False)


def theirs(settings: Tls, name: str = "station.example") -> Session:
    """The device's end."""
    return Session(make_context(settings.terms(dialled=True)), dialled=True, name=name)


def anybody(authority: Authority, issued: Issued | None = None) -> Session:
    """A device's end that checks nothing, with a certificate or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if issued:
        context.load_cert_chain(issued.certificate, issued.key)
    return Session(context, dialled=True, name="station.example")


def talk(one: Session, other: Session) -> tuple[bytes, bytes]:
    """Let each hear the other until nothing more is said; returns what both said in clear."""
    heard = [b"", b""]
    for _ in range(10):
        heard[1] += other.feed(one.outgoing())
        heard[0] += one.feed(other.outgoing())
    return heard[0], heard[1]


def test_both_ends_know_each_other(authority: Authority, station: Issued, device: Issued) -> None:
    here, there = ours(tls(authority, station)), theirs(tls(authority, device))
    assert talk(here, there) == (b"", b"")
    assert here.ready
    assert there.ready
    assert here.names == ("device.example", "10.1.0.7")
    there.say(b"frames")
    here.say(b"commands")
    assert talk(here, there) == (b"frames", b"commands")
    there.end()
    talk(here, there)
    assert here.ended
    assert (here.fault, there.fault) == ("", "")


def test_who_shows_no_certificate_is_not_let_in(authority: Authority, station: Issued) -> None:
    here = ours(tls(authority, station))
    talk(here, anybody(authority))
    assert not here.ready
    assert here.fault == "TLS: it shows no certificate"


def test_a_certificate_of_another_authority_does_not_count(
    authority: Authority, station: Issued, tmp_path: Path
) -> None:
    here = ours(tls(authority, station))
    talk(here, anybody(authority, Authority(tmp_path, "other").issue("device.example")))
    assert not here.ready
    assert here.fault.startswith("TLS: its certificate does not count: unable to get local issuer")


def test_a_certificate_that_has_ended_does_not_count(authority: Authority, station: Issued) -> None:
    here = ours(tls(authority, station))
    talk(here, anybody(authority, authority.issue("old.example", days=ENDED)))
    assert here.fault == "TLS: its certificate does not count: certificate has expired"


def test_a_revoked_certificate_does_not_count(authority: Authority, station: Issued, device: Issued) -> None:
    lost = authority.issue("lost.example")
    settings = tls(authority, station, revoked=str(authority.revoke(lost)))
    here = ours(settings)
    talk(here, anybody(authority, lost))
    assert here.fault == "TLS: its certificate does not count: certificate revoked"
    here = ours(settings)
    talk(here, anybody(authority, device))
    assert here.ready


def test_a_device_that_we_dial_must_have_its_name(authority: Authority, station: Issued, device: Issued) -> None:
    for name, good in (("device.example", True), ("10.1.0.7", True), ("another.example", False)):
        here, there = theirs(tls(authority, station), name), ours(tls(authority, device))
        talk(here, there)
        assert here.ready is good
        assert ("is not valid for" in here.fault) is not good


def test_tls_1_1_is_too_old(authority: Authority, station: Issued) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    here = ours(tls(authority, station))
    talk(here, Session(context, dialled=True, name="station.example"))
    assert not here.ready
    assert here.fault == "TLS: its TLS is older than 1.2"


@pytest.mark.parametrize("said", [b"\xaa\x31" * 40, b"GET / HTTP/1.1\r\n\r\n", bytes(200)])
def test_what_is_no_tls_is_said_to_be_none(authority: Authority, station: Issued, said: bytes) -> None:
    here = ours(tls(authority, station))
    assert here.feed(said) == b""
    assert here.fault == "TLS: what it sends is no TLS"
    assert here.feed(said) == b""


def test_a_handshake_may_have_so_many_bytes(authority: Authority, station: Issued) -> None:
    """A record that never ends stays small; nothing is kept of what is beyond the limit."""
    here = ours(tls(authority, station))
    here.feed(b"\x16\x03\x01\x40\x00\x01\x00\xff\xff")  # a greeting of 65,535 bytes
    for _ in range(HANDSHAKE_BYTES // 1000 + 1):
        here.feed(bytes(1000))
    assert here.fault
    assert not here.ready


def test_a_handshake_byte_by_byte(authority: Authority, station: Issued, device: Issued) -> None:
    here, there = ours(tls(authority, station)), theirs(tls(authority, device))
    for _ in range(4):
        for byte in there.outgoing():
            here.feed(bytes([byte]))
        there.feed(here.outgoing())
    assert here.ready


def test_damage_breaks_it_off_and_keeps_what_came_before(authority: Authority, station: Issued, device: Issued) -> None:
    here, there = ours(tls(authority, station)), theirs(tls(authority, device))
    talk(here, there)
    there.say(b"good")
    good = there.outgoing()
    there.say(b"bad")
    bad = bytearray(there.outgoing())
    bad[-1] ^= 1
    assert here.feed(good + bytes(bad)) == b"good"
    assert here.fault.startswith("TLS: ")


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_when_a_certificate_ends(authority: Authority) -> None:
    for days in (400, 40_000):  # the latter is told with four digits of the year
        path = authority.issue("when.example", days=days).certificate
        told = openssl("x509", "-in", path, "-noout", "-enddate").strip().removeprefix("notAfter=")
        assert ends(path) == [int(ssl.cert_time_to_seconds(told)) * SECOND]


def test_all_certificates_of_a_file_are_looked_at(authority: Authority, station: Issued, tmp_path: Path) -> None:
    chain = tmp_path / "chain.crt"
    chain.write_text(station.certificate.read_text() + "between\n" + authority.certificate.read_text())
    assert ends(chain) == ends(station.certificate) + ends(authority.certificate)


def test_a_key_that_others_may_read_is_not_taken(authority: Authority, station: Issued, tmp_path: Path) -> None:
    key = tmp_path / "open.key"
    key.write_bytes(station.key.read_bytes())
    key.chmod(0o640)
    with pytest.raises(TlsFault, match=r"others may read this key, or it is not ours; chmod 600 it"):
        tls(authority, replace(station, key=key)).check()


def test_files_that_can_not_be_used(authority: Authority, station: Issued, device: Issued, tmp_path: Path) -> None:
    locked, empty = tmp_path / "locked.key", tmp_path / "empty"
    openssl("pkey", "-in", station.key, "-aes256", "-passout", "pass:secret", "-out", locked)
    locked.chmod(0o600)
    empty.write_text("")
    broken = tmp_path / "broken.crt"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for change, said in (
        ({"key": tmp_path / "none"}, "No such file or directory; correct `key`"),
        ({"key": device.key}, "no certificate with its key (key values mismatch)"),
        ({"key": locked}, "write it without one"),
        ({"certificate": tmp_path / "none"}, "No such file or directory; correct its path in `tls`"),
        ({"certificate": empty}, "no certificate in it"),
        ({"authorities": broken}, "a certificate in it is damaged"),
        ({"revoked": empty}, "write it as PEM"),
    ):
        with pytest.raises(TlsFault) as raised:
            tls(authority, station, **{name: str(path) for name, path in change.items()}).check()
        assert said in str(raised.value)


def test_a_certificate_that_ends_soon_is_an_alarm(authority: Authority, station: Issued) -> None:
    end = ends(station.certificate)[0]
    settings = tls(authority, station)
    assert settings.alarms(end - 31 * DAY) == []
    soon = settings.alarms(end - 29 * DAY)
    assert len(soon) == 1
    assert "the station's certificate ends on" in soon[0]
    assert "the station's certificate ended on" in settings.alarms(end + DAY)[0]


def test_alarms_are_looked_at_once_a_minute(authority: Authority, tmp_path: Path) -> None:
    station = authority.issue("gone.example")
    watch = CertificateWatch(tls(authority, station))
    now = Now(SECOND, ends(station.certificate)[0] - 100 * DAY)
    assert watch.alarms(now) == []
    station.certificate.unlink()
    assert watch.alarms(now) == []
    later = watch.alarms(Now(now.monotonic + 61 * SECOND, now.utc))
    assert later
    assert "No such file" in later[0]
    assert CertificateWatch(None).alarms(now) == []


def test_new_files_count_at_once_and_unusable_ones_never(authority: Authority, device: Issued) -> None:
    station = authority.issue("renewed.example")
    contexts, terms = Contexts(), tls(authority, station).terms(dialled=False)
    first = contexts.get(terms)
    assert contexts.get(terms) is first
    good = station.certificate.read_text()
    station.certificate.write_text("half")
    assert contexts.get(terms) is first
    station.certificate.write_text(good + "\n")
    assert contexts.get(terms) is not first
    station.key.unlink()
    assert contexts.get(terms)
    with pytest.raises(TlsFault):
        Contexts().get(terms)
