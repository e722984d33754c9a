"""Every message between nodes, once; the modules have them by theme, readers import them from here.

Rules: append-only. A new field goes last, with a default; a tag is never used again for something else;
a type never changes. Arrays are little-endian, C order; `n` rows, `c` value channels, `d` digital words.
"""

from protocol.messages.alarms import Alarm, AlarmAction, AlarmAnswer, AlarmState, Severity
from protocol.messages.condition import Flags, Health, Minutes
from protocol.messages.events import Event
from protocol.messages.fields import F4, F8, I4, I8, U1, U2, U4, Count, Number2, Number4, TableKey
from protocol.messages.registry import REGISTRY, message
from protocol.messages.rows import Aside, Configuration, Measurements, RawFrames, Snapshots, Tally
from protocol.messages.streams import Announce, Durable, Fetch, Gone, Numbered
from protocol.messages.tables import (
    FIXED_CHANNELS,
    SPECTRUM_NAMES,
    STATIONS_PER_LINK,
    STATIONS_PER_SPECTRUM,
    Spectrum,
    Table,
    device_number,
    spectrum_number,
    split_device,
)
from protocol.messages.windows import Cause, Dismissed, Outcome, Shift, Verdict, Window, Worker

__all__ = [
    "F4",
    "F8",
    "FIXED_CHANNELS",
    "I4",
    "I8",
    "REGISTRY",
    "SPECTRUM_NAMES",
    "STATIONS_PER_LINK",
    "STATIONS_PER_SPECTRUM",
    "U1",
    "U2",
    "U4",
    "Alarm",
    "AlarmAction",
    "AlarmAnswer",
    "AlarmState",
    "Announce",
    "Aside",
    "Cause",
    "Configuration",
    "Count",
    "Dismissed",
    "Durable",
    "Event",
    "Fetch",
    "Flags",
    "Gone",
    "Health",
    "Measurements",
    "Minutes",
    "Number2",
    "Number4",
    "Numbered",
    "Outcome",
    "RawFrames",
    "Severity",
    "Shift",
    "Snapshots",
    "Spectrum",
    "Table",
    "TableKey",
    "Tally",
    "Verdict",
    "Window",
    "Worker",
    "device_number",
    "message",
    "spectrum_number",
    "split_device",
]
