"""The same of SMDs: their frames cut and told apart, spectra of any content by many tables, and tables of any text."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from protocol import wire
from protocol.gbt26865 import ConfigurationFrame, Phasor, Station, encode_configuration, sound
from protocol.messages import Spectrum, Table
from protocol.smd import (
    SHIPPED,
    Kind,
    LayoutError,
    Layouts,
    compile_codecs,
    configurations,
    load,
    spectrum_of,
    splitter_of,
)
from protocol.smd.reading import parse
from tests.fuzz.chinese import NO_PIECES, WHO
from tests.fuzz.frames import cut_up, steps_of, stream_of
from tests.fuzz.source import Source
from tests.protocol.smd import byhand

TEXT = SHIPPED.read_text(encoding="utf-8")
NUMBERS: list[Any] = [
    "station",
    {"form": "polar", "magnitude": {"type": "uint16", "volts": 0.5}, "angle": {"type": "int16"}},
    {"form": "polar", "magnitude": {"type": "int16", "amperes": 0.01}, "angle": {"type": "uint16", "step": 0.0002}},
    {"form": "polar", "magnitude": {"type": "float32"}, "angle": {"type": "float32"}},
    {"form": "rectangular", "part": {"type": "int16", "volts": 2.5, "amperes": 0.1}},
    {"form": "rectangular", "part": {"type": "float32"}},
]
NESTINGS = [
    ["phasor", "component", "part"], ["phasor", "part", "component"], ["component", "phasor", "part"],
    ["component", "part", "phasor"], ["part", "phasor", "component"], ["part", "component", "phasor"],
]  # fmt: skip
FIELDS: list[list[Any]] = [
    ["STAT", "FREQ", "DFREQ", "COMPONENTS"],
    [{"skip": 2}, "COMPONENTS", "FREQ", "STAT", {"skip": 1}],
    ["DFREQ", "STAT", "COMPONENTS"],
    ["COMPONENTS", "DFREQ", {"skip": 3}, "FREQ", "STAT"],
]
BEHIND = {"byte": 21, "mask": 0x3C, "fundamental": 0x04, "harmonics": 0x00, "interharmonics": 0x20}


@cache
def table(numbers: int, nesting: int, fields: int, behind: int, frequency: int) -> Layouts:
    """One of many tables, with few components."""
    told = yaml.safe_load(TEXT)
    wide = ["station", "int16", "float32"][frequency]
    block = {"fields": FIELDS[fields], "frequency": wide, "nesting": NESTINGS[nesting], "numbers": NUMBERS[numbers]}
    told |= {"blocks": {"harmonics": block, "interharmonics": block}}
    told |= {"head": {"behind_fracsec": 2}, "flag": BEHIND} if behind else {}
    told["kinds"]["SMD-L"]["harmonics"]["orders"] = [[2, 4]]
    told["kinds"]["SMD-L"]["interharmonics"]["frequencies"] = [[0, 1], [99, 99]]
    return Layouts.model_validate(told)


def _configuration(source: Source) -> ConfigurationFrame:
    stations = []
    for _ in range(1 + source.below(2)):
        form, count = source.below(16), source.below(4)
        phasors = tuple(Phasor(f"P{k}", k % 2, source.below(1 << 16) / 1000) for k in range(count))
        stations.append(Station(name="Fuzz", format=form, nominal=(50, 60)[source.below(2)], phasors=phasors))
    return ConfigurationFrame(identity=WHO, kind=2, time_base=1_000_000, stations=tuple(stations))


def codec(data: bytes) -> None:
    """Columns of spectral frames with any content are what a reader of one field after the other reads."""
    source = Source(data)
    layouts = table(source.below(6), source.below(6), source.below(4), source.below(2), source.below(3))
    cfg = _configuration(source)
    spectrum = (Spectrum.HARMONICS, Spectrum.INTERHARMONICS)[source.below(2)]
    compiled = compile_codecs(cfg, Kind.L, layouts)[spectrum]
    size, content = compiled.frame_size, source.rest()
    count = min(8, max(1, len(content) // size))
    block = content[: count * size].ljust(count * size, b"\x80")
    batch = compiled.decode(block)
    for k in range(count):
        byhand.check(block[k * size : (k + 1) * size], batch, k, cfg, (layouts, Kind.L, spectrum))
    again = compiled.bank().encode(batch.stations, [1] * count, [2] * count)
    assert {spectrum_of(frame, layouts) for frame in again} == {spectrum}
    assert {len(frame) for frame in again} == {size}


def _good() -> list[bytes]:
    source = Source(bytes([1, 0, 3, 0, 10, 0, 20, 0, 30, 0]))
    cfg = _configuration(source)
    found = [encode_configuration(cfg)]
    for each in compile_codecs(cfg, Kind.L, table(0, 0, 0, 0, 0)).values():
        batch = each.decode([bytes(each.frame_size)])
        found += each.bank().encode(batch.stations * 1, [1_700_000_000], [0])
    return found


GOOD = _good()


def splitter(data: bytes) -> None:
    """Frames and counts are the same at any cut, and of a splitter that was put down and taken up; no byte is lost."""
    source = Source(data)
    steps = steps_of(source)
    frames = cut_up(stream_of(source, GOOD, NO_PIECES), steps, splitter_of(load()))
    assert all(sound(frame) for frame in frames)
    for frame in frames:
        spectrum = spectrum_of(frame, load())
        assert (spectrum is None) == (frame[1] not in (0x03, 0x63, 0x73))


def tables(data: bytes) -> None:
    """Any text is a table by which an SMD can be read, or has faults."""
    try:
        layouts = parse(data.decode("utf-8", "replace"), "table")
    except LayoutError:
        return
    source = Source(data)
    cfg = _configuration(source)
    for kind in Kind:
        words = configurations(cfg, kind, layouts, 1, "fuzz", 1)
        codecs = compile_codecs(cfg, kind, layouts)
        assert [Table(*each.table) for each in words] == [each for told in codecs.values() for each in told.tables]
        for each in words:
            parts = wire.pack(each)
            assert wire.pack(wire.unpack(parts)) == parts
        for spectrum, each in codecs.items():
            (frame,) = each.bank().encode(each.decode(bytes(each.frame_size)).stations, [1], [0])
            assert spectrum_of(frame, layouts) is spectrum
            assert splitter_of(layouts)().feed(frame) == [frame]


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with, by target."""
    shapes = [bytes([n, n, n % 4, n % 2, n % 3, n % 2, n * 3 % 16, 3, 0, 9, 0, 8, 0, 7]) for n in range(12)]
    return {
        "smd_codec": [shape + bytes(range(256)) * 2 for shape in shapes],
        "smd_splitter": [bytes([3, 1, 9, 40]) + bytes([what, k, k]) * 3 for what in range(6) for k in range(len(GOOD))],
        "smd_table": [TEXT.encode(), TEXT.replace("station", "int16", 1).encode()],
    }


TARGETS = {"smd_codec": codec, "smd_splitter": splitter, "smd_table": tables}
