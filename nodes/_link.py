"""One device stream, as far as its receiver knows it: session, identity, and the frames that wait for either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nodes._state import SOURCES
from nodes._tongues import Session, Tongue
from protocol.c37118 import Codec, ConfigurationFrame, FrameError, FrameType, frame_type, session, stream_id
from protocol.messages import Spectrum

BESIDE_AT_MOST = 64
"""Further streams on one connection."""
EARLY_AT_MOST = 4096
"""DATA frames of a link kept until the balancer has said who it is."""
EARLY_BYTES = 4 << 20
"""Bytes of those."""
STREAMED = frozenset((FrameType.DATA, FrameType.CONFIGURATION_2, FrameType.CONFIGURATION_3))
"""What says that there is a stream."""


@dataclass(eq=False)
class Link:
    """One device stream, as far as its receiver knows it."""

    slot: int
    """Of its connection, in the journal's notes."""
    balancer: str
    """Who handed it over."""
    connection: int
    """The balancer's number for it."""
    address: str
    tongue: Tongue
    """What is spoken."""
    master: Session
    send: Callable[[bytes], None]
    """Puts a command on its way."""
    key: tuple[str, int] = ("", -1)
    """Which of its connection's links it is: ("", -1) the first, ("", IDCODE) one beside it, (address, IDCODE) one of
    many on a port."""
    number: int = 0
    """Link number; 0 until the balancer has said who it is."""
    stream: int = 0
    """IDCODE that it was identified by."""
    identity: dict[str, Any] = field(default_factory=dict)
    """What the balancer said of it."""
    fits: bool = True
    """Its configuration is one of its kind; if not, it is a device without spectra until another one comes."""
    codecs: dict[int, Codec] = field(default_factory=dict)
    """By spectrum."""
    early: list[tuple[ConfigurationFrame, list[bytes]]] = field(default_factory=list)
    """DATA that came before we knew who it is, with the configuration in force."""
    unbooked: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    """Frames counted before we knew who it is, by column of the books."""
    asked: int = 0
    """IDCODE that the balancer was last asked about."""
    refused: bool = False
    """The balancer does not know it; what it still sends is counted."""
    muted: bool = False
    """Commands wait until the balancer has said who it is: an unknown device is never told to send."""
    kept: bytes = b""
    """The last of them."""
    over: str = ""
    """Why its session gave up; "" while it has not."""
    beside: dict[int, Link] = field(default_factory=dict)
    """Further streams on the same connection, by IDCODE."""
    certificate: tuple[str, ...] = ()
    """Names of the certificate that it came with."""
    secondary: bool = False
    """It is one of those."""

    @property
    def stations(self) -> int:
        return len(self.codec.tables) if self.codec else 0

    @property
    def codec(self) -> Codec | None:
        """Of the fundamental."""
        return self.codecs.get(Spectrum.NONE)

    @property
    def sources(self) -> dict[int, Codec]:
        """Of its rows: what they are numbered by (`nodes/_rows.py`) -> codec."""
        return {self.number + spectrum * SOURCES: codec for spectrum, codec in self.codecs.items()}

    @property
    def entry(self) -> dict[str, Any]:
        """Its `identity`, as far as its configuration fits it."""
        return self.identity if self.fits else {**self.identity, "kind": None}

    def compile(self, cfg: ConfigurationFrame) -> str:
        """Make the codecs of a configuration, as far as it is known who this is; returns why not all could be made."""
        self.fits, why = True, ""
        try:
            self._compile(cfg)
        except FrameError as fault:  # of spectra: the fundamental's is always there
            self.fits, why = False, str(fault)
            self._compile(cfg)
        return why

    def _compile(self, cfg: ConfigurationFrame) -> None:
        self.tongue.tell(self.master, self.entry)
        self.codecs = self.tongue.codecs(cfg, self.entry)

    def by_source(self, frames: list[bytes]) -> Iterator[tuple[int, list[bytes]]]:
        """DATA frames that the session accepts, by what their rows are numbered by."""
        if len(self.codecs) == 1:
            yield self.number, frames
            return
        parts: dict[int, list[bytes]] = {}
        for frame in frames:
            parts.setdefault(self.tongue.spectrum(frame), []).append(frame)
        for spectrum, part in parts.items():
            yield self.number + spectrum * SOURCES, part

    @property
    def unasked(self) -> bool:
        """It sends to a port that anybody may send to, and has told no configuration yet."""
        return bool(self.key[0]) and self.master.cfg is None

    @property
    def held(self) -> int:
        """Bytes of DATA that wait for a configuration, or for the balancer's word."""
        return self.master.held_bytes + sum(len(frames) * len(frames[0]) for _, frames in self.early if frames)

    def keep(self, frames: list[bytes]) -> int:
        """Keep DATA of the configuration in force until the balancer has said who it is; returns how many have no
        room."""
        kept = sum(len(each) for _, each in self.early)
        bytes_kept = sum(len(each) * len(each[0]) for _, each in self.early if each)
        room = max(0, min(EARLY_AT_MOST - kept, (EARLY_BYTES - bytes_kept) // len(frames[0])))
        self.early[-1][1].extend(frames[:room])
        return len(frames) - min(room, len(frames))

    @property
    def waits_for_answer(self) -> bool:
        """The balancer was asked whose it is."""
        return not self.number and not self.refused and self.asked > 0

    @property
    def expects_answer(self) -> bool:
        """There is DATA, and the balancer was asked whose it is."""
        return self.waits_for_answer and any(frames for _, frames in self.early)

    def owner_of(self, frame: bytes) -> Link:
        """Whose frame on this connection it is: ours, or that of another stream once we know our own."""
        cfg = self.master.cfg
        if self.tongue.edition or cfg is None or frame_type(frame) not in STREAMED or stream_id(frame) == cfg.stream:
            return self
        other = self.beside.get(stream_id(frame))
        if other is None and len(self.beside) < BESIDE_AT_MOST:
            other = self.next_to(stream_id(frame))
        return other or self

    def next_to(self, stream: int) -> Link:
        """A further stream on the same connection."""
        assert isinstance(self.master, session.Master)  # no other has streams beside one another
        key, master = ("", stream), self.master.beside(stream)
        ours = self.slot, self.balancer, self.connection, self.address, self.tongue
        link = Link(*ours, master, self.send, key, secondary=True)
        link.certificate = self.certificate
        self.beside[stream] = link
        return link

    def command(self, data: bytes) -> None:
        """Send a command, or keep it."""
        if self.muted:
            self.kept = data
        else:
            self.send(data)

    def unmute(self) -> None:
        """Send what was kept."""
        self.muted, kept, self.kept = False, self.kept, b""
        if kept:
            self.send(kept)
