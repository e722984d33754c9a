"""STAT and the time quality byte in words: the bits that are known to mean what C37.118 means by them, and no others.

Bits 15-13, 11, 10 and 3-0 of STAT; bits 3-0 of the quality byte (of V3; V2 devices set them too). Of bits 12 and 9-4 of
STAT, which C37.118 gives a meaning, and of the leap second bits nothing is known here.
"""

from __future__ import annotations

from typing import Any

from protocol.c37118.status import (
    CONFIGURATION_CHANGED,
    ERROR_2005,
    TIME_QUALITY,
    TRIGGER_REASON,
    TRIGGERED,
    UNSYNCHRONISED,
)

REASONS = {4: "frequency", 6: "linear combination", 8: "low-frequency oscillation"}
"""Where C37.118 says something else."""


def describe_status(status: int) -> dict[str, Any]:
    """STAT in words."""
    reason = status & 15
    known = TRIGGER_REASON[reason] if reason < len(TRIGGER_REASON) else f"user {reason}"
    return {
        "data": ERROR_2005[status >> 14],
        "synchronised": not status & UNSYNCHRONISED,
        "trigger": bool(status & TRIGGERED),
        "configuration_change": bool(status & CONFIGURATION_CHANGED),
        "trigger_reason": REASONS.get(reason, known),
    }


def describe_quality(quality: int) -> dict[str, Any]:
    """The first byte of FRACSEC in words."""
    return {"time": TIME_QUALITY[quality & 15]}
