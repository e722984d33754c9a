"""The master's side of a session with one substation, without sockets and clocks. (`device.py` is the other side.)

Two pipes: management (commands, configurations, headers) and data. Who dials which differs (V2: we dial management, the
substation dials data; V3: mostly we dial both); the session does not dial, it is told what came on which pipe.

    M  0x0004 →            ← CFG-1
    M  0x8000 →            ← ACK      only if there is a CFG-2 to download
    M  CFG-2  →            ← ACK
    M  0x0005 →            ← CFG-2    NACK or silence: it streams by its CFG-1
       the data pipe opens
    M  0x0002 →            ← ACK, then DATA on the data pipe
    M  0x4000 every 30 s → ← the same

What may follow what stands in the tables of `states.py`. DATA stays cheap, as in `c37118.session`:

    master = Master(MasterSettings(identity=b"0GX00GP1"))
    act(master.begin(now))                                # the management pipe is up
    act(master.data_pipe(True, now))                      # the data pipe is up
    if master.accepts(frame): batch.append(frame)
    else: act(master.receive(frame, now, Pipe.DATA))
    act(master.note_status(came, changing, now))          # once a tick
    if (due := master.wake_at()) is not None and due <= now.monotonic: act(master.wake(now))
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.c37118.common import FrameError, FrameType, frame_type
from protocol.c37118.session import LONGEST_WAIT
from protocol.c37118.waiting import Holder, Waiting
from protocol.clock import SECOND, Now, period
from protocol.gbt26865.common import NOBODY, V2, identity_of, identity_text
from protocol.gbt26865.configuration import ConfigurationFrame, encode_configuration, recalled, remembered
from protocol.gbt26865.describe import whose
from protocol.gbt26865.events import Configured, Ended, Event, Heard, OpenData, Refused, Send
from protocol.gbt26865.frames import Command, CommandCode, HeaderFrame, encode_command, meaning, parse
from protocol.gbt26865.heartbeats import Heartbeats
from protocol.gbt26865.settings import MasterSettings, Pipe
from protocol.gbt26865.states import CHECKING, COMMANDS, HOLDING, PIPED, TRANSITIONS, UNBOUNDED, Cue, State

DEFAULTS = MasterSettings()
_REMEMBERED = (
    "_identity", "_version", "_piped", "_deadline", "_attempt", "_last_data", "_asked_again", "_changing", "_again",
    "_doubted",
)  # fmt: skip
"""What decides about what is to come. Append only: journals hold these in this order."""


class Master(Holder):
    """One substation's session. Every method that returns events leaves none of them unsaid."""

    def __init__(self, settings: MasterSettings = DEFAULTS) -> None:
        self.state = State.NEW
        self.capability: ConfigurationFrame | None = None
        """Its CFG-1."""
        self.cfg: ConfigurationFrame | None = None
        """In force: its CFG-2; its CFG-1 if it has no other."""
        self.data_size = -1
        """Bytes of a DATA frame that fits it; -1 = none does."""
        self._settings = settings
        self._identity = settings.identity
        self._version = settings.version
        self._lead = b""
        self._waiting = Waiting(settings.hold_frames, settings.hold_bytes)
        self._beats = Heartbeats(settings.heartbeat, settings.misses)
        self._piped = False
        self._deadline: int | None = None
        self._attempt = 0
        self._last_data = 0
        self._asked_again = -(1 << 62)
        self._changing = False
        self._again = False
        self._doubted = False

    @property
    def identity(self) -> bytes | None:
        """IDCODE of the substation: as set, else as it showed itself; None before that."""
        return self._identity

    @property
    def addressed(self) -> bytes | None:
        """IDCODE that it was set to address; None: whoever is there."""
        return self._settings.identity

    @property
    def wants_pipe(self) -> bool:
        """Whether it is configured, and has no data pipe."""
        return self.state in PIPED and not self._piped

    @property
    def steady(self) -> bool:
        """Whether a configuration is in force, nothing waits and nothing is asked: DATA is all that is to come."""
        return self.state is State.RUNNING and self.cfg is not None and not (self._changing or self._waiting.count)

    def remember(self) -> list[Any]:
        """Where it stands, as plain values; without the configuration in force and the held frames (`limbo`)."""
        capability = remembered(self.capability) if self.capability else None
        return [self.state.name, capability, self._beats.state(), *(getattr(self, name) for name in _REMEMBERED)]

    def recall(self, kept: list[Any], cfg: ConfigurationFrame | None, first: int, held: list[bytes]) -> None:
        """Go on where another one was: what it gave to remember, its configuration, its held frames from `first` on.

        Times are monotonic, of the same boot of the same machine.
        """
        state, capability, beats, *values = kept
        self.state = State[state]
        self.capability = recalled(capability) if capability else None
        self._beats.restore(beats)
        for name, value in zip(_REMEMBERED, values, strict=False):
            setattr(self, name, value)
        if cfg and not self._doubted:
            self._adopt(cfg)
        self._waiting.restore(first, held)

    def accepts(self, frame: bytes) -> bool:
        """Whether a frame is DATA of the configuration in force: decode it, don't `receive` it."""
        return len(frame) == self.data_size and frame.startswith(self._lead)

    def begin(self, now: Now) -> list[Event]:
        """The management pipe is up."""
        self._last_data = now.monotonic
        self._beats.begin(now.monotonic, expecting=False)
        return self._cue(Cue.BEGIN, now)

    def data_pipe(self, up: bool, now: Now) -> list[Event]:
        """The data pipe is up, or down."""
        self._piped = up
        return self._cue(Cue.PIPE_UP if up else Cue.PIPE_DOWN, now)

    def end(self, now: Now) -> list[Event]:
        """We leave: tell the substation to stop; held DATA is refused."""
        talking = self.state not in (State.NEW, State.ENDED)
        return [*self._over(), *([self._command(CommandCode.DATA_OFF, now)] if talking else [])]

    def receive(self, frame: bytes, now: Now, pipe: Pipe = Pipe.MANAGEMENT) -> list[Event]:
        """A frame with a good check word that `accepts` declined."""
        kind = frame_type(frame)
        if kind == FrameType.DATA:
            return self._misfit(frame, now)
        if pipe is Pipe.DATA:
            return [Refused(frame, f"a frame of type {kind} on the data pipe, which is for DATA only")]
        try:
            parsed = parse(frame)
            if isinstance(parsed, ConfigurationFrame):
                return self._configuration(parsed, now)
            if isinstance(parsed, HeaderFrame):
                return [Heard(parsed)]
            if isinstance(parsed, Command):
                return self._answer(frame, parsed, now)
        except FrameError as fault:
            return [Refused(frame, str(fault))]
        return [Refused(frame, f"a frame of type {kind} is not for us")]

    def note_status(self, came: bool, changing: bool, now: Now) -> list[Event]:
        """Once a tick: whether DATA that fits came, and whether STAT bit 10 was set in any of it."""
        if not came:
            return []
        self._last_data = now.monotonic
        events = self._cue(Cue.FLOWING, now)
        if changing == self._changing:
            return events
        self._changing = changing
        return [*events, *self._cue(Cue.CHANGED, now)]

    def wake_at(self) -> int | None:
        """Monotonic time [ns] of the next `wake`; None = never."""
        due = [each for each in (self._deadline, self._beats.due) if each is not None]
        return min(due) if due else None

    def wake(self, now: Now) -> list[Event]:
        """The time has come (calling early does no harm)."""
        events: list[Event] = []
        if self._beats.due is not None and now.monotonic >= self._beats.due:
            if not self._beats.beat(now.monotonic):
                why = f"no heartbeat came back, {self._settings.misses} times"
                return [*self._over(), Ended(why)]
            events.append(self._command(CommandCode.HEARTBEAT, now))
        if self._deadline is None or now.monotonic < self._deadline:
            return events
        if self.state is State.RUNNING and now.monotonic < self._last_data + self._silence():
            self._deadline = self._last_data + self._silence()
            return events
        spent = 0 < self._settings.attempts <= self._attempt and self.state not in UNBOUNDED
        return [*events, *self._cue(Cue.EXHAUSTED if spent else Cue.TIMEOUT, now)]

    def _over(self) -> list[Event]:
        self.state, self._deadline = State.ENDED, None
        self._beats.end()
        return self._release("the link ended before a configuration came")

    def _cue(self, cue: Cue, now: Now) -> list[Event]:
        """Go where the table says; say what is said on the way in."""
        before = self.state
        state = TRANSITIONS.get((before, cue))
        if state is None:
            self._again |= cue is Cue.CHANGED and before in CHECKING
            return []
        if state in (State.OFFERING, State.LOADING) and self._selected() is None:
            state = State.ASKING_2
        self._attempt = self._attempt + 1 if state is before else 1
        self.state = state
        self._deadline = self._next_deadline(now)
        return self._entered(before, now)

    def _entered(self, before: State, now: Now) -> list[Event]:
        events: list[Event] = []
        if self.state is State.OPENING and before is State.ASKING_2 and self.cfg is None and self.capability:
            events += self._in_force(self.capability)
        if self.state in COMMANDS:
            events.append(self._command(COMMANDS[self.state], now))
        elif self.state is State.LOADING:
            events.append(self._download(now))
        if self.state is State.ENDED:
            events += [*self._over(), Ended(f"no answer after {self._settings.attempts} questions")]
        elif self.state is State.OPENING:
            events += self._cue(Cue.PIPE_UP, now) if self._piped else [OpenData()]
        elif self.state not in HOLDING:
            events += self._release("no configuration came that it fits")
        if self._again and self.state is State.RUNNING:
            self._again = False
            events += self._cue(Cue.CHANGED, now)
        return events

    def _next_deadline(self, now: Now) -> int | None:
        if self.state is State.ENDED:
            return None
        if self.state is State.OPENING:
            return now.monotonic + self._settings.pairing
        first = self._silence() if self.state is State.RUNNING else self._settings.wait
        return now.monotonic + min(first << min(self._attempt - 1, 10), max(LONGEST_WAIT, first))

    def _silence(self) -> int:
        return max(self._settings.silence, 3 * period(self.cfg.rate) if self.cfg else 0)

    def _command(self, code: CommandCode, now: Now) -> Send:
        soc, identity = now.utc // SECOND, self._identity or NOBODY
        return Send(encode_command(Command(identity=identity, version=self._version, soc=soc, command=code)))

    def _selected(self) -> ConfigurationFrame | None:
        return self._settings.select(self.capability) if self._settings.select and self.capability else None

    def _download(self, now: Now) -> Send:
        selected = self._selected()
        assert selected is not None  # else `_cue` does not lead here
        return Send(encode_configuration(replace(selected, soc=now.utc // SECOND, count=0, quality=0), 2))

    def _answer(self, frame: bytes, said: Command, now: Now) -> list[Event]:
        """A command of the substation: an answer, or a heartbeat."""
        what = meaning(said.command)
        if what not in (CommandCode.ACK, CommandCode.NACK, CommandCode.HEARTBEAT):
            return [Refused(frame, f"command {said.command:#06x} is not for a master")]
        self._met(said.version, said.identity)
        if what is CommandCode.HEARTBEAT:
            self._beats.heard()
            return []
        events: list[Event] = []
        if what is CommandCode.NACK and self.state is State.LOADING:
            events.append(Refused(frame, "the substation refused the CFG-2 that was downloaded"))
        return [*events, *self._cue(Cue.ACK if what is CommandCode.ACK else Cue.NACK, now)]

    def _met(self, version: int, identity: bytes) -> None:
        """The substation shows itself. In V2 only its commands are sure to bear its true IDCODE."""
        self._version = version
        if self._settings.identity is None and identity:
            self._identity = identity

    def _configuration(self, cfg: ConfigurationFrame, now: Now) -> list[Event]:
        wanted = self._settings.identity
        if wanted is not None and cfg.version != V2 and cfg.identity != wanted:
            told, asked = identity_text(cfg.identity), identity_text(wanted)
            raise FrameError(f"it says it is {told}, asked for was {asked}: one is wrong")
        self._met(cfg.version, cfg.identity or (whose(cfg) if self._identity is None else b""))
        if cfg.kind == 1:
            self.capability = cfg
            binding = self.state is State.CHECKING_1 or (self.cfg is not None and self.cfg.kind == 1)
            return [*(self._in_force(cfg) if binding else []), *self._cue(Cue.CFG_1, now)]
        events = self._in_force(cfg)
        if not events and self.state is State.CHECKING_2 and self.capability and self._streams_by(self.capability):
            events = self._in_force(self.capability)
        return [*events, *self._cue(Cue.CFG_2, now)]

    def _streams_by(self, cfg: ConfigurationFrame) -> bool:
        """Whether DATA waits, and all of it has the size that this configuration says."""
        _, waiting = self._waiting.since(0)
        return bool(waiting) and all(len(frame) == self._size_of(cfg) for frame in waiting)

    def _size_of(self, cfg: ConfigurationFrame) -> int:
        """Bytes of DATA by a configuration."""
        return cfg.data_size + self._settings.behind_fracsec

    def _in_force(self, cfg: ConfigurationFrame) -> list[Event]:
        """Take a configuration, and the DATA that waited for it; nothing if it is the one in force."""
        if self.cfg is not None and self.cfg.says_the_same(cfg):
            return []
        self._adopt(cfg)
        why = f"it doesn't fit the configuration that came (DATA of {self.data_size} bytes)"
        return [Configured(cfg), *self._release(why)]

    def _adopt(self, cfg: ConfigurationFrame) -> None:
        self.cfg, self.data_size, self._doubted = cfg, self._size_of(cfg), False
        self._lead = bytes([0xAA, cfg.version]) + self.data_size.to_bytes(4, "big")[2:] + cfg.identity

    def _misfit(self, frame: bytes, now: Now) -> list[Event]:
        """DATA of no configuration in force."""
        if self.state is State.ENDED:
            return [Refused(frame, "the link has ended")]
        self._last_data = now.monotonic
        identity = identity_of(frame)
        if identity and self._identity is not None and identity != self._identity:
            told, known = identity_text(identity), identity_text(self._identity)
            return [Refused(frame, f"DATA of {told} on a link of {known}")]
        events: list[Event] = []
        if self.state is State.RUNNING and now.monotonic >= self._asked_again + self._settings.recheck:
            self._asked_again = now.monotonic
            events = self._cue(Cue.CHANGED, now)
        if self.state not in HOLDING:
            says = "it is not known what they mean" if self._doubted else f"the configuration says {self.data_size}"
            return [*events, Refused(frame, f"DATA of {len(frame)} bytes, {says}")]
        return [*events, *self._waiting.add(frame)]
