"""The site file and who a connection is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes import _site
from nodes._faults import Faulty
from nodes._site import Site, match, recognise
from nodes._sitedevice import Device, Link

SITE = """
station: North Hub
devices:
  - {name: whole network, number: 1, address: 10.1.0.0/16}
  - {name: subnet, number: 2, address: 10.1.2.0/24}
  - {name: host, number: 3, address: 10.1.2.3}
  - {name: stream anywhere, number: 4, stream: 7}
  - {name: stream in network, number: 5, stream: 8, address: 10.1.0.0/16}
  - {name: dialled, number: 6, stream: 9, link: {tcp: "192.0.2.1:4712"}}
  - {name: six, number: 7, address: "fd00::/8"}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return _site.load(path)


@pytest.mark.parametrize(
    ("address", "stream", "name"),
    [
        ("10.1.9.9", 1, "whole network"),
        ("10.1.2.9", 1, "subnet"),
        ("10.1.2.3", 1, "host"),
        ("192.0.2.7", 7, "stream anywhere"),
        ("10.1.9.9", 7, "stream anywhere"),
        ("10.1.2.3", 7, "host"),
        ("10.1.2.9", 8, "stream in network"),
        ("::ffff:10.1.2.3", 1, "host"),
        ("fd00::1", 1, "six"),
        ("192.0.2.1", 9, None),
        ("192.0.2.7", 8, None),
        ("192.0.2.7", None, None),
    ],
)
def test_specific_beats_general(site: Site, address: str, stream: int | None, name: str | None) -> None:
    found = match(site, address, stream)
    assert (found and found.name) == name


def test_other_ways_are_recognised_among_their_own() -> None:
    one = Device(name="a", number=1, stream=1, link=Link(spontaneous="4713"))  # type: ignore[arg-type]
    two = Device(name="b", number=2, link=Link(spontaneous="4713"))  # type: ignore[arg-type]
    assert recognise([two, one], "192.0.2.1", 1) is one
    assert recognise([two, one], "192.0.2.1", 2) is two


@pytest.mark.parametrize(
    ("link", "how"),
    [
        ("dials_in", "dials_in"),
        ({"tcp": "192.0.2.1:4712"}, "tcp"),
        ({"tcp": "192.0.2.1:4712", "udp": 4713}, "tcp_udp"),
        ({"udp": "192.0.2.1:4712"}, "udp"),
        ({"spontaneous": 4713, "group": "239.1.1.1", "source": "192.0.2.1"}, "spontaneous"),
    ],
)
def test_the_ways_in(link: object, how: str) -> None:
    assert Link.model_validate(link).how == how


def test_a_site_survives_its_way_through_json(site: Site) -> None:
    assert Site.model_validate(site.model_dump(mode="json")) == site
    assert site.text == SITE


def test_nothing_but_a_mapping_is_a_site(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    for text in ("", "- a\n", "just words\n"):
        path.write_text(text)
        with pytest.raises(Faulty, match="not a site file"):
            _site.load(path)


def test_the_text_is_no_setting(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("station: x\ntext: y\n")
    with pytest.raises(Faulty, match="unknown setting 'text'"):
        _site.load(path)


def test_networks_to_admit_from_need_that_anybody_is_admitted(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("station: x\nadmit_from: [10.0.0.0/8]\n")
    with pytest.raises(Faulty, match="admit_from, but unknown devices are refused"):
        _site.load(path)
    path.write_text("station: x\nunknown: admit\nadmit_from: [10.0.0.0/8]\n")
    assert _site.load(path).admits("10.255.0.1")


def test_one_address_may_have_devices_of_several_certificates(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    entry = "  - {{name: {0}, number: {1}, address: 10.0.0.1, certificate: {2}.example}}\n"
    path.write_text("station: x\ndevices:\n" + entry.format("A", 1, "a") + entry.format("B", 2, "b"))
    assert len(_site.load(path).devices) == 2
    path.write_text("station: x\ndevices:\n" + entry.format("A", 1, "a") + entry.format("B", 2, "a"))
    with pytest.raises(Faulty, match="identity"):
        _site.load(path)


def test_data_of_v2_that_dial_us_come_from_an_address_for_each(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    entry = "  - {{name: {0}, number: {1}, protocol: {2}, link: {{tcp: '10.0.0.1:700{1}', data: {3}}}}}\n"

    def written(*devices: tuple[str, str]) -> Path:
        lines = (entry.format("AB"[k], k + 1, *each) for k, each in enumerate(devices))
        path.write_text("station: x\ndevices:\n" + "".join(lines))
        return path

    for fine in (("gbt26865", "dials_in"), ("qgdw131", "'10.0.0.1:8000'")):
        assert len(_site.load(written(("qgdw131", "dials_in"), fine)).devices) == 2
    with pytest.raises(Faulty, match=r"all that tells whose DATA of qgdw131 are that dial us.* own address"):
        _site.load(written(("qgdw131", "dials_in"), ("qgdw131", "dials_in")))
