"""Configurations and frames for the tests of this room: some by hand, any by hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from protocol.c37118.names import clean
from protocol.clock import SECOND, slot_time
from protocol.gbt26865 import (
    Analog,
    Bank,
    Command,
    ConfigurationFrame,
    Digital,
    HeaderFrame,
    Phasor,
    Station,
    compile_codec,
    fractions,
)
from tests.protocol.c37118.strategies import rows

WHO = b"0GX00GP1"
words = st.integers(0, 0xFFFF)
identities = st.binary(min_size=8, max_size=8)


def _told(text: str) -> bool:
    """Whether a name comes back from a field of 16 bytes as it went in."""
    raw = text.encode("gbk")
    return len(raw) <= 16 and clean(raw.ljust(16), "gbk") == text


names = st.text(st.characters(codec="gbk"), min_size=1, max_size=8).filter(_told)
labels = st.lists(names | st.just(""), min_size=16, max_size=16).map(tuple)


@st.composite
def stations(draw: st.DrawFn) -> Station:
    """A station with everything that a block can say."""
    phasors, analogs, digitals = draw(st.integers(0, 4)), draw(st.integers(0, 3)), draw(st.integers(0, 2))
    scale = st.integers(0, 2**24 - 1).map(lambda units: units / 100_000)
    user = st.integers(-(2**23), 2**23 - 1).map(lambda units: units / 100_000)

    def some(count: int) -> list[str]:
        return draw(st.lists(names, min_size=count, max_size=count, unique=True))

    return Station(
        name=draw(names),
        identity=draw(identities),
        format=draw(words),
        phasors=tuple(Phasor(each, draw(st.integers(0, 255)), draw(scale)) for each in some(phasors)),
        analogs=tuple(Analog(each, draw(st.integers(0, 255)), draw(user)) for each in some(analogs)),
        digitals=tuple(Digital(draw(labels), draw(words), draw(words)) for _ in range(digitals)),
        nominal=draw(st.sampled_from([50, 60])),
        period=draw(st.integers(1, 0xFFFF)),
    )


def heads(version: int, what: str) -> dict[str, st.SearchStrategy[Any]]:
    """Common fields, as far as the frame has them: `what` is data, command or other."""
    has_time, has_who = version == 3 or what == "data", version == 3 or what == "command"
    return {
        "version": st.just(version),
        "identity": identities if has_who else st.just(b""),
        "soc": st.integers(0, 2**32 - 1),
        "quality": st.integers(0, 255) if has_time else st.just(0),
        "count": st.integers(0, 2**24 - 1) if has_time else st.just(0),
    }


@st.composite
def configurations(draw: st.DrawFn) -> ConfigurationFrame:
    """A whole configuration of either edition."""
    version = draw(st.sampled_from([2, 3]))
    return ConfigurationFrame(
        **{name: draw(strategy) for name, strategy in heads(version, "other").items()},
        kind=draw(st.integers(1, 2)),
        time_base=draw(st.integers(1000, 2**24 - 1)),
        stations=tuple(draw(st.lists(stations(), min_size=1, max_size=3))),
        check_kind=draw(words) if version == 2 else 0,
    )


def _either(what: str, kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*(st.builds(kind, **heads(version, what), **fields) for version in (2, 3)))


commands: st.SearchStrategy[Command] = _either("command", Command, command=words, extended=st.binary(max_size=40))
texts = st.text(st.characters(codec="gbk"), max_size=60).filter(lambda text: not text.endswith("\0"))
headers: st.SearchStrategy[HeaderFrame] = _either("other", HeaderFrame, text=texts)


def configuration(version: int = 3, form: int = 0, period: int = 100, **changed: object) -> ConfigurationFrame:
    """One station with two phasors, one analog and one digital word."""
    station = Station(
        name="场站一 PMU",
        identity=b"0GX00PM1",
        format=form,
        phasors=(Phasor("UA-A相电压", 0, 9.15527), Phasor("IA", 1, 0.45776)),
        analogs=(Analog("有功功率", 1, 2.5),),
        digitals=(Digital(tuple(f"开关{bit}" for bit in range(16)), 0x0001, 0x00FF),),
        nominal=50,
        period=period,
    )
    fields: dict[str, object] = {
        "version": version, "identity": WHO if version == 3 else b"", "kind": 2, "time_base": 1_000_000,
        "stations": (station,), "soc": 1_700_000_000,
    }  # fmt: skip
    return ConfigurationFrame(**fields | changed)  # type: ignore[arg-type]


def data_frames(cfg: ConfigurationFrame, count: int = 5, soc: int = 1_700_000_000, seed: int = 1) -> list[bytes]:
    """DATA frames on the grid of a configuration with a positive rate."""
    codec = compile_codec(cfg)
    times = slot_time(soc * cfg.rate + np.arange(count, dtype=np.int64), cfg.rate)
    assert times[0] == soc * SECOND
    return Bank([codec]).encode(rows(codec, count, seed), *fractions(times, cfg.time_base))
