"""A byte stream cut into frames, whatever else is in it.

A *candidate* is a place that looks like the start of a frame: 0xAA, bit 7 of the next byte clear, a known type,
version 0..3, and a FRAMESIZE in bounds. It becomes a frame when all its bytes are there and the check word fits;
else the search goes on ONE byte further, so that nothing but damaged frames is lost.

Four rules that are not obvious:

1. A false candidate may claim up to 64 KiB and would hold up the good frames behind it. As soon as two good
   frames lie whole inside what an incomplete candidate claims, the candidate is refuted (a true frame of that
   length holds two such frames by chance once in ten million). How often that is looked for grows with the
   bytes held, so that the work stays linear.
2. A damaged frame counts once: candidates inside what it claimed are its own bytes, until a good frame is found.
3. Bytes that are all false heads must not cost a long check word each. Within what one costly candidate claims,
   so many further costly ones are tried, no more; and only frames that are not long count as proof for rule 2. A costly
   frame straight behind such bytes may be lost with them.
4. Pieces of a long CFG-3 may come without a check word of their own (one CHK for the whole series, as the Grid
   Solutions Framework sends it). Such a piece is taken as a frame when the next piece of the series follows
   at once, or it is the last piece and follows one at once, unless it holds two good frames;
   `fragments.Fragments` then checks the whole.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence

from protocol.c37118.common import CRC_START, MAX_FRAME, MIN_FRAME, SYNC, FrameType

LOOK = 4
"""Bytes of a candidate that must be there to judge it."""
PIECE_LOOK = 16
"""Bytes of a CFG-3 piece up to and with CONT_IDX."""
LAST_PIECE = 0xFFFF
PROOF = 2
"""Good frames inside an incomplete candidate that refute it."""
LONG = 4096
"""Bytes from which on a candidate is long."""
COSTLY = 256
"""Bytes from which on a candidate is costly: its check word takes longer than to find it."""
LONG_TRIES = 64
STEP = 64
"""Bytes that must have come before an incomplete candidate is looked into again (more when much is held)."""

_PIECE = FrameType.CONFIGURATION_3


def piece_index(frame: bytes) -> int:
    """CONT_IDX of a CFG-3 frame that is a piece of a series; 0 for every other frame."""
    if len(frame) <= PIECE_LOOK or frame[0] != SYNC or frame[1] >> 4 != _PIECE:
        return 0
    return frame[14] << 8 | frame[15]


class Splitter:
    """Feed it what came, in any cut; it gives whole frames with a good check word. Never raises.

    Holds at most one candidate's claim (`max_frame` bytes) and the last chunk. What frames look like is told by the
    five names below; a protocol with frames of this kind has a class with its own.
    """

    start = CRC_START
    """Initial value of the check word."""
    heads = frozenset(kind << 4 | version for kind in FrameType for version in range(4))
    """Second bytes of a candidate."""
    smallest = MIN_FRAME
    """Bytes of a frame at least."""
    data = frozenset({int(FrameType.DATA)})
    """High half of the second byte of what counts as DATA when it is damaged."""
    piece = int(FrameType.CONFIGURATION_3)
    """Frame type that may come in pieces (rule 4); -1 = none."""

    skipped: int
    """Bytes that belong to no frame, so far."""
    corrupt: int
    """Damaged frames: candidates with a bad check word, each counted once."""
    corrupt_data: int
    """Those of them that were DATA frames by their type."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self.skipped = self.corrupt = self.corrupt_data = 0
        self._max = max_frame
        self._rules = self.heads, self.start, self.smallest, max_frame
        """Together, for speed."""
        self._held = bytearray()
        self._wanted = 0
        self._base = 0
        self._covered = 0
        self._proof = -1
        self._barren = False
        self._long_end = self._long_last = -1
        self._long_tries = 0
        self._series = (-1, -1, -1)
        self._pair = (-1, -1)
        """Where the last two good frames that were looked for begin and end: for speed, no part of the state."""

    @property
    def pending(self) -> int:
        """Bytes held."""
        return len(self._held)

    @property
    def plain(self) -> bool:
        """Whether a new splitter would go on from here as this one does."""
        base = self._base
        leaning = max(self._covered, self._proof, self._long_end) > base or self._series[1] >= base
        return not (self._held or leaning or self._barren)

    @property
    def base(self) -> int:
        """Bytes fed so far, without those held."""
        return self._base

    def tail(self, since: int) -> bytes:
        """What is held, as far as it lies behind the first `since` bytes that were fed."""
        return bytes(self._held[max(0, since - self._base) :])

    def state(self) -> list[int]:
        """What decides about bytes to come, besides those held."""
        long = (self._long_end, self._long_last, self._long_tries)
        return [self._base, self._wanted, self._covered, self._proof, int(self._barren), *long, *self._series]

    @classmethod
    def restored(cls, held: bytes, state: Sequence[int]) -> Splitter:
        """A splitter that goes on where another one was (`tail(0)`, `state()`); its counts begin at zero."""
        splitter = cls()
        splitter._held = bytearray(held)
        splitter._base, splitter._wanted, splitter._covered, splitter._proof, barren = state[:5]
        splitter._barren = bool(barren)
        splitter._long_end, splitter._long_last, splitter._long_tries = state[5:8]
        splitter._series = (state[8], state[9], state[10])
        return splitter

    def feed(self, chunk: bytes) -> list[bytes]:
        """Whole frames that these further bytes completed."""
        if self._held:
            self._held += chunk
            if len(self._held) < self._wanted:
                return []
            chunk = bytes(self._held)
        frames: list[bytes] = []
        self._keep(chunk, self._scan(chunk, frames, final=False))
        return frames

    def datagram(self, data: bytes) -> list[bytes]:
        """Whole frames in one datagram, where none reaches into the next. One that is a piece of a CFG-3 is taken for a
        frame without a check word of its own (rule 4): its neighbours are other datagrams."""
        if self.piece >= 0 and piece_index(data) and data[2] << 8 | data[3] == len(data):
            return [data]
        return self.feed(data) + self.close()

    def close(self) -> list[bytes]:
        """End of the stream: what is held will not be completed. The splitter is as new, but for its counts."""
        frames: list[bytes] = []
        data = bytes(self._held)
        self._keep(data, self._scan(data, frames, final=True))
        self._covered, self._proof, self._barren = self._base, -1, False
        return frames

    def _keep(self, data: bytes, at: int) -> None:
        self._held = bytearray(data[at:])
        self._base += at

    def _scan(self, data: bytes, frames: list[bytes], final: bool) -> int:
        """Frames from the start of data; returns from where on bytes must be held."""
        at = 0
        while True:
            at = self._frames_in_a_row(data, at, frames)
            if at >= len(data):
                return at
            start = data.find(b"\xaa", at)
            if start < 0:
                start = len(data)
            self.skipped += start - at
            at = start
            if at == len(data):
                return at
            verdict = self._judge(data, at, final)
            if verdict < 0:
                return at
            if verdict:
                frames.append(data[at : at + verdict])
            else:
                self.skipped += 1
            at += verdict or 1

    def _frames_in_a_row(self, data: bytes, at: int, frames: list[bytes]) -> int:
        """The common case: good frames back to back. Returns the end of the last."""
        begin, end = at, len(data) - LOOK
        heads, start, smallest, largest = self._rules
        while at <= end and data[at] == 0xAA and data[at + 1] in heads:
            size = data[at + 2] << 8 | data[at + 3]
            frame = data[at : at + size]
            if len(frame) != size or not smallest <= size <= largest or crc_hqx(frame, start):
                break
            frames.append(frame)
            at += size
        if at > begin:
            self._covered = self._base + at
        return at

    def _judge(self, data: bytes, at: int, final: bool) -> int:
        """Of the 0xAA at `at`: size of the frame there, 0 for none, -1 if more bytes must come."""
        if len(data) - at < LOOK:
            self._wanted = LOOK
            return 0 if final else -1
        if data[at + 1] not in self.heads:
            return 0
        size = data[at + 2] << 8 | data[at + 3]
        if not self.smallest <= size <= self._max or (size >= COSTLY and self._tried_enough(self._base + at, size)):
            return 0
        if len(data) - at < size:
            return self._judge_incomplete(data, at, size, final)
        good = self._is_frame(data, at, size, final)
        if good > 0:
            self._covered = self._base + at + size
            self._long_tries -= size >= COSTLY  # only those tried in vain count
            return size
        if good == 0:
            self._refute(data, at, size)
        return good

    def _tried_enough(self, position: int, size: int) -> bool:
        """Whether rule 3 forbids to try this costly candidate."""
        if position >= self._long_end:
            self._long_end, self._long_tries = position + size, 0
        if position > self._long_last:
            self._long_last = position
            self._long_tries += 1
        return self._long_tries > LONG_TRIES

    def _is_frame(self, data: bytes, at: int, size: int, final: bool) -> int:
        """1 = good, 0 = not, -1 = the bytes behind it decide and are not there yet."""
        if crc_hqx(data[at : at + size], self.start) == 0:
            return 1
        if data[at + 1] >> 4 != self.piece or size < PIECE_LOOK + 1:
            return 0
        stream = data[at + 4] << 8 | data[at + 5]
        index = data[at + 14] << 8 | data[at + 15]
        if index == LAST_PIECE:
            return int(self._series[:2] == (stream, self._base + at) and not self._holds_two(data, at, size))
        if index == 0 or (index > 1 and self._series != (stream, self._base + at, index)):
            return 0
        follower = data[at + size : at + size + PIECE_LOOK]
        if len(follower) < PIECE_LOOK and not final:
            self._wanted = size + PIECE_LOOK
            return -1
        if not self._follows(follower, stream, index) or self._holds_two(data, at, size):
            return 0
        self._series = (stream, self._base + at + size, index + 1)
        return 1

    def _holds_two(self, data: bytes, at: int, size: int) -> bool:
        """Whether two good frames lie in a piece: rule 1, had its bytes come by and by."""
        begin, end = self._pair
        if begin <= self._base + at or end > self._base + at + size:
            begin = self._look_inside(data[: at + size], at + 1, PROOF)
        return begin >= 0

    @staticmethod
    def _follows(follower: bytes, stream: int, index: int) -> bool:
        """Whether these bytes begin the next piece of the series."""
        if len(follower) < PIECE_LOOK or follower[0] != 0xAA or follower[1] >> 4 != _PIECE:
            return False
        if follower[4] << 8 | follower[5] != stream:
            return False
        return follower[14] << 8 | follower[15] in (index + 1, LAST_PIECE)

    def _judge_incomplete(self, data: bytes, at: int, size: int, final: bool) -> int:
        """Wait for the rest, unless what is there already shows that there is no frame here."""
        if self._proof <= self._base + at and not self._barren:
            self._proof = self._look_inside(data, at + 1, 1 if final else PROOF)
            self._barren = final and self._proof < 0
        if self._proof > self._base + at:
            self._refute(data, at, size)
            return 0
        held = len(data) - at
        self._wanted = min(size, held + max(STEP, held // 2))
        return 0 if final else -1

    def _look_inside(self, data: bytes, at: int, proof: int) -> int:
        """Position of the first of so many good frames in data[at:], -1 if there are not so many."""
        first, found = -1, 0
        while (at := data.find(b"\xaa", at)) >= 0 and at <= len(data) - self.smallest:
            size = data[at + 2] << 8 | data[at + 3]
            inside = data[at + 1] in self.heads and self.smallest <= size <= min(self._max, LONG, len(data) - at)
            if inside and crc_hqx(data[at : at + size], self.start) == 0:
                first = first if found else self._base + at
                found += 1
                if found == proof:
                    self._pair = (first, self._base + at + size) if proof == PROOF else self._pair
                    return first
                at += size
            else:
                at += 1
        return -1

    def _refute(self, data: bytes, at: int, size: int) -> None:
        """Count a damaged frame, unless these are bytes of one that is counted."""
        if self._base + at >= self._covered:
            self.corrupt += 1
            self.corrupt_data += data[at + 1] >> 4 in self.data
            self._covered = self._base + at + size
