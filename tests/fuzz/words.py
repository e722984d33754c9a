"""What processes read of each other and of their own past: messages, notes, journals."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgpack
import numpy as np

from archive.journal import Journal
from nodes._handover import FIELDS
from protocol import wire
from protocol.messages import REGISTRY, Announce, Configuration, Health, Measurements, Snapshots, Table, Verdict, Window
from tests.fuzz.source import Source, scratch

NOTES = {**FIELDS, "later": {"seconds": float, "fields": dict}}
TAGS = sorted(REGISTRY)


def parts_of(data: bytes) -> list[bytes]:
    """A message with the first byte's tag; two bytes before each further part say how long it is."""
    source = Source(data)
    kind = source.below(len(TAGS) + 8)
    parts = [TAGS[kind] if kind < len(TAGS) else source.take(source.below(8))]
    while source.left and len(parts) < wire.MAX_PARTS + 2:
        parts.append(source.take(source.below(1 << 16)))
    return parts


def message(data: bytes) -> None:
    """Parts are refused, or a message as its class says, which is the same when it is sent on."""
    parts = parts_of(data)
    try:
        found = wire.unpack(parts)
    except wire.WireError:
        return
    sent = wire.pack(found)
    assert [bytes(part) for part in wire.pack(wire.unpack(sent))] == [bytes(part) for part in sent]
    hints = get_type_hints(type(found))
    for each in dataclasses.fields(found):
        value = getattr(found, each.name)
        if hints[each.name] in (int, str, float, bool):
            assert type(value) is hints[each.name]
        if isinstance(value, np.ndarray):
            assert not value.flags.writeable


def note(data: bytes) -> None:
    """A note is refused, or has all that it must have, and is the same when it is sent on."""
    known = NOTES if data[:1] >= b"\x80" else None
    try:
        found = wire.unpack_note(data[1:], known)
    except wire.WireError:
        return
    again = msgpack.packb(found)
    assert msgpack.packb(wire.unpack_note(again, known)) == again
    if known:
        assert known[found["say"]].keys() <= found.keys()


Kept = dict[tuple[int, int], list[bytes]]
"""(epoch, number) -> parts."""


def journal(data: bytes) -> None:
    """A damaged journal opens, holds nothing that was not written, all that lies before the damage, and goes on."""
    folder = scratch()
    try:
        source = Source(data)
        written, last = _write(folder, source)
        safe = _damage(folder, source)
        opened = Journal(folder, segment=400)
        held = _held(opened)
        assert held.items() <= written.items()
        assert all(held.get(word) == written[word] for word, at in last.items() if at <= safe)
        assert len(list(opened.records())) >= 0
        opened.open(opened.last_epoch + 1, 9, [b"again"])
        opened.append(0, [[b"new"]], [b"note"])
        epoch = opened.last_epoch
        opened.close()
        again = Journal(folder)
        assert not again.cut
        assert _held(again) == {**held, (epoch, 0): [b"new"]}
        again.close()
    finally:
        shutil.rmtree(folder)


def _write(folder: Path, source: Source) -> tuple[Kept, dict[tuple[int, int], tuple[int, int]]]:
    """(what was written, (file, offset of its end) of each word)."""
    written: Kept = {}
    ends: dict[tuple[int, int], tuple[int, int]] = {}
    journal = Journal(folder, segment=400)
    epoch = number = utc = 0
    for _ in range(1 + source.below(24)):
        what, utc = source.below(16), utc + 1
        if what == 0 or epoch == 0:
            epoch, number = epoch + 1 + source.below(3), 0
            journal.open(epoch, utc, [source.take(source.below(20))])
        elif what == 1:
            journal.roll(utc, [b"state"] if source.below(2) else None)
        else:
            number += source.below(64) == 7  # a hole
            words = [[bytes([what]) * source.below(80)] * (1 + source.below(3)) for _ in range(source.below(4))]
            journal.append(number, words, [source.take(source.below(9))])
            for parts in words:
                written[epoch, number] = parts
                ends[epoch, number] = journal.files, journal.size
                number += 1
        if journal.full:
            journal.roll(utc, [b"state"])
    journal.close()
    return written, ends


def _damage(folder: Path, source: Source) -> tuple[int, int]:
    """Cut, garble or lengthen some file; up to where (file, bytes of all files) nothing was touched."""
    files = sorted(folder.glob("*.journal"))
    sizes = [file.stat().st_size for file in files]
    safe = (len(files), 1 << 40)
    for _ in range(source.below(4)):
        at = source.below(len(files))
        content = bytearray(files[at].read_bytes())
        place, what = source.below(1 + len(content)), source.below(4)
        if what == 0:
            del content[place:]
        elif what == 1 and content:
            place = min(place, len(content) - 1)
            content[place] ^= source.below(256) or 1
        elif what == 2:
            place = len(content)
            content += source.take(source.below(100))
        else:
            content[place : place + 16] = source.take(source.below(40))
        files[at].write_bytes(content)
        safe = min(safe, (at + 1, sum(sizes[:at]) + place))
    return safe


def _held(journal: Journal) -> Kept:
    return {
        (epoch, number): parts
        for epoch, first, next in journal.epochs
        for number, parts in journal.fetch(epoch, first, next)
    }


def _messages() -> Iterator[Any]:
    table = Table(50, 1, 1, 1)
    u4, i8 = np.arange(2, dtype=np.uint32), np.arange(2, dtype=np.int64)
    u2, u1 = np.zeros(2, np.uint16), np.zeros(2, np.uint8)
    values, digital = np.zeros((2, table.channels), np.float32), np.zeros((2, 1), np.uint16)
    yield Measurements(table, u4, i8, i8, i8.astype(np.int32), u1, u2, u1, values, digital, node="r", epoch=1)
    cube = np.zeros((2, 2, table.channels), np.float32)
    flat = np.zeros((2, 2), np.uint8)
    yield Snapshots(table, i8, u4, flat, flat, flat.astype(np.uint16), cube, np.zeros((2, 2, 1), np.uint16), i8)
    yield Window("t", 1, 1, u4, 5, 50, ["frequency"], np.zeros((2, 1, 3), np.float32), np.zeros((2, 3), np.uint8), 1.0)
    yield Verdict("t", 1, 1, "w", "emd", 1, u4, 1, 2, "ok", True, 0, 1.5, {"a": [1, {"b": 2.0}]}, 1.0)
    yield Announce("n", 1, 2, 0, [(1, 2, 3)])
    yield Configuration(
        65536, 1, "l", 7, 7, "S", "c37118", table, 1_000_000, 50, 0, ["VA"], ["V"], ["A"], ["rms"], [[""] * 16],
        [0], [0], detail={"x": [1]},
    )  # fmt: skip
    yield Health(
        "n", "k", 1, 2, 1.0, 1.0, 5, {"a": 1.0}, {"q": 1}, ["r"], u4, ["a", "b"], np.zeros((2, 1)), ["look here"]
    )


def _seed(message: Any) -> bytes:
    tag, *parts = [bytes(part) for part in wire.pack(message)]
    return bytes([TAGS.index(tag)]) + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with, by target."""
    notes = [
        {"say": "hello", "receiver": "r", "holds": 2},
        {"say": "holds", "connection": 1, "how": "tcp", "peer": ["::", 1], "numbers": [1, 2], "target": None},
        {"say": "link", "connection": 1, "how": "tcp", "peer": ["::", 1], "cfg3": True, "numbers": [1, 2]},
        {"say": "identify", "connection": 1 << 60, "address": "::1", "stream": 7},
        {"say": "identity", "connection": 1, "address": "::1", "stream": 7, "device": {"number": 1, "name": "A"}},
        {"say": "ended", "connection": 1, "reason": "broken", "more": {"a": [[[1]]]}},
        {"say": "later", "seconds": 1, "fields": {"x": b"y"}},
    ]
    lives = [bytes([20, 0, 2]) + bytes((k * 7 + j * 5) % 251 for j in range(160)) for k in range(24)]
    return {
        "message": [_seed(each) for each in _messages()],
        "note": [head + msgpack.packb(each) for each in notes for head in (b"\0", b"\xff")],
        "journal": lives,
    }


TARGETS = {"message": message, "note": note, "journal": journal}
