"""Which connection carries which device, and what to do when two claim to be the same one."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from protocol.clock import SECOND, Now

MINUTE = 60 * SECOND

RIVALS_AT_MOST = 3
"""Times a minute that a device may come from another address while its connection is open: then it is refused."""
MANY_RENEWALS = 5
"""Replaced connections of one device that are no mere reconnects."""
NAMES_AT_MOST = 20
"""Devices named in the alarms."""


@dataclass(frozen=True)
class Claim:
    """What became of a claim."""

    why: str = ""
    """Why it is refused; "": it is granted."""
    leaves: int = 0
    """Connection that is to give the device up; 0: none."""


@dataclass
class _Contest:
    """Claims from other addresses than the owner's."""

    times: deque[int] = field(default_factory=lambda: deque(maxlen=RIVALS_AT_MOST))
    """Monotonic ns of the last ones."""
    addresses: tuple[str, str] = ("", "")
    """The owner's, the newcomer's."""
    refused: int = 0


class Owners:
    """Device number -> connection that carries it now."""

    def __init__(self) -> None:
        self._owner: dict[int, tuple[int, str]] = {}
        self._renewed: Counter[int] = Counter()
        self._contests: dict[int, _Contest] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._owner

    @property
    def numbers(self) -> list[int]:
        """Devices that are connected."""
        return list(self._owner)

    def of(self, number: int) -> int:
        """Connection that carries the device; 0: none."""
        return self._owner.get(number, (0, ""))[0]

    @property
    def replaced(self) -> int:
        """How often a newer connection took the place of one that was open."""
        return sum(self._renewed.values())

    def claim(self, number: int, connection: int, address: str, now: Now) -> Claim:
        """A connection from `address` ("": unknown) says that it carries the device.

        The newest one wins, except against an owner at another address, more often than `RIVALS_AT_MOST` a minute:
        two devices with one identity would throw each other out for ever.
        """
        owner, at = self._owner.get(number, (0, ""))
        if owner and at and address not in ("", at) and not self._may_contest(number, at, address, now):
            return Claim(why=f"{address} says that it is the device which {at} is, and goes on saying so")
        if owner > connection:  # the newer one asked first: this one's rows are the device's, but not its place
            self._renewed[number] += 1
            return Claim(leaves=connection)
        self._owner[number] = connection, address or at
        if owner in (0, connection):
            return Claim()
        self._renewed[number] += 1
        return Claim(leaves=owner)

    def _may_contest(self, number: int, at: str, address: str, now: Now) -> bool:
        contest = self._contests.setdefault(number, _Contest())
        many = len(contest.times) == RIVALS_AT_MOST and contest.times[0] > now.monotonic - MINUTE
        contest.times.append(now.monotonic)
        contest.addresses = at, address
        contest.refused += many
        return not many

    def release(self, number: int, connection: int) -> None:
        """The connection is over, or carries the device no more."""
        if self._owner.get(number, (0, ""))[0] == connection:
            del self._owner[number]

    def alarms(self, labels: dict[int, str], now: Now) -> list[str]:
        """Devices whose connection is replaced again and again, or that are in two places."""
        twofold = [
            f"{labels.get(number, number)}: {each.addresses[1]} and {each.addresses[0]} both send its IDCODE; "
            f"the former was refused {each.refused}x"
            for number, each in self._contests.items()
            if each.refused and each.times[-1] > now.monotonic - 10 * MINUTE
        ]
        renewed = [
            f"{labels.get(number, number)}: {count} connections were replaced by newer ones; "
            "do two devices send its IDCODE?"
            for number, count in self._renewed.most_common(NAMES_AT_MOST)
            if count >= MANY_RENEWALS
        ]
        return twofold[:NAMES_AT_MOST] + renewed
