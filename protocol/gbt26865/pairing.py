"""Which management pipe a data pipe belongs to: by IDCODE in V3, by the peer's address in V2, whose DATA has none.

Of several V2 substations behind one address it is not guessed whose a data pipe is, unless all others have theirs.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from protocol.clock import SECOND
from protocol.gbt26865.common import identity_of

PATIENCE = 10 * SECOND


@dataclass
class _Session:
    address: str
    identity: bytes | None
    data: Hashable | None = None


class Pairing:
    """All pipes of a master. A pipe is named by whatever its owner calls it; times are monotonic [ns]."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self._patience = patience
        self._sessions: dict[Hashable, _Session] = {}
        self._waiting: dict[Hashable, tuple[str, bytes, int]] = {}

    def management(self, pipe: Hashable, address: str, identity: bytes | None = None) -> None:
        """A management pipe, or what is known of it by now (IDCODE)."""
        session = self._sessions.setdefault(pipe, _Session(address, identity))
        session.address, session.identity = address, identity or session.identity

    def data(self, pipe: Hashable, address: str, frame: bytes, now: int) -> Hashable | None:
        """A data pipe with its first frame: the management pipe it belongs to; None = not known yet, it waits."""
        owner = self._owner(address, identity_of(frame))
        if owner is None:
            self._waiting[pipe] = address, identity_of(frame), now + self._patience
        else:
            self._sessions[owner].data = pipe
        return owner

    def paired(self) -> list[tuple[Hashable, Hashable]]:
        """(data pipe, management pipe) of those that waited and are known now."""
        found = []
        for pipe, (address, identity, _) in list(self._waiting.items()):
            owner = self._owner(address, identity)
            if owner is not None:
                self._sessions[owner].data = pipe
                del self._waiting[pipe]
                found.append((pipe, owner))
        return found

    def expired(self, now: int) -> list[Hashable]:
        """Data pipes that waited in vain: to be closed."""
        late = [pipe for pipe, (_, _, deadline) in self._waiting.items() if deadline <= now]
        for pipe in late:
            del self._waiting[pipe]
        return late

    def closed(self, pipe: Hashable) -> None:
        """A pipe of either kind is gone."""
        self._waiting.pop(pipe, None)
        self._sessions.pop(pipe, None)
        for session in self._sessions.values():
            if session.data == pipe:
                session.data = None

    def _owner(self, address: str, identity: bytes) -> Hashable | None:
        """A new data pipe takes the place of the one that its session had."""
        if identity:
            fits = [pipe for pipe, session in self._sessions.items() if session.identity == identity]
            return fits[0] if len(fits) == 1 else None
        near = [pipe for pipe, session in self._sessions.items() if session.address == address]
        free = [pipe for pipe in near if self._sessions[pipe].data is None]
        return (free or near)[0] if len(free or near) == 1 else None
