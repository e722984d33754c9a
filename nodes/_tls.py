"""TLS as this station speaks it: both ends show a certificate, and nothing is said to who has none.

    tls: {certificate: tls/station.crt, key: tls/station.key, authorities: tls/devices.crt}

A `Session` is one conversation without its socket, for whoever moves bytes without blocking.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from nodes import _certificates
from nodes._certificates import TlsFault
from nodes._settings import Duration, FilePath, Settings
from protocol.clock import MILLISECOND, SECOND, Now

LOOK_EVERY = 60 * SECOND
READ = 64 * 1024
"""Bytes deciphered in one call."""
HANDSHAKE_BYTES = 128 * 1024
"""A handshake that takes more from the other end is none."""
OPTIONS = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
NAMES = ("DNS", "IP Address", "URI", "email")
"""Kinds of a certificate's names that count, beside its common name."""
_PLAIN_WORDS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "WRONG_VERSION_NUMBER": "what it sends is no TLS",
    "HTTP_REQUEST": "what it sends is no TLS",
    "UNKNOWN_PROTOCOL": "what it sends is no TLS",
    "UNSUPPORTED_PROTOCOL": "its TLS is older than 1.2",
    "NO_SHARED_CIPHER": "it has no cipher that we have",
}


class Tls(Settings):
    """Certificates of our end, and whose signature counts at the other."""

    certificate: FilePath
    """Ours, PEM; behind it those between it and its authority, if there are any."""
    key: FilePath
    """Its secret key, PEM, without a passphrase; only its owner may read the file (mode 0600)."""
    authorities: FilePath
    """Certificates of the authorities that sign those of the other ends, PEM."""
    revoked: FilePath | None = None
    """List of certificates that count no more (CRL of each authority, PEM)."""
    handshake: Annotated[Duration, Field(ge=100 * MILLISECOND, le=60 * SECOND)] = 10 * SECOND
    """The other end has so long to say who it is."""

    def terms(self, dialled: bool, name: str = "") -> dict[str, Any]:
        """How to read a link, as a note tells it. We `dialled` it: its certificate must be issued to `name`."""
        files = {each: str(getattr(self, each) or "") for each in FILES}
        return {**files, "handshake": self.handshake, "dialled": dialled, "name": name}

    def check(self) -> None:
        """Raises TlsFault if a file can't be used."""
        for path in (self.certificate, self.authorities):
            _certificates.ends(path)
        make_context(self.terms(dialled=False))

    def alarms(self, utc: int) -> list[str]:
        """Certificates that end soon, and files that can't be used any more."""
        told = [
            _certificates.alarm("the station's certificate", self.certificate, utc),
            _certificates.alarm("an authority's certificate", self.authorities, utc),
        ]
        try:
            self.check()
        except TlsFault as fault:
            told.append(f"TLS: {fault}")
        return list(dict.fromkeys(alarm for alarm in told if alarm))


class CertificateWatch:
    """Alarms about certificates, looked at now and then."""

    def __init__(self, tls: Tls | None) -> None:
        self._tls = tls
        self._at = 0
        self._alarms: list[str] = []

    def alarms(self, now: Now) -> list[str]:
        if self._tls and now.monotonic >= self._at:
            self._at = now.monotonic + LOOK_EVERY
            self._alarms = self._tls.alarms(now.utc)
        return self._alarms


FILES = ("certificate", "key", "authorities", "revoked")


def make_context(terms: dict[str, Any]) -> ssl.SSLContext:
    """For links of these terms. Raises TlsFault."""
    _certificates.check_key(Path(terms["key"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if terms["dialled"] else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= OPTIONS
    context.verify_mode = ssl.CERT_REQUIRED
    load_chain(context, terms["certificate"], terms["key"])
    for path in filter(None, (terms["authorities"], terms["revoked"])):
        try:
            context.load_verify_locations(path)
        except OSError as fault:
            raise TlsFault(f"{path}: {_words(fault)}; write it as PEM") from fault
    if terms["revoked"]:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if not terms["dialled"]:
        context.num_tickets = 0  # who comes again shows its certificate again
    return context


def load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """A certificate with its key. Raises TlsFault."""
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except OSError as fault:
        what = f"{certificate}, {key}: no certificate with its key ({_words(fault)})"
        raise TlsFault(f"{what}; write both as PEM, the one made for the other") from fault


def _no_passphrase() -> str:
    raise TlsFault("the key has a passphrase, and nobody is there to type it; write it without one, mode 0600")


class Contexts:
    """Contexts by terms, made anew when a file has changed; while a new file is unusable, the former ones count."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], tuple[list[tuple[int, int]], ssl.SSLContext]] = {}

    def get(self, terms: dict[str, Any]) -> ssl.SSLContext:
        """Raises TlsFault."""
        key = (terms["dialled"], *(terms[name] for name in FILES))
        former = self._made.get(key)
        try:
            stamps = [stamp(terms[name]) for name in FILES if terms[name]]
            if former is None or former[0] != stamps:
                self._made[key] = former = stamps, make_context(terms)
        except TlsFault:
            if former is None:
                raise
        return former[1]


def stamp(path: str) -> tuple[int, int]:
    """(when it was changed, its size). Raises TlsFault."""
    try:
        info = Path(path).stat()
    except OSError as fault:
        raise TlsFault(f"{path}: {fault.strerror}; correct its path in `tls`") from fault
    return info.st_mtime_ns, info.st_size


class Session:
    """One conversation. Other than `__init__`, nothing raises: `fault` says what is wrong, once it is."""

    def __init__(self, context: ssl.SSLContext, dialled: bool, name: str = "") -> None:
        """We `dialled`, and the other end must be `name`."""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = name if dialled else None
        self._tls = context.wrap_bio(self._in, self._out, server_side=not dialled, server_hostname=server)
        self._taken = 0
        self.ready = False
        """The handshake is done."""
        self.fault = ""
        """What went wrong."""
        self.ended = False
        """The other end has said that nothing more comes."""
        self.names: tuple[str, ...] = ()
        """Whom the other end's certificate is issued to."""
        self.feed(b"")

    def feed(self, data: bytes) -> bytes:
        """Bytes of the other end; returns what it said, deciphered."""
        said = b""
        if self.fault:
            return said
        self._in.write(data)
        try:
            if not self.ready:
                self._shake_hands(len(data))
            if self.ready:
                said = self._read()
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLError, ValueError) as fault:
            self.fault = f"TLS: {_words(fault)}"
        return said

    def _shake_hands(self, size: int) -> None:
        self._taken += size
        if self._taken > HANDSHAKE_BYTES:
            self.fault = f"TLS: more than {HANDSHAKE_BYTES} bytes of handshake"
            return
        self._tls.do_handshake()
        self.ready = True
        self.names = _names(self._tls.getpeercert() or {})

    def _read(self) -> bytes:
        parts: list[bytes] = []
        try:
            while part := self._tls.read(READ):
                parts.append(part)
            self.ended = True
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as fault:  # what came before it counts
            self.fault = f"TLS: {_words(fault)}"
        return b"".join(parts)

    def say(self, data: bytes) -> None:
        """Something to the other end, once `ready`."""
        try:
            self._tls.write(data)
        except ssl.SSLError as fault:
            self.fault = f"TLS: {_words(fault)}"

    def end(self) -> None:
        """Nothing more comes of us."""
        if self.ready and not self.fault:
            try:
                self._tls.unwrap()
            except ssl.SSLError:  # it wants the other end's word, which we do not wait for
                return

    def outgoing(self) -> bytes:
        """Bytes for the other end that were not taken yet."""
        return self._out.read()


def _names(certificate: Any) -> tuple[str, ...]:
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    others = [value for kind, value in certificate.get("subjectAltName", ()) if kind in NAMES]
    return tuple(dict.fromkeys([*common, *others]))


def _words(fault: Exception) -> str:
    """As a person reads it."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate does not count: {fault.verify_message}"
    reason = str(getattr(fault, "reason", None) or "")
    if not reason:
        return str(getattr(fault, "strerror", None) or fault)
    if "_ALERT_" in reason:
        return f"it broke off: {reason.partition('_ALERT_')[2].replace('_', ' ').lower()}"
    return _PLAIN_WORDS.get(reason, reason.replace("_", " ").lower())
