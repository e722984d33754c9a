"""The other kind of publisher: the very frames of one device to several clients, as they come.

DATA are not touched; damaged ones, and those that fit no configuration, are left out. Commands are answered as the
device would: by the configuration that it told, and its header if it told one. Receivers say best effort what they
read, once it is in their journals: what is lost on the way here is not fetched again, the archive has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import structlog

from nodes._complaints import Complaints
from nodes._node import Action, Node, Place
from nodes._outlet import Outlet
from nodes._outsettings import Settings
from nodes._outstream import Stream
from protocol.c37118 import ConfigurationFrame, FrameType, frame_type
from protocol.c37118.common import CONFIGURATIONS
from protocol.c37118.device import Device
from protocol.c37118.encoding import repeat_configuration
from protocol.c37118.fragments import Fragments
from protocol.c37118.frames import CommandCode, FrameError, parse
from protocol.clock import SECOND, Now, period, to_soc
from protocol.messages import RawFrames

SILENT = 10 * SECOND
"""Without a frame for so long (or three of its reporting periods) the device is missed."""


class Repeated(Device):
    """A device as it told of itself."""

    def configuration(self, kind: int, utc: int) -> list[bytes]:
        soc, count = to_soc(utc, self.cfg.time_base)
        return repeat_configuration(replace(self.cfg, soc=soc, count=count), kind, self.largest)


class Relay(Node):
    """See the module."""

    TAGS = (RawFrames.TAG,)  # type: ignore[attr-defined]

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self._header = f"{place.site.get('station', '')}: {place.node}, {settings.raw} as it comes"
        stream: Stream = settings.stream
        self._device = Device(stream.empty, self._header)
        spoken = {each["name"]: each["protocol"] for each in place.site.get("devices", ())}
        self._spoken = str(spoken.get(settings.raw, "c37118"))
        """As the site file says."""
        self.outlet = Outlet(settings, self._device, Complaints(self.log))
        self.counters: Counter[str] = Counter(frames=0, misfits=0, changes=0)
        self._fragments = Fragments()
        self._heard: int | None = None
        """Monotonic ns."""

    @property
    def cfg(self) -> ConfigurationFrame | None:
        """In force."""
        return self.outlet.told.cfg if self.outlet.told else None

    def start(self, now: Now) -> Iterator[Action]:
        """Open the doors. Raises StartError."""
        self._heard = now.monotonic
        return self.outlet.open(now)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        """A door, or a client."""
        return self.outlet.ready(fd, now)

    def wake_at(self) -> int | None:
        return self.outlet.wake_at()

    def wake(self, now: Now) -> Iterator[Action]:
        return self.outlet.wake(now)

    def stop(self, now: Now) -> Iterator[Action]:
        self.outlet.close(now)
        return iter(())

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """Frames of a device, perhaps of ours."""
        if not isinstance(message, RawFrames) or message.name != self.settings.raw:
            return
        data: list[bytes] = []
        ends = [0, *accumulate(message.sizes.tolist())]
        for frame in (message.frames[a:b].tobytes() for a, b in pairwise(ends)):
            kind = frame_type(frame)
            if kind == FrameType.DATA:
                data.append(frame)
                continue
            yield from self._tell(data, now)
            data = []
            if kind == FrameType.HEADER:
                self._device.spoken[CommandCode.SEND_HEADER] = [frame]
            elif kind in CONFIGURATIONS:
                yield from self._configure(frame, now)
        yield from self._tell(data, now)

    def _configure(self, frame: bytes, now: Now) -> Iterator[Action]:
        """The device's configuration, or a piece of it; most times the one that is known."""
        try:
            three = frame_type(frame) == FrameType.CONFIGURATION_3
            cfg = self._fragments.add(frame, now.monotonic) if three else parse(frame)
        except FrameError as fault:
            self.outlet.complaints.add("a configuration that can't be read", str(fault), now)
            return
        if not isinstance(cfg, ConfigurationFrame) or (self.cfg and self.cfg.says_the_same(cfg)):
            return
        self.counters["changes"] += self.cfg is not None
        self.log.info("stream changed" if self.cfg else "stream begins", stations=len(cfg.stations))
        three = cfg.kind == 3
        spoken = self._device.spoken
        self._device = Repeated(cfg, self._header, cfg3=three, spoken=spoken, largest=self.settings.largest)
        yield from self.outlet.configure(self._device, now)

    def _tell(self, data: list[bytes], now: Now) -> Iterator[Action]:
        size = self.cfg.data_size if self.cfg else -1
        fit = [frame for frame in data if len(frame) == size]
        self.counters["misfits"] += len(data) - len(fit)
        if fit:
            self._heard = now.monotonic
            self.counters["frames"] += len(fit)
            yield from self.outlet.tell(fit, now)

    def health(self, now: Now) -> dict[str, Any]:
        theirs = self.outlet.health(now)
        counters = {**theirs["counters"], **self.counters, "stations": len(self.cfg.stations) if self.cfg else 0}
        return {**theirs, "counters": counters, "alarms": [*self._alarms(now), *theirs["alarms"]]}

    def _alarms(self, now: Now) -> Iterator[str]:
        if self._spoken != "c37118":
            yield (
                f"{self.settings.raw!r} speaks {self._spoken} by the site file, and only C37.118 is passed on: "
                "name another device, or leave raw out"
            )
            return
        patience = max(SILENT, 3 * period(self.cfg.rate)) if self.cfg else SILENT
        if self._heard is not None and now.monotonic > self._heard + patience:
            yield (
                f"no receiver brings frames of {self.settings.raw!r}: is that its name in the site file, "
                "is it connected, and does it speak C37.118?"
            )
