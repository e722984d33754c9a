"""Who may say what to a process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes._authority import Authority, speaker
from nodes._network import Host, Network
from nodes._node import Place
from protocol.messages import (
    Announce,
    Dismissed,
    Durable,
    Fetch,
    Gone,
    RawFrames,
    Shift,
    Tally,
    Verdict,
    Window,
    Worker,
)

COLUMN = np.zeros(1, np.int64)
DEVICE = np.zeros(1, np.uint32)
PLACE = Place(
    name="windows",
    node="windows",
    copy=1,
    readers_of={"archiver": ["archive"], "detector": ["prejudge.1", "prejudge.2"]},
    sources={"concentrator": ["align"]},
    run="/nowhere",
    site={},
    pipeline="",
)


def tally(node: str) -> Tally:
    return Tally(DEVICE, COLUMN, COLUMN, COLUMN, COLUMN, node=node)


def verdict(worker: str, node: str = "") -> Verdict:
    return Verdict("windows", 1, 1, worker, "emd", 1, DEVICE, 0, 1, "ok", False, 0, 0.0, {}, 1.0, node=node)


def window(trigger: str) -> Window:
    return Window(trigger, 1, 1, DEVICE, 0, 50, ["frequency"], np.zeros((1, 1, 1), "f4"), np.zeros((1, 1), "u1"), 1.0)


def frames(node: str) -> RawFrames:
    return RawFrames(node, 1, "Hub A", np.zeros(0, np.uint32), np.zeros(0, np.uint8))


@pytest.mark.parametrize(
    "message",
    [
        Fetch("archive", 1, 0, 5),
        Fetch("prejudge.1", 1, 0, 5),
        Durable("archive", 1, 5),
        verdict("prejudge.2"),
        verdict("prejudge.3"),
        Worker("prejudge.3", "windows", Shift.JOINS),
        tally("align"),
        tally("align/minutes"),
        Announce("align", 1, 2, 0),
        Gone("align", 1, 0, 1),
        window("align"),
        frames("align"),
    ],
    ids=repr,
)
def test_those_who_are_wired_to_us_are_heard(message: Any) -> None:
    assert Authority(PLACE).permits(message, "")


@pytest.mark.parametrize(
    "message",
    [
        Fetch("align", 1, 0, 5),
        Fetch("nobody", 1, 0, 5),
        Fetch("", 1, 0, 5),
        Durable("align", 1, 5),
        verdict("archive"),
        verdict("prejudged"),
        Worker("archive", "windows", Shift.JOINS),
        Worker("", "windows", Shift.GONE),
        Dismissed("archive", "windows"),
        verdict("prejudge.1", node="prejudge.1"),
        tally("archive"),
        tally("archive/align"),
        tally("/align"),
        tally("windows"),
        Announce("prejudge.1", 1, 2, 0),
        Gone("archive", 1, 0, 1),
        window("windows"),
        frames("archive"),
        "no message at all",
    ],
    ids=repr,
)
def test_a_name_that_is_not_entitled_is_refused(message: Any) -> None:
    assert not Authority(PLACE).permits(message, "")


def test_each_speaks_only_from_its_own_host() -> None:
    hosts = {name: Host(name, address, 5600, 5699) for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"))}
    host_of = {"align": "a", "windows": "a", "archive": "a", "prejudge.1": "b", "prejudge.2": "b"}
    authority = Authority(replace(PLACE, network=Network("a", hosts, host_of, Path("/nowhere"))))
    assert authority.permits(verdict("prejudge.1"), "b")
    assert not authority.permits(verdict("prejudge.1"), "a")
    assert not authority.permits(tally("align"), "b")
    assert authority.permits(tally("align/minutes"), "a")
    assert not authority.permits(tally("align/minutes"), "b")
    assert not authority.permits(frames("align"), "b")
    assert not authority.permits(Durable("archive", 1, 5), "?")
    assert authority.permits(Durable("archive", 1, 5), "a")


def test_every_message_says_who_speaks() -> None:
    said = [speaker(each) for each in (tally("r"), verdict("w"), verdict("w", "t"), window("t"), Fetch("x", 1, 0, 1))]
    assert said == ["r", "w", "t", "t", "x"]
    assert speaker(None) == ""
