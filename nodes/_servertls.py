"""The certificate that a web server shows: checked before anything is served, taken up anew when it is renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

from nodes import _certificates
from nodes._certificates import TlsFault
from nodes._tls import LOOK_EVERY, OPTIONS, load_chain, stamp
from protocol.clock import Now


class ServerTls:
    """One certificate with its key; browsers show none. `context` is the same all the time."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises TlsFault."""
        self._certificate, self._key = certificate, key
        self.context = _context()
        self._stamps = self._stamped()
        self._load()
        self._look_at = 0
        self._alarms: list[str] = []

    def alarms(self, now: Now) -> list[str]:
        """What is wrong with the files, or soon; those that were renewed are taken up."""
        if now.monotonic >= self._look_at:
            self._look_at = now.monotonic + LOOK_EVERY
            told = [_certificates.alarm("the console's certificate", self._certificate, now.utc), self._renewed()]
            self._alarms = [*filter(None, dict.fromkeys(told))]
        return self._alarms

    def _renewed(self) -> str:
        """Takes other files up; why not, while those before count on."""
        try:
            if (stamps := self._stamped()) != self._stamps:
                self._load()
                self._stamps = stamps
        except TlsFault as fault:
            return f"TLS: {fault}"
        return ""

    def _stamped(self) -> list[tuple[int, int]]:
        return [stamp(str(path)) for path in (self._certificate, self._key)]

    def _load(self) -> None:
        _certificates.check_key(self._key)
        _certificates.ends(self._certificate)
        for context in (_context(), self.context):  # first tried: one that does not fit would leave half of it behind
            load_chain(context, str(self._certificate), str(self._key))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= OPTIONS
    return context
