"""Site files edited: entries come and go, every other byte stays."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands._sitefile import SiteFile
from nodes._faults import Faulty
from nodes._site import check, load
from nodes._sitedevice import Device

BLOCK = """\
# Our site.
station: North Hub   # as the panel says
unknown: refuse
devices:
  # It dials us.
  - name: Wind Farm A
    number: 1          # never given to another
    stream: 7

  # We dial it.
  # Ask Li first.
  - name: Substation B
    number: 2
    link: {tcp: "10.1.0.8:4712"}   # fibre
# The end.
"""
FLOW = """\
station: North Hub
devices:
- {name: Wind Farm A,  number: 1, stream: 7}    # aligned
- {name: Substation B, number: 2, stream: 8, link: {tcp: "10.1.0.8:4712"}}
unknown: refuse
"""
ONE_LINE = (
    "station: T\ndevices: [{name: Wind Farm A, number: 1,  stream: 7}, {name: Substation B, number: 2, stream: 8}]\n"
)
FORMS = {"block": BLOCK, "flow entries": FLOW, "one line": ONE_LINE}
NEW: list[dict[str, Any]] = [
    {"name": "007", "number": 3, "stream": 9, "link": {"tcp": "10.1.0.9:4712", "udp": 4713}},
    {
        "name": "光伏 'C': #1",
        "number": 4,
        "stream": 10,
        "region": "1e3",
        "analogs": {"P": {"scale": 0.001, "unit": "MW"}},
    },
]


def site_file(folder: Path, text: str) -> SiteFile:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return SiteFile(path)


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_entries_are_added_and_all_else_stays(tmp_path: Path, text: str) -> None:
    file = site_file(tmp_path, text)
    draft = file.with_entries(NEW)
    site = draft.check()
    assert site.devices[:2] == file.site.devices
    assert site.devices[2:] == [Device.model_validate(each) for each in NEW]
    kept = [line for line in draft.after.splitlines() if line in text.splitlines()]
    lost = set(text.splitlines()) - set(kept)
    assert lost == ({text.splitlines()[1]} if text == ONE_LINE else set())
    for lines, entry in zip(draft.lines, NEW, strict=True):
        own = "\n".join(draft.after.splitlines()[line - 1] for line in lines)
        assert entry["name"].replace("'", "''") in own
        assert str(entry["stream"]) in own


def test_they_are_written_in_the_style_of_the_last(tmp_path: Path) -> None:
    after = site_file(tmp_path, BLOCK).with_entries([{"name": "C", "number": 3, "stream": 9}]).after
    assert after == BLOCK.replace("# The end.", "  - name: C\n    number: 3\n    stream: 9\n# The end.")
    after = site_file(tmp_path, FLOW).with_entries([{"name": "C", "number": 3, "stream": 9}]).after
    assert after == FLOW.replace("unknown:", "- {name: C, number: 3, stream: 9}\nunknown:")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("station: T\n", "station: T\ndevices:\n  - {name: C, number: 3, stream: 9}\n"),
        ("station: T", "station: T\ndevices:\n  - {name: C, number: 3, stream: 9}\n"),
        (
            "devices: []  # none yet\nstation: T\n",
            "devices:  # none yet\n  - {name: C, number: 3, stream: 9}\nstation: T\n",
        ),
    ],
)
def test_the_first_one(tmp_path: Path, text: str, wanted: str) -> None:
    draft = site_file(tmp_path, text).with_entries([{"name": "C", "number": 3, "stream": 9}])
    assert draft.after == wanted
    assert [device.name for device in draft.check().devices] == ["C"]


def test_a_file_without_an_end_of_line_gets_one(tmp_path: Path) -> None:
    draft = site_file(tmp_path, FLOW.partition("\nunknown")[0]).with_entries(NEW)
    assert len(draft.check().devices) == 4


def test_one_is_removed_with_the_comment_above_it(tmp_path: Path) -> None:
    file = site_file(tmp_path, BLOCK)
    without = file.without("Substation B")
    assert without.after == BLOCK.partition("  # We dial it.")[0] + "# The end.\n"
    without = file.without("Wind Farm A")
    assert without.after == BLOCK.replace(BLOCK[BLOCK.index("  # It") : BLOCK.index("\n  # We") + 1], "\n")
    assert [device.name for device in without.check().devices] == ["Substation B"]
    with pytest.raises(KeyError):
        file.without("Substation C")


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_all_come_and_go(tmp_path: Path, text: str) -> None:
    file = site_file(tmp_path, text)
    file.with_entries(NEW).write()
    for left in (3, 2, 1, 0):
        file = SiteFile(file.path)
        draft = file.without(file.site.devices[left // 2].name)
        draft.check()
        draft.write()
        assert len(load(file.path).devices) == left
    SiteFile(file.path).with_entries(NEW).write()
    assert [each.name for each in load(file.path).devices] == [each["name"] for each in NEW]


def test_a_fault_of_a_new_entry_is_told_where_it_came_from(tmp_path: Path) -> None:
    bad = [{"name": "C", "number": 3, "stream": 9}, {"name": "Wind Farm A", "number": 4, "stream": 10}]
    draft = site_file(tmp_path, BLOCK).with_entries(bad)
    with pytest.raises(Faulty, match=r"^sheet\.csv:12: name 'Wind Farm A' is given already in .*site\.yaml:6; "):
        draft.check(lambda position: ("sheet.csv", 11 + position))
    with pytest.raises(Faulty, match=r"site\.yaml:18: name 'Wind Farm A' is given already"):
        draft.check()


def test_a_file_that_would_be_faulty_is_not_written(tmp_path: Path) -> None:
    file = site_file(tmp_path, BLOCK)
    with pytest.raises(Faulty):
        file.with_entries([{"name": "Wind Farm A", "number": 4, "stream": 10}]).write()
    assert file.path.read_text() == BLOCK
    assert [each.name for each in tmp_path.iterdir()] == ["site.yaml"]


def test_it_is_replaced_as_a_whole_with_its_mode_and_through_a_link(tmp_path: Path) -> None:
    file = site_file(tmp_path, BLOCK)
    file.path.chmod(0o640)
    linked = tmp_path / "linked.yaml"
    linked.symlink_to(file.path)
    held = os.open(file.path, os.O_RDONLY)
    SiteFile(linked).with_entries(NEW).write()
    assert os.read(held, 1 << 16).decode() == BLOCK  # who had it open reads the old one to its end
    os.close(held)
    assert linked.is_symlink()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640
    assert len(load(file.path).devices) == 4


def test_the_next_number(tmp_path: Path) -> None:
    assert site_file(tmp_path, BLOCK).free_number() == 3
    assert site_file(tmp_path, BLOCK).free_number([9]) == 10
    assert site_file(tmp_path, "station: T\n").free_number() == 1
    last = site_file(tmp_path, BLOCK.replace("number: 2", "number: 32767"))
    assert last.free_number() == 2
    assert last.free_number(range(1, 32767)) is None


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.sampled_from([BLOCK, FLOW, ONE_LINE]))
def test_any_name_is_read_back_as_it_is(tmp_path_factory: pytest.TempPathFactory, told: list[str], text: str) -> None:
    entries = [{"name": name, "number": 10 + k, "stream": 100 + k} for k, name in enumerate(told)]
    draft = site_file(tmp_path_factory.getbasetemp(), text).with_entries(entries)
    assert [each.name for each in check(draft.after, "site").devices[2:]] == told
