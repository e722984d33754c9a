"""What `syms up` on an edited file would do: from what runs and the new file to the steps, without any process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import _plan
from commands._plan import Do, Plan, Running
from nodes._node import StartError
from nodes._pipeline import Pipeline, load

NODES = """\
front:      {kind: balancer, listen: "127.0.0.1:4712"}
receivers:  {kind: receiver, from: front, copies: 2}
archive:    {kind: archiver, from: [receivers, windows], path: data}
align:      {kind: concentrator, from: receivers}
windows:    {kind: trigger, from: align, window: 20 s, every: 10 s}
prejudge:   {kind: detector, from: windows, copies: 2}
watch:      {kind: monitor}
"""
Read = Callable[[str], Pipeline]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Nodes to the checked pipeline of them."""
    (tmp_path / "site.yaml").write_text("station: test\nunknown: admit\n")

    def made(nodes: str) -> Pipeline:
        path = tmp_path / "station.yaml"
        path.write_text("site: site.yaml\nnodes:\n" + "".join(f"  {line}\n" for line in nodes.splitlines()))
        return load(path)

    return made


def running(pipeline: Pipeline) -> list[Running]:
    """All of it runs."""
    return [Running(name, pipeline, name) for name in pipeline.local]


def made(read: Read, old: str, new: str) -> Plan:
    before = running(read(old))
    return _plan.make(before, read(new))


def steps(plan: Plan) -> list[str]:
    return [f"{step.do} {step.process}" for step in plan.steps]


def told(plan: Plan) -> str:
    return "\n".join(_plan.lines(plan)) + "\n"


def test_the_same_file_changes_nothing(read: Read) -> None:
    plan = made(read, NODES, NODES)
    assert (plan.differences, plan.steps) == ([], [])
    assert plan.kept == ["front", "receivers.1", "receivers.2", "archive", "align", "windows", "prejudge.1",
                         "prejudge.2", "watch"]  # fmt: skip


def test_what_means_the_same_is_the_same(read: Read) -> None:
    other = NODES.replace("window: 20 s", "window: 20000 ms") + "# a remark\n"
    assert made(read, NODES, other.replace("from: receivers}", "from: [receivers], wait: 100 ms}")).steps == []


def test_another_setting_restarts_that_node_alone(read: Read) -> None:
    plan = made(read, NODES, NODES.replace("from: receivers}", "from: receivers, wait: 500 ms}"))
    assert told(plan) == dedent("""\
        ~ align (concentrator)
            wait: default → 500 ms
        what is done, in this order:
          restart align: other settings: wait
              slots come 1 to 3 s late; nothing is lost
        untouched: front, receivers.1, receivers.2, archive, windows, prejudge.1, prejudge.2, watch
        """)


def test_another_nice_value_restarts_too(read: Read) -> None:
    plan = made(read, NODES, NODES.replace("from: receivers}", "from: receivers, nice: -5}"))
    assert told(plan).startswith("~ align (concentrator)\n    nice: default → -5\n")
    assert steps(plan) == ["restart align"]


def test_another_algorithm_rolls(read: Read) -> None:
    """One more of the new ones joins before the first of the old ones goes, and leaves at the end."""
    plan = made(read, NODES, NODES.replace("windows, copies", "windows, algorithm: rocof, copies"))
    assert told(plan) == dedent("""\
        ~ prejudge (detector)
            algorithm: default → rocof
        what is done, in this order:
          stand in prejudge.3: so that prejudge goes on meanwhile
          restart prejudge.1: other settings: algorithm
              it judges what it has first; no window is lost or judged twice
          restart prejudge.2: other settings: algorithm
              it judges what it has first; no window is lost or judged twice
          stop prejudge.3: it only stood in
              it judges what it has first; no window is lost or judged twice
        untouched: front, receivers.1, receivers.2, archive, align, windows, watch
        """)
    assert plan.steps[0].of == "prejudge.1"


def test_a_new_copy_needs_no_stand_in(read: Read) -> None:
    more = NODES.replace("windows, copies: 2", "windows, algorithm: rocof, copies: 3")
    assert steps(made(read, NODES, more)) == ["start prejudge.3", "restart prejudge.1", "restart prejudge.2"]


def test_detectors_join_and_leave_without_their_trigger(read: Read) -> None:
    more = NODES.replace("windows, copies: 2", "windows, copies: 4")
    assert steps(made(read, NODES, more)) == ["start prejudge.3", "start prejudge.4"]
    assert steps(made(read, more, NODES)) == ["stop prejudge.3", "stop prejudge.4"]


def test_a_single_detector_that_becomes_two(read: Read) -> None:
    """Its name changes: the new ones are there before it goes."""
    one = NODES.replace("windows, copies: 2", "windows")
    assert steps(made(read, one, NODES)) == ["start prejudge.1", "start prejudge.2", "stop prejudge"]


def test_who_watches_hears_of_who_comes_and_goes(read: Read) -> None:
    watched = NODES + 'pages:      {kind: console, from: align, listen: "127.0.0.1:8080"}\n'
    for old, new in ((1, 2), (2, 1)):
        plan = made(read, *(watched.replace("windows, copies: 2", f"windows, copies: {many}") for many in (old, new)))
        [step] = [each for each in plan.steps if each.process == "pages"]
        assert step.do == Do.RESTART
        assert "it watches prejudge" in step.why
    again = watched.replace("from: windows, copies", "from: windows, algorithm: rocof, copies")
    assert "pages" in made(read, watched, again).kept


def test_one_receiver_more(read: Read) -> None:
    plan = made(read, NODES, NODES.replace("front, copies: 2", "front, copies: 3"))
    assert told(plan) == dedent("""\
        ~ receivers (receiver)
            copies: 2 → 3
        what is done, in this order:
          start receivers.3: receivers wants it
          restart archive: it reads receivers.3 too
              rows wait in the receivers' journals, 1 to 3 s; nothing is lost
          restart align: it reads receivers.3 too
              slots come 1 to 3 s late; nothing is lost
        untouched: front, receivers.1, receivers.2, windows, prejudge.1, prejudge.2, watch
        """)


def test_one_receiver_less_hands_on_before_its_readers_forget_it(read: Read) -> None:
    plan = made(read, NODES.replace("front, copies: 2", "front, copies: 3"), NODES)
    assert steps(plan) == ["leave receivers.3", "restart archive", "restart align"]
    assert plan.steps[0].cost == _plan.REMOVE["receiver"]
    assert plan.steps[1].why == "it reads receivers.3 no more"


def test_a_renamed_node_is_a_new_one_and_one_that_leaves(read: Read) -> None:
    plan = made(read, NODES, NODES.replace("receivers", "readers"))
    assert [(each.what, each.node) for each in plan.differences] == [
        ("added", "readers"), ("changed", "archive"), ("changed", "align"), ("removed", "receivers"),
    ]  # fmt: skip
    assert steps(plan) == [
        "start readers.1", "start readers.2", "leave receivers.1", "leave receivers.2", "restart archive",
        "restart align", "restart front",
    ]  # fmt: skip


def test_what_may_need_the_same_port_or_folder_comes_after_what_goes(read: Read) -> None:
    """The renamed archiver writes where the old one wrote."""
    plan = made(read, NODES, NODES.replace("archive:", "store:"))
    assert steps(plan) == [
        "stop archive", "restart windows", "restart receivers.1", "restart receivers.2", "start store",
    ]  # fmt: skip


def test_a_trigger_that_goes_takes_its_detectors_and_hands_on_its_verdicts(read: Read) -> None:
    less = "".join(line for line in NODES.splitlines(True) if not line.startswith(("windows", "prejudge")))
    plan = made(read, NODES, less.replace("[receivers, windows]", "receivers"))
    assert steps(plan) == [
        "leave windows", "stop prejudge.1", "stop prejudge.2", "restart archive", "restart align",
    ]  # fmt: skip


def test_a_new_branch(read: Read) -> None:
    branch = """\
patient:    {kind: concentrator, from: receivers, wait: 500 ms}
volts:      {kind: trigger, from: patient, of: magnitude 1, window: 30 s, every: 15 s}
sags:       {kind: detector, from: volts}
"""
    plan = made(read, NODES, NODES.replace("windows]", "windows, volts]") + branch)
    assert steps(plan) == [
        "start sags", "start volts", "start patient", "restart archive", "restart receivers.1", "restart receivers.2",
    ]  # fmt: skip
    assert plan.steps[4].why == "it is read by patient too"


def test_the_last_receiver_of_a_balancer_that_goes_too_has_nobody_to_give_to(read: Read) -> None:
    two = NODES.replace("from: receivers}", "from: [receivers, others]}").replace(
        "[receivers, w", "[receivers, others, w"
    )
    two += 'gate: {kind: balancer, listen: "127.0.0.1:4713"}\nothers: {kind: receiver, from: gate}\n'
    plan = made(read, two, NODES)
    assert steps(plan) == ["stop gate", "leave others", "restart archive", "restart align"]
    assert plan.steps[1].cost == "its devices were hung up on; its rows go to their readers"


def test_a_stand_in_that_was_left_goes(read: Read) -> None:
    """The command was killed before it ended it."""
    pipeline = read(NODES)
    left = Running("prejudge.3", pipeline, "prejudge.1")
    plan = _plan.make([*running(pipeline), left], pipeline)
    assert [(step.do, step.process, step.why) for step in plan.steps] == [
        (Do.STOP, "prejudge.3", "it only stood in")
    ]  # fmt: skip
    more = read(NODES.replace("windows, copies: 2", "windows, copies: 3"))
    assert steps(_plan.make([*running(pipeline), left], more)) == ["restart prejudge.3"]


def test_one_that_was_leaving_goes_on_leaving_or_comes_back(read: Read) -> None:
    pipeline = read(NODES)
    leaving = [replace(each, leaving=each.name == "receivers.2") for each in running(pipeline)]
    assert steps(_plan.make(leaving, pipeline)) == ["restart receivers.2"]
    less = read(NODES.replace("from: front, copies: 2", "from: front"))
    assert steps(_plan.make(leaving, less))[:3] == ["start receivers", "leave receivers.1", "leave receivers.2"]


def test_half_done_is_finished(read: Read) -> None:
    """Some run by the former wiring, some by the new one: only the former are restarted."""
    old, new = read(NODES), read(NODES.replace("windows, copies", "windows, algorithm: rocof, copies"))
    half = [Running(name, new if name == "prejudge.1" else old, name) for name in old.local]
    plan = _plan.make(half, new)
    assert steps(plan) == ["restart prejudge.2"]
    assert [each.node for each in plan.differences] == ["prejudge"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            NODES,
            NODES.replace("watch:      {kind: monitor}", "watch: {kind: concentrator, from: receivers}"),
            "give it",
        ),
    ],
)
def test_what_can_not_be_changed_is_refused(read: Read, old: str, new: str, what: str) -> None:
    with pytest.raises(StartError, match=what):
        made(read, old, new)


def test_a_journal_stays_where_it_is(read: Read) -> None:
    pipeline = read(NODES)
    with pytest.raises(StartError, match="journal can't move"):
        _plan.make(running(pipeline), replace(pipeline, journal=Path("/elsewhere")))


@settings(max_examples=25)
@given(old=st.tuples(*[st.integers(1, 4)] * 2), new=st.tuples(*[st.integers(1, 4)] * 2))
def test_after_the_steps_everything_is_as_the_file_says(
    tmp_path_factory: pytest.TempPathFactory, old: tuple[int, int], new: tuple[int, int]
) -> None:
    """The steps, done on paper, leave exactly the processes of the new file, and a second plan is empty."""
    folder = tmp_path_factory.mktemp("plan")
    (folder / "site.yaml").write_text("station: test\nunknown: admit\n")

    def pipeline(receivers: int, detectors: int) -> Pipeline:
        nodes = NODES.replace("front, copies: 2", f"front, copies: {receivers}")
        nodes = nodes.replace("windows, copies: 2", f"windows, copies: {detectors}")
        path = folder / "station.yaml"
        path.write_text("site: site.yaml\nnodes:\n" + "".join(f"  {line}\n" for line in nodes.splitlines()))
        return load(path)

    before, after = running(pipeline(*old)), pipeline(*new)
    there = {each.name: each for each in before}
    for step in _plan.make(before, after).steps:
        if step.do in (Do.LEAVE, Do.STOP):
            del there[step.process]
        else:
            assert (step.do == Do.RESTART) == (step.process in there)
            there[step.process] = Running(step.process, after, step.of or step.process)
        assert any(name.startswith("receivers") for name in there)
        assert any(name.startswith("prejudge") for name in there)
    assert there.keys() == after.local.keys()
    assert _plan.make(list(there.values()), after).steps == []
