"""Messages survive the wire; what is no message is refused without harm."""

import dataclasses

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import wire
from protocol.messages import REGISTRY, Announce, Table, Tally, Verdict, device_number, split_device


def tally() -> Tally:
    column = np.arange(3, dtype=np.int64)
    return Tally(column.astype(np.uint32), column, column * 2, column * 3, column * 4, node="r.1", epoch=5, number=6)


def carried(message):
    return wire.unpack([bytes(part) for part in wire.pack(message)])


def test_arrays_and_fields_come_back_as_they_went():
    came = carried(tally())
    assert (came.node, came.epoch, came.number) == ("r.1", 5, 6)
    for name in ("device", "received", "corrupt", "refused", "lost"):
        np.testing.assert_array_equal(getattr(came, name), getattr(tally(), name))
        assert getattr(came, name).dtype == getattr(tally(), name).dtype
    assert not came.received.flags.writeable


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (2, 3)])
def test_empty_and_odd_shapes(shape):
    message = dataclasses.replace(tally(), received=np.zeros(shape, np.int64))
    assert carried(message).received.shape == shape


def test_big_endian_and_strided_arrays_arrive_as_their_values():
    values = np.arange(10, dtype=">i8")[::2]
    np.testing.assert_array_equal(carried(dataclasses.replace(tally(), received=values)).received, [0, 2, 4, 6, 8])


def test_a_newer_sender_and_an_older_sender_are_understood():
    tag, header = wire.pack(Announce("w", 1, 2, 3))
    values, arrays = msgpack.unpackb(header)
    newer = msgpack.packb([[*values, "a field of the future"], arrays])
    assert wire.unpack([tag, newer]) == Announce("w", 1, 2, 3)
    verdict = Verdict("t", 1, 1, "w", "emd", 1, np.ones(1, np.uint32), 0, 1, "ok", False, 0, 0.0, {}, 1.0, "late field")
    tag, header, *parts = wire.pack(verdict)
    values, arrays = msgpack.unpackb(header)
    keep = [field.name for field in dataclasses.fields(Verdict)].index("error")
    older = wire.unpack([tag, msgpack.packb([values[:keep], arrays]), *parts])
    assert (older.error, older.completeness, older.node) == ("", 1.0, "")


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"TAL"],
        [b"???", b"\x90"],
        [b"TAL", b"\xc1"],
        [b"TAL", msgpack.packb([[None], []])],
        [b"TAL", msgpack.packb([[None], [["<i8", [2]]]]), b"12345678"],
        [b"TAL", msgpack.packb([[None], [["O", [1]]]]), b"12345678"],
        [b"TAL", msgpack.packb([[None], [["<i8", [-1]]]]), b"12345678"],
        [b"TAL", msgpack.packb([[None], [["no dtype", [1]]]]), b"12345678"],
        [b"TAL", msgpack.packb([1, 2, 3])],
        [b"ANN", msgpack.packb([["only a name"], []])],
    ],
)
def test_what_is_no_message_is_refused(parts):
    with pytest.raises(wire.WireError):
        wire.unpack(parts)


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from(sorted(REGISTRY)))
def test_garbage_never_raises_anything_else(parts, tag):
    with pytest.raises(wire.WireError):
        wire.unpack([tag, *parts])


def test_an_oversized_header_is_refused_unread():
    with pytest.raises(wire.WireError, match="limit"):
        wire.unpack([b"ANN", bytes(wire.MAX_HEADER + 1)])


@given(st.integers(1, 65535), st.integers(0, 65535))
def test_device_numbers_take_apart(link, station):
    assert split_device(device_number(link, station)) == (link, station)
    assert device_number(link, station) < 2**32


def test_table_names_and_channels():
    assert Table(50, 4, 1, 2).name == "rate50_ph4_an1_dg2"
    assert Table(-5, 0, 0, 0).name == "every5s_ph0_an0_dg0"
    assert Table(50, 4, 1, 2).channels == 11
