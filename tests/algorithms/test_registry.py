from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from algorithms import registry
from algorithms.documented import documentation
from algorithms.registry import Algorithm, Hertz, Judgement, Seconds, Settings, UnknownAlgorithmError, WindowData

GOOD = """
from algorithms.registry import Judgement, Settings as Base, WindowData, algorithm

class Settings(Base):
    limit: float = 1.0

@algorithm("{name}", version=1)
def judge(window: WindowData, settings: Settings) -> Judgement:
    "Says nothing."
    return Judgement(False, float("{score}"))
"""


def written(folder: Path, text: str) -> Path:
    (folder / "mine.py").write_text(text)
    return folder


def data(*values: float) -> WindowData:
    array = np.array(values, dtype=np.float32)[None, None]
    return WindowData(np.zeros(1, "u4"), 0, 50.0, ["frequency"], array, np.zeros(array.shape[1:], "u1"))


def test_the_package_has_emd():
    [emd] = [known for known in registry.available() if known.name == "emd"]
    assert registry.find("emd") is emd
    assert emd.where == "algorithms.emd"
    assert emd.summary
    assert documentation(emd.settings).keys() == emd.settings.model_fields.keys()


def test_each_is_found_by_its_name():
    known = registry.available()
    assert [registry.find(one.name) for one in known] == known


def test_one_is_found_without_what_others_import():
    program = (
        "import sys; from algorithms import registry\n"
        "registry.find('emd'); print('scipy' in sys.modules)\n"
        "registry.find('disturbance'); print('scipy.signal' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert said.stdout.split() == ["False", "False"]


def test_a_file_is_an_algorithm(tmp_path: Path):
    found = registry.find("./mine.py", written(tmp_path, GOOD.format(name="mine", score=2)))
    assert (found.name, found.version, found.summary) == ("mine", 1, "Says nothing.")
    assert found.run(data(1, 2), found.settings()) == Judgement(False, 2.0)
    assert registry.find("mine.py", tmp_path) is found
    assert "mine" not in [known.name for known in registry.available()]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "registers 0 algorithms"),
        ("import nothing_of_this_name", "can't be loaded: ModuleNotFoundError"),
        ("def", "can't be loaded: SyntaxError"),
        (GOOD.format(name="emd", score=1), "calls its algorithm 'emd', as algorithms.emd does"),
    ],
)
def test_a_file_that_is_none_says_why(tmp_path: Path, text: str, fault: str):
    with pytest.raises(UnknownAlgorithmError, match=fault):
        registry.find("mine.py", written(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "fault"), [("fft", "no algorithm is called 'fft'; there are .*emd"), ("no.py", "no such")]
)
def test_what_there_is_not(tmp_path: Path, name: str, fault: str):
    with pytest.raises(UnknownAlgorithmError, match=fault):
        registry.find(name, tmp_path)


def test_no_nan_reaches_an_algorithm():
    def never(window: WindowData, settings: Settings) -> Judgement:
        raise AssertionError("called")

    with pytest.raises(ValueError, match="fill its gaps first"):
        Algorithm("x", 1, Settings, never, "here").run(data(1, float("nan")), Settings())


def test_a_score_is_a_number(tmp_path: Path):
    found = registry.find("mine.py", written(tmp_path, GOOD.format(name="lost", score="nan")))
    with pytest.raises(ValueError, match="is no number"):
        found.run(data(1), found.settings())


class Units(Settings):
    pause: Seconds = 1.0
    width: Hertz = 1.0


def test_units_stand_in_the_value():
    assert Units(pause="200 ms", width="20 mHz") == Units.model_construct(pause=0.2, width=0.02)


@pytest.mark.parametrize("value", [2, "2", "2 Hz", "s", None])
def test_a_value_without_its_unit_is_a_fault(value: object):
    with pytest.raises(ValidationError, match='write it as "2 s"'):
        Units(pause=value)


class Many(Settings):
    span: Seconds = 100.0
    floor: Hertz = 0.00005
    long: Seconds = 180.0
    bands: tuple[str, ...] = ("slow", "fast")


def test_defaults_are_shown_as_one_writes_them():
    shown = {name: registry.shown(Many, name) for name in Many.model_fields}
    assert shown == {"span": "100 s", "floor": "0.05 mHz", "long": "3 min", "bands": ["slow", "fast"]}
    assert Many(**shown) == Many.model_construct(bands=("slow", "fast"), span=100.0, floor=0.00005, long=180.0)


def test_a_quantity_that_is_not_for_it_is_a_fault():
    with pytest.raises(ValueError, match="phase_jump can't judge frequency: it wants angle"):
        registry.find("phase_jump").run(data(*range(100)), Settings())
