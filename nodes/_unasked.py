"""The datagrams of an output stream: to fixed places, unasked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nodes import _dialing
from nodes._devicelink import DeviceAnswers, Multicast, Spontaneous
from nodes._node import Action
from nodes._settings import Address
from protocol.c37118.device import Device
from protocol.clock import SECOND, Now

AGAIN = 10 * SECOND
"""Until a place that could not be found is looked for again."""


class Unasked:
    """All places. One that can't be found, or takes nothing, is an alarm and harms no other."""

    def __init__(self, places: Sequence[Address], device: Device, multicast: Multicast) -> None:
        self._device, self._multicast = device, multicast
        self._links: dict[Address, Spontaneous] = {}
        self._missing = dict.fromkeys(places, "")
        self._search_at = 0

    def __bool__(self) -> bool:
        return bool(self._links or self._missing)

    @property
    def due(self) -> int | None:
        """Monotonic ns of the next search."""
        return self._search_at if self._missing else None

    def search(self, now: Now) -> Iterator[Action]:
        """Open what is not open yet."""
        if not self._missing or now.monotonic < self._search_at:
            return
        self._search_at = now.monotonic + AGAIN
        for place in list(self._missing):
            try:
                link = Spontaneous(DeviceAnswers(self._device), _dialing.resolve(place)[1], multicast=self._multicast)
                yield from link.start(now)
            except OSError as fault:
                self._missing[place] = fault.strerror or str(fault)
                continue
            del self._missing[place]
            self._links[place] = link

    def tell(self, frames: Sequence[bytes], count: int) -> None:
        """A datagram each, that counts for `count` DATA frames."""
        for link in self._links.values():
            if not count:  # a fault is told until a configuration got away
                link.fault = ""
            for frame in frames:
                link.put(frame, count)

    @property
    def sent(self) -> int:
        return sum(link.sent for link in self._links.values())

    @property
    def dropped(self) -> int:
        return sum(link.dropped for link in self._links.values())

    def alarms(self) -> Iterator[str]:
        """Where nothing gets to."""
        for place, why in self._missing.items():
            if why:
                yield f"nothing is sent to {place}: {why}; correct `udp`"
        for place, link in self._links.items():
            if link.fault:
                yield f"datagrams to {place} fail: {link.fault}"

    def stop(self, now: Now) -> None:
        for link in self._links.values():
            link.stop(now)
