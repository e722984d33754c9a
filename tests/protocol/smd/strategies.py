"""Tables and configurations for the tests of this room."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

from protocol.gbt26865 import ConfigurationFrame, Phasor, Station
from protocol.smd import SHIPPED, Layouts
from tests.protocol.gbt26865 import strategies as theirs

MAGNITUDES = st.fixed_dictionaries(
    {"type": st.sampled_from(["int16", "uint16", "float32"])},
    optional={"volts": st.floats(0.001, 100), "amperes": st.floats(0.001, 100)},
)
ANGLES = st.one_of(
    st.just({"type": "float32"}),
    st.fixed_dictionaries({"type": st.sampled_from(["int16", "uint16"])}, optional={"step": st.floats(1e-4, 1e-3)}),
)
POLAR = st.fixed_dictionaries({"form": st.just("polar"), "magnitude": MAGNITUDES, "angle": ANGLES})
RECTANGULAR = st.fixed_dictionaries(
    {"form": st.just("rectangular"), "part": MAGNITUDES.filter(lambda each: each["type"] != "uint16")}
)


def shipped(**changed: Any) -> dict[str, Any]:
    """The shipped table as plain values, with some keys changed."""
    told: dict[str, Any] = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return told | changed


@st.composite
def blocks(draw: st.DrawFn) -> dict[str, Any]:
    """What a table may say of a block."""
    fields: list[Any] = ["STAT", "COMPONENTS"]
    fields += [name for name in ("FREQ", "DFREQ") if draw(st.booleans())]
    fields += [{"skip": size} for size in draw(st.lists(st.integers(1, 4), max_size=2))]
    return {
        "fields": draw(st.permutations(fields)),
        "frequency": draw(st.sampled_from(["station", "int16", "float32"])),
        "nesting": draw(st.permutations(["phasor", "component", "part"])),
        "numbers": draw(st.just("station") | POLAR | RECTANGULAR),
    }


@st.composite
def layouts(draw: st.DrawFn) -> Layouts:
    """Any table: the flag anywhere, any block."""
    behind = draw(st.integers(0, 3))
    flag = shipped()["flag"]
    if behind and draw(st.booleans()):
        low, middle, high = draw(st.permutations([0x00, 0x01, 0x03]))
        byte = 20 + draw(st.integers(0, behind - 1))
        flag = {"byte": byte, "mask": 0x03, "fundamental": low, "harmonics": middle, "interharmonics": high}
    phasors = draw(st.sampled_from(["all", "voltages", "currents"]))
    kinds = shipped()["kinds"]
    kinds["SMD-L"]["harmonics"] = {"rate": 1, "phasors": phasors, "orders": [[2, draw(st.integers(2, 6))], [11, 11]]}
    kinds["SMD-L"]["interharmonics"] = {"rate": -2, "frequencies": [[0, 2], [55.5, 56]], "step": 0.5}
    return Layouts.model_validate(
        shipped(
            head={"behind_fracsec": behind},
            flag=flag,
            blocks={"harmonics": draw(blocks()), "interharmonics": draw(blocks())},
            kinds=kinds,
        )
    )


@st.composite
def configurations(draw: st.DrawFn) -> ConfigurationFrame:
    """A whole configuration of V3."""
    return ConfigurationFrame(
        **{name: draw(strategy) for name, strategy in theirs.heads(3, "other").items()},
        kind=2,
        time_base=1_000_000,
        stations=tuple(draw(st.lists(theirs.stations(), min_size=1, max_size=2))),
    )


def configuration(form: int = 0, identity: bytes = theirs.WHO, scale: float = 2.0) -> ConfigurationFrame:
    """One station with three voltages and a current."""
    phasors = (*(Phasor(f"U{phase}", 0, scale) for phase in "abc"), Phasor("Ia", 1, 0.01))
    station = Station(name="负荷一", identity=b"0GX00PM1", format=form, phasors=phasors, period=100)
    return ConfigurationFrame(identity=identity, kind=2, time_base=1_000_000, stations=(station,), soc=1_700_000_000)
