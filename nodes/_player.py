"""One lane of a capture as it is played: where its tape stands, and what its device answers there."""

from __future__ import annotations

from dataclasses import dataclass, field

from nodes._devicelink import DeviceAnswers
from nodes._devicestream import Dialled
from nodes._tape import Lane, Tape
from protocol.c37118 import ConfigurationFrame, frame_type
from protocol.c37118.common import CONFIGURATIONS
from protocol.c37118.device import Device
from protocol.clock import Now


class PlayedAnswers(DeviceAnswers):
    """A device that answers with the configuration in force where the tape stands."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.known: ConfigurationFrame | None = None
        """What the station was told last on this connection."""

    def receive(self, frame: bytes, now: Now) -> list[bytes]:
        frames = super().receive(frame, now)
        if any(frame_type(said) in CONFIGURATIONS for said in frames):
            self.known = self.device.cfg
        return frames

    def reset(self) -> None:
        super().reset()
        self.known = None


@dataclass
class Player:
    """One lane being played."""

    lane: Lane
    answers: PlayedAnswers
    link: Dialled
    tape: int = 0
    """The one that is on; beyond the last when all is played."""
    cursor: int = 0
    """The next item."""
    taken: int = 0
    """Items that the kernel took before this connection."""
    frames: int = 0
    """DATA frames on the tapes before."""
    rows: int = 0
    sent_before: int = 0
    """`link.sent` when this connection began."""
    connection: int = 0
    """`link.connects` of this connection."""
    began: int | None = None
    """Monotonic ns of "data on" on this connection."""
    closes: int | None = None
    """When a connection that is played to its end is left in any case."""
    fds: set[int] = field(default_factory=set)

    @property
    def over(self) -> bool:
        return self.tape >= len(self.lane.tapes)

    @property
    def current(self) -> Tape:
        return self.lane.tapes[self.tape]

    @property
    def done(self) -> int:
        """Items of this tape that the kernel has taken."""
        return self.taken + self.link.sent - self.sent_before

    @property
    def sent(self) -> int:
        """DATA frames that the kernel has taken."""
        return self.frames + (0 if self.over else self.current.frames[self.done])

    @property
    def sent_rows(self) -> int:
        return self.rows + (0 if self.over else self.current.rows[self.done])
