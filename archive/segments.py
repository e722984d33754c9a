"""Files that a journal is made of: a head, then groups of words and notes.

    file    head | group | group | …                      NNNNNNNN.journal, one number after the other
    head    mark (magic, format, CRC) | numbers, CRC      the mark stays as it is in every format
    group   numbers, CRC | lengths | parts of words | notes

A group is there as a whole or not at all: its lengths and contents have a CRC-32, and so have its numbers, with
the file's identity and the group's place mixed in, so that leftovers of other writing never pass for a group.
A file's first group has the notes of its head: the state of whoever writes, when the file was begun. A file without
that (`stateful` is False) goes on from the file before.
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

FORMAT = 1
MAGIC = b"SYMSjrnl"
SUFFIX, TEMPORARY = ".journal", ".journal.tmp"
MARK = struct.Struct("<8sII")
"""magic, format, CRC of both."""
HEAD = struct.Struct("<QQQQqQQQII")
"""index, epoch, first, stateful, utc; next, words and end of the file before; spare, CRC."""
START = MARK.size + HEAD.size
"""Where a file's first group begins."""
GROUP = struct.Struct("<4sIIIIQII")
"""magic, words, parts, notes, bytes that follow, first word, their CRC, CRC of this."""
GROUP_MAGIC = b"grup"
SMALL = 4096
"""Buffers below this [bytes] are copied together; larger ones are written from where they are."""
INDEX_EVERY = 64 << 10
"""Bytes between two entries of a file's index."""

LARGEST = 1 << 30
"""Bytes of a group."""

Part = bytes | bytearray | memoryview


class Newer(Exception):
    """A file of a format that this release does not know."""

    def __init__(self, path: Path, found: int) -> None:
        super().__init__(f"{path}: journal format {found}, this release knows up to {FORMAT}")
        self.format = found


@dataclass
class Segment:
    """What is known of one file."""

    path: Path
    index: int
    epoch: int
    first: int
    """Number of its first word."""
    stateful: bool
    """Whether it begins with a state."""
    utc: int
    """When it was begun [ns]."""
    next: int = 0
    """All its words have numbers below this."""
    words: int = 0
    end: int = START
    """Where the next group goes [bytes]: size of what counts."""
    body: int = START
    """Where the first group after the state begins."""
    synced: int = 0
    """Bytes that are known to outlive a power cut."""
    starts: list[tuple[int, int]] = field(default_factory=list)
    """(number, offset) of some of its groups with words, in order; made when it is needed."""

    def seed(self, offset: int) -> int:
        """What the CRC of a group's numbers starts from."""
        return zlib.crc32(struct.pack("<QQQ", self.index, self.epoch, offset))

    def add(self, first: int, words: int, size: int) -> None:
        """A group was written at `end`, or found there."""
        if words:
            if not self.starts or self.end - self.starts[-1][1] >= INDEX_EVERY:
                self.starts.append((first, self.end))
            self.next = first + words
            self.words += words
        self.end += size

    def offset(self, number: int) -> int:
        """A place at or before the group that has a word."""
        starts = self.starts
        at = bisect_right(starts, number, key=lambda entry: entry[0])
        return starts[at - 1][1] if at else self.body


@dataclass(frozen=True)
class Numbers:
    """The first bytes of a group, checked."""

    first: int
    words: int
    parts: int
    notes: int
    length: int
    """Bytes that follow."""
    crc: int

    @property
    def size(self) -> int:
        """Bytes of the whole group."""
        return GROUP.size + self.length


@dataclass(frozen=True)
class Group:
    """A group as it was read."""

    first: int
    words: list[list[memoryview]]
    notes: list[memoryview]


def head_bytes(segment: Segment, before: Segment | None) -> bytes:
    """The head of a file; it also says what the file before came to, so that nobody has to read that to know."""
    numbers = HEAD.pack(
        segment.index, segment.epoch, segment.first, segment.stateful, segment.utc,
        *((before.next, before.words, before.end) if before else (0, 0, 0)), 0, 0,
    )[:-4]  # fmt: skip
    mark = MARK.pack(MAGIC, FORMAT, 0)[:-4]
    mark += struct.pack("<I", zlib.crc32(mark))
    return mark + numbers + struct.pack("<I", zlib.crc32(numbers))


@dataclass(frozen=True)
class Before:
    """What the head of a file says of the file before it."""

    next: int
    words: int
    end: int


def read_head(path: Path) -> tuple[Segment, Before] | None:
    """A file, and what its head says of the one before; None if the head is damaged. Raises Newer."""
    with path.open("rb") as file:
        data = file.read(START)
    if len(data) < MARK.size:
        return None
    magic, version, crc = MARK.unpack_from(data)
    if magic != MAGIC or zlib.crc32(data[: MARK.size - 4]) != crc:
        return None
    if version > FORMAT:
        raise Newer(path, version)
    if len(data) < START:
        return None
    index, epoch, first, stateful, utc, *before, _, crc = HEAD.unpack_from(data, MARK.size)
    if zlib.crc32(data[MARK.size : -4]) != crc or f"{index:08d}{SUFFIX}" != path.name:
        return None
    return Segment(path, index, epoch, first, bool(stateful), utc, next=first), Before(*before)


def group_pieces(segment: Segment, first: int, words: Sequence[Sequence[Part]], notes: Sequence[Part]) -> list[Part]:
    """The buffers that make up a group at the end of a file. Raises ValueError above 1 GiB."""
    parts = [memoryview(part) for word in words for part in word]
    lengths = [part.nbytes for part in parts] + [len(note) for note in notes]
    table = struct.pack(f"<{len(words) + len(lengths)}I", *(len(word) for word in words), *lengths)
    length = len(table) + sum(lengths)
    if length > LARGEST:
        raise ValueError(f"a group of {length} bytes, limit {LARGEST}")
    pieces = _joined([table, *parts, *notes])
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    numbers = GROUP.pack(GROUP_MAGIC, len(words), len(parts), len(notes), length, first, crc, 0)[:-4]
    return [numbers + struct.pack("<I", zlib.crc32(numbers, segment.seed(segment.end))), *pieces]


def _joined(buffers: Sequence[Part]) -> list[Part]:
    """The same bytes in fewer buffers."""
    pieces: list[Part] = []
    small = bytearray()
    for buffer in buffers:
        view = memoryview(buffer)
        if view.nbytes < SMALL:
            small += view.tobytes()
            continue
        if small:
            pieces.append(small)
            small = bytearray()
        pieces.append(view)
    return [*pieces, small] if small else pieces


def read_numbers(fd: int, segment: Segment, offset: int) -> Numbers | None:
    """What stands at the beginning of a group, None if no group begins there."""
    data = os.pread(fd, GROUP.size, offset)
    if len(data) < GROUP.size:
        return None
    magic, words, parts, notes, length, first, body, crc = GROUP.unpack(data)
    if magic != GROUP_MAGIC or zlib.crc32(data[:-4], segment.seed(offset)) != crc:
        return None
    return Numbers(first, words, parts, notes, length, body)


def read_group(fd: int, numbers: Numbers, offset: int) -> Group | None:
    """The group at an offset, None if it is torn or damaged."""
    data = os.pread(fd, numbers.length, offset + GROUP.size)
    if len(data) != numbers.length or zlib.crc32(data) != numbers.crc:
        return None
    table = struct.unpack_from(f"<{numbers.words + numbers.parts + numbers.notes}I", data)
    view, at = memoryview(data), 4 * len(table)
    buffers = []
    for length in table[numbers.words :]:
        buffers.append(view[at : at + length])
        at += length
    words, begin = [], 0
    for count in table[: numbers.words]:
        words.append(buffers[begin : begin + count])
        begin += count
    return Group(numbers.first, words, buffers[begin:])


def groups(fd: int, segment: Segment, offset: int) -> Iterator[tuple[Numbers, Group | None, int]]:
    """(numbers, content or None where that is damaged, offset) of the groups from an offset on."""
    while (numbers := read_numbers(fd, segment, offset)) is not None:
        yield numbers, read_group(fd, numbers, offset), offset
        offset += numbers.size


def scan(fd: int, segment: Segment, check: bool) -> None:
    """Find where a file's groups end; with `check` also their contents must hold, without it only their numbers."""
    segment.starts, segment.words, segment.next = [], 0, segment.first
    segment.end = segment.body = START
    size = os.fstat(fd).st_size
    while (numbers := read_numbers(fd, segment, segment.end)) is not None:
        whole = segment.end + numbers.size <= size
        if not whole or (check and read_group(fd, numbers, segment.end) is None):
            return
        segment.add(numbers.first, numbers.words, numbers.size)
        if segment.stateful and segment.body == START:
            segment.body = segment.end


def words(fd: int, segment: Segment, first: int, last: int) -> Iterator[tuple[int, list[bytes]]]:
    """(number, parts) of the words of [first, last) in a file whose `starts` are known, without damaged ones."""
    end, offset = segment.end, segment.offset(first)
    while offset < end and (numbers := read_numbers(fd, segment, offset)) and numbers.first < last:
        if numbers.first + numbers.words > first and (group := read_group(fd, numbers, offset)):
            for number, parts in enumerate(group.words, numbers.first):
                if first <= number < last:
                    yield number, [bytes(part) for part in parts]
        offset += numbers.size


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file to read from."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)
