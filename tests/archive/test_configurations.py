"""Configurations on disk: the same back, known again, and never half."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from archive.configurations import Register, from_json, identity, to_json
from archive.disk import Disk
from protocol.messages import Table
from tests.archives import SMALL, Dying, Killed, configuration


def test_json_and_back() -> None:
    told = configuration(1, detail={"scale": 0.5, "nan": math.nan, 3: [1, 2], "raw": b"\x01\xff"}, elevation=math.nan)
    back = from_json(to_json(told))
    assert to_json(back) == to_json(told)
    assert math.isnan(back.elevation)
    assert back.latitude == 31.5
    assert back.detail == {"scale": 0.5, "nan": None, "3": [1, 2], "raw": "01ff"}
    assert back.table == SMALL.key


def test_what_is_no_configuration() -> None:
    with pytest.raises(ValueError, match="not a configuration"):
        from_json("{}")


def test_fields_of_a_newer_release_are_ignored() -> None:
    text = to_json(configuration(1))
    assert to_json(from_json(text[:-1] + ',"colour":"red"}')) == text


def test_identity() -> None:
    assert identity(configuration(1, version=1, node="r", number=3)) == identity(configuration(1, version=2))
    assert identity(configuration(1)) != identity(configuration(1, name="other"))
    assert identity(configuration(1)) != identity(configuration(2))


def test_the_register_knows_them_again(tmp_path: Path) -> None:
    path = tmp_path / "configurations.jsonl"
    register = Register(path, Disk())
    first, second = register.take(configuration(1)), register.take(configuration(1, name="new"))
    assert (first, second) == (0, 1)
    register.take(configuration(1))
    assert register.expected(SMALL) == 1
    register.sync()
    register.close()
    register = Register(path, Disk())
    assert register.name(65536) == "站 1"
    device = np.array([65536, 131072, 65536], np.uint32)
    assert register.numbers(device, SMALL).tolist() == [0, 2, 0]
    assert register.all[2].name == "device 2.0"
    assert register.numbers(device[:1], Table(25, 0, 0, 0)).tolist() == [3]
    register.close()


@pytest.mark.parametrize("whole", [0, 1])
def test_a_torn_line_is_cut_off(tmp_path: Path, whole: int) -> None:
    path = tmp_path / "configurations.jsonl"
    register = Register(path, Dying(2 * whole + 1))  # a write and a sync each
    for link in range(whole):
        register.take(configuration(link))
        register.sync()
    register.take(configuration(8))
    with pytest.raises(Killed):
        register.sync()
    register.close()
    register = Register(path, Disk())
    assert [each.name for each in register.all] == [f"站 {link}" for link in range(whole)]
    register.take(configuration(9))
    register.sync()
    register.close()
    assert len(path.read_text().splitlines()) == whole + 1


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "configurations.jsonl"
    register = Register(path, Disk())
    for link in (1, 2, 3):
        register.take(configuration(link))
    register.sync()
    register.close()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"name":"\xe7\xab\x99 2"', b'"name":"\xe7\xab\x99 7"'))
    register = Register(path, Disk())
    assert [each.name for each in register.all] == ["站 1", "站 3"]
    register.close()
    assert len(path.read_bytes()) == len(content)
