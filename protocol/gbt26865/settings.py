"""What a master's session is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from protocol.clock import SECOND
from protocol.gbt26865.common import V3
from protocol.gbt26865.configuration import ConfigurationFrame
from protocol.gbt26865.heartbeats import EVERY, MISSES

Select = Callable[[ConfigurationFrame], ConfigurationFrame | None]
"""CFG-1 of a substation -> the CFG-2 it is to stream by (`selection.choose` makes one); None = as it likes. Never
raises."""


class Pipe(Enum):
    """Which connection of a substation."""

    MANAGEMENT = auto()
    DATA = auto()


@dataclass(frozen=True)
class MasterSettings:
    """Times in ns."""

    identity: bytes | None = None
    """IDCODE to address, 8 bytes; None = the one the substation shows first, zeros until then."""
    version: int = V3
    """Edition of the first command; then the one the substation answers in."""
    select: Select | None = None
    """What is downloaded; None = nothing."""
    wait: int = 2 * SECOND
    """For an answer, before the next attempt; then doubled each time, up to 30 s."""
    attempts: int = 5
    """Before giving up; 0 = never."""
    pairing: int = 10 * SECOND
    """For the data pipe, before DATA is asked for without it."""
    silence: int = 10 * SECOND
    """Without DATA before it is asked for again (and three reporting periods, if that is longer)."""
    recheck: int = 10 * SECOND
    """Least time between two questions because of misfitting DATA."""
    heartbeat: int = EVERY
    misses: int = MISSES
    behind_fracsec: int = 0
    """Bytes of DATA between FRACSEC and the first station: none in the standard, but see `protocol.smd`."""
    hold_frames: int = 8192
    """DATA frames held while there is no configuration that they fit."""
    hold_bytes: int = 4 * 1024 * 1024
