"""What a node that raises alarms can be told; limits stand in the site file (`nodes/_limitsettings.py`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from nodes._alarmbook import Ways
from nodes._alarmwords import GRADES, Grade, Graded
from nodes._notifysettings import Notify
from nodes._settings import Duration, FilePath, Size, fault
from nodes._settings import Settings as Base
from protocol.clock import SECOND
from protocol.messages import Severity

WAYS = Ways()
FLAGS: dict[str, Graded] = {"*": Severity.NOTICE}


class Settings(Base):
    """Alarms: what is one, how grave, and who is told."""

    events: Annotated[list[Grade], Field(min_length=1, default_factory=lambda: list(GRADES))]
    """How grave events are; the first entry that fits counts, what fits none is no alarm."""
    hold: Duration = 600 * SECOND
    """An event stays active for so long after its final answer."""
    flags: dict[str, Graded] = Field(default_factory=lambda: dict(FLAGS))
    """How grave bad data are, by kind (`frozen: warning`); the first pattern that fits counts; none: no alarm."""
    lasting: Duration = 10 * SECOND
    """Bad data that last less are no alarm."""
    health: Graded = Severity.WARNING
    """How grave is what processes say of themselves; none: no alarm."""
    chatter: Annotated[int, Field(ge=2, le=100)] = WAYS.chatter
    """Raised so often within `calm`, an alarm chatters: it stays active, and is told no more …"""
    calm: Duration = WAYS.within
    """… until it was calm for so long."""
    flood: Annotated[int, Field(ge=1)] = WAYS.flood
    """More alarms raised in ten minutes are a flood: only serious ones are notified."""
    suppress: bool = WAYS.suppress
    """Devices whose data are bad have no alarms of limits meanwhile."""
    shelf: Duration = WAYS.shelf
    """An alarm is shelved for so long at most."""
    notify: list[Notify] = Field(default_factory=list)
    """Who is told, and how."""
    secrets: FilePath | None = None
    """File of passwords and keys, NAME: VALUE, that nobody else may read."""
    memory: Size = 16 << 20
    """Memory for recent words that a reader may fetch; older ones come from the journal."""
    keep: Size = 256 << 20
    """Disk for the journal: words that the archive lacks, and what a restart needs."""
    age: Duration = 30 * 24 * 3600 * SECOND
    """The journal keeps nothing longer than this."""

    @property
    def ways(self) -> Ways:
        """How the book is to treat alarms."""
        return Ways(self.chatter, self.calm, self.flood, self.suppress, self.shelf)

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        names = [each.name for each in self.notify]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise fault(f"notify names {twice!r} twice", "join the two, or let them differ in the receiver")
        if self.secrets is None and any(each.webhook or (each.email and each.email.user) for each in self.notify):
            raise fault("notify needs a password or a key", "write secrets: ../config/secrets.yaml, and put it there")
        return self
