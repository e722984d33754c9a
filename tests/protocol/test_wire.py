"""Messages survive the wire; what is no message is refused without harm."""

import dataclasses

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import wire
from protocol.messages import (
    REGISTRY,
    Announce,
    Measurements,
    Table,
    Tally,
    Verdict,
    Window,
    device_number,
    split_device,
)


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


def rows(count: int = 2, phasors: int = 1, digitals: int = 0) -> Measurements:
    table = Table(50, phasors, 0, digitals)
    columns = [np.zeros(count, kind) for kind in ("u4", "i8", "i8", "i4", "u1", "u2", "u1")]
    values = np.zeros((count, table.channels), "f4")
    return Measurements(table, *columns, values, np.zeros((count, digitals), "u2"), node="r.1", epoch=1, number=2)


@pytest.mark.parametrize(("count", "digitals"), [(0, 0), (0, 3), (2, 0), (2, 3)])
def test_empty_and_odd_shapes(count, digitals):
    came = carried(rows(count, digitals=digitals))
    assert (came.values.shape, came.digital.shape) == ((count, 4), (count, digitals))
    assert came.table == Table(50, 1, 0, digitals).key


def test_big_endian_and_strided_arrays_arrive_as_their_values():
    values = np.arange(6, dtype=">i8")[::2]
    np.testing.assert_array_equal(carried(dataclasses.replace(tally(), received=values)).received, [0, 2, 4])


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
        [b"TAL", msgpack.packb([[None], [["<i8", [1 << 63, 0]]]]), b""],
        [b"TAL", msgpack.packb([[None], [["<i8", 1]]]), b"12345678"],
        [b"TAL", msgpack.packb([[None], [["<i8", [1] * 40]]]), b"12345678"],
        [b"TAL", msgpack.packb([[None], [["(9,)i8", [1]]]]), b"12345678"],
        [b"TAL", msgpack.packb([[None], [[{}, [1]]]]), b"12345678"],
        [b"ANN", msgpack.packb([["only a name"], []])],
        [b"ANN", b"\x91" * 5000],
        [b"ANN", msgpack.packb([[msgpack.Timestamp(1, 0), 1, 2, 3], []])],
        [b"ANN", msgpack.packb([["x" * (1 << 19), 1, 2, 3], []])],
        [b"ANN", msgpack.packb([["w", 1, 2, 3, [0] * (1 << 18)], []])],
        [b"ANN", b"", *[b""] * 100],
    ],
)
def test_what_is_no_message_is_refused(parts):
    with pytest.raises(wire.WireError):
        wire.unpack(parts)


LIES = {
    "a number for a name": ("node", 7),
    "a text for a number": ("epoch", "7"),
    "a truth for a number": ("epoch", True),
    "a negative number": ("next", -1),
    "a number beyond 64 bits": ("next", 1 << 63),
    "a number with a fraction": ("next", 1.5),
    "a list that is none": ("earlier", 1),
    "a triple of two": ("earlier", [(1, 2)]),
    "a triple of texts": ("earlier", [("1", "2", "3")]),
}


@pytest.mark.parametrize(("field", "value"), LIES.values(), ids=LIES)
def test_a_well_formed_lie_is_refused(field, value):
    honest = Announce("w", 1, 2, 3, [(1, 0, 2)])
    assert carried(honest) == honest
    with pytest.raises(wire.WireError, match=f"Announce: {field}"):
        carried(dataclasses.replace(honest, **{field: value}))


@pytest.mark.parametrize(
    "change",
    [
        {"time": np.zeros(3, "i8")},
        {"time": np.zeros(2, "i4")},
        {"time": np.zeros((2, 1), "i8")},
        {"values": np.zeros((2, 5), "f4")},
        {"digital": np.zeros((2, 1), "u2")},
        {"table": (0, 1, 0, 0)},
        {"table": (50, 2, 0, 0)},
        {"table": (50, -1, 2, 0)},
        {"table": (50, 1, 0)},
    ],
    ids=str,
)
def test_sizes_that_do_not_fit_each_other_are_refused(change):
    with pytest.raises(wire.WireError, match="Measurements"):
        carried(dataclasses.replace(rows(), **change))


def test_what_says_nothing_of_its_type_is_bounded_in_depth():
    verdict = Verdict("t", 1, 1, "w", "emd", 1, np.ones(1, np.uint32), 0, 1, "ok", False, 0, 0, {"a": [[1]]}, 1.0)
    assert carried(verdict).detail == {"a": [[1]]}
    assert type(carried(verdict).score) is float
    deep: list[object] = []
    for _ in range(12):
        deep = [deep]
    with pytest.raises(wire.WireError, match="deeper"):
        carried(dataclasses.replace(verdict, detail={"a": deep}))


def test_more_bytes_than_the_limit_are_refused():
    size = wire.MAX_MESSAGE // 8 + 1
    column = np.zeros(size, np.int64)
    big = Tally(column.astype(np.uint32), column, column, column, column)
    with pytest.raises(wire.WireError, match="limit"):
        wire.unpack(wire.pack(big))


SCALARS = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(REGISTRY)), st.lists(ANYTHING, max_size=30))
def test_whatever_the_fields_hold_nothing_else_is_raised(tag, values):
    try:
        message = wire.unpack([tag, msgpack.packb([values, []])])
    except wire.WireError:
        return
    assert wire.pack(message)[0] == tag  # what gets through is a message in all its fields


WINDOW = Window(
    "windows", 1, 1, np.ones(1, "u4"), 0, 50, ["frequency"], np.zeros((1, 1, 4), "f4"), np.zeros((1, 4), "u1"), 1.0
)


@given(st.data())
def test_one_changed_field_never_gets_through_with_another_type(data):
    honest = data.draw(st.sampled_from([tally(), rows(), Announce("w", 1, 2, 3), WINDOW]))
    spec = data.draw(st.sampled_from(dataclasses.fields(honest)))
    was = getattr(honest, spec.name)
    lie = data.draw(ANYTHING)
    try:
        came = carried(dataclasses.replace(honest, **{spec.name: lie}))
    except wire.WireError:
        return
    assert type(getattr(came, spec.name)) in (type(was), tuple)


NOTES = {"ended": {"connection": int, "reason": str}, "hello": {"receiver": str}}


def test_a_note_comes_back():
    note = {"say": "ended", "connection": 4, "reason": "closed", "more": [1, {"a": None}]}
    assert wire.unpack_note(msgpack.packb(note), NOTES) == note
    assert wire.unpack_note(msgpack.packb(note)) == note


@pytest.mark.parametrize(
    "note",
    [
        {"say": "ended", "connection": "4", "reason": "closed"},
        {"say": "ended", "connection": True, "reason": "closed"},
        {"say": "ended", "connection": 1 << 63, "reason": "closed"},
        {"say": "ended", "connection": 4},
        {"say": "nothing known"},
        {"say": 1},
        {"connection": 4},
        ["say", "ended"],
        {1: 2, "say": "hello", "receiver": "r"},
        {"say": "hello", "receiver": "r", "deep": [[[[[[[[[[]]]]]]]]]]},
        {"say": "hello", "receiver": "r" * wire.MAX_NOTE},
    ],
    ids=lambda note: str(note)[:40],
)
def test_a_note_that_is_none_is_refused(note):
    with pytest.raises(wire.WireError):
        wire.unpack_note(msgpack.packb(note), NOTES)


@given(st.binary(max_size=60) | ANYTHING.map(msgpack.packb))
def test_no_bytes_raise_anything_else_as_a_note(data):
    try:
        assert isinstance(wire.unpack_note(data, NOTES)["say"], str)
    except wire.WireError:
        return


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
    assert Table(1, 6, 0, 0, orders=49).name == "rate1_ph6_an0_dg0_h49"
    assert Table(1, 6, 0, 0, frequencies=7).channels == 2 + 2 * 6 * 7
    assert Table(50, 4, 1, 2).name == "rate50_ph4_an1_dg2"
    assert Table(-5, 0, 0, 0).name == "every5s_ph0_an0_dg0"
    assert Table(50, 4, 1, 2).channels == 11
