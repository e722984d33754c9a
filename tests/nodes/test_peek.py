"""Looking before taking, against the kernel's own sockets on loopback."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator

import pytest

from nodes._peek import CHUNK, DatagramEnd, StreamEnd

PATIENCE = 5_000


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, StreamEnd]]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        device = socket.create_connection(door.getsockname())
        end = StreamEnd(door.accept()[0])
    with device:
        yield device, end
    end.close()


def wait(end: StreamEnd | DatagramEnd, events: int = select.POLLIN) -> None:
    poll = select.poll()
    poll.register(end.fileno(), events)
    assert poll.poll(PATIENCE)


def until(end: StreamEnd, queued: int) -> None:
    """So many bytes have come."""
    poll = select.poll()
    poll.register(end.fileno(), select.POLLIN)
    while end.queued() < queued:
        assert poll.poll(PATIENCE)


def test_what_was_looked_at_stays(pair: tuple[socket.socket, StreamEnd]) -> None:
    device, end = pair
    assert end.look(0) is None
    device.send(b"abcdef")
    until(end, 6)
    assert end.look(0) == b"abcdef"
    assert end.look(6) is None
    device.send(b"gh")
    until(end, 8)
    assert end.look(6) == b"gh"
    assert end.position(8) == 0
    end.take(5)
    assert (end.look(0), end.position(8), end.queued()) == (b"fgh", 5, 3)


def test_the_end_of_a_stream_is_no_byte_of_it(pair: tuple[socket.socket, StreamEnd]) -> None:
    device, end = pair
    device.send(b"abc")
    device.close()
    wait(end, select.POLLRDHUP)
    assert (end.position(3), end.queued()) == (0, 3)
    end.take(2)
    assert (end.position(3), end.queued()) == (2, 1)
    assert end.look(0) == b"c"
    end.take(1)
    assert (end.position(3), end.look(0)) == (3, b"")


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_a_reset_connection_tells_where_it_stood(pair: tuple[socket.socket, StreamEnd], sent: bytes) -> None:
    device, end = pair
    device.send(sent)
    until(end, len(sent))
    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.close()
    wait(end, select.POLLHUP)
    assert end.position(len(sent)) + end.queued() == len(sent)


def test_an_urgent_byte_is_one_as_all_others(pair: tuple[socket.socket, StreamEnd]) -> None:
    device, end = pair
    device.send(b"abc", socket.MSG_OOB)
    device.send(b"de")
    until(end, 5)
    seen = b""
    while len(seen) < 5:
        piece = end.look(0)
        assert piece
        seen += piece
        end.take(len(piece))
    assert (seen, end.position(5)) == (b"abcde", 5)


def test_much_is_looked_at_in_turns(pair: tuple[socket.socket, StreamEnd]) -> None:
    device, end = pair
    end.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * CHUNK)
    sent = bytes(range(256)) * (CHUNK // 512)
    device.setblocking(False)
    device.send(sent)
    seen, got = 0, b""
    while len(got) < len(sent):
        wait(end)
        piece = end.look(seen)
        if piece:
            seen += len(piece)
            got += piece
        if seen > CHUNK // 8:
            end.take(seen)
            seen = 0
    end.take(seen)
    assert got == sent
    assert (end.position(len(sent)), end.queued()) == (len(sent), 0)


def test_a_duplicate_is_the_same_stream(pair: tuple[socket.socket, StreamEnd]) -> None:
    device, end = pair
    device.send(b"abcdef")
    until(end, 6)
    end.take(2)
    other = StreamEnd(end.copy())
    assert (other.position(6), other.look(0)) == (2, b"cdef")
    other.hang_up()
    assert device.recv(1) == b""
    other.close()


def datagrams() -> tuple[socket.socket, DatagramEnd]:
    bound = socket.socket(type=socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    sender = socket.socket(type=socket.SOCK_DGRAM)
    sender.connect(bound.getsockname())
    return sender, DatagramEnd(bound)


def test_datagrams_are_looked_at_in_turn_and_taken_later() -> None:
    sender, end = datagrams()
    sent = [b"one", b"", b"three", b"", b"", b"six"]
    for each in sent[:4]:
        sender.send(each)
    assert [end.look() for _ in range(3)] == [(b"one", "127.0.0.1"), (b"three", "127.0.0.1"), None]
    end.take(1)
    for each in sent[4:]:
        sender.send(each)
    assert [end.look() for _ in range(2)] == [(b"six", "127.0.0.1"), None]
    end.again()
    assert [end.look() for _ in range(3)] == [(b"three", "127.0.0.1"), (b"six", "127.0.0.1"), None]
    end.take(2)
    assert end.look() is None
    sender.close()
    end.close()


def test_empty_datagrams_don_t_fill_the_queue() -> None:
    sender, end = datagrams()
    for _ in range(3):
        sender.send(b"")
    assert end.look() is None
    with pytest.raises(BlockingIOError):
        end.end.recv(1)
    sender.close()
    end.close()


def test_a_successor_looks_from_the_first_datagram_that_was_not_taken() -> None:
    sender, end = datagrams()
    for each in (b"a", b"b", b"c"):
        sender.send(each)
    assert [end.look() for _ in range(3)][2] == (b"c", "127.0.0.1")
    end.take(1)
    successor = DatagramEnd(end.copy())
    end.close()
    assert successor.look() == (b"b", "127.0.0.1")
    sender.close()
    successor.close()


def test_word_of_an_unreachable_device_is_told_and_does_not_hold_up_what_is_taken() -> None:
    sender, end = datagrams()
    with socket.socket(type=socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = nobody.getsockname()
    sender.send(b"a")
    assert end.look() == (b"a", "127.0.0.1")
    end.end.connect(target)
    end.end.send(b"?")
    wait(end, select.POLLERR)
    end.take(1)
    assert end.look() is None
    sender.close()
    end.close()
