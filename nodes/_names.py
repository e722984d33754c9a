"""Host names looked up beside the main thread: a name server that is silent must not hold up who waits for nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Lock, Thread

from nodes._settings import Address

AT_MOST = 8
"""Lookups under way at once; more wait."""

Place = tuple[int, tuple[str, int]]
"""(family, socket address)"""


class LookingUp(OSError):
    """Not known yet: ask again."""

    def __init__(self, host: str) -> None:
        super().__init__(f"the name {host} is being looked up")


class Names:
    """Each answer is given once, so that a device which moved is found again."""

    def __init__(self, look_up: Callable[[Address], Place]) -> None:
        """`look_up` may take long; it raises OSError if there is no such host."""
        self._look_up = look_up
        self._found: dict[Address, Place | OSError] = {}
        self._asked: set[Address] = set()
        self._lock = Lock()

    def resolve(self, address: Address, keep: bool = False) -> Place:
        """Where a HOST:PORT is; with `keep` the answer is there for the next one who asks too.

        Raises LookingUp while it is not known, OSError if there is no such host.
        """
        place = _numeric(address)
        if place:
            return place
        with self._lock:
            found = self._found.get(address)
            if found is None:
                self._ask(address)
                raise LookingUp(address.host)
            if not keep:
                del self._found[address]
        if isinstance(found, OSError):
            raise found
        return found

    def _ask(self, address: Address) -> None:
        if address not in self._asked and len(self._asked) < AT_MOST:
            self._asked.add(address)
            Thread(target=self._work, args=(address,), daemon=True, name=f"look up {address.host}").start()

    def _work(self, address: Address) -> None:
        try:
            found: Place | OSError = self._look_up(address)
        except OSError as fault:
            found = fault
        except UnicodeError as fault:  # no name at all: a label of more than 63 characters
            found = OSError(str(fault))
        with self._lock:
            self._found[address] = found
            self._asked.discard(address)


def _numeric(address: Address) -> Place | None:
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except (OSError, UnicodeError):
        return None
    family, _, _, _, place = found[0]
    return family, (str(place[0]), int(place[1]))
