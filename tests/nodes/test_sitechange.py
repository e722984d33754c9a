"""The difference of two site files, against one that is reckoned field by field."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodes._site import Site
from nodes._sitechange import DESCRIPTIVE, difference, same_way
from nodes._sitedevice import Device


def site(*devices: dict[str, Any], **settings: Any) -> Site:
    return Site.model_validate({"station": "T", "devices": list(devices)} | settings)


def entry(number: int, **settings: Any) -> dict[str, Any]:
    return {"name": f"D{number}", "number": number, "stream": number} | settings


def test_each_device_is_in_the_part_that_its_change_wants() -> None:
    old = site(entry(1), entry(2), entry(3), entry(4, link={"tcp": "10.0.0.4:4712"}), entry(5))
    new = site(
        entry(6), entry(4, link={"tcp": "10.0.0.9:4712"}), entry(3, region="north"), entry(1), entry(5) | {"stream": 9}
    )
    change = difference(old, new)
    assert [each.number for each in change.added] == [6]
    assert [each.number for each in change.removed] == [2]
    assert [each.number for each in change.moved] == [4, 5]
    assert [each.number for each in change.described] == [3]
    assert change.moved[0] == new.devices[1]
    assert str(change) == "1 added (D6); 1 removed (D2); 2 reached otherwise (D4, D5); 1 described otherwise (D3)"


def test_settings_of_the_site_are_named() -> None:
    change = difference(site(entry(1)), site(entry(1), unknown="admit", admit_from=["10.0.0.0/8"]))
    assert change.settings == ("unknown", "admit_from")
    assert str(change) == "unknown, admit_from changed"
    assert str(difference(site(entry(1)), site(entry(1)))) == "nothing but comments"


def test_a_renamed_device_that_is_moved_too_is_moved() -> None:
    assert [each.name for each in difference(site(entry(1)), site(entry(1, name="X", stream=7))).moved] == ["X"]


OTHERS = {
    "name": "X", "number": 9, "stream": 9, "address": "10.9.0.0/16", "certificate": "x.example",
    "link": {"udp": "10.0.0.9:1"}, "region": "r", "latitude": 1.0, "longitude": 1.0, "elevation": 1.0,
    "analogs": {"P": {"scale": 2}},
}  # fmt: skip
"""Another value of each setting that can be another one."""


def test_every_setting_of_a_device_either_describes_it_or_says_how_it_is_reached() -> None:
    was = Device.model_validate(entry(1))
    for name, value in OTHERS.items():
        wanted = {"name", "number", "stream"} if name == "link" else set(entry(1))
        now = Device.model_validate({key: each for key, each in entry(1).items() if key in wanted} | {name: value})
        assert same_way(was, now) == (name in DESCRIPTIVE), name
    assert set(Device.model_fields) >= DESCRIPTIVE


numbers = st.dictionaries(st.integers(1, 8), st.tuples(st.sampled_from("ab"), st.integers(1, 2)), max_size=8)


@given(numbers, numbers)
def test_nothing_is_left_out_and_nothing_stands_twice(old: dict[int, Any], new: dict[int, Any]) -> None:
    """Of (region, stream) by number."""
    change = difference(
        *(site(*(entry(n, region=r) | {"stream": s} for n, (r, s) in each.items())) for each in (old, new))
    )

    def told(devices: tuple[Device, ...]) -> list[int]:
        return [device.number for device in devices]

    assert told(change.added) == [n for n in new if n not in old]
    assert told(change.removed) == [n for n in old if n not in new]
    assert told(change.moved) == [n for n in new if n in old and old[n][1] != new[n][1]]
    assert told(change.described) == [n for n in new if n in old and old[n][1] == new[n][1] and old[n] != new[n]]
