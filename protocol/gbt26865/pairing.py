"""Which management pipe a data pipe belongs to: of those at its address, in V3 the one with its IDCODE.

V2's DATA has no IDCODE: of several V2 substations behind one address it is not guessed whose a data pipe is, unless all
others have theirs. An IDCODE alone says nothing: whoever knows it may send it, from anywhere.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from protocol.gbt26865.common import V2, identity_of


@dataclass
class _Session:
    address: str
    identity: bytes | None = None
    version: int | None = None


class Pairing:
    """All pipes of a master. A pipe is named by whatever its owner calls it."""

    def __init__(self) -> None:
        self._sessions: dict[Hashable, _Session] = {}
        self._at: dict[str, dict[Hashable, _Session]] = {}
        """Those of an address."""
        self._owners: dict[Hashable, Hashable] = {}
        """Data pipe -> management pipe."""

    def management(
        self, pipe: Hashable, address: str, identity: bytes | None = None, version: int | None = None
    ) -> None:
        """A management pipe, or what is known of it by now (IDCODE, edition)."""
        session = self._sessions.get(pipe)
        if session is None:
            session = self._sessions[pipe] = _Session(address)
            self._at.setdefault(address, {})[pipe] = session
        session.identity, session.version = identity or session.identity, version or session.version

    def data(self, pipe: Hashable, address: str, frame: bytes) -> Hashable | None:
        """A data pipe with its first frame: the management pipe it belongs to; None = not known yet: ask again."""
        owner = self._owner(address, identity_of(frame))
        if owner is not None:
            self.belongs(pipe, owner)
        return owner

    def belongs(self, pipe: Hashable, owner: Hashable) -> None:
        """A data pipe is known to be that of a management pipe, of which nothing else may be known yet."""
        self._owners[pipe] = owner

    def closed(self, pipe: Hashable) -> None:
        """A pipe of either kind is gone."""
        self._owners.pop(pipe, None)
        self._owners = {data: owner for data, owner in self._owners.items() if owner != pipe}
        session = self._sessions.pop(pipe, None)
        if session is None:
            return
        near = self._at[session.address]
        del near[pipe]
        if not near:
            del self._at[session.address]

    def _owner(self, address: str, identity: bytes) -> Hashable | None:
        """A new data pipe takes the place of the one that its session had."""
        near = self._at.get(address, {})
        if identity:
            fits = [pipe for pipe, session in near.items() if session.identity == identity]
            return fits[0] if len(fits) == 1 else None
        older = [pipe for pipe, session in near.items() if session.version in (None, V2)]
        if len(older) > 1:
            served = set(self._owners.values())
            older = [pipe for pipe in older if pipe not in served]
        return older[0] if len(older) == 1 else None
