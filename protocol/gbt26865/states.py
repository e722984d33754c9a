"""Where a master's session stands and what may follow what: the tables, and nothing else."""

from __future__ import annotations

from enum import Enum, auto

from protocol.gbt26865.frames import CommandCode


class State(Enum):
    """Where the session stands."""

    NEW = auto()
    ASKING_1 = auto()
    OFFERING = auto()
    """Said that a CFG-2 of ours follows."""
    LOADING = auto()
    """Sent it."""
    ASKING_2 = auto()
    OPENING = auto()
    """Configured; no data pipe yet, or DATA not asked for yet."""
    STARTING = auto()
    """Asked for DATA."""
    RUNNING = auto()
    CHECKING_2 = auto()
    """Running, and asked again because something changed."""
    CHECKING_1 = auto()
    """The same of a substation that streams by its CFG-1."""
    ENDED = auto()


class Cue(Enum):
    """What moves it."""

    BEGIN = auto()
    CFG_1 = auto()
    CFG_2 = auto()
    ACK = auto()
    NACK = auto()
    PIPE_UP = auto()
    PIPE_DOWN = auto()
    """Of data."""
    FLOWING = auto()
    """DATA that fits came."""
    CHANGED = auto()
    """STAT bit 10 rose or fell, or DATA of another size came."""
    TIMEOUT = auto()
    EXHAUSTED = auto()
    """TIMEOUT, and every attempt is spent."""


S, C = State, Cue
TRANSITIONS: dict[tuple[State, Cue], State] = {
    (S.NEW, C.BEGIN): S.ASKING_1,
    (S.ASKING_1, C.CFG_1): S.OFFERING,
    (S.ASKING_1, C.TIMEOUT): S.ASKING_1,
    (S.ASKING_1, C.EXHAUSTED): S.ENDED,
    (S.OFFERING, C.ACK): S.LOADING,
    (S.OFFERING, C.NACK): S.ASKING_2,
    (S.OFFERING, C.TIMEOUT): S.OFFERING,
    (S.OFFERING, C.EXHAUSTED): S.ASKING_2,
    (S.LOADING, C.ACK): S.ASKING_2,
    (S.LOADING, C.NACK): S.ASKING_2,
    (S.LOADING, C.TIMEOUT): S.LOADING,
    (S.LOADING, C.EXHAUSTED): S.ASKING_2,
    (S.ASKING_2, C.CFG_2): S.OPENING,
    (S.ASKING_2, C.NACK): S.OPENING,
    (S.ASKING_2, C.TIMEOUT): S.ASKING_2,
    (S.ASKING_2, C.EXHAUSTED): S.OPENING,
    (S.OPENING, C.PIPE_UP): S.STARTING,
    (S.OPENING, C.FLOWING): S.RUNNING,
    (S.OPENING, C.TIMEOUT): S.STARTING,  # a substation may dial only when DATA is asked for
    (S.STARTING, C.ACK): S.RUNNING,
    (S.STARTING, C.FLOWING): S.RUNNING,
    (S.STARTING, C.TIMEOUT): S.STARTING,
    (S.STARTING, C.EXHAUSTED): S.ENDED,
    (S.STARTING, C.PIPE_DOWN): S.OPENING,
    (S.STARTING, C.PIPE_UP): S.STARTING,
    (S.RUNNING, C.CHANGED): S.CHECKING_2,
    (S.RUNNING, C.TIMEOUT): S.STARTING,
    (S.RUNNING, C.PIPE_DOWN): S.OPENING,
    (S.CHECKING_2, C.CFG_2): S.RUNNING,
    (S.CHECKING_2, C.NACK): S.CHECKING_1,
    (S.CHECKING_2, C.TIMEOUT): S.CHECKING_2,
    (S.CHECKING_2, C.EXHAUSTED): S.RUNNING,
    (S.CHECKING_2, C.PIPE_DOWN): S.ASKING_2,
    (S.CHECKING_1, C.CFG_1): S.RUNNING,
    (S.CHECKING_1, C.NACK): S.RUNNING,
    (S.CHECKING_1, C.TIMEOUT): S.CHECKING_1,
    (S.CHECKING_1, C.EXHAUSTED): S.RUNNING,
    (S.CHECKING_1, C.PIPE_DOWN): S.ASKING_2,
}
"""What is not here leaves the state as it is."""

COMMANDS: dict[State, CommandCode] = {
    S.ASKING_1: CommandCode.SEND_CONFIGURATION_1,
    S.OFFERING: CommandCode.DOWNLOAD_CONFIGURATION_2,
    S.ASKING_2: CommandCode.SEND_CONFIGURATION_2,
    S.STARTING: CommandCode.DATA_ON,
    S.CHECKING_2: CommandCode.SEND_CONFIGURATION_2,
    S.CHECKING_1: CommandCode.SEND_CONFIGURATION_1,
}
"""Said on the way in, and again at each TIMEOUT that leads back. (LOADING sends the CFG-2.)"""

CHECKING = frozenset({S.CHECKING_2, S.CHECKING_1})
"""DATA flows meanwhile: it is not asked for again afterwards."""

HOLDING = frozenset(State) - {S.RUNNING, S.ENDED}
"""States in which DATA that doesn't fit waits for a configuration that it fits."""

PIPED = frozenset({S.OPENING, S.STARTING, S.RUNNING, *CHECKING})
"""Configured: DATA come on its data pipe, or are to."""

UNBOUNDED = frozenset({S.OPENING, S.RUNNING})
"""Not ended, however often their time runs out."""
