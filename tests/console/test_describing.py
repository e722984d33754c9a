from __future__ import annotations

import numpy as np
import pytest

from console.describing import OFF, Block, described, figure, values_of
from console.model import Reading
from console.spectrum import shares
from console.texts import LANGUAGES, Texts, catalogue
from protocol.clock import SECOND
from tests.console.browser.feeding import HARMONICS, TABLE, configuration

KNOWN = configuration(65536, "North 01", "north", (47.0, 119.0))
NOW = 1_800_000_000 * SECOND


def row(status: int = 0, quality: int = 0, present: bool = True) -> tuple[Reading, np.ndarray, int]:
    values = np.arange(TABLE.channels, dtype=np.float32)
    return Reading(NOW, present, status, quality, values), np.array([0b10], np.uint16), NOW - SECOND


def found(blocks: list[Block]) -> dict[str, list[str]]:
    return {name: values for block in blocks for name, values in block.rows}


def test_all_that_is_known_of_a_device() -> None:
    told = found(described(KNOWN, row(), [], NOW, Texts("en")))
    assert told["Frequency"] == ["0.0000 Hz"]
    assert told["VA"] == ["0.002 kV", "3.00°"]
    assert told["IC"] == ["12.0 A", "13.00°"]
    assert told["Age of its last row"] == ["1.0 s"]
    assert told["Clock"] == ["synchronised"]
    assert told["breaker closed"] == [OFF + "0"]  # normal is 1
    assert told["line A tripped"] == [OFF + "1"]
    assert told["spare 3"] == ["0"]


def test_what_is_wrong_is_marked() -> None:
    told = found(described(KNOWN, row(0xA801, 0x0B), ["clock_offset"], NOW + 10 * SECOND, Texts("zh")))
    assert told["时钟"] == [OFF + "失步"]
    assert told["数据"][0].startswith(OFF + "测试模式或数据缺失")
    assert told["触发"] == [OFF + "幅值越下限"]
    assert told["坏数据识别"] == [OFF + "时钟偏移"]
    assert told["最近一帧的时延"] == [OFF + "11.0 s"]


def test_a_row_that_did_not_come_has_no_values() -> None:
    told = found(described(KNOWN, row(present=False), [], NOW, Texts("en")))
    assert told["Frequency"] == ["\N{EN DASH} Hz"]


def test_names_do_not_depend_on_values() -> None:
    quiet, loud = (described(KNOWN, row(status), [], NOW, Texts("en")) for status in (0, 0xE8FF))
    assert [name for block in quiet for name, _ in block.rows][:7] == [
        name for block in loud for name, _ in block.rows
    ][:7]
    assert len(values_of(quiet)) > 30


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1234"), (-12.345, "\N{MINUS SIGN}12.35"), (float("nan"), "\N{EN DASH}")]
)
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


def test_all_languages_say_the_same_things() -> None:
    keys = [set(catalogue(language)) for language in LANGUAGES]
    assert all(each == keys[0] for each in keys)


def test_harmonics_against_their_fundamental() -> None:
    spectrum = configuration(65536 + (1 << 14), "L", "", (0, 0), HARMONICS)
    values = np.zeros(HARMONICS.channels, np.float32)
    values[2], values[4] = 300, 400  # the 2nd and the 3rd harmonic of VA
    base = np.zeros(TABLE.channels, np.float32)
    base[[2, 4, 6]] = 10_000
    told = shares(spectrum, values, KNOWN, base)
    assert told.relative
    assert told.values[0, :2] == pytest.approx([3, 4])
    assert told.total.tolist() == pytest.approx([5, 0, 0])
    assert not shares(spectrum, values, None, None).relative
    assert shares(spectrum, values, None, None).total[0] == pytest.approx(500)
