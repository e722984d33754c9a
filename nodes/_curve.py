"""Who gets in from another host: answers to authentication requests of ZeroMQ (ZAP, RFC 27), and what is told of them.

Pure: requests in, replies out. A key that is not on the list gets nothing; it is counted and named by its address.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archive.inodes import Stamp, stamp
from nodes import _keys
from protocol.clock import SECOND, Now

DOMAIN = b"syms"
TRY_LATER = b"300"
"""Cut off without a word, and free to try again: on 400 a host that is allowed later would have given up for good."""
LONGEST_ADDRESS = 60
REMEMBER = 600 * SECOND
"""An alarm of a stranger lasts so long after its last try."""
STRANGERS = 100
"""Addresses that are remembered."""


class Allowed:
    """The list of keys, read again when its file changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trouble = ""
        """Why the list can't be read; what was read last holds on."""
        self.by_name: dict[str, bytes] = {}
        self.by_key: dict[bytes, str] = {}
        self._stamp: Stamp = None
        self.refresh()

    def refresh(self) -> bool:
        """Whether the list has changed since it was read; it is read then."""
        there = stamp(self.folder / _keys.LIST)
        if there == self._stamp:
            return False
        self._stamp = there
        before = self.by_name
        try:
            self.by_name = _keys.read_list(self.folder)
            self.trouble = ""
        except _keys.KeyFault as fault:
            self.trouble = str(fault)
        self.by_key = {key: name for name, key in self.by_name.items()}
        return self.by_name != before


class Guard:
    """Answers who may come in, and remembers who may not."""

    def __init__(self, allowed: Allowed) -> None:
        self.allowed = allowed
        self.refused = 0
        """Handshakes with a key that is not on the list."""
        self.strangers: dict[str, int] = {}
        """Address -> monotonic time of its last try."""

    def answer(self, request: Sequence[bytes], now: Now) -> list[bytes]:
        """The reply to one request: version, id, domain, address, identity, mechanism, credentials."""
        number = bytes(request[1]) if len(request) > 1 else b""
        name = None
        if len(request) == 7 and request[0] == b"1.0" and request[2] == DOMAIN and request[5] == b"CURVE":
            name = self.allowed.by_key.get(bytes(request[6]))
        if name is not None:
            return [b"1.0", number, b"200", b"", name.encode(), b""]
        self.refused += 1
        address = bytes(request[3]).decode(errors="replace") if len(request) > 3 else "?"
        self._remember(address.removeprefix("::ffff:")[:LONGEST_ADDRESS], now)
        return [b"1.0", number, TRY_LATER, b"unknown key", b"", b""]

    def _remember(self, address: str, now: Now) -> None:
        self.strangers.pop(address, None)
        self.strangers[address] = now.monotonic
        while len(self.strangers) > STRANGERS:
            del self.strangers[next(iter(self.strangers))]

    def alarms(self, now: Now) -> list[str]:
        """Sentences for a person."""
        since = now.monotonic - REMEMBER
        recent = [address for address, at in self.strangers.items() if at > since]
        said = [self.allowed.trouble] if self.allowed.trouble else []
        if recent:
            named = ", ".join(recent[-5:]) + (f" and {len(recent) - 5} more" if len(recent) > 5 else "")
            said.append(f"refused a key that is not allowed here, from {named}; if it is ours: syms keys allow")
        return said
