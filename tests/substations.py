"""A main station by hand for substations of Q/GDW 131 and GB/T 26865.2: loopback sockets, a clock moved by the test."""

from __future__ import annotations

import socket
from collections import defaultdict
from dataclasses import dataclass, field
from types import TracebackType

from protocol.clock import SECOND, Now
from protocol.gbt26865 import ConfigurationFrame, Master, MasterSettings, Pairing, Splitter, identity_of
from protocol.gbt26865 import Pipe as Side
from protocol.gbt26865.events import Configured, Data, Ended, Event, OpenData, Refused, Send
from protocol.smd import Layouts, Spectrum, spectrum_of, splitter_of

Address = tuple[str, int]


@dataclass(eq=False)
class Pipe:
    """One connection."""

    end: socket.socket
    peer: Address
    splitter: Splitter = field(default_factory=Splitter)
    open: bool = True
    session: Session | None = None

    def read(self) -> list[bytes]:
        """The frames that came."""
        try:
            data = self.end.recv(65536)
        except BlockingIOError:
            return []
        except ConnectionError:
            data = b""
        if data:
            return self.splitter.feed(data)
        self.open = False
        self.end.close()
        return self.splitter.close()


@dataclass(eq=False)
class Session:
    """What is said with one substation."""

    management: Pipe
    master: Master
    data_at: Address | None
    """Where its data pipe is to be dialled; None: it dials, or there is none."""
    alone: bool
    """DATA come on the management pipe."""
    data: Pipe | None = None
    frames: list[bytes] = field(default_factory=list)
    """DATA of the configuration in force."""
    spectra: dict[Spectrum, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    """Of an SMD: its other DATA."""
    told: list[ConfigurationFrame] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    ended: str = ""


class MainStation:
    """Dials management pipes (`manage`), or is dialled by substations with all in one connection (`alone`)."""

    def __init__(
        self, settings: MasterSettings, alone: bool = False, layouts: Layouts | None = None, callers: int = 1000
    ) -> None:
        """layouts: of SMDs. callers: so many connections come with commands, further ones with DATA."""
        self.settings, self.alone, self.layouts, self.callers = settings, alone, layouts, callers
        self.door = socket.create_server(("127.0.0.1", 0))
        self.door.setblocking(False)
        self.port = int(self.door.getsockname()[1])
        self.talks: list[Pipe] = []
        self.sessions: list[Session] = []
        self.pairing = Pairing()
        self.now = Now(10**15, 1_700_000_000 * SECOND)
        self.mute = False
        """No master is woken: none beats any more."""

    def __enter__(self) -> MainStation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.door.close()
        for pipe in self.talks:
            pipe.end.close()

    @property
    def frames(self) -> list[bytes]:
        """DATA of all sessions."""
        return [frame for session in self.sessions for frame in session.frames]

    def manage(self, at: Address, data_at: Address | None = None, alone: bool = False) -> Session:
        """Dial a substation's management pipe; its data pipe is at `data_at`, or the substation dials it."""
        return self._begun(self._pipe(socket.create_connection(at, timeout=5), at), data_at, alone)

    def turn(self) -> None:
        """Take what came."""
        while self.door.fileno() >= 0:
            try:
                end, peer = self.door.accept()
            except BlockingIOError:
                break
            pipe = self._pipe(end, peer)
            if self.alone or (self.layouts and len(self.sessions) < self.callers):
                self._begun(pipe, None, self.alone)
        for pipe in list(self.talks):
            if pipe.open:
                self._take(pipe, pipe.read())
        for session in self.sessions:
            due = session.master.wake_at()
            if due is not None and due <= self.now.monotonic and not (self.mute or session.ended):
                self.act(session, session.master.wake(self.now))

    def act(self, session: Session, events: list[Event]) -> None:
        """Do what a session says."""
        for event in events:
            if isinstance(event, Send) and session.management.open:
                session.management.end.send(event.data)
            elif isinstance(event, Configured):
                assert isinstance(event.cfg, ConfigurationFrame)
                session.told.append(event.cfg)
            elif isinstance(event, Data):
                session.frames.append(event.frame)
            elif isinstance(event, Refused):
                session.refused.append(event.reason)
            elif isinstance(event, Ended):
                session.ended = event.reason
            elif isinstance(event, OpenData):
                self._open(session)

    def _pipe(self, end: socket.socket, peer: Address) -> Pipe:
        end.setblocking(False)
        self.talks.append(Pipe(end, peer, splitter_of(self.layouts)() if self.layouts else Splitter()))
        return self.talks[-1]

    def _begun(self, pipe: Pipe, data_at: Address | None, alone: bool) -> Session:
        pipe.session = session = Session(pipe, Master(self.settings), data_at, alone)
        self.sessions.append(session)
        self.pairing.management(session, pipe.peer[0])
        self.act(session, session.master.begin(self.now))
        return session

    def _open(self, session: Session) -> None:
        if session.alone:
            self.act(session, session.master.data_pipe(True, self.now))
        elif session.data_at is not None:
            try:
                end = socket.create_connection(session.data_at, timeout=5)
            except ConnectionRefusedError:
                return  # it has stopped
            self._owned(self._pipe(end, session.data_at), session)

    def _owned(self, pipe: Pipe, session: Session) -> None:
        pipe.session, session.data = session, pipe
        self.act(session, session.master.data_pipe(True, self.now))

    def _take(self, pipe: Pipe, frames: list[bytes]) -> None:
        for frame in frames:
            if pipe.session is None:
                self._pair(pipe, frame)
            session = pipe.session
            assert session is not None
            spectrum = spectrum_of(frame, self.layouts) if self.layouts else None
            if spectrum:
                session.spectra[spectrum].append(frame)
            elif session.master.accepts(frame):
                session.frames.append(frame)
            else:
                side = Side.MANAGEMENT if pipe is session.management else Side.DATA
                self.act(session, session.master.receive(frame, self.now, side))
        if pipe.session is not None and not pipe.open and not pipe.session.ended:
            self._lost(pipe, pipe.session)

    def _lost(self, pipe: Pipe, session: Session) -> None:
        self.pairing.closed(session if pipe is session.management else pipe)
        if pipe is session.management:
            self.act(session, session.master.end(self.now))
            session.ended = "the management pipe was closed"
        elif pipe is session.data:
            self.act(session, session.master.data_pipe(False, self.now))

    def _pair(self, pipe: Pipe, frame: bytes) -> None:
        if self.layouts:  # several pipes of one device
            mine = [each for each in self.sessions if each.master.identity == identity_of(frame) and not each.ended]
            (pipe.session,) = mine
            if spectrum_of(frame, self.layouts) is Spectrum.NONE:
                self._owned(pipe, pipe.session)
            return
        for session in self.sessions:
            if session.ended:
                continue
            self.pairing.management(session, session.management.peer[0], session.master.identity)
        owner = self.pairing.data(pipe, pipe.peer[0], frame)
        assert isinstance(owner, Session), "DATA of nobody"
        self._owned(pipe, owner)
