"""What waits for a slow station, and what counts as sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from nodes._devicetalk import Outbox

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def drained(end: socket.socket) -> bytes:
    data = bytearray()
    while True:
        try:
            part = end.recv(1 << 20)
        except BlockingIOError:
            return bytes(data)
        if not part:
            return bytes(data)
        data += part


def filled(ours: socket.socket, items: int = 400, size: int = 3001) -> tuple[Outbox, list[bytes], int]:
    """An outbox of which the kernel has taken a part."""
    outbox = Outbox()
    sent = [bytes([k % 251]) * size for k in range(items)]
    for item in sent:
        outbox.put(item, 1)
    return outbox, sent, outbox.flush(ours)


def test_items_count_when_their_last_byte_is_taken(pair: Pair) -> None:
    ours, theirs = pair
    outbox, items, done = filled(ours)
    came = drained(theirs)
    assert 0 < done < len(items)
    assert done == len(came) // len(items[0])
    while outbox:
        done += outbox.flush(ours)
        came += drained(theirs)
    assert (done, came, outbox.size) == (len(items), b"".join(items), 0)


def test_answers_count_for_nothing(pair: Pair) -> None:
    outbox = Outbox()
    for item, count in ((b"answer", 0), (b"data", 1), (b"both", 2)):
        outbox.put(item, count)
    assert outbox.flush(pair[0]) == 3
    assert drained(pair[1]) == b"answerdataboth"


def test_it_is_full_by_bytes() -> None:
    outbox = Outbox(limit=10)
    outbox.put(b"123456789", 1)
    assert not outbox.full
    outbox.put(b"0", 1)
    assert outbox.full


def test_finish_completes_the_half_sent_item_only(pair: Pair) -> None:
    ours, theirs = pair
    outbox, items, done = filled(ours)
    came = drained(theirs)
    assert len(came) % len(items[0])
    assert outbox.finish(ours, 1.0) == 1
    came += drained(theirs)
    assert came == b"".join(items[: done + 1])
    assert not outbox


def test_finish_of_whole_items_sends_nothing(pair: Pair) -> None:
    outbox = Outbox()
    outbox.put(b"data", 1)
    assert outbox.finish(pair[0], 1.0) == 0
    assert drained(pair[1]) == b""


def test_finish_gives_up_on_a_station_that_does_not_read(pair: Pair) -> None:
    outbox, _, _ = filled(pair[0], items=2, size=8 << 20)
    with pytest.raises(TimeoutError):
        outbox.finish(pair[0], 0.01)


def test_a_station_that_is_gone_is_an_error(pair: Pair) -> None:
    outbox = Outbox()
    outbox.put(b"data", 1)
    pair[1].close()
    with pytest.raises(OSError, match="Broken pipe"):
        outbox.flush(pair[0])
