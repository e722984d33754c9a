"""What the kernel is told of a thread: asked back of the kernel. Each test has a thread of its own to be so."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive import priorities

KERNEL = tuple(int(each) for each in re.findall(r"\d+", os.uname().release)[:2])


def in_thread(work: Callable[[], Any]) -> Any:
    """What it returns, done in a thread that is gone afterwards."""
    said: list[Any] = []
    thread = threading.Thread(target=lambda: said.append(work()))
    thread.start()
    thread.join()
    return said[0]


def state() -> tuple[int, int, int]:
    """(policy, nice value, slice) of the calling thread."""
    own = threading.get_native_id()
    return os.sched_getscheduler(own), os.getpriority(os.PRIO_PROCESS, own), priorities.slice_of(own)


@pytest.mark.skipif(KERNEL < (6, 12), reason="slices of one's own came with Linux 6.12")
def test_who_is_in_haste_has_a_short_slice_and_so_have_its_threads() -> None:
    before = state()

    def work() -> Any:
        priorities.hurry()
        return state(), in_thread(state)

    mine, inherited = in_thread(work)
    assert mine == inherited == (os.SCHED_OTHER, before[1], priorities.SLICE)
    assert before[2] > priorities.SLICE
    assert state() == before, "others are as they were"


def test_who_stands_back_interrupts_nobody() -> None:
    before = state()

    def work() -> Any:
        priorities.hurry()
        priorities.stand_back()
        return state()

    assert in_thread(work) == (os.SCHED_BATCH, *before[1:])


def io_class() -> int:
    """Of the calling thread, for the disk (ioprio_get)."""
    number = {"x86_64": 252, "aarch64": 31}[platform.machine()]
    return int(ctypes.CDLL(None).syscall(number, priorities.PROCESS, 0)) >> priorities.CLASS_SHIFT


@pytest.mark.parametrize("leads", [True, False])
def test_who_gives_way_goes_last(leads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "autogroup"
    monkeypatch.setattr(priorities, "AUTOGROUP", group)
    monkeypatch.setattr(os, "getsid", lambda pid: os.getpid() if leads else os.getppid())
    usual = state()[2]

    def work() -> Any:
        priorities.hurry()
        priorities.give_way()
        return state(), io_class()

    assert in_thread(work) == ((os.SCHED_IDLE, priorities.LAST, usual), priorities.IDLE)
    assert group.exists() == leads, "a session that is others' too stays as it is"


def test_who_goes_behind_keeps_a_share() -> None:
    usual = state()[2]

    def work() -> Any:
        priorities.go_behind()
        return state(), io_class()

    assert in_thread(work) == ((os.SCHED_BATCH, priorities.LAST, usual), priorities.BEST_EFFORT)


def test_a_machine_that_we_have_no_numbers_of_has_its_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priorities, "CALLS", {})

    def work() -> Any:
        priorities.give_way()
        return state()[:2]

    monkeypatch.setattr(os, "getsid", lambda pid: os.getppid())
    assert in_thread(work) == (os.SCHED_IDLE, priorities.LAST)


@pytest.mark.skipif(os.geteuid() != 0, reason="a negative nice value takes root")
def test_who_was_begun_before_others_goes_last_all_the_same() -> None:
    """A node with `nice: -5` begins what merges its hours."""

    def work() -> Any:
        os.setpriority(os.PRIO_PROCESS, 0, -5)
        priorities.go_behind()
        return state()[1]

    assert in_thread(work) == priorities.LAST
