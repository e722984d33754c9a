"""Notes between a balancer and its receivers: what is none ends the conversation, and nothing stays open."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from nodes._handover import Balancers, Channel, listen, path
from protocol.clock import Now

Ends = tuple[socket.socket, Channel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """(a stranger's end, our channel)"""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel = Channel(ours)
    yield theirs, channel
    channel.close()
    theirs.close()


def test_a_note_comes_with_its_descriptors(ends: Ends) -> None:
    theirs, channel = ends
    note = {"say": "ended", "connection": 1, "reason": "closed"}
    socket.send_fds(theirs, [msgpack.packb(note)], [theirs.fileno()])
    [(came, descriptors)] = list(channel.notes())
    assert came == note
    assert len(descriptors) == 1
    os.close(descriptors[0])
    assert channel.alive


def test_what_a_killed_one_had_said_is_heard_with_its_descriptors(ends: Ends) -> None:
    """Also if it had not read what we said, and we say more: then the kernel tells of its end first."""
    theirs, channel = ends
    for connection in (1, 2):
        note = {"say": "ended", "connection": connection, "reason": "closed"}
        socket.send_fds(theirs, [msgpack.packb(note)], [0])
    channel.say("passes", connection=1)
    theirs.close()
    channel.say("passes", connection=2)
    heard = channel.notes()
    note, first = next(heard)
    assert (note["connection"], channel.alive) == (1, True)
    channel.say("passes", connection=3)
    [(note, second)] = heard
    assert (note["connection"], channel.alive) == (2, False)
    for each in (*first, *second):
        os.close(each)


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",
        msgpack.packb(["say", "ended"]),
        msgpack.packb({"say": "ended", "connection": "1", "reason": ""}),
        msgpack.packb({"say": "ended", "reason": ""}),
        msgpack.packb({"say": "nobody says this"}),
        msgpack.packb({"say": "link", "connection": 1, "how": "tcp", "peer": 7}),
        b"\x91" * 2000,
    ],
    ids=["no msgpack", "a list", "a text for a number", "a field is missing", "an unknown note", "no peer", "deep"],
)
def test_nonsense_is_hung_up_on_and_leaves_no_descriptor(ends: Ends, data: bytes) -> None:
    theirs, channel = ends
    before = len(os.listdir("/proc/self/fd"))
    socket.send_fds(theirs, [data], [theirs.fileno()])
    assert list(channel.notes()) == []
    assert not channel.alive
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_turn_hears_so_many_notes_and_leaves_the_others(tmp_path: Path) -> None:
    with listen(path(str(tmp_path), "front")) as door:
        balancers = Balancers(str(tmp_path), "receivers.1", ["front"])
        assert list(balancers.hear(Now(0, 0), 10)) == []
        theirs = Channel(door.accept()[0])
        for connection in range(7):
            theirs.say("drop", connection=connection, number=1, reason="a test")
        heard = [[note["connection"] for _, note, _ in balancers.hear(Now(0, 0), 3)] for _ in range(4)]
        assert heard == [[0, 1, 2], [3, 4, 5], [6], []]
        theirs.close()
        balancers.close()
