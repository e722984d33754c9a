"""Our side of a session: who asks what when, without sockets and clocks. (`device.py` is the other side.)

IEEE C37.118 has no acknowledgement: a command is answered by what it asked for, or by silence. What may follow what
stands in the tables of `states.py`.

DATA stays cheap: only what does not fit the configuration in force goes through `receive`.

    master = Master(MasterSettings(stream=60))
    act(master.begin(now))
    for frame in splitter.feed(chunk):
        if master.accepts(frame):                     # or inline: len(frame) == master.data_size and …
            batch.append(frame)
        else:
            act(master.receive(frame, now))           # answers, early or misfitting DATA
    act(master.note_status(bool(batch), bool((status & CONFIGURATION_CHANGED).any()), now))  # once a tick
    if master.wake_at() is not None and master.wake_at() <= now.monotonic:
        act(master.wake(now))

`act` gets `Send` (bytes to the device), `Configured` (decode the batch so far; from now on frames fit this), `Data`
(a held frame that fits the configuration just told), `Refused` (a DATA frame that fits none, or a damaged
configuration), `Lost` (a held DATA frame given up by our bound), `Heard` (a header, for people), `Ended` (give the
link up).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from protocol.c37118.common import CONFIGURATIONS, FrameError, FrameType, frame_type, stream_id
from protocol.c37118.events import Configured, Ended, Event, Heard, Refused, Send
from protocol.c37118.fragments import Fragments
from protocol.c37118.frames import Command, CommandCode, ConfigurationFrame, HeaderFrame, encode_command, parse
from protocol.c37118.states import CHECKING, COMMANDS, HOLDING, TRANSITIONS, WITHOUT_CFG3, Cue, State
from protocol.c37118.waiting import Holder, Waiting
from protocol.clock import MILLISECOND, SECOND, Now, period


@dataclass(frozen=True)
class MasterSettings:
    """Times in ns."""

    stream: int | None = None
    """IDCODE to address; None = the one the device shows first, 1 until then."""
    cfg3: bool = True
    """Ask for CFG-3 first. Some old devices close the link on it: see `Master.unanswered_3`."""
    spontaneous: bool = False
    """Never send anything."""
    pause: int = 100 * MILLISECOND
    """Between the stop and the first question."""
    wait: int = 2 * SECOND
    """For a configuration, before the next attempt; then doubled each time, up to 30 s."""
    attempts: int = 5
    """Questions for CFG-2 before giving up; 0 = never."""
    silence: int = 10 * SECOND
    """Without DATA before it is asked for again (and three reporting periods, if that is longer)."""
    recheck: int = 10 * SECOND
    """Least time between two questions because of misfitting DATA."""
    hold_frames: int = 8192
    """DATA frames held while there is no configuration that they fit."""
    hold_bytes: int = 4 * 1024 * 1024


DEFAULTS = MasterSettings()
LONGEST_WAIT = 30 * SECOND
PIECES_KEPT = 64 * 1024
"""Bytes of an unfinished CFG-3 that are remembered; a longer one is asked for again."""
_REMEMBERED = (
    "unanswered_3", "_stream", "_deadline", "_attempt", "_last_data", "_asked_again", "_changing", "_wants_3", "_again",
    "_doubted",
)  # fmt: skip
"""What decides about what is to come. Append only: journals hold these in this order."""


class Master(Holder):
    """One link's session. Every method that returns events leaves none of them unsaid."""

    def __init__(self, settings: MasterSettings = DEFAULTS) -> None:
        self.state = State.NEW
        self.cfg: ConfigurationFrame | None = None
        """In force."""
        self.data_size = -1
        """Bytes of a DATA frame that fits it; -1 = none does."""
        self.unanswered_3 = False
        """CFG-3 was asked for and not (yet) told. If the link breaks in ASKING_3, ask such a device for CFG-2 only."""
        self._settings = settings
        self._stream = settings.stream
        self._idcode = b""
        self._fragments = Fragments()
        self._waiting = Waiting(settings.hold_frames, settings.hold_bytes)
        self._deadline: int | None = None
        self._attempt = 0
        self._last_data = 0
        self._asked_again = -(1 << 62)
        self._changing = False
        self._wants_3 = settings.cfg3
        self._again = False
        self._doubted = False

    @property
    def stream(self) -> int | None:
        """IDCODE of the device: as set, else as it showed itself; None before that."""
        return self._stream

    @property
    def steady(self) -> bool:
        """Whether a configuration is in force, nothing waits and nothing is asked: DATA is all that is to come."""
        return self.state is State.RUNNING and self.cfg is not None and not (self._changing or self._waiting.count)

    def remember(self) -> list[Any]:
        """Where it stands, as plain values; without the configuration in force and the held frames (`limbo`)."""
        values = [getattr(self, name) for name in _REMEMBERED]
        pieces = self._fragments.state(PIECES_KEPT)
        return [self.state.name, self._settings.stream, self._settings.cfg3, pieces, *values]

    def recall(self, kept: list[Any], cfg: ConfigurationFrame | None, first: int, held: list[bytes]) -> None:
        """Go on where another one was: what it gave to remember, its configuration, its held frames from `first` on.

        Times are monotonic, of the same boot of the same machine.
        """
        state, stream, cfg3, pieces, *values = kept
        self.state = State[state]
        self._settings = replace(self._settings, stream=stream, cfg3=cfg3)
        self._fragments.restore(pieces)
        for name, value in zip(_REMEMBERED, values, strict=False):
            setattr(self, name, value)
        if cfg and not self._doubted:
            self._adopt(cfg)
        self._waiting.restore(first, held)

    def accepts(self, frame: bytes) -> bool:
        """Whether a frame is DATA of the configuration in force: decode it, don't `receive` it."""
        return len(frame) == self.data_size and frame[1] < 0x10 and frame[4:6] == self._idcode

    def begin(self, now: Now) -> list[Event]:
        """The link is up."""
        self._last_data = now.monotonic
        if self._settings.spontaneous:
            self.state = State.LISTENING
            return []
        return self._cue(Cue.BEGIN, now)

    def beside(self, stream: int) -> Master:
        """A session for a further stream on the same link; `join` asks for its configuration, `begin` would stop it."""
        cfg3 = self.cfg is not None and self.cfg.kind == 3
        return Master(replace(self._settings, stream=stream, cfg3=cfg3))

    def join(self, now: Now) -> list[Event]:
        """Ask for the configuration of a stream that comes already; nothing if that was done, or can't be."""
        if self.state is not State.NEW or self._settings.spontaneous:
            return []
        self._last_data = now.monotonic
        return self._cue(Cue.JOIN, now)

    def end(self, now: Now) -> list[Event]:
        """We leave: tell the device to stop; held DATA is refused."""
        talking = self.state not in (State.NEW, State.LISTENING, State.ENDED)
        self.state, self._deadline = State.ENDED, None
        events = self._release("the link ended before a configuration came")
        return [*events, self._command(CommandCode.DATA_OFF, now)] if talking else events

    def receive(self, frame: bytes, now: Now) -> list[Event]:
        """A frame with a good check word (or a piece of a CFG-3) that `accepts` declined."""
        kind = frame_type(frame)
        if kind == FrameType.DATA:
            return self._misfit(frame, now)
        try:
            if kind == FrameType.CONFIGURATION_3:
                whole = self._fragments.add(frame, now.monotonic)
                return self._configuration(whole, now) if whole else []
            if kind in CONFIGURATIONS or kind == FrameType.HEADER:
                parsed = parse(frame)
                if isinstance(parsed, ConfigurationFrame):
                    return self._configuration(parsed, now)
                if isinstance(parsed, HeaderFrame):
                    return [Heard(parsed)]
        except FrameError as fault:
            return [Refused(frame, str(fault))]
        return [Refused(frame, f"a frame of type {kind} is not for us")]

    def note_status(self, came: bool, changing: bool, now: Now) -> list[Event]:
        """Once a tick: whether DATA came, and whether STAT bit 10 was set in any of it."""
        if not came:
            return []
        self._last_data = now.monotonic
        if changing == self._changing:
            return []
        self._changing = changing
        return self._cue(Cue.CHANGED, now)

    def wake_at(self) -> int | None:
        """Monotonic time [ns] of the next `wake`; None = never."""
        return self._deadline

    def wake(self, now: Now) -> list[Event]:
        """The time has come (calling early does no harm)."""
        if self._deadline is None or now.monotonic < self._deadline:
            return []
        if self.state is State.RUNNING and now.monotonic < self._last_data + self._silence():
            self._deadline, self._attempt = self._last_data + self._silence(), 1
            return []
        spent = 0 < self._settings.attempts <= self._attempt and (self.state, Cue.EXHAUSTED) in TRANSITIONS
        if spent and self.cfg is not None:
            return self._cue(Cue.CONFIGURED, now)  # told unasked by a device that doesn't answer: it is in force
        return self._cue(Cue.EXHAUSTED if spent else Cue.TIMEOUT, now)

    def _cue(self, cue: Cue, now: Now) -> list[Event]:
        """Go where the table says; say what is said on the way in."""
        before = self.state
        state = TRANSITIONS.get((before, cue))
        if state is None:
            self._again |= cue is Cue.CHANGED and before in CHECKING
            return []
        if before in WITHOUT_CFG3 and cue is Cue.TIMEOUT:
            self._wants_3 = False
        state = state if self._wants_3 else WITHOUT_CFG3.get(state, state)
        self.unanswered_3 |= state in WITHOUT_CFG3
        self._attempt = self._attempt + 1 if state is before else 1
        self.state = state
        self._deadline = self._next_deadline(now)
        return self._entered(before, now)

    def _entered(self, before: State, now: Now) -> list[Event]:
        events: list[Event] = []
        if self.state in COMMANDS and not (before in CHECKING and self.state is State.RUNNING):
            events.append(self._command(COMMANDS[self.state], now))
        if self.state not in HOLDING:
            events += self._release("no configuration came that it fits")
        if self.state is State.ENDED:
            events.append(Ended(f"no configuration after {self._settings.attempts} questions"))
        if self._again and self.state is State.RUNNING:
            self._again = False
            events += self._cue(Cue.CHANGED, now)
        return events

    def _next_deadline(self, now: Now) -> int | None:
        if self.state in (State.ENDED, State.LISTENING):
            return None
        if self.state is State.STOPPING:
            return now.monotonic + self._settings.pause
        first = self._silence() if self.state is State.RUNNING else self._settings.wait
        backoff = min(first << min(self._attempt - 1, 10), max(LONGEST_WAIT, first))
        return now.monotonic + backoff

    def _silence(self) -> int:
        return max(self._settings.silence, 3 * period(self.cfg.rate) if self.cfg else 0)

    def _command(self, code: CommandCode, now: Now) -> Send:
        version = 2 if code is CommandCode.SEND_CONFIGURATION_3 else 1
        stream = 1 if self._stream is None else self._stream
        command = Command(stream=stream, soc=now.utc // SECOND, version=version, command=code)
        return Send(encode_command(command))

    def _misfit(self, frame: bytes, now: Now) -> list[Event]:
        """DATA of no configuration in force."""
        if self.state is State.ENDED:
            return [Refused(frame, "the link has ended")]
        self._last_data = now.monotonic
        stream = stream_id(frame)
        if self._stream is None:
            self._stream = stream
        if stream != self._stream:
            return [Refused(frame, f"DATA of stream {stream} on a link of stream {self._stream}")]
        events: list[Event] = []
        if self.state is State.RUNNING and now.monotonic >= self._asked_again + self._settings.recheck:
            self._asked_again = now.monotonic
            events = self._cue(Cue.CHANGED, now)
        if self.state not in HOLDING:
            says = "it is not known what they mean" if self._doubted else f"the configuration says {self.data_size}"
            return [*events, Refused(frame, f"DATA of {len(frame)} bytes, {says}")]
        return [*events, *self._waiting.add(frame)]

    def _adopt(self, cfg: ConfigurationFrame) -> None:
        self.cfg, self.data_size, self._idcode = cfg, cfg.data_size, cfg.stream.to_bytes(2, "big")
        self._doubted = False

    def _configuration(self, cfg: ConfigurationFrame, now: Now) -> list[Event]:
        if cfg.kind == 1:
            return []  # what the device could send, not what it sends
        if self._stream is not None and self._settings.stream is not None and cfg.stream != self._stream:
            raise FrameError(f"it says it is stream {cfg.stream}, asked for was stream {self._stream}: one is wrong")
        if cfg.kind == 3:
            self.unanswered_3, self._wants_3 = False, self._settings.cfg3
        if self.cfg is not None and told_already(self.cfg, cfg):
            return self._cue(Cue.CONFIGURED, now)
        self._stream = cfg.stream
        self._adopt(cfg)
        held = self._release(f"it doesn't fit the configuration that came (DATA of {cfg.data_size} bytes)")
        return [Configured(cfg), *held, *self._cue(Cue.CONFIGURED, now)]


def told_already(known: ConfigurationFrame, cfg: ConfigurationFrame) -> bool:
    """Whether a configuration adds nothing to the known one: the same, or the shorter CFG-2 of a known CFG-3."""
    if known.kind == cfg.kind:
        return known.says_the_same(cfg)
    return known.kind == 3 and _core(known) == _core(cfg)


def _core(cfg: ConfigurationFrame) -> tuple[object, ...]:
    stations = [
        (each.idcode, each.format, len(each.phasors), len(each.analogs), len(each.digitals), each.nominal, each.changes)
        for each in cfg.stations
    ]
    return cfg.stream, cfg.time_base, cfg.rate, stations
