from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from algorithms.leases import Dead, Leases

SECOND = 1_000_000_000


def leases(workers: int = 2, **more: int) -> Leases[str]:
    settings = {"in_flight": 16, "timeout": 30 * SECOND, "attempts": 3} | more
    return Leases([f"w{n + 1}" for n in range(workers)], **settings)


def sent(table: Leases[str], mono: int = 0) -> list[tuple[str, int, str]]:
    return [(one.work, one.attempt, one.worker) for one in table.send(mono)]


def test_work_goes_to_the_freest_two_at_most_each():
    table = leases()
    for name in "abcdef":
        table.add(name)
    assert sent(table) == [("a", 1, "w1"), ("b", 1, "w2"), ("c", 1, "w1"), ("d", 1, "w2")]
    assert (table.waiting, table.out) == (2, 4)
    assert table.done(1, "w2") == "b"
    assert sent(table) == [("e", 1, "w2")]


def test_no_more_in_flight_than_told():
    table = leases(workers=9, in_flight=3)
    for name in "abcdef":
        table.add(name)
    assert len(sent(table)) == 3


def test_urgent_work_goes_first_but_lets_one_of_the_others_through_now_and_then():
    table, order = leases(workers=1), []
    for k in range(7):
        table.add(f"usual {k}")
    for k in range(10):
        table.add(f"urgent {k}", urgent=True)
    while table.waiting:
        for one in table.send(0):
            order.append(one.work)
            table.done(one.lease, one.worker)
    assert [at for at, work in enumerate(order) if work.startswith("usual")] == [4, 9, 12, 13, 14, 15, 16]
    assert [work for work in order if work.startswith("urgent")] == [f"urgent {k}" for k in range(10)]


def test_without_workers_everything_waits():
    table = leases(workers=0)
    table.add("a")
    assert sent(table) == []
    assert table.waiting == 1


def test_a_failure_goes_to_another_worker_and_dies_after_the_last_attempt():
    table = leases(attempts=2)
    lease = table.add("a")
    assert sent(table) == [("a", 1, "w1")]
    assert table.failed(lease, 1, "w1", "boom") is None
    assert sent(table) == [("a", 2, "w2")]
    assert table.failed(lease, 1, "w1", "boom again") is None  # the twin of a lost attempt
    assert table.failed(lease, 2, "w2", "bang") == Dead("a", lease, 2, "bang")
    assert (table.waiting, table.out, table.resent) == (0, 0, 1)


def test_a_silent_worker_loses_its_work_and_is_asked_last():
    table = leases()
    table.add("a")
    sent(table)
    assert table.wake_at() == 30 * SECOND
    assert table.expire(30 * SECOND - 1) == []
    assert table.expire(30 * SECOND) == []
    table.add("b")
    table.add("c")
    assert sent(table, 30 * SECOND) == [("a", 2, "w2"), ("b", 1, "w2"), ("c", 1, "w1")]


def test_silence_to_the_end_is_death():
    table = leases(workers=1, attempts=2)
    lease = table.add("a")
    sent(table, 0)
    assert table.expire(30 * SECOND) == []
    sent(table, 30 * SECOND)
    [dead] = table.expire(60 * SECOND)
    assert dead == Dead("a", lease, 2, "no answer from w1 within 30 s")


def test_a_late_answer_counts_once():
    table = leases()
    lease = table.add("a")
    sent(table)
    table.expire(30 * SECOND)
    assert table.done(lease, "w1") == "a"  # it waited to be sent again
    assert (table.waiting, table.out) == (0, 0)
    assert table.done(lease, "w2") is None
    assert table.done(12345, "w2") is None


@given(st.lists(st.sampled_from(["add", "send", "ok", "fail", "tick"]), max_size=200), st.integers(1, 4))
def test_every_piece_ends_exactly_once(steps: list[str], workers: int):
    table, out, ended, made = leases(workers, timeout=10, in_flight=5), [], [], 0
    for now, step in enumerate([*steps, *["send", "ok"] * (steps.count("add") * 3)]):
        if step == "add":
            table.add(str(made))
            made += 1
        elif step == "send":
            out += list(table.send(now))
        elif step == "ok" and out:
            one = out.pop(0)
            ended += [work for work in [table.done(one.lease, one.worker)] if work is not None]
        elif step == "fail" and out:
            one = out.pop(0)
            dead = table.failed(one.lease, one.attempt, one.worker, "x")
            ended += [dead.work] if dead else []
        elif step == "tick":
            ended += [dead.work for dead in table.expire(now)]
        assert table.out <= 5
    assert len(ended) == len(set(ended))
    assert made == len(ended) + table.waiting + table.out
    assert table.waiting == 0


def test_a_worker_that_joins_is_given_work_and_one_that_leaves_is_not():
    table = leases(workers=1)
    for name in "abcdef":
        table.add(name)
    assert [worker for *_, worker in sent(table)] == ["w1", "w1"]
    table.join("w2")
    table.join("w1")  # it is there already, and has two
    assert sent(table) == [("c", 1, "w2"), ("d", 1, "w2")]
    table.leave("w1")
    assert table.workers == ["w2"]
    assert table.done(0, "w1") == "a"  # what it has it may still answer
    assert sent(table) == []
    table.join("w1")  # it has one yet
    assert sent(table) == [("e", 1, "w1")]


def test_what_a_worker_had_that_is_gone_is_no_attempt_and_goes_first():
    table = leases(attempts=1)
    for name in "abcde":
        table.add(name)
    sent(table)
    table.forget("w1")
    assert (table.waiting, table.out, table.workers) == (3, 2, ["w2"])
    assert table.done(1, "w2") == "b"
    assert table.done(3, "w2") == "d"
    assert {work for work, attempt, worker in sent(table) if (attempt, worker) == (1, "w2")} == {"a", "c"}
    assert table.done(0, "w1") == "a"  # it had answered before it went
    table.forget("nobody")


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "forget", "done", "add"]), st.integers(0, 3)), max_size=60))
def test_whoever_comes_and_goes_all_work_is_answered_once(acts):
    table, answered, at = leases(workers=0, attempts=1), [], {}
    added = 0
    for act, number in acts:
        worker = f"w{number}"
        if act == "add":
            table.add(str(added))
            added += 1
        elif act == "done":
            mine = next((lease for lease, who in at.items() if who == worker), None)
            if mine is not None:
                del at[mine]
                answered.append(table.done(mine, worker))
        else:
            getattr(table, act)(worker)
            at = {lease: who for lease, who in at.items() if act != "forget" or who != worker}
        for one in table.send(0):
            assert one.worker in table.workers
            at[one.lease] = one.worker
    table.join("w9")
    while table.waiting or table.out:
        at |= {one.lease: one.worker for one in table.send(0)}
        for lease, who in list(at.items()):
            answered.append(table.done(lease, who))
        at.clear()
    assert sorted(work for work in answered if work is not None) == sorted(str(k) for k in range(added))
