"""The network that a site file names: tables, buses of devices, faults."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nodes import _grid, _site
from nodes._faults import Faulty
from nodes._gridwatch import GridWatch
from nodes._node import Place
from nodes._sitewatch import kept
from nodes.detector import Detector, Settings
from protocol.clock import SECOND, Now
from protocol.messages import Window, device_number

SITE = """
station: North Hub
network: {buses: buses.csv, lines: lines.csv}
frequency_response: 1.5 GW/Hz
inertia: 40 GWs
devices:
  - {name: A, number: 1, stream: 7, bus: 101, latitude: 47.0, longitude: 119.0}
  - {name: B, number: 2, stream: 8, bus: NORTH}
  - {name: C, number: 3, stream: 9}
"""
BUSES = "name,latitude,longitude\n101,,\nNORTH,47.5,119.5\n\n007,48,120\n"
LINES = "from,to,reactance,circuit,transformer,name\n101,NORTH,0.1,1,,\nNORTH,101,0.2,2,no,Lake\n007,NORTH,0.05,,yes,\n"
NOW = Now(1_000 * SECOND, 1_700_000_000 * SECOND)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("site.yaml", SITE), ("buses.csv", BUSES), ("lines.csv", LINES)):
        (tmp_path / name).write_text(text)
    return tmp_path


def faults(folder: Path) -> list[str]:
    with pytest.raises(Faulty) as raised:
        _site.load(folder / "site.yaml")
    return [re.sub(rf"{re.escape(str(folder))}/", "", str(fault)) for fault in raised.value.faults]


def grid_of(folder: Path) -> _grid.Grid:
    site = _site.load(folder / "site.yaml")
    assert site.network is not None
    return _grid.load(site.network, site.devices)


def test_tables_become_a_network(folder: Path) -> None:
    grid = grid_of(folder)
    network = grid.of([device_number(2, 0), device_number(1, 3), device_number(3, 0), device_number(9, 0)])
    assert network.buses == ("101", "NORTH", "007")
    assert (network.start.tolist(), network.stop.tolist()) == ([0, 1, 2], [1, 0, 1])
    assert network.reactance.tolist() == [0.1, 0.2, 0.05]
    assert network.devices.tolist() == [1, 0, -1, -1]
    assert network.latitude.tolist() == [47.0, 47.5, 48.0]  # the first has that of its device
    assert network.longitude.tolist() == [119.0, 119.5, 120.0]
    assert [network.line(k) for k in range(3)] == [
        "line 101 - NORTH circuit 1",
        "line NORTH - 101 circuit 2 (Lake)",
        "transformer 007 - NORTH",
    ]


def test_a_site_with_a_grid_survives_its_way_through_json(folder: Path) -> None:
    site = _site.load(folder / "site.yaml")
    assert (site.frequency_response, site.inertia) == (1500.0, 40_000.0)
    assert _site.Site.model_validate(site.model_dump(mode="json")) == site


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("site.yaml", "bus: NORTH", "bus: NORHT", "site.yaml:8: B: no bus 'NORHT' in buses.csv; did you mean"),
        ("site.yaml", "network: {", "#", "site.yaml:7: A is at bus '101', but there is no network; add network:"),
        ("site.yaml", "buses.csv", "none.csv", "none.csv:1: cannot be read: No such file or directory; name"),
        ("site.yaml", "1.5 GW/Hz", "1500", "site.yaml:4: site: frequency_response: 1500 has no unit; write"),
        ("site.yaml", "1.5 GW/Hz", "0 MW/Hz", "site.yaml:4: site: frequency_response: '0 MW/Hz' is not above 0; write"),
        ("site.yaml", "40 GWs", "40 s", "site.yaml:5: site: inertia: unknown unit 's' in '40 s'; one of MWs, GWs"),
        ("buses.csv", "007,48", "NORTH,48", "buses.csv:5: bus 'NORTH' stands already in line 3; keep one"),
        ("buses.csv", "NORTH,47.5,119.5", "NORTH,47.5,", "buses.csv:3: bus: NORTH has a latitude and no longitude;"),
        ("buses.csv", "NORTH,47.5,119.5", "NORTH,,119.5", "buses.csv:3: bus: NORTH has a longitude and no latitude;"),
        ("buses.csv", BUSES, "name,latitude\n\n,\n", "buses.csv:1: no bus in it; add a row for each bus: name"),
        ("lines.csv", LINES, "from,to,reactance\n", "lines.csv:1: no line in it; add a row for each line: from, to,"),
        ("buses.csv", "47.5", '"47,5"', "buses.csv:3: bus: latitude is '47,5'; write 47.5: a decimal point, no comma"),
        ("lines.csv", "0.05", '"0,05"', "lines.csv:4: line: reactance is '0,05'; write 0.05: a decimal point"),
        ("site.yaml", "latitude: 47.0", "latitude: 470", "site.yaml:7: A: latitude is 470; it should be less than"),
        ("buses.csv", "007,48", "007,480", "buses.csv:5: bus: latitude is '480'; it should be less than"),
        ("buses.csv", "name,", "bus,", "buses.csv:1: unknown column 'bus'; known: latitude, longitude, name"),
        ("lines.csv", "007,NORTH", "07,NORTH", "lines.csv:4: no bus '07' in the table of buses; did you mean '007'?"),
        ("lines.csv", "0.05", "-0.05", "lines.csv:4: line: reactance is '-0.05'; it should be greater than 0"),
        ("lines.csv", "0.05", "nan", "lines.csv:4: line: reactance is 'nan'; it should be a finite"),
        ("lines.csv", "0.05", "", "lines.csv:4: line: setting 'reactance' is missing; add reactance"),
        ("lines.csv", "0.2,2", "0.2,1", "lines.csv:3: the line NORTH - 101 stands already in line 2; keep one"),
        ("lines.csv", "007,NORTH", "NORTH,NORTH", "lines.csv:4: a line from 'NORTH' to itself; leave it out"),
        ("lines.csv", "0.05,,yes", "0.05,,perhaps", "lines.csv:4: line: transformer is 'perhaps'; it should be true"),
        ("lines.csv", "Lake", '"Lake', "lines.csv:4: is no CSV: unexpected end of data; mind quotes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(folder: Path, file: str, old: str, new: str, fault: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    changed = text.replace("network: {", "# {") if new == "#" else text.replace(old, new)
    (folder / file).write_text(changed)
    assert any(told.startswith(fault) for told in faults(folder)), faults(folder)


def test_all_faults_of_both_tables_are_told_at_once(folder: Path) -> None:
    (folder / "buses.csv").write_text(BUSES + "NORTH,,\n")
    (folder / "lines.csv").write_text(LINES.replace("0.1", "x").replace("0.05", "0"))
    assert [fault.partition(": ")[0] for fault in faults(folder)] == ["buses.csv:6", "lines.csv:2", "lines.csv:4"]


def test_semicolons_and_a_byte_order_mark_are_read(folder: Path) -> None:
    expected = grid_of(folder).network
    for name in ("buses.csv", "lines.csv"):
        path = folder / name
        path.write_text("\ufeff" + path.read_text().replace(",", ";"), encoding="utf-8")
    assert grid_of(folder).network.names == expected.names


class Desk:
    """A detector of several devices, and a clock moved by the test."""

    def __init__(self, folder: Path) -> None:
        (folder / "run").mkdir()
        self.file, self.now = folder / "site.yaml", NOW
        site = _site.load(self.file).model_dump(mode="json")
        place = Place("identify", "identify", 1, {}, {}, str(folder / "run"), site, "p.yaml", site_file=self.file)
        self.node = Detector(Settings(algorithm="disturbance"), place)
        assert list(self.node.start(self.now)) == []

    def pass_seconds(self, count: int) -> None:
        for _ in range(count):
            wake = self.node.wake_at()
            assert wake is not None
            self.now = Now(wake, self.now.utc + SECOND)
            assert list(self.node.wake(self.now)) == []

    @property
    def grid(self) -> GridWatch:
        assert self.node.grid is not None
        return self.node.grid

    @property
    def alarms(self) -> list[str]:
        return list(self.node.health(self.now)["alarms"])


def test_a_detector_of_several_devices_has_the_grid_and_takes_up_a_changed_one(folder: Path) -> None:
    desk = Desk(folder)
    assert (desk.grid.response, desk.grid.inertia) == (1500.0, 40_000.0)
    devices = [device_number(2, 0)]
    network = desk.grid.network(devices)
    assert network is not None
    assert network.devices.tolist() == [1]
    assert network.solved is not None  # not anew with each window
    desk.file.write_text(SITE.replace("bus: NORTH", 'bus: "007"').replace("1.5 GW/Hz", "900 MW/Hz"))
    desk.pass_seconds(3)
    changed = desk.grid.network(devices)
    assert changed is not None
    assert changed.devices.tolist() == [2]
    assert desk.grid.response == 900.0
    desk.file.write_text(SITE.replace("bus: NORTH", "bus: none"))
    desk.pass_seconds(3)
    assert "no bus 'none'" in desk.alarms[0]
    assert desk.grid.response == 900.0


def test_a_table_that_is_gone_is_an_alarm_and_the_station_goes_on(folder: Path) -> None:
    desk = Desk(folder)
    text = desk.file.read_text()
    (folder / "lines.csv").unlink()
    site = kept(str(folder / "run"), desk.file)
    assert site is not None
    assert site.text == text
    desk.node.start(desk.now)
    assert desk.grid.network([device_number(1, 0)]) is None
    assert desk.alarms[0].startswith(f"places without the network: {folder}/lines.csv:1: cannot be read")


def test_an_algorithm_for_one_device_has_no_grid(folder: Path) -> None:
    place = Place("prejudge", "prejudge", 1, {}, {}, "/run", {}, "p.yaml")
    node = Detector(Settings(algorithm="emd"), place)
    assert node.grid is None
    assert node.wake_at() is None


def test_a_window_without_a_site_file_is_judged(tmp_path: Path) -> None:
    node = Detector(Settings(algorithm="disturbance"), Place("identify", "identify", 1, {}, {}, "/run", {}, "p.yaml"))
    list(node.start(NOW))
    assert node.wake_at() is None
    quiet = np.full((2, 7, 3000), np.nan, np.float32)
    noise = np.random.default_rng(1).standard_normal((3, 2, 3000))
    quiet[:, :3] = np.moveaxis(
        np.array([50.0, 220e3, 10.0])[:, None, None] + np.array([1e-3, 50.0, 0.01])[:, None, None] * noise, 0, 1
    )
    names = ["frequency", "positive magnitude", "positive angle", "negative magnitude", "zero magnitude"]
    work = Window("suspects", 1, 1, np.array([1 << 16, 2 << 16], np.uint32), NOW.utc, 50,
                  [*names, "active power", "reactive power"], quiet, np.zeros((2, 3000), np.uint8), 1.0)  # fmt: skip
    list(node.receive(work, NOW))
    assert list(node.wake(NOW)) == []
    (letter,) = node.wake(NOW)
    assert letter.message.outcome == "ok", letter.message.error
    assert letter.message.detail["size_mw"] is None
