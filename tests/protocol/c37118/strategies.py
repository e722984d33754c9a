"""Configurations and frames for the tests of this room: some by hand, any by hypothesis."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from protocol.c37118 import Analog, Command, ConfigurationFrame, Digital, HeaderFrame, Phasor, Station
from protocol.c37118.codec import Codec, StationRows, compile_codec, encode_data, fractions
from protocol.clock import SECOND, slot_time

ids = st.integers(0, 0xFFFF)
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=4)
"""At most 16 bytes of UTF-8: what CFG-2 can carry too."""
labels = st.lists(names | st.just(""), min_size=16, max_size=16).map(tuple)
float32 = st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda value: float(str(np.float32(value))))
coordinates = float32 | st.just(math.inf)
common = {
    "stream": ids,
    "soc": st.integers(0, 2**32 - 1),
    "quality": st.integers(0, 255),
    "count": st.integers(0, 2**24 - 1),
    "version": st.integers(2, 3),
}


def _unique(strategy: st.SearchStrategy[str], count: int) -> st.SearchStrategy[list[str]]:
    return st.lists(strategy, min_size=count, max_size=count, unique=True)


@st.composite
def stations(draw: st.DrawFn, kind: int, form: st.SearchStrategy[int] | None = None) -> Station:
    """A station with everything that a CFG of this kind can say."""
    phasors, analogs, digitals = draw(st.integers(0, 4)), draw(st.integers(0, 3)), draw(st.integers(0, 2))
    scale = st.integers(0, 2**24 - 1).map(lambda units: units / 100_000) if kind != 3 else float32
    user = st.integers(-(2**23), 2**23 - 1).map(float) if kind != 3 else float32
    only_3 = st.just(0) if kind != 3 else float32
    small = st.just(0) if kind != 3 else st.integers(0, 7)
    station = Station(
        name=draw(names),
        idcode=draw(ids),
        format=draw(st.integers(0, 15) if form is None else form),
        phasors=tuple(
            Phasor(
                name,
                kind=draw(st.integers(0, 1)),
                scale=draw(scale),
                offset=draw(only_3),
                component=draw(small),
                modified=draw(small),
                user=draw(small),
            )
            for name in draw(_unique(names, phasors))
        ),
        analogs=tuple(
            Analog(name, None if kind == 3 else draw(st.integers(0, 255)), draw(user), draw(only_3))
            for name in draw(_unique(names, analogs))
        ),
        digitals=tuple(Digital(draw(labels), draw(ids), draw(ids)) for _ in range(digitals)),
        nominal=draw(st.sampled_from([50, 60])),
        changes=draw(ids),
    )
    return station if kind != 3 else draw(_with_place(station))


@st.composite
def _with_place(draw: st.DrawFn, station: Station) -> Station:
    return Station(
        **vars(station)
        | {
            "global_id": draw(st.binary(min_size=16, max_size=16)),
            "latitude": draw(coordinates),
            "longitude": draw(coordinates),
            "elevation": draw(coordinates),
            "service": draw(st.sampled_from("MP")),
            "window": draw(st.integers(-(2**31), 2**31 - 1)),
            "delay": draw(st.integers(-(2**31), 2**31 - 1)),
        }
    )


@st.composite
def configurations(
    draw: st.DrawFn, kinds: st.SearchStrategy[int] | None = None, form: st.SearchStrategy[int] | None = None
) -> ConfigurationFrame:
    """A whole configuration."""
    kind = draw(st.integers(1, 3) if kinds is None else kinds)
    return ConfigurationFrame(
        **{name: draw(strategy) for name, strategy in common.items()},
        kind=kind,
        time_base=draw(st.integers(1000, 2**24 - 1)),
        rate=draw(st.integers(1, 200) | st.integers(-3600, -1)),
        stations=tuple(draw(st.lists(stations(kind, form), min_size=1, max_size=3))),
    )


commands = st.builds(Command, **common, command=ids, extended=st.binary(max_size=40))
headers = st.builds(HeaderFrame, **common, text=st.text(max_size=60).filter(lambda text: not text.endswith("\0")))


def configuration(form: int = 0, rate: int = 50, time_base: int = 1_000_000, **changed: object) -> ConfigurationFrame:
    """One station with two phasors, one analog and one digital word; scales as in Annex D of the standard."""
    detailed = changed.get("kind") == 3
    station = Station(
        name="Station A",
        idcode=61,
        format=form,
        phasors=(Phasor("VA", 0, 915527 / 100_000), Phasor("I1", 1, 45776 / 100_000)),
        analogs=(Analog("P", None if detailed else 0, 2.0),),
        digitals=(Digital(tuple(f"bit {k}" for k in range(16)), 0x0001, 0x00FF),),
        nominal=50,
        changes=3,
        service="M" if detailed else "",
    )
    fields: dict[str, object] = {"stream": 60, "kind": 2, "time_base": time_base, "rate": rate, "stations": (station,)}
    return ConfigurationFrame(**fields | changed)  # type: ignore[arg-type]


def rows(codec: Codec, count: int, seed: int = 1) -> list[StationRows]:
    """Plausible rows for every station of a codec."""
    random = np.random.default_rng(seed)
    result = []
    for table in codec.tables:
        values = np.empty((count, table.channels), np.float32)
        values[:, 0] = random.uniform(49.9, 50.1, count)
        values[:, 1] = random.uniform(-1, 1, count)
        end = 2 + 2 * table.phasors
        values[:, 2:end:2] = random.uniform(100, 10_000, (count, table.phasors))
        values[:, 3:end:2] = random.uniform(-179.9, 180, (count, table.phasors))
        values[:, end:] = random.uniform(-1000, 1000, (count, table.analogs))
        status = random.integers(0, 0x4000, count).astype(np.uint16)
        digital = random.integers(0, 0x10000, (count, table.digitals)).astype(np.uint16)
        result.append(StationRows(status, values, digital))
    return result


def data_frames(cfg: ConfigurationFrame, count: int = 5, soc: int = 1_700_000_000, seed: int = 1) -> list[bytes]:
    """DATA frames on the grid of a configuration with a positive rate."""
    codec = compile_codec(cfg)

    times = slot_time(soc * cfg.rate + np.arange(count, dtype=np.int64), cfg.rate)
    assert times[0] == soc * SECOND
    return encode_data(codec, rows(codec, count, seed), *fractions(times, cfg.time_base))
