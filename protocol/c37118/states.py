"""Where a session stands and what may follow what: the tables, and nothing else."""

from __future__ import annotations

from enum import Enum, auto

from protocol.c37118.frames import CommandCode


class State(Enum):
    """Where the session stands."""

    NEW = auto()
    STOPPING = auto()
    """Told to stop; a device that reads both commands in one go may lose the second, so we pause."""
    ASKING_3 = auto()
    ASKING_2 = auto()
    RUNNING = auto()
    """Configured, told to send."""
    CHECKING_3 = auto()
    """Running, and asked again because something changed."""
    CHECKING_2 = auto()
    LISTENING = auto()
    """A device that nobody commands (spontaneous UDP)."""
    ENDED = auto()


class Cue(Enum):
    """What moves it."""

    BEGIN = auto()
    JOIN = auto()
    """As BEGIN, for a further stream on a link that sends already: it is not told to stop."""
    CONFIGURED = auto()
    CHANGED = auto()
    """STAT bit 10 rose or fell, DATA of another size came, or the device told something else unasked."""
    TIMEOUT = auto()
    EXHAUSTED = auto()
    """TIMEOUT, and every attempt is spent."""


TRANSITIONS: dict[tuple[State, Cue], State] = {
    (State.NEW, Cue.BEGIN): State.STOPPING,
    (State.NEW, Cue.JOIN): State.ASKING_3,
    (State.STOPPING, Cue.TIMEOUT): State.ASKING_3,
    (State.ASKING_3, Cue.CONFIGURED): State.RUNNING,
    (State.ASKING_3, Cue.TIMEOUT): State.ASKING_2,
    (State.ASKING_2, Cue.CONFIGURED): State.RUNNING,
    (State.ASKING_2, Cue.TIMEOUT): State.ASKING_2,
    (State.ASKING_2, Cue.EXHAUSTED): State.ENDED,
    (State.RUNNING, Cue.CHANGED): State.CHECKING_3,
    (State.RUNNING, Cue.TIMEOUT): State.RUNNING,
    (State.CHECKING_3, Cue.CONFIGURED): State.RUNNING,
    (State.CHECKING_3, Cue.TIMEOUT): State.CHECKING_2,
    (State.CHECKING_2, Cue.CONFIGURED): State.RUNNING,
    (State.CHECKING_2, Cue.TIMEOUT): State.CHECKING_2,
    (State.CHECKING_2, Cue.EXHAUSTED): State.RUNNING,
}
"""What is not here leaves the state as it is. Where CFG-3 is not wanted or was not answered, *_2 stands for *_3."""

WITHOUT_CFG3 = {State.ASKING_3: State.ASKING_2, State.CHECKING_3: State.CHECKING_2}

CHECKING = frozenset({State.CHECKING_3, State.CHECKING_2})
"""DATA flows meanwhile: it is not asked for again afterwards."""

COMMANDS: dict[State, CommandCode] = {
    State.STOPPING: CommandCode.DATA_OFF,
    State.ASKING_3: CommandCode.SEND_CONFIGURATION_3,
    State.ASKING_2: CommandCode.SEND_CONFIGURATION_2,
    State.RUNNING: CommandCode.DATA_ON,
    State.CHECKING_3: CommandCode.SEND_CONFIGURATION_3,
    State.CHECKING_2: CommandCode.SEND_CONFIGURATION_2,
}

HOLDING = frozenset(State) - {State.RUNNING, State.ENDED}
"""States in which DATA that doesn't fit waits for a configuration that it fits."""
