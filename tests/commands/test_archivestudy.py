"""A pipeline's chain over an archive: the same verdicts as its nodes give, however it is worked on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from typer.testing import CliRunner

from algorithms.simulation import Kind, Scenario
from archive.events import find_event, list_events
from archive.playback import Playback
from archive.reading import open_archive
from commands import _answers
from commands._answers import Answers, Asked, OtherStudy, WorkerDied, Workers
from commands._archivestudy import Task, run, task_of
from commands._chain import STEP
from commands._comparison import compared
from commands._studied import StudyError
from commands.app import make_app
from nodes._node import Letter, News, Place
from nodes._pipeline import Pipeline, load
from nodes.concentrator import Concentrator
from nodes.detector import Detector
from nodes.trigger import Trigger
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Verdict, Window
from tests.archives import T0
from tests.recordings import simulated_archive

DEVICES, SECONDS = 3, 100
SITE = "station: test\nunknown: admit\n"
NODES = """site: site.yaml
nodes:
  front:      {kind: balancer,     listen: 127.0.0.1:4712}
  receivers:  {kind: receiver,     from: front}
  archive:    {kind: archiver,     from: [receivers, windows], path: data, clip: [-3 s, +4 s]}
  align:      {kind: concentrator, from: receivers}
  windows:    {kind: trigger,      from: align, window: 10 s, every: 5 s, alarm: true}
  prejudge:   {kind: detector,     from: windows, algorithm: emd}
"""
EVENTS = (
    NODES.replace("windows]", "windows, suspects]")
    + """
  suspects:   {kind: trigger,      from: [align, windows], on: suspicion, window: [-40 s, +6 s], answers: [2 s, 6 s],
               neighbours: all, sweep: 20 s}
  identify:   {kind: detector,     from: suspects, algorithm: disturbance}
"""
)
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Devices with gaps; a generator trips after 80 s."""
    folder = tmp_path_factory.mktemp("recorded")
    return simulated_archive(folder / "data", DEVICES, SECONDS, Scenario(Kind.GENERATION_TRIP, 80.0), gaps=True)


def pipeline(folder: Path, nodes: str = NODES) -> Pipeline:
    (folder / "site.yaml").write_text(SITE)
    (folder / "station.yaml").write_text(nodes)
    return load(folder / "station.yaml")


class InLine(Workers):
    """Judges at once, in this process."""

    def __init__(self, judges: Any, workers: int | None = None) -> None:
        self.count = workers or 1
        self.judged = 0
        for name, (settings, place) in judges.items():
            _answers._detectors[name] = Detector(settings, place)
        InLine.last = self

    last: InLine

    def submit(self, asked: Asked) -> Future[list[bytes]]:
        self.judged += 1
        future: Future[list[bytes]] = Future()
        future.set_result(_answers._judge(asked.detector, _answers._bytes(asked.window)))
        return future

    def close(self) -> None:
        _answers._detectors.clear()


@pytest.fixture
def in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands._archivestudy.Workers", InLine)


def quiet(*_: int) -> None:
    """No progress."""


def study(recorded: Path, folder: Path, out: str = "out", workers: int = 1, nodes: str = NODES) -> Path:
    task = task_of(recorded, pipeline(folder, nodes), None, None, folder / out)
    run(task, workers, quiet)
    return task.out


@pytest.fixture(scope="module")
def whole(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A study that nobody broke off, and how many windows were judged for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("commands._archivestudy.Workers", InLine)
        return study(recorded, tmp_path_factory.mktemp("whole")), InLine.last.judged


def verdicts(path: Path) -> dict[tuple[int, int], Row]:
    """(device, start) -> what is said of the window."""
    with open_archive(path) as found:
        rows = found.verdicts()
    names = ("device", "start", "stop", "outcome", "suspicious", "onset", "score", "completeness", "detail", "number")
    return {row[:2]: row[2:] for row in zip(*(rows[name].tolist() for name in names), strict=True)}


def answers(path: Path) -> list[Row]:
    """All that event triggers said, but for when it was kept."""
    with open_archive(path) as found:
        rows = found.answers()
    names = [name for name in rows if name not in ("kept", "took")]
    plain = ([None if each != each else each for each in rows[name].tolist()] for name in names)
    return list(zip(*plain, strict=True))


def by_hand(recorded: Path, folder: Path) -> Iterator[Verdict]:
    """What concentrator, trigger and detector say, each given what the one before said."""
    made = pipeline(folder)
    settings = {name: node.settings for name, node in made.nodes.items()}
    place = {"run": "", "site": {}, "pipeline": "", "copy": 1, "sources": {}}
    align = Concentrator(settings["align"], Place("align", "align", readers_of={}, **place))  # type: ignore[arg-type]
    at = Place("windows", "windows", readers_of={"detector": ["prejudge"]}, **place)  # type: ignore[arg-type]
    windows = Trigger(settings["windows"], at)  # type: ignore[arg-type]
    detector = Detector(settings["prejudge"], Place("prejudge", "prejudge", readers_of={}, **place))  # type: ignore[arg-type]
    begin, number = Now(T0, T0), 0
    list(align.start(begin)), list(windows.start(begin))
    list(align.receive(Announce("a", 1, 0, 0), begin))
    windows.receive(Announce("align", T0, 0, 0), begin)
    with open_archive(recorded) as extract:
        steps = list(Playback(extract, STEP))
    for step in steps:
        now, actions = Now(step.stop, step.stop), []
        for word in step.words:
            actions += align.receive(type(word)(**vars(word) | {"node": "a", "epoch": 1, "number": number}), now)
            number += 1
        actions += align.wake(now)
        if step is steps[-1]:
            actions += align.stop(now)
        for news in (action for action in actions if isinstance(action, News)):
            for said in windows.receive(news.message, now):
                yield from answered(said, windows, detector, now)


def answered(said: Any, windows: Trigger, detector: Detector, now: Now) -> Iterator[Verdict]:
    if isinstance(said, News) and isinstance(said.message, Verdict):
        yield said.message
    elif isinstance(said, Letter) and said.to == "prejudge":
        list(detector.receive(said.message, now))
        for answer in [*detector.wake(now), *detector.wake(now)]:
            assert isinstance(answer, Letter)
            for more in windows.receive(answer.message, now):
                yield from answered(more, windows, detector, now)


@pytest.mark.usefixtures("in_line")
def test_a_study_says_what_the_nodes_say(recorded: Path, whole: tuple[Path, int], tmp_path: Path) -> None:
    wanted = {(int(each.device[0]), each.start): each for each in by_hand(recorded, tmp_path)}
    found = verdicts(whole[0])
    assert found.keys() == wanted.keys()
    for key, (stop, outcome, suspicious, onset, score, completeness, *_) in found.items():
        said = wanted[key]
        assert (stop, outcome, bool(suspicious), onset) == (said.stop, said.outcome, said.suspicious, said.onset)
        assert (score, completeness) == (said.score, said.completeness)
    suspicious = [key for key, row in found.items() if row[2]]
    assert len(suspicious) > DEVICES
    assert any("alarm" in row[6] for row in found.values())


@pytest.mark.usefixtures("in_line")
def test_its_events_have_the_rows_of_the_archive(recorded: Path, whole: tuple[Path, int]) -> None:
    [event] = list_events(whole[0])
    assert abs(event.onset - (T0 + 80 * SECOND)) < 2 * SECOND
    assert event.devices == ["D1", "D2", "D3"]
    import h5py

    with h5py.File(event.files[0]) as file:
        [table] = [name for name in file if name.startswith("rate50")]
        time = file[table]["time"][:]
        np.testing.assert_array_equal(np.diff(time), 20_000_000)
        assert (time[0], time[-1]) == pytest.approx((event.onset - 3e9, event.onset + 4e9), abs=2e7)
    assert not list_events(recorded)


@pytest.mark.usefixtures("in_line")
@pytest.mark.parametrize("stopped_after", [0, 1, 17])
def test_a_study_that_was_broken_off_goes_on(
    recorded: Path, whole: tuple[Path, int], tmp_path: Path, stopped_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, judged = whole
    task = task_of(recorded, pipeline(tmp_path), None, None, tmp_path / "out")
    stop_after(stopped_after, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(task, 1, quiet)
    assert not task.out.exists()
    kept = task.part / "first"
    with kept.open("ab") as file:
        file.write(msgpack.packb([["cut", "off"], [b"x" * 100]])[:-40])
    monkeypatch.undo()
    monkeypatch.setattr("commands._archivestudy.Workers", InLine)
    run(task_of(recorded, pipeline(tmp_path), None, None, tmp_path / "out"), 1, quiet)
    assert InLine.last.judged == judged - stopped_after
    assert verdicts(task.out) == verdicts(undisturbed)
    assert [event.onset for event in list_events(task.out)] == [event.onset for event in list_events(undisturbed)]
    assert not task.part.exists()


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when so many verdicts were taken."""
    taken, take = [0], Answers.take

    def counted(self: Answers, question: Any) -> Verdict:
        if taken[0] == count:
            raise KeyboardInterrupt
        taken[0] += 1
        return take(self, question)

    monkeypatch.setattr(Answers, "take", counted)


FAILING = """
from algorithms.registry import Judgement, Settings, WindowData, algorithm


class Own(Settings):
    pass


@algorithm("failing", version=1)
def judge(window: WindowData, settings: Own) -> Judgement:
    \"\"\"Nothing.\"\"\"
    raise ValueError("no idea")
"""


def test_windows_that_nobody_could_judge_are_counted(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands._archivestudy.Workers", InLine)
    (tmp_path / "failing.py").write_text(FAILING)
    studied = pipeline(tmp_path, NODES.replace("algorithm: emd", "algorithm: ./failing.py"))
    told = run(task_of(recorded, studied, None, None, tmp_path / "out"), None, lambda *_: None)
    assert told["windows"] == told["failed"] + told["incomplete"]
    assert told["failed"] > 0
    assert told["error"] == "ValueError: no idea"


@pytest.mark.slow
def test_workers_are_as_one(recorded: Path, tmp_path: Path) -> None:
    """With real processes, as many as there are."""
    one = study(recorded, tmp_path, "two", workers=2)
    assert len(verdicts(one)) > 50
    told = json.loads((one / "study.json").read_text())
    assert told["windows"] == len(verdicts(one))
    assert told["devices"] == DEVICES


@pytest.mark.usefixtures("in_line")
def test_how_far_the_head_may_go_makes_no_difference(
    recorded: Path, whole: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = verdicts(whole[0])
    monkeypatch.setattr(Answers, "ready", lambda self, question: False)
    assert verdicts(study(recorded, tmp_path, "late")) == undisturbed
    monkeypatch.setattr("commands._chain.AHEAD", 0)
    assert verdicts(study(recorded, tmp_path, "at once")) == undisturbed


def test_kept_verdicts_of_another_study_are_a_fault(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands._archivestudy.Workers", InLine)
    stop_after(5, monkeypatch)
    task = task_of(recorded, pipeline(tmp_path), None, None, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run(task, 1, quiet)
    monkeypatch.undo()
    monkeypatch.setattr("commands._archivestudy.Workers", InLine)
    other = pipeline(tmp_path, NODES.replace("every: 5 s", "every: 4 s"))
    with pytest.raises(StudyError, match="other settings"):
        run(Task(recorded, other, task.start, task.stop, task.out), 1, quiet)
    with pytest.raises(StudyError, match="of another time"):
        task_of(recorded, task.pipeline, "2026-05-03T09:20:10Z", None, task.out)
    kept = task.part / "first"
    kept.write_bytes(msgpack.packb([["prejudge", "windows", 1, 1, 0, [1]], [b""]]))
    with pytest.raises(OtherStudy, match="another study"):
        run(task, 1, quiet)


def test_the_verb_gives_way(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr("commands._polite.give_way", lambda: order.append("gave way"))
    monkeypatch.setattr("commands._archivestudy.Workers", lambda *told: order.append("began") or InLine(*told))
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "station.yaml").write_text(NODES)
    words = ["study", str(recorded), "--pipeline", str(tmp_path / "station.yaml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(make_app(["study", "check"]), words)
    assert (result.exit_code, order) == (0, ["gave way", "began"]), result.output


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nodes._pipeline.load", "stopped; nothing was judged"),
        (
            "commands._answers.Kept.add",
            "stopped; what was judged is in {part}, and the same command goes on from there",
        ),
    ],
)
@pytest.mark.usefixtures("in_line")
def test_ctrl_c_ends_it_at_any_time_with_a_word(
    recorded: Path, tmp_path: Path, where: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("commands._polite.give_way", lambda: None)
    monkeypatch.setattr(where, interrupted)
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "station.yaml").write_text(NODES)
    words = ["study", str(recorded), "--pipeline", str(tmp_path / "station.yaml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(make_app(["study", "check"]), words)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.splitlines() == [said.format(part=tmp_path / "out.part")]


def test_a_worker_that_just_begins_does_not_hear_ctrl_c() -> None:
    with closing(Workers({}, 1)) as workers:
        window = Window("", 0, 1, np.zeros(1, np.uint32), 0, 50, ["x"], np.zeros((1, 1, 1), np.float32),
                        np.zeros((1, 1), np.uint8), 1.0, {})  # fmt: skip
        doing = workers.submit(Asked("nobody", window))
        [pid] = workers._pool._processes
        os.kill(pid, signal.SIGINT)
        with pytest.raises(KeyError, match="nobody"):  # it came to the work, and found that there is no such detector
            doing.result(timeout=60.0)


@pytest.mark.parametrize(
    ("nodes", "words", "what"),
    [
        (NODES.replace("windows]", "align]").rpartition("  windows")[0], (), "no trigger in it"),
        (NODES, ("--from", "2001-01-01", "--to", "2001-01-02"), "no rows in that time"),
        (NODES, ("--from", "2027-01-01", "--to", "2001-01-02"), "ends"),
        (NODES, ("--out", "."), "is there already"),
    ],
)
def test_what_can_not_be_studied_is_said(
    recorded: Path, tmp_path: Path, nodes: str, words: tuple[str, ...], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("commands._polite.give_way", lambda: None)
    if "no trigger" in what:
        nodes = nodes.replace("from: [receivers, align]", "from: receivers")
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "station.yaml").write_text(nodes)
    result = CliRunner().invoke(
        make_app(["study", "check"]), ["study", str(recorded), "--pipeline", "station.yaml", *words]
    )
    assert result.exit_code == 2
    assert what in result.output


@pytest.mark.usefixtures("in_line")
def test_event_triggers_follow(recorded: Path, whole: tuple[Path, int], tmp_path: Path) -> None:
    made = study(recorded, tmp_path, nodes=EVENTS)
    assert verdicts(made) == verdicts(whole[0])
    [event] = list_events(made)
    assert (event.final, event.disturbance, event.kind) == (True, True, "gen_trip")
    assert abs(event.onset - (T0 + 80 * SECOND)) < 2 * SECOND
    assert [answer.answer for answer in find_event(made, event.id).answers] == [1, 2]
    assert {each["trigger"] for each in find_event(made, event.id).answers[-1].suspicions} == {"windows"}


@pytest.mark.slow
@pytest.mark.usefixtures("in_line")
def test_their_answers_do_not_depend_on_the_way_of_work(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answers(study(recorded, tmp_path, "whole", nodes=EVENTS))
    assert whole
    monkeypatch.setattr(Answers, "ready", lambda self, question: False)
    assert answers(study(recorded, tmp_path, "late", nodes=EVENTS)) == whole
    monkeypatch.setattr("commands._chain.QUEUE", 0)
    assert answers(study(recorded, tmp_path, "at once", nodes=EVENTS)) == whole
    monkeypatch.undo()
    monkeypatch.setattr("commands._archivestudy.Workers", InLine)
    stop_after(30, monkeypatch)
    task = task_of(recorded, pipeline(tmp_path, EVENTS), None, None, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run(task, 1, quiet)
    monkeypatch.undo()
    monkeypatch.setattr("commands._archivestudy.Workers", InLine)
    run(task, 1, quiet)
    assert answers(task.out) == whole


@pytest.mark.usefixtures("in_line")
def test_two_studies_are_compared(recorded: Path, tmp_path: Path) -> None:
    one = study(recorded, tmp_path, "one", nodes=EVENTS)
    assert compared(one, one) == []
    dull = EVENTS.replace("algorithm: emd}", "algorithm: emd, settings: {limit: 9999.0}}").replace(", sweep: 20 s", "")
    other = study(recorded, tmp_path, "other", nodes=dull)
    windows, *events = compared(one, other)
    count = sum(bool(row[2]) for row in verdicts(one).values())
    assert windows == {"id": "windows", "judged": [len(verdicts(one))] * 2, "suspicious here only": [count, 0]}
    [event] = list_events(one)
    assert {"id": event.id, "there": [True, False]} in events


class Gone(Workers):
    """Its process ends when it is to judge."""

    def __init__(self, judges: Any, workers: int | None = None) -> None:
        self.count = 1

    def submit(self, asked: Asked) -> Future[list[bytes]]:
        future: Future[list[bytes]] = Future()
        future.set_exception(BrokenProcessPool("gone"))
        return future

    def close(self) -> None:
        """Nothing is left."""


def test_a_worker_that_dies_is_told(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands._archivestudy.Workers", Gone)
    with pytest.raises(WorkerDied, match="prejudge died"):
        study(recorded, tmp_path)
