"""Jobs stay in order; memory is bounded by dropping the oldest groups, never a state or the newest word."""

from __future__ import annotations

from nodes._backlog import Backlog, Begin, Group


def group(first: int, size: int) -> Group:
    return Group(first, [[bytes(size)]], [])


def test_jobs_are_done_in_order_and_the_one_at_work_stays_until_it_is_settled() -> None:
    backlog = Backlog(100)
    begin, first, second = Begin(1, 0, []), group(0, 10), group(1, 20)
    for job in (begin, first, second):
        assert backlog.add(job) == []
    assert backlog.next() is backlog.next() is begin
    backlog.settle()
    assert backlog.next() is first
    assert (backlog.size, backlog.added, backlog.settled) == (30, 3, 1)
    assert backlog.groups == [first, second]
    backlog.settle()
    assert backlog.next() is second
    backlog.settle()
    assert (backlog.next(), backlog.size, backlog.empty) == (None, 0, True)


def test_the_oldest_groups_go_but_not_the_one_at_work_nor_the_newest() -> None:
    backlog = Backlog(100)
    first, second, third = group(0, 60), group(1, 30), group(2, 30)
    begin = Begin(None, 0, [])
    backlog.add(first)
    assert backlog.next() is first
    backlog.add(second)
    backlog.add(begin)
    assert backlog.add(third) == [second]
    huge = group(3, 1000)
    assert backlog.add(huge) == [third]
    assert backlog.groups == [first, huge]
    backlog.settle()
    assert backlog.next() is begin
    assert (backlog.size, backlog.added, backlog.settled) == (1000, 5, 3)
