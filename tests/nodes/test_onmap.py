"""What a map shows of a site: its network, and an own background."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.ground import Ground
from nodes import _onmap, _site
from nodes._faults import Faulty
from nodes._pipeline import load

SITE = """
station: North Hub
network: {buses: buses.csv, lines: lines.csv}
devices:
  - {name: A, number: 1, stream: 7, bus: 101, inertia: 4 GWs}
  - {name: B, number: 2, stream: 8, bus: LOST}
"""
BUSES = "name,latitude,longitude\n101,47.0,119.0\nNORTH,47.5,119.5\nLOST,,\n"
LINES = "from,to,reactance,name\n101,NORTH,0.1,Lake\nNORTH,LOST,0.2,\n"
PIPELINE = """
site: site.yaml
nodes:
  front:     {kind: balancer, listen: 127.0.0.1:4712}
  receivers: {kind: receiver, from: front}
  align:     {kind: concentrator, from: receivers, wait: 100 ms}
  console:   {kind: console, from: align, background: map.geojson}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"site.yaml": SITE, "buses.csv": BUSES, "lines.csv": LINES, "pipeline.yaml": PIPELINE}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_lines_whose_ends_are_known(folder: Path) -> None:
    site = _site.load(folder / "site.yaml")
    found = _onmap.ground(site, Ground(ways=[[(1.0, 2.0)]]))
    assert found.lines == [(119.0, 47.0, 119.5, 47.5, "line 101 - NORTH (Lake)")]
    assert found.at == {1: (47.0, 119.0)}
    assert found.ways == [[(1.0, 2.0)]]
    assert site.devices[0].inertia == 4000


def test_no_network_no_lines(folder: Path) -> None:
    (folder / "site.yaml").write_text("station: North Hub\n")
    under = Ground()
    assert _onmap.ground(_site.load(folder / "site.yaml"), under) is under


def test_a_background_that_is_none_is_told_with_its_line(folder: Path) -> None:
    (folder / "map.geojson").write_text('{"type": "FeatureCollection",\n "features": [}')
    with pytest.raises(Faulty) as told:
        load(folder / "pipeline.yaml")
    [fault] = told.value.faults
    assert fault.line == 7
    assert "map.geojson:2: not JSON" in fault.what
    (folder / "map.geojson").unlink()
    with pytest.raises(Faulty, match="No such file"):
        load(folder / "pipeline.yaml")
