"""One protocol tried on one device: what is said to it, what comes of it. Without sockets and clocks.

The sessions are those of the station (`protocol/c37118/session.py`, `protocol/gbt26865/session.py`), with little
patience; what they make of what comes is written down, for `commands/_findings.py` to judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from protocol import c37118, gbt26865
from protocol.c37118 import Codec, FrameType, frame_type
from protocol.clock import MILLISECOND, SECOND, Now, period
from protocol.gbt26865.common import V2, V3
from protocol.gbt26865.probing import LOOK
from protocol.gbt26865.settings import Pipe

ANSWER = 1500 * MILLISECOND
"""A device has so long for each answer."""
FIRST_DATA = 3 * SECOND
"""And so long to begin with DATA."""
LONGEST = 60 * SECOND
"""A slow device is listened to for three of its periods, but not for longer."""
FRAMES_AT_MOST = 100_000


@dataclass(frozen=True)
class Tongue:
    """A protocol in one of its editions."""

    protocol: str
    """As in the site file."""
    title: str
    crc: str
    """Whose check words its frames have, as `gbt26865.probe` says."""
    splitter: Callable[[], c37118.Splitter]
    master: Callable[[Asked], Any]
    compile: Callable[[Any], Codec]


@dataclass(frozen=True)
class Asked:
    """What the person says of the device."""

    stream: int | None = None
    """IDCODE of C37.118."""
    identity: bytes | None = None
    """IDCODE of the Chinese protocols."""
    cfg3: bool = True
    listen: int = 5 * SECOND
    """For DATA."""
    data_pipe: bool = False
    """There is a second connection for DATA (Chinese protocols)."""


def _master(asked: Asked) -> c37118.Master:
    return c37118.Master(c37118.MasterSettings(stream=asked.stream, cfg3=asked.cfg3, wait=ANSWER, attempts=1))


def _chinese(version: int) -> Callable[[Asked], gbt26865.Master]:
    def made(asked: Asked) -> gbt26865.Master:
        return gbt26865.Master(
            gbt26865.MasterSettings(identity=asked.identity, version=version, wait=ANSWER, attempts=1)
        )

    return made


TONGUES = {
    "c37118": Tongue("c37118", "IEEE C37.118", "c37118", c37118.Splitter, _master, c37118.compile_codec),
    "gbt26865": Tongue(
        "gbt26865", "GB/T 26865.2-2011", "gbt26865", gbt26865.Splitter, _chinese(V3), gbt26865.compile_codec
    ),
    "qgdw131": Tongue("qgdw131", "Q/GDW 131-2006", "gbt26865", gbt26865.Splitter, _chinese(V2), gbt26865.compile_codec),
}
"""In the order in which they are tried."""


@dataclass
class Heard:
    """What came of an attempt."""

    tongue: Tongue
    size: int = 0
    """Bytes that came."""
    start: bytes = b""
    """The first of them."""
    sound: int = 0
    """Frames with good check words."""
    corrupt: int = 0
    skipped: int = 0
    codec: Codec | None = None
    """Of the configuration in force last."""
    changes: int = 0
    """How often it told another one."""
    frames: list[bytes] = field(default_factory=list)
    """DATA that fit it."""
    arrivals: list[int] = field(default_factory=list)
    """UTC [ns] of each."""
    refused: Counter[str] = field(default_factory=Counter)
    """Reason -> how often."""
    streams: Counter[int] = field(default_factory=Counter)
    """IDCODE of each sound frame (C37.118)."""
    version: int = 0
    """Edition that its frames say."""
    ended: str = ""
    """Why the session gave up."""
    unanswered_3: bool = False
    """Asked for CFG-3 it said nothing, or broke off."""


class Attempt:
    """See the module. `take` and `wake` return what to send; `over` says that there is nothing more to learn."""

    def __init__(self, tongue: Tongue, asked: Asked) -> None:
        self.tongue, self.asked = tongue, asked
        self.heard = Heard(tongue)
        self.master = tongue.master(asked)
        self.over = False
        self.wants_data_pipe = False
        self._splitters: dict[Pipe, c37118.Splitter] = {pipe: tongue.splitter() for pipe in Pipe}
        self._until: int | None = None
        """Monotonic [ns] of the end of listening."""

    def begin(self, now: Now) -> list[bytes]:
        """The connection is up."""
        return self._do(self.master.begin(now), now)

    def take(self, data: bytes, now: Now, pipe: Pipe = Pipe.MANAGEMENT) -> list[bytes]:
        """Bytes that came."""
        heard, splitter = self.heard, self._splitters[pipe]
        heard.size += len(data)
        heard.start += data[: max(0, LOOK - len(heard.start))]
        said = [each for frame in splitter.feed(data) for each in self._frame(frame, now, pipe)]
        heard.corrupt = sum(each.corrupt for each in self._splitters.values())
        heard.skipped = sum(each.skipped for each in self._splitters.values())
        return said

    def _frame(self, frame: bytes, now: Now, pipe: Pipe) -> list[bytes]:
        heard = self.heard
        heard.sound += 1
        heard.version = frame[1] & 15
        if self.tongue.protocol == "c37118":
            heard.streams[c37118.stream_id(frame)] += 1
        if self.master.accepts(frame):
            if not heard.frames:
                self._until = now.monotonic + self._listens()
            if len(heard.frames) < FRAMES_AT_MOST:
                heard.frames.append(frame)
                heard.arrivals.append(now.utc)
            return self._do(self.master.note_status(True, False, now), now)
        told = (frame, now) if self.tongue.protocol == "c37118" else (frame, now, pipe)
        return self._do(self.master.receive(*told), now)

    def data_pipe(self, now: Now) -> list[bytes]:
        """It is up."""
        self.wants_data_pipe = False
        return self._do(self.master.data_pipe(True, now), now)

    def wake(self, now: Now) -> list[bytes]:
        """Time has passed."""
        if self._until is not None and now.monotonic >= self._until:
            self.over = True
            return []
        due = self.master.wake_at()
        return self._do(self.master.wake(now), now) if due is not None and now.monotonic >= due else []

    def wake_at(self, now: Now) -> int:
        """Monotonic [ns], at the latest."""
        due = [each for each in (self._until, self.master.wake_at()) if each is not None]
        return min(due, default=now.monotonic + SECOND)

    def end(self, now: Now) -> list[bytes]:
        """We leave: it is to send no more."""
        return [event.data for event in self.master.end(now) if isinstance(event, c37118.Send)]

    def _listens(self) -> int:
        """How long DATA is listened to."""
        rate = self.master.cfg.rate if self.master.cfg else 1
        return max(self.asked.listen, min(3 * period(rate), LONGEST))

    def _do(self, events: list[Any], now: Now) -> list[bytes]:
        said: list[bytes] = []
        heard = self.heard
        for event in events:
            if isinstance(event, c37118.Send):
                said.append(event.data)
            elif isinstance(event, c37118.Configured):
                self._configured(event.cfg, now)
            elif isinstance(event, c37118.Data):
                heard.frames.append(event.frame)
                heard.arrivals.append(now.utc)
            elif isinstance(event, c37118.Refused):
                self._refused(event)
            elif isinstance(event, c37118.Ended):
                heard.ended, self.over = event.reason, True
            elif isinstance(event, gbt26865.events.OpenData):
                self.wants_data_pipe = self.asked.data_pipe
                if not self.asked.data_pipe:  # then all may go over this connection
                    said += self._do(self.master.data_pipe(True, now), now)
        heard.unanswered_3 = bool(getattr(self.master, "unanswered_3", False))
        return said

    def _configured(self, cfg: Any, now: Now) -> None:
        heard = self.heard
        heard.changes += heard.codec is not None and bool(heard.frames)
        heard.codec = self.tongue.compile(cfg)
        heard.frames, heard.arrivals = [], []
        self._until = now.monotonic + FIRST_DATA + max(0, self._listens() - self.asked.listen)

    def _refused(self, event: c37118.Refused) -> None:
        kind = frame_type(event.frame) if event.frame else None
        self.heard.refused[("DATA: " if kind == FrameType.DATA else "") + event.reason] += 1
