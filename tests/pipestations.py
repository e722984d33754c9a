"""Substations on the kernel of `tests/receivers.py`: they answer commands, and stream where their pipes are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from protocol import gbt26865, smd
from protocol.c37118 import StationRows, fractions
from protocol.c37118.codec import Codec
from protocol.clock import SECOND, Now, slot_time
from protocol.gbt26865 import Analog, ConfigurationFrame, Digital, Phasor, Station
from protocol.gbt26865.events import Send
from protocol.messages import Spectrum
from tests.receivers import Socket
from tests.scenes import BEGIN

FLOATS = 15


def configuration(
    identity: bytes, *, version: int = 3, name: str = "Hub", phasors: int = 3, period: int = 100
) -> ConfigurationFrame:
    """A CFG-1 with phasors, an analog and a digital word."""
    station = Station(
        name=name,
        identity=identity,
        format=FLOATS,
        phasors=tuple(Phasor(f"U{number}", kind=0, scale=1.0) for number in range(phasors)),
        analogs=(Analog("AN", scale=1.0),),
        digitals=(Digital(),),
        nominal=50,
        period=period,
    )
    return ConfigurationFrame(
        identity=identity if version == 3 else b"", version=version, kind=1, time_base=1_000_000, stations=(station,)
    )


def frames(codec: Codec, rate: int, first: int, count: int) -> list[bytes]:
    """Frames with rows from reporting instant `first` on; every value differs from every other."""
    slots = BEGIN * rate + first + np.arange(count, dtype=np.int64)
    rows = [
        StationRows(
            np.zeros(count, np.uint16),
            (50 + (first + np.arange(count))[:, None] / 64 + np.arange(table.channels) / 8).astype(np.float32),
            np.full((count, table.digitals), first & 0xFFFF, np.uint16),
        )
        for table in codec.tables
    ]
    return codec.bank().encode(rows, *fractions(slot_time(slots, rate), codec.cfg.time_base))


@dataclass
class Substation:
    """Answers on its management pipe, streams on its data pipes while it was told to."""

    device: gbt26865.Device
    management: Socket
    data: dict[Spectrum, Socket] = field(default_factory=dict)
    """Pipe of each kind of frame; of those without one, the management pipe."""
    kind: smd.Kind | None = None
    sent: dict[Spectrum, int] = field(default_factory=dict)
    """Frames given to the kernel."""
    piped: bool = True
    """Its data pipes are there."""
    deaf: bool = False
    """It takes no notice of commands."""
    heard: int = 0
    _splitter: gbt26865.Splitter = field(default_factory=gbt26865.Splitter)

    @property
    def codecs(self) -> dict[Spectrum, Codec]:
        if self.kind is None:
            return {Spectrum.NONE: gbt26865.compile_codec(self.device.cfg)}
        return smd.compile_codecs(self.device.cfg, self.kind, smd.load())

    def turn(self, tick: int, now: Now) -> None:
        """Commands that came are answered; what is due is sent."""
        for data in [] if self.deaf else self.management.sent[self.heard :]:
            for frame in self._splitter.feed(data):
                for event in self.device.receive(frame, now):
                    if isinstance(event, Send):
                        self.management.queue += event.data
        self.heard = len(self.management.sent)
        if self.device.on and self.piped:
            for spectrum, codec in self.codecs.items():
                rate = codec.tables[0].rate
                if tick % (50 // rate if rate <= 50 else 1) == 0:
                    self._send(spectrum, codec, rate)

    def _send(self, spectrum: Spectrum, codec: Codec, rate: int) -> None:
        count = max(1, rate // 50)
        first = self.sent.get(spectrum, 0)
        pipe = self.data.get(spectrum, self.management)
        pipe.queue += b"".join(frames(codec, rate, first, count))
        self.sent[spectrum] = first + count


def seconds(ticks: int) -> int:
    """ns of so many ticks of 20 ms."""
    return ticks * SECOND // 50
