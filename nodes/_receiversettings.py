"""How a receiver reads: what may be set."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nodes import _settings
from nodes._settings import Duration, Rate, Size
from protocol.clock import MILLISECOND, SECOND


class Settings(_settings.Settings):
    """How devices are read."""

    tick: Annotated[Duration, Field(ge=MILLISECOND, le=SECOND)] = 20 * MILLISECOND
    """Devices are read this often."""
    keep: Size = 4 << 30
    """Journal on disk: rows that readers have not got yet. What is over it is lost to them, counted and alarmed."""
    age: Duration = 24 * 3600 * SECOND
    """Rows older than this leave the journal, whoever still wants them."""
    memory: Size = 16 << 20
    """Recent rows kept in memory for readers that missed them."""
    plausible: Duration = 60 * SECOND
    """A time this far off its stream's own recent times is implausible: archived in `aside`."""
    cfg3: bool = True
    """Ask devices for CFG-3 first, CFG-2 if it does not come."""
    answer: Duration = 2 * SECOND
    """How long a device may take to tell its configuration before it is asked again."""
    rate: Annotated[Rate, Field(ge=1)] = 1000
    """DATA frames a second of one stream, in the long run; and four times its own DATA_RATE, if that is less. More
    are refused."""
    backlog: Annotated[Duration, Field(ge=SECOND)] = 3600 * SECOND
    """So much time of a stream's data may come at once, when the device or we were away."""
    configurations: Annotated[Rate, Field(le=-1)] = -10
    """A device may tell another configuration so often, beyond a first ten; else it is hung up on."""
    noise: Annotated[Size, Field(ge=128 << 10)] = 1 << 20
    """Bytes of a connection that are no DATA (noise, damaged frames, headers, configurations), beyond as many as are
    and 10 kB a second; then it is hung up on."""
