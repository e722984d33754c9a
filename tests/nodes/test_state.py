"""What a receiver remembers: the head of a file and the notes after it say the same as all notes."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.journal import Head, Note, Word
from nodes._state import FORMAT, State, StateError, packed, replay, unpacked
from protocol import wire
from protocol.c37118 import Fragments, Master, MasterSettings, Splitter, encode_configuration, parse
from protocol.c37118.decoding import recalled, remembered
from protocol.clock import SECOND, Now
from protocol.messages import Measurements, Tally
from tests.crowds import damaged
from tests.scenes import configuration, data, told

EPOCH = 1_700_000_000 * SECOND


# ── notes and words ─────────────────────────────────────────────────────────────────────────────────────────


def rows(number: int, device: list[int], time: int, aside: int = 0, epoch: int = EPOCH) -> Word:
    """One word of rows, each with its own time."""
    n = len(device)
    message = Measurements(
        (50, 0, 0, 0), np.array(device, np.uint32), np.arange(time, time + n), np.full(n, time + 5),
        np.zeros(n, np.int32), np.zeros(n, np.uint8), np.zeros(n, np.uint16), np.full(n, aside, np.uint8),
        np.zeros((n, 2), np.float32), np.zeros((n, 0), np.uint16), node="r", epoch=epoch, number=number,
    )  # fmt: skip
    return Word(epoch, number, [memoryview(part) for part in wire.pack(message)])


def tally(number: int, counts: dict[int, list[int]], of: int = 0) -> Word:
    columns = np.array(list(counts.values()), np.int64).reshape(len(counts), 4).T.copy()
    message = Tally(np.array(list(counts), np.uint32), *columns, of=of, node="r", epoch=EPOCH, number=number)
    return Word(EPOCH, number, [memoryview(part) for part in wire.pack(message)])


def head(state: State) -> list[Any]:
    return [Head(state.epoch, state.next, 0, 1), *map(Note, state.dump())]


def opened() -> State:
    state = State()
    state.live_on(EPOCH, EPOCH, 1)
    return state


class Ticks:
    """Ticks such as a receiver has them: every key of a note, consistent with those before."""

    def __init__(self, seed: int) -> None:
        self.chosen = random.Random(seed)
        self.slots: list[int] = []
        self.tick = self.number = self.slot = 0
        self.streams: dict[int, bytes] = {}
        self.held: dict[tuple[int, str, int], int] = {}
        self.runs: dict[tuple[int, str, int], int] = {}
        self.bad: dict[int, list[int]] = {}

    def records(self) -> list[Any]:
        self.tick += 1
        note: dict[str, Any] = {"n": self.tick, "t": [EPOCH + self.tick, self.tick]}
        words = self.words()
        if self.chosen.random() < 0.5:
            self.slot += 1
            self.slots.append(self.slot)
            note["w"] = [[self.slot, 100 + self.slot, "front", "dials_in", ["10.0.0.1", 4712], None, True, None]]
        for slot in self.slots:
            self.connection(slot, note)
        if self.slots and self.chosen.random() < 0.2:
            gone = self.slots.pop(self.chosen.randrange(len(self.slots)))
            note["x"], note["e"] = [gone], [[100 + gone, "front", "closed", True]]
        self.books(note)
        return [*words, Note(msgpack.packb(note))]

    def words(self) -> list[Any]:
        found = []
        for _ in range(self.chosen.randrange(3)):
            device = [self.chosen.choice((1, 2, 3)) << 16 | self.chosen.randrange(2) for _ in range(4)]
            found.append(rows(self.number, device, 1000 * self.number, self.chosen.randrange(2)))
            self.number += 1
        return found

    def connection(self, slot: int, note: dict[str, Any]) -> None:
        chosen = self.chosen
        if chosen.random() < 0.5:
            note.setdefault("p", []).append(slot)
            note.setdefault("q", []).append(chosen.randrange(10**6))
        elif chosen.random() < 0.5:
            slots, positions = unpacked(*note.get("g", (b"", b"")))
            note["g"] = packed(np.array([*slots, slot]), np.array([*positions, chosen.randrange(10**6)]))
        if chosen.random() < 0.4:
            before = self.streams.get(slot)
            if before is None or chosen.random() < 0.7:
                fresh = chosen.randbytes(chosen.randrange(5))
                base = chosen.randrange(len(before) + 1) if before else 0
                self.streams[slot] = (before or b"") + fresh
                note.setdefault("s", []).append([slot, base, fresh, [base] * 11])
            else:
                del self.streams[slot]
                note.setdefault("s", []).append([slot, 0, b"", None])
        if chosen.random() < 0.3:
            note.setdefault("d", []).append([slot, [[chosen.randrange(99), 40]]])
        if chosen.random() < 0.5:
            self.link(slot, note)

    def link(self, slot: int, note: dict[str, Any]) -> None:
        chosen = self.chosen
        key = (slot, chosen.choice(("", "10.0.0.2")), chosen.choice((-1, 7)))
        total = self.held.get(key, 0)
        added = [chosen.randbytes(3) for _ in range(chosen.randrange(3))]
        self.held[key] = total + len(added)
        first = chosen.randrange(self.held[key] + 1) if chosen.random() < 0.3 else 0
        early: Any = None
        if chosen.random() < 0.5:
            anew = not self.runs.get(key) or chosen.random() < 0.3
            news = [[[7, 0, 0, 0, 1, 2, chosen.randbytes(2)], [b"x"]] for _ in range(chosen.randrange(2))]
            early = [anew, news if anew else [[None, [b"more"]], *news]]
            self.runs[key] = len(news) + (0 if anew else self.runs[key])
        note.setdefault("l", []).append([*key, ["plain", self.tick], None, first, added, early])

    def books(self, note: dict[str, Any]) -> None:
        chosen = self.chosen
        if chosen.random() < 0.3:
            device = chosen.choice((1, 2)) << 16
            self.bad[device] = [each + chosen.randrange(2) for each in self.bad.get(device, [0, 0, 0])]
            note["b"] = [[device, *self.bad[device]]]
        if chosen.random() < 0.2:
            note["u"] = [chosen.randrange(5) for _ in range(4)]
        if chosen.random() < 0.3:
            note["a"] = [[chosen.randrange(3), 1, 2, 3]]


@given(seed=st.integers(0, 10**9), ticks=st.integers(1, 30), at=st.integers(0, 30), more=st.integers(0, 2))
def test_a_head_and_what_follows_say_the_same_as_everything(seed: int, ticks: int, at: int, more: int) -> None:
    """Also if the notes of some ticks before the head come again behind it."""
    play = Ticks(seed)
    groups = [play.records() for _ in range(ticks)]
    begin = head(opened())
    whole = replay([*begin, *(record for group in groups for record in group)])
    at = min(at, ticks)
    half = replay([*begin, *(record for group in groups[:at] for record in group)])
    again = replay([*head(half), *(record for group in groups[max(0, at - more) :] for record in group)])
    assert asdict(again) == asdict(whole)
    assert asdict(replay(head(whole))) == asdict(whole)


def test_rows_and_counts_of_words() -> None:
    state = replay([*head(opened()), rows(0, [1 << 16, 1 << 16, 2 << 16], 10), rows(1, [1 << 16], 20, aside=1)])
    assert state.counts == {1 << 16: [3, 0, 0, 0], 2 << 16: [1, 0, 0, 0]}
    assert state.known == {1: [11, 15], 2: [12, 15]}
    assert state.next == 2


def test_a_tally_is_the_last_word_on_what_came_before_it() -> None:
    """It has what words were lost to a full disk."""
    records = [rows(0, [1 << 16], 10), tally(7, {1 << 16: [9, 2, 1, 0]}), rows(8, [1 << 16], 20)]
    state = replay([*head(opened()), *records])
    assert state.counts == {1 << 16: [10, 2, 1, 0]}


def test_an_epoch_s_last_counts_are_owed_until_they_are_told() -> None:
    state = replay([*head(opened()), rows(0, [1 << 16], 10)])
    state.live_on(EPOCH + 5, 0, 0)
    (told_of,) = state.tallies()
    assert (told_of.of, told_of.device.tolist(), told_of.received.tolist()) == (EPOCH, [1 << 16], [1])
    again = replay(head(state))
    assert (again.owed, again.counts, again.before) == ({EPOCH: {1 << 16: [1, 0, 0, 0]}}, {}, {1 << 16: [1, 0, 0, 0]})
    word = tally(0, {1 << 16: [1, 0, 0, 0]}, of=EPOCH)
    assert replay([*head(state), Word(EPOCH + 5, 0, word.parts)]).owed == {}


def test_notes_of_connections_that_nobody_knows_are_passed_over() -> None:
    """A disk that took some groups and not others."""
    plain = [["plain", 1], None, 0, [b"frame"], [False, [[None, [b"early"]]]]]
    note = {"n": 9, "t": [0, 0], "p": [3], "q": [70], "s": [[3, 60, b"tail", [60] * 11]], "d": [[3, [[1, 2]]]],
            "l": [[3, "", -1, *plain]], "x": [3, 4]}  # fmt: skip
    state = replay([*head(opened()), Note(msgpack.packb(note))])
    assert (state.ways, state.tick) == ({}, 9)


HEAD_1 = """
    de0012 a468656164 01 a565706f6368 07 a46e657874 03 a16e 05 a174 92cd03e80a
    a177 93 990165a566726f6e74a86469616c735f696e92a831302e302e302e31cd1268c0c3c0c0
            990266a566726f6e74a86469616c735f696e92a831302e302e302e32cd1268c0c3c0c0
            990367a566726f6e74a86469616c735f696e92a831302e302e302e33cd1268c0c3c0c0
    a170 93010203 a171 930a141e a173 90 a164 90 a16c 90 a165 90 a175 9400000000
    a161 90 a16b 9195ce0001000005000100 a179 90 a16f 90 a17a 919301323c
"""
NOTE_1 = "84 a16e 06 a174 92cd03fc1e a170 920103 a171 925e72"
NOTE_2 = """
    85 a16e 06 a174 92cd03fc1e a170 9102 a171 9168
    a167 92 c408 01000000 03000000 c410 5e00000000000000 00f2052a01000000
"""
"""As they stand in journals, of formats 1 and 2. These are never to be made again."""


@pytest.mark.parametrize(
    ("note", "positions"), [(NOTE_1, {1: 94, 2: 20, 3: 114}), (NOTE_2, {1: 94, 2: 104, 3: 5_000_000_000})]
)
def test_notes_of_both_formats_are_read(note: str, positions: dict[int, int]) -> None:
    state = replay([Note(bytes.fromhex(HEAD_1)), Note(bytes.fromhex(note))])
    assert {slot: way.position for slot, way in state.ways.items()} == positions
    assert (state.epoch, state.next, state.tick, state.counts, state.known) == (
        7,
        3,
        6,
        {1 << 16: [5, 0, 1, 0]},
        {1: [50, 60]},
    )
    assert state.ways[3].handed[:4] == (103, "front", "dials_in", ("10.0.0.3", 4712))


@given(slots=st.lists(st.integers(0, 2**32 - 1)), source=st.data())
def test_many_positions_are_noted_as_bytes(slots: list[int], source: st.DataObject) -> None:
    positions = source.draw(st.lists(st.integers(0, 2**63 - 1), min_size=len(slots), max_size=len(slots)))
    assert unpacked(*packed(np.array(slots, np.int64), np.array(positions, np.int64))) == (slots, positions)


def test_a_head_may_be_told_positions() -> None:
    """Of streams in step they are known elsewhere: their notes are not applied to the state as they come."""
    state = replay([Note(bytes.fromhex(HEAD_1)), Note(bytes.fromhex(NOTE_2))])
    before = replay([Note(bytes.fromhex(HEAD_1))])
    before.tick, before.utc, before.monotonic = state.tick, state.utc, state.monotonic
    live = {slot: way.position for slot, way in state.ways.items()}
    assert before.dump(positions=live) == state.dump()


def test_notes_of_a_newer_release_are_refused() -> None:
    note = msgpack.unpackb(opened().dump()[0])
    with pytest.raises(StateError, match="newer"):
        replay([Note(msgpack.packb(note | {"head": FORMAT + 1}))])


# ── what sessions and splitters remember ────────────────────────────────────────────────────────────────────


@given(st.data())
def test_a_splitter_goes_on_where_another_one_was(source: st.DataObject) -> None:
    cfg = configuration(7)
    frames = data(cfg, 6)
    parts = [*frames, damaged(frames[0]), b"\xaa\x01\x00", b"\xaa\x31\xff\xff", b"\xaa\x01\x20\x00", b"junk", told(cfg)]
    parts += encode_configuration(configuration(8, kind=3, stations=4), 3, 300, "whole")
    stream = b"".join(source.draw(st.lists(st.sampled_from(parts), min_size=1, max_size=25)))
    cuts = sorted(source.draw(st.sets(st.integers(0, len(stream)), max_size=6)))
    whole, other = Splitter(), Splitter()
    expected, found, counts = [], [], [0, 0, 0]
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        expected += whole.feed(stream[begin:end])
        found += other.feed(stream[begin:end])
        counts = [a + b for a, b in zip(counts, (other.skipped, other.corrupt, other.corrupt_data), strict=True)]
        other = Splitter() if other.plain else Splitter.restored(other.tail(0), other.state())
    expected += whole.close()
    found += other.close()
    counts = [a + b for a, b in zip(counts, (other.skipped, other.corrupt, other.corrupt_data), strict=True)]
    assert found == expected
    assert counts == [whole.skipped, whole.corrupt, whole.corrupt_data]


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 30))
def test_a_session_goes_on_where_another_one_was(acts: list[int], at: int) -> None:
    """Both are told the same afterwards and say the same."""
    cfg, other = configuration(7), replace(configuration(7, phasors=3))
    pieces = encode_configuration(configuration(7, kind=3, stations=4), 3, 300, "each")
    said = [data(cfg, 1)[0], data(other, 1)[0], told(cfg), told(other), pieces[0], pieces[1]]
    settings = MasterSettings(hold_frames=5)
    first, second = Master(settings), Master(settings)
    now = Now(10**9, EPOCH)
    assert first.begin(now) == second.begin(now)
    for k, act in enumerate(acts):
        if k == at:
            second = copied(second, settings)
        now = Now(now.monotonic + SECOND, now.utc + SECOND)
        assert first.accepts(said[act]) == second.accepts(said[act])
        assert first.receive(said[act], now) == second.receive(said[act], now)
        assert first.wake_at() == second.wake_at()
        assert first.wake(now) == second.wake(now)
    assert first.end(now) == second.end(now)


def copied(master: Master, settings: MasterSettings) -> Master:
    """Through plain values, as a journal has them."""
    cfg = remembered(master.cfg) if master.cfg else None
    kept = msgpack.unpackb(msgpack.packb([master.remember(), cfg, *master.limbo(0)]))
    again = Master(settings)
    again.recall(kept[0], recalled(kept[1]) if kept[1] else None, kept[2], kept[3])
    return again


def test_held_frames_are_told_once() -> None:
    master, frames = Master(MasterSettings(hold_frames=3)), data(configuration(7), 5)
    now = Now(0, EPOCH)
    master.begin(now)
    for frame in frames[:2]:
        master.receive(frame, now)
    assert master.limbo(0) == (0, frames[:2])
    for frame in frames[2:]:
        master.receive(frame, now)
    assert master.ever_held == 5
    assert master.limbo(2) == (2, frames[2:])
    assert master.limbo(5) == (2, [])
    assert master.limbo(0) == (2, frames[2:])


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_a_configuration_is_recalled_exactly(kind: int) -> None:
    (frame,) = encode_configuration(configuration(7, kind=kind, stations=3, name="Süd"), kind)
    fragments = Fragments()
    cfg: Any = fragments.add(frame, 0) if kind == 3 else parse(frame)
    assert cfg is not None
    assert recalled(msgpack.unpackb(msgpack.packb(remembered(cfg)))) == cfg
