"""`syms start`, `stop`, `restart`: what would be done; `syms scale`, `swap` of a pipeline that is not up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commands import _acts, _wirings
from commands import app as syms
from commands._acts import plan
from commands._plan import Do, Running
from nodes._faults import Faulty
from nodes._kinds import KINDS
from nodes._pipeline import Pipeline, load

NODES = """\
site: site.yaml
nodes:
  front:      {kind: balancer, listen: "127.0.0.1:4712"}
  receivers:  {kind: receiver, from: front, copies: 2}   # two
  archive:    {kind: archiver, from: [receivers, windows], path: data}
  align:      {kind: concentrator, from: receivers}
  windows:    {kind: trigger, from: align, window: 20 s, every: 10 s}
  prejudge:   {kind: detector, from: windows, copies: 2, settings: {limit: 4, block: 2 s}}
"""
Verb = Callable[..., tuple[int, str]]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYMS_RUN", str(tmp_path / "run"))
    (tmp_path / "site.yaml").write_text("station: test\nunknown: admit\n")
    file = tmp_path / "station.yaml"
    file.write_text(NODES)
    return file


@pytest.fixture
def pipeline(path: Path) -> Pipeline:
    return load(path)


def running(pipeline: Pipeline) -> list[Running]:
    return [Running(name, pipeline, name) for name in pipeline.local]


def told(pipeline: Pipeline, do: Do, *names: str, down: tuple[str, ...] = ()) -> list[str]:
    alive = set(pipeline.local) - set(down)
    return [f"{step.do} {step.process}" for step in plan(do, running(pipeline), names, alive)]


def test_a_node_is_all_its_processes_readers_first(pipeline: Pipeline) -> None:
    assert told(pipeline, Do.RESTART, "front", "receivers", "archive") == [
        "restart archive", "restart receivers.2", "restart receivers.1", "restart front",
    ]  # fmt: skip
    assert told(pipeline, Do.STOP, "prejudge", "windows") == ["stop windows", "stop prejudge.1", "stop prejudge.2"]


def test_a_receiver_that_stops_gives_its_connections_to_another(pipeline: Pipeline) -> None:
    assert told(pipeline, Do.STOP, "receivers.1") == ["leave receivers.1"]
    [last] = plan(Do.STOP, running(pipeline), ["receivers.1"], set(pipeline.local) - {"receivers.2"})
    assert (last.do, last.cost) == (Do.STOP, _acts.LAST)
    assert told(pipeline, Do.STOP, "receivers") == ["stop receivers.1", "stop receivers.2"]


def test_what_is_so_already_is_left(pipeline: Pipeline) -> None:
    assert told(pipeline, Do.STOP, "align", down=("align",)) == []
    assert told(pipeline, Do.START, "align", "archive", down=("align",)) == ["start align"]
    assert told(pipeline, Do.RESTART, "align", down=("align",)) == []


def test_every_kind_has_its_cost() -> None:
    assert set(_acts.STOP) == set(_acts.RESTART) == set(KINDS)


def test_an_unknown_name(pipeline: Pipeline) -> None:
    with pytest.raises(typer.BadParameter, match="did you mean 'align'"):
        told(pipeline, Do.STOP, "aling")


@pytest.fixture
def verb() -> Verb:
    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(syms.make_app([words[0]]), list(words))
        if isinstance(result.exception, Faulty):
            return 2, str(result.exception)
        return result.exit_code, result.output

    return run


def test_scale_writes_the_copies(path: Path, verb: Verb) -> None:
    assert verb("scale", str(path), "receivers", "5", "--dry-run")[0] == 0
    assert path.read_text() == NODES
    code, output = verb("scale", str(path), "receivers", "5", "--json")
    assert (code, json.loads(output)["plan"]) == (0, None)
    assert path.read_text() == NODES.replace("front, copies: 2}   # two", "front, copies: 5}   # two")


@pytest.mark.parametrize(("node", "copies", "what"), [("align", "2", "can't be shared"), ("receivers", "0", "copies")])
def test_a_faulty_number_changes_nothing(path: Path, verb: Verb, node: str, copies: str, what: str) -> None:
    code, output = verb("scale", str(path), node, copies)
    assert code == 2
    assert what in output
    assert path.read_text() == NODES
    assert list(path.parent.glob(".*")) == []


def test_an_unknown_node(path: Path, verb: Verb) -> None:
    code, output = verb("scale", str(path), "recievers", "3")
    assert code == 2
    assert "did you mean 'receivers'" in " ".join(output.split())


def test_the_present_algorithm_keeps_what_is_not_named(path: Path, verb: Verb) -> None:
    assert verb("swap", str(path), "prejudge", "--setting", "limit=5")[0] == 0
    assert "settings: {limit: 5, block: 2 s}}" in path.read_text()


def test_another_algorithm_begins_with_its_defaults(path: Path, verb: Verb) -> None:
    assert verb("swap", str(path), "prejudge", "--algorithm", "rocof", "--setting", "block=500 ms")[0] == 0
    assert "copies: 2, settings: {block: 500 ms}, algorithm: rocof}" in path.read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("prejudge", "--algorithm", "rocoff"), "no algorithm is called"),
        (("prejudge", "--setting", "limt=5"), "limt"),
        (("prejudge", "--setting", "limit"), "NAME=VALUE"),
        (("prejudge",), "nothing is to be changed"),
        (("prejudge", "--algorithm", "emd"), "nothing is to be changed"),
        (("windows", "--algorithm", "rocof"), "detectors have algorithms"),
        (("prejudge", "--algorithm", "disturbance"), "judges several devices"),
    ],
)
def test_a_faulty_swap_changes_nothing(path: Path, verb: Verb, words: tuple[str, ...], what: str) -> None:
    code, output = verb("swap", str(path), *words)
    assert code == 2
    assert what in " ".join(output.replace("│", "").split())
    assert path.read_text() == NODES


def test_texts_are_kept_by_what_they_say(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    name = _wirings.keep(pipeline)
    assert name == _wirings.keep(pipeline) == _wirings.name_of(pipeline.text)
    pipeline.path.write_text("nodes: nonsense")  # what runs goes by the kept one
    assert _wirings.recall(pipeline, name).nodes == pipeline.nodes
    assert _wirings.followed(pipeline.run, "front") == ""
    _wirings.follow(pipeline.run, "front", name)
    assert _wirings.followed(pipeline.run, "front") == name
    _wirings.follow_no_more(pipeline.run, "front")
    _wirings.follow_no_more(pipeline.run, "front")
    assert _wirings.followed(pipeline.run, "front") == ""
