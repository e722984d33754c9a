"""Captures made up for tests: what a station's network shows, with devices of every habit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from protocol.c37118 import (
    Analog,
    Command,
    ConfigurationFrame,
    Digital,
    Phasor,
    Station,
    StationRows,
    compile_codec,
    encode_command,
    encode_configuration,
    encode_data,
    fractions,
)
from protocol.clock import SECOND, slot_time
from tests.captures import Talk, datagram

BEGIN = 1_600_000_000
"""Second at which the devices' frames begin."""


def configuration(
    stream: int = 7,
    *,
    stations: int = 1,
    form: int = 15,
    rate: int = 50,
    time_base: int = 1_000_000,
    name: str = "Station",
    phasors: int = 2,
    kind: int = 2,
) -> ConfigurationFrame:
    """A configuration with phasors, an analog and a digital word per station."""
    made = tuple(
        Station(
            f"{name} {chr(65 + place)}",
            stream + 100 * place,
            form,
            tuple(Phasor(f"P{number}", kind=number % 2, scale=0.5) for number in range(phasors)),
            (Analog("AN", scale=2.0),),
            (Digital(),),
        )
        for place in range(stations)
    )
    return ConfigurationFrame(
        stream=stream, kind=kind, time_base=time_base, rate=rate, stations=made, soc=BEGIN, version=1 + (kind == 3)
    )


def told(cfg: ConfigurationFrame) -> bytes:
    """The configuration as its one frame."""
    (frame,) = encode_configuration(cfg)
    return frame


def data(cfg: ConfigurationFrame, count: int, first: int = 0, status: int = 0) -> list[bytes]:
    """DATA frames from reporting instant `first` on; every value differs from every other."""
    codec = compile_codec(cfg)
    slots = BEGIN * cfg.rate + first + np.arange(count, dtype=np.int64)
    rows = [
        StationRows(
            np.full(count, status, np.uint16),
            (50 + place + (first + np.arange(count))[:, None] / 64 + np.arange(table.channels) / 8).astype(np.float32),
            np.full((count, table.digitals), first & 0xFFFF, np.uint16),
        )
        for place, table in enumerate(codec.tables)
    ]
    return encode_data(codec, rows, *fractions(slot_time(slots, cfg.rate), cfg.time_base))


def command(stream: int, code: int) -> bytes:
    """A command of the master."""
    return encode_command(Command(stream=stream, command=code))


@dataclass
class Scene:
    """Packets of a capture, put in order of time at the end."""

    records: list[tuple[int, bytes]] = field(default_factory=list)

    def session(
        self, cfg: ConfigurationFrame, frames: list[bytes], talk: Talk, start: float = 0.0, gap: float = 0.02
    ) -> Talk:
        """A whole connection of a device: handshake, questions, answers, DATA one to a segment."""
        begin = (BEGIN * SECOND) + int(start * SECOND)
        talk.opened(begin).says(begin + 1000, command(cfg.stream, 5)).sends(begin + 2000, told(cfg))
        talk.says(begin + 3000, command(cfg.stream, 2))
        for number, frame in enumerate(frames):
            talk.sends(begin + 10_000 + int(number * gap * SECOND), frame)
        self.records += talk.records
        talk.records = []
        return talk

    def datagrams(self, source: str, frames: list[bytes], start: float = 0.0, port: int = 4713) -> None:
        """Datagrams of a device, 20 ms apart."""
        begin = (BEGIN * SECOND) + int(start * SECOND)
        for number, frame in enumerate(frames):
            self.records.append(datagram(begin + number * 20_000_000, source, "10.0.0.9", frame, port))

    def ordered(self) -> list[tuple[int, bytes]]:
        """The packets as captured."""
        return sorted(self.records, key=lambda record: record[0])


def busy() -> tuple[list[tuple[int, bytes]], dict[str, int]]:
    """A capture with everything at once, and how many DATA frames of each device can be decoded."""
    scene = Scene()
    pdc = configuration(20, stations=3, form=0, name="Hub")
    scene.session(pdc, data(pdc, 60), Talk("10.0.0.1"))
    other_base = configuration(30, rate=60, time_base=0xFFFFFF, name="Fast")
    scene.session(other_base, data(other_base, 60), Talk("10.0.0.2"), gap=1 / 60)
    for address, name in (("10.0.0.3", "Twin"), ("10.0.1.3", "Brother")):
        twin = configuration(40, name=name)
        scene.session(twin, data(twin, 40, first=ord(name[0])), Talk(address))
    again = configuration(50, name="Again")
    for number in range(3):
        talk = Talk("10.0.0.5", master_port=50_010 + number)
        scene.session(again, data(again, 20, first=100 * number), talk, start=2.0 * number)
    stale = configuration(60, name="Stale")
    frames = data(stale, 40)
    scene.session(stale, [*frames[:20], *data(stale, 1, first=-5_000_000), *frames[20:]], Talk("10.0.0.6"))
    split = configuration(70, name="Split")
    whole = b"".join(data(split, 30))
    scene.session(split, [whole[at : at + 37] for at in range(0, len(whole), 37)], Talk("10.0.0.7"), gap=0.001)
    udp = configuration(80, name="Spontaneous")
    scene.datagrams("10.0.0.8", [*data(udp, 10), told(udp), *data(udp, 20, first=10)])
    changing = configuration(90, name="Before")
    after = replace(configuration(90, name="After", phasors=3))
    middle = [*data(changing, 20), told(after), *data(after, 20, first=20)]
    scene.session(changing, middle, Talk("10.0.0.10"))
    web = Talk("10.0.0.9", device_port=80, master_port=51_000).opened(BEGIN * SECOND)
    web.says(BEGIN * SECOND + 1, b"GET / HTTP/1.1\r\n\r\n").sends(
        BEGIN * SECOND + 2, b"HTTP/1.1 200 OK\r\n\r\n" + bytes(500)
    )
    scene.records += web.records
    counts = {"10.0.0.1": 60, "10.0.0.2": 60, "10.0.0.3": 40, "10.0.1.3": 40, "10.0.0.5": 60}
    counts |= {"10.0.0.6": 41, "10.0.0.7": 30, "10.0.0.8": 30, "10.0.0.10": 40}
    return scene.ordered(), counts
