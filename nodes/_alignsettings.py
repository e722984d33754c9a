"""What a concentrator can be told."""

from __future__ import annotations

from pydantic import model_validator

from nodes._settings import Duration, Size, fault
from nodes._treatsettings import Treating
from protocol.clock import MILLISECOND, SECOND


class Settings(Treating):
    """Concentrator: how long a slot waits for its devices, and what is done with it then."""

    wait: Duration = 100 * MILLISECOND
    """Relative wait: a slot is released this long after its first row came, complete or not."""
    absolute: Duration | None = None
    """Absolute wait: a slot is released this long after its own UTC time; none unless set."""
    clock: Duration = 2 * SECOND
    """A row this much earlier than the median device's is not aligned, whatever its device did before. (A device
    whose delay, arrival - time, steadily differs from the median device's by more than the wait is marked anyway.)"""
    aligned: bool = True
    """Put rows together by instant. false: they are told at once as they come, each once, and nobody is waited for."""
    silent: Duration = 5 * SECOND
    """A device that sent nothing for so long is not waited for."""
    latency: bool = False
    """Count latencies (arrival - time): least, mean, 99th percentile and greatest of the last minute, of each device
    and of all."""
    statistics: bool = False
    """Say each minute how every device was; an archiver that reads this concentrator keeps it."""
    flags: bool = False
    """Tell bad data as they come, of which device and kind, from when to when: gaps, lost rows, zeros, frozen values,
    spikes, wrong clocks. An archiver that reads this concentrator keeps it."""
    keep: Size = 64 << 20
    """Memory for recent snapshots that a reader may fetch."""

    @model_validator(mode="after")
    def _held_while_heard(self) -> Settings:
        if self.missing == "last" and self.hold > self.silent:
            raise fault("hold is longer than silent: no slot has the device any more", "write a shorter hold")
        return self

    @model_validator(mode="after")
    def _aligned_to_be_compared(self) -> Settings:
        compared = {
            "redundant": bool(self.redundant), "fill": bool(self.fill), "missing: last": self.missing == "last",
            "validate: flat": self.validation.flat is not None, "flags": self.flags,
        }  # fmt: skip
        for setting, wanted in compared.items() if not self.aligned else ():
            if wanted:
                raise fault(f"{setting} needs slots, and aligned: false makes none", "leave one of the two out")
        return self
