from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._node import Place
from nodes.detector import Detector, Settings
from protocol import wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Dismissed, Shift, Verdict, Window, Worker

NOW = Now(1_000 * SECOND, 1_700_000_000 * SECOND)
PLACE = Place("prejudge.1", "prejudge", 1, {}, {"trigger": ["windows"]}, "/run", {}, "p.yaml")

MINE = '''
from algorithms.registry import Hertz, Judgement, Settings as Base, WindowData, algorithm

class Settings(Base):
    limit: Hertz = 0.02
    """Largest deviation that is still quiet."""

@algorithm("mine", version=7)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Largest deviation from 50 Hz."""
    off = abs(window.values[0, 0] - 50)
    if off.max() > 5:
        raise RuntimeError("beyond all measure")
    score = float(off.max() / settings.limit)
    return Judgement(score > 1, score, int(off.argmax()), {"rate": window.rate})
'''


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE)
    return str(tmp_path / "mine.py")


def window(frequency: np.ndarray, rate: int = 50) -> Window:
    return Window(
        trigger="windows",
        lease=12,
        attempt=2,
        device=np.array([1 << 16], dtype=np.uint32),
        start=NOW.utc,
        rate=rate,
        quantities=["frequency"],
        values=frequency.astype(np.float32)[None, None],
        filled=np.zeros((1, frequency.size), dtype=np.uint8),
        completeness=1.0,
    )


def judge(node: Detector, work: Window, took: int = 0) -> tuple[str, Verdict]:
    assert list(node.receive(work, NOW)) == []
    assert node.wake_at() == 0
    assert list(node.wake(NOW)) == []
    assert node.wake_at() == 0
    [letter] = node.wake(Now(NOW.monotonic + took, NOW.utc + took))
    assert node.wake_at() is None
    return letter.to, letter.message


def quiet(n: int = 100) -> np.ndarray:
    return np.full(n, 50.0)


def test_a_verdict_goes_to_the_trigger_that_leased_the_window(mine: str):
    frequency = quiet()
    frequency[30] = 50.5
    node = Detector(Settings(algorithm=mine, settings={"limit": "100 mHz"}), PLACE)
    to, verdict = judge(node, window(frequency), took=7 * MILLISECOND)
    assert to == "windows"
    assert (verdict.lease, verdict.attempt, verdict.worker) == (12, 2, "prejudge.1")
    assert (verdict.algorithm, verdict.version, verdict.outcome) == ("mine", 7, "ok")
    assert verdict.suspicious
    assert verdict.score == pytest.approx(5.0)
    assert verdict.onset == NOW.utc + 600 * MILLISECOND
    assert verdict.stop == NOW.utc + 2 * SECOND
    assert verdict.took == 7 * MILLISECOND
    assert verdict.detail == {"rate": 50.0}


def test_slow_tables_have_a_rate_below_one(mine: str):
    verdict = judge(Detector(Settings(algorithm=mine), PLACE), window(quiet(), rate=-5))[1]
    assert verdict.detail == {"rate": 0.2}
    assert verdict.stop == NOW.utc + 500 * SECOND


@pytest.mark.parametrize(("value", "error"), [(99.0, "beyond all measure"), (np.nan, "not finite")])
def test_what_an_algorithm_raises_is_the_windows_verdict(mine: str, value: float, error: str):
    node = Detector(Settings(algorithm=mine), PLACE)
    broken = quiet()
    broken[3] = value
    verdict = judge(node, window(broken))[1]
    assert verdict.outcome == "failed"
    assert error in verdict.error
    assert not verdict.suspicious
    assert judge(node, window(quiet()))[1].outcome == "ok"
    health = node.health(NOW)
    assert (health["counters"]["ok"], health["counters"]["failed"]) == (1, 1)
    assert error in health["alarms"][0]


ANSWER = """
import numpy as np
from algorithms.registry import Judgement, Settings as Base, WindowData, algorithm

class Settings(Base):
    pass

@algorithm("answering", version=1)
def judge(window: WindowData, settings: Settings) -> Judgement:
    x = window.values[0, 0]
    return {}
"""


def answering(folder: Path, answer: str) -> Verdict:
    (folder / "answering.py").write_text(ANSWER.replace("{}", answer))
    return judge(Detector(Settings(algorithm=str(folder / "answering.py")), PLACE), window(quiet()))[1]


def test_numbers_of_numpy_in_an_answer_can_be_sent(tmp_path: Path):
    answer = "Judgement(x.max() > 3, x.max(), np.argmax(x), {'top': x.max(), 'some': x[:2], 3: (np.int64(1), None)})"
    verdict = answering(tmp_path, answer)
    assert wire.unpack(wire.pack(verdict)).detail == {"top": 50.0, "some": [50.0, 50.0], "3": [1, None]}
    assert (verdict.outcome, verdict.suspicious, verdict.score, verdict.onset) == ("ok", True, 50.0, NOW.utc)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("None", "answered with NoneType; a Judgement is wanted"),
        ("Judgement(True, 2.0, 0, {'raw': b'x'})", "detail holds bytes"),
        ("Judgement(True, 2.0, 0, {'some': [{'x': x.tobytes}]})", "detail holds builtin_function_or_method"),
    ],
)
def test_an_answer_that_is_none_is_the_windows_verdict(tmp_path: Path, answer: str, error: str):
    verdict = answering(tmp_path, answer)
    assert verdict.outcome == "failed"
    assert error in verdict.error


WARM = """
from algorithms.registry import Judgement, Settings as Base, WindowData, algorithm

class Settings(Base):
    size: int = 1

warmed = []

def warm(settings: Settings) -> None:
    warmed.append(1 / settings.size)

@algorithm("warming", version=1, warm=warm)
def judge(window: WindowData, settings: Settings) -> Judgement:
    return Judgement(False, 0.0, None, {"warmed": warmed})
"""


@pytest.mark.parametrize(("size", "warmed", "alarms"), [(2, [0.5], 0), (0, [], 1)])
def test_an_algorithm_warms_up_before_its_first_window(tmp_path: Path, size: int, warmed: list[float], alarms: int):
    (tmp_path / "warming.py").write_text(WARM)
    node = Detector(Settings(algorithm=str(tmp_path / "warming.py"), settings={"size": size}), PLACE)
    assert list(node.start(NOW)) == []
    assert len(node.health(NOW)["alarms"]) == alarms
    assert judge(node, window(quiet()))[1].detail == {"warmed": warmed}


def test_windows_wait_their_turn(mine: str):
    node = Detector(Settings(algorithm=mine), PLACE)
    for _ in range(3):
        list(node.receive(window(quiet()), NOW))
    assert node.health(NOW)["queues"] == {"waiting": 3}
    verdicts = [letter for _ in range(6) for letter in node.wake(NOW)]
    assert len(verdicts) == 3


def test_a_file_is_found_beside_the_pipeline(mine: str):
    settings = Settings.model_validate({"algorithm": "./mine.py"}, context={"base": Path(mine).parent})
    assert Detector(settings, PLACE).algorithm.name == "mine"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"algorithm": "fft"}, "no algorithm is called 'fft'; there are .*emd"),
        ({"algorithm": "./none.py"}, "no such file"),
        ({"settings": {"limitt": 3}}, "emd: unknown setting 'limitt'"),
    ],
)
def test_faults_are_found_by_the_check(given: dict, fault: str):
    with pytest.raises(ValidationError, match=fault):
        Settings.model_validate(given)


def test_it_joins_each_life_of_its_trigger_once(mine: str):
    node = Detector(Settings(algorithm=mine), PLACE)
    announce = Announce("windows", 7, 3, 0)
    [letter] = node.receive(announce, NOW)
    assert (letter.to, letter.message) == ("windows", Worker("prejudge.1", "windows", Shift.JOINS))
    assert list(node.receive(announce, NOW)) == []
    assert len(list(node.receive(Announce("windows", 8, 0, 0), NOW))) == 1


def test_it_leaves_when_its_trigger_has_let_it_go_and_all_is_judged(mine: str):
    node = Detector(Settings(algorithm=mine), PLACE)
    list(node.receive(Announce("windows", 7, 3, 0), NOW))
    node.receive(window(quiet()), NOW)
    [letter] = node.leave(NOW)
    assert (letter.to, letter.message.what) == ("windows", Shift.LEAVES)
    node.receive(window(quiet()), NOW)  # was on its way
    node.receive(Dismissed("windows", "prejudge.1"), NOW)
    assert list(node.receive(Announce("windows", 8, 0, 0), NOW)) == []  # it does not join again
    told = []
    while not node.left:
        assert node.wake_at() == 0
        told += node.wake(NOW)
    assert len(told) == 2


def test_a_trigger_that_does_not_answer_keeps_nobody(mine: str):
    node = Detector(Settings(algorithm=mine), PLACE)
    list(node.receive(Announce("windows", 7, 3, 0), NOW))
    node.leave(NOW)
    assert not node.left
    assert node.wake_at() == NOW.monotonic + SECOND
    list(node.wake(Now(NOW.monotonic + SECOND, NOW.utc + SECOND)))
    assert node.left


def test_one_that_is_known_to_nobody_leaves_at_once(mine: str):
    node = Detector(Settings(algorithm=mine), PLACE)
    assert list(node.leave(NOW)) == []
    assert node.left
