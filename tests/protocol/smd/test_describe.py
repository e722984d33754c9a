"""An SMD's configuration as other nodes hear it."""

from __future__ import annotations

import math

from hypothesis import HealthCheck, given, settings

from protocol import wire
from protocol.gbt26865 import ConfigurationFrame
from protocol.messages import STATIONS_PER_SPECTRUM, Table, device_number
from protocol.smd import Kind, Layouts, compile_codecs, configurations, load
from tests.protocol.gbt26865 import strategies as theirs
from tests.protocol.smd import strategies as make


def test_a_station_has_a_word_for_its_fundamental_and_one_for_each_spectrum() -> None:
    told = configurations(theirs.configuration(3), Kind.L, load(), 7, "Load 7", 9, region="south", latitude=26.9)
    plain, harmonics, between = told
    assert [each.device - device_number(7, 0) for each in told] == [0, STATIONS_PER_SPECTRUM, 2 * STATIONS_PER_SPECTRUM]
    assert [each.name for each in told] == ["场站一 PMU", "场站一 PMU harmonics", "场站一 PMU inter-harmonics"]
    assert {(each.protocol, each.link, each.version, each.region, each.latitude) for each in told} == {
        ("smd", "Load 7", 9, "south", 26.9)
    }
    assert plain.table == Table(50, 2, 1, 1).key
    assert harmonics.table == Table(1, 2, 0, 0, orders=49).key
    assert between.table == Table(1, 2, 0, 0, frequencies=92).key
    assert (plain.components, harmonics.components) == ([], list(range(2, 51)))
    assert harmonics.phasor_channels[:2] == ["UA-A相电压 h2", "UA-A相电压 h3"]
    assert between.phasor_channels[-1] == "IA 100 Hz"
    assert (between.phasor_units, between.analogs, between.digitals) == (["V", "A"], [], [])
    assert {(each.detail["kind"], each.detail["provisional"]) for each in told} == {("SMD-L", True)}
    assert [each.detail["spectrum"] for each in told] == ["fundamental", "harmonics", "inter-harmonics"]
    assert (plain.detail["band_hz"], between.detail["band_hz"]) == ([[45, 55]], [[0, 45], [55, 100]])
    assert "band_hz" not in harmonics.detail
    assert math.isnan(plain.longitude)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(make.layouts(), make.configurations())
def test_words_fit_the_codecs_and_go_over_the_wire(layouts: Layouts, cfg: ConfigurationFrame) -> None:
    told = configurations(cfg, Kind.L, layouts, 1, "any", 1, latitude=1.0, longitude=2.0, elevation=3.0)
    tables = [table for codec in compile_codecs(cfg, Kind.L, layouts).values() for table in codec.tables]
    assert [Table(*each.table) for each in told] == tables
    assert len({each.device for each in told}) == len(told)
    for each in told:
        assert wire.unpack(wire.pack(each)) == each
        assert {type(component) for component in each.components} <= {float}
