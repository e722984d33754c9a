"""STAT and the time quality byte, in words and as a judgement (C37.118-2005 and C37.118.2-2011, tables 3 and 7).

Which of the two meanings a device follows the version nibble does not tell reliably. Bits 9-6 are reserved 0 in
2005, so a value in them is 2011's; bits 15-14 differ only in the word for them: any of both set = do not use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIGURATION_CHANGED = 0x0400
"""STAT bit 10: the configuration changes or has changed, within one minute."""
TRIGGERED = 0x0800
UNSYNCHRONISED = 0x2000

ERROR_2005 = (
    "data valid",
    "PMU error",
    "data invalid",
    "data invalid, PMU error",
)
ERROR_2011 = (
    "good measurement data",
    "PMU error, no information about data",
    "PMU in test mode or absent data tags inserted, do not use",
    "PMU error, do not use",
)
UNLOCKED = (
    "locked or unlocked less than 10 s",
    "unlocked 10 s or longer",
    "unlocked 100 s or longer",
    "unlocked 1000 s or longer",
)
PMU_TIME_QUALITY = (
    "not used",
    "error below 100 ns",
    "error below 1 us",
    "error below 10 us",
    "error below 100 us",
    "error below 1 ms",
    "error below 10 ms",
    "error above 10 ms or unknown",
)
TRIGGER_REASON = (
    "manual",
    "magnitude low",
    "magnitude high",
    "phase angle difference",
    "frequency high or low",
    "df/dt high",
    "reserved",
    "digital",
)
TIME_QUALITY = (
    "locked to UTC traceable source",
    *(f"unlocked, time within 10^{power} s" for power in range(-9, 2)),
    *["reserved"] * 3,
    "clock failure, time not reliable",
)


def describe_status(status: int, edition: int = 2011) -> dict[str, Any]:
    """STAT in words. edition: 2005 or 2011, whose meaning of bits 15-14 and 9-6 to use."""
    reason = status & 15
    words: dict[str, Any] = {
        "data": (ERROR_2005 if edition == 2005 else ERROR_2011)[status >> 14],
        "synchronised": not status & UNSYNCHRONISED,
        "sorting": "by arrival" if status & 0x1000 else "by time stamp",
        "trigger": bool(status & TRIGGERED),
        "configuration_change": bool(status & CONFIGURATION_CHANGED),
        "unlocked": UNLOCKED[status >> 4 & 3],
        "trigger_reason": TRIGGER_REASON[reason] if reason < 8 else f"user {reason}",
    }
    if edition != 2005:
        words["modified"] = bool(status & 0x0200)
        words["time_quality"] = PMU_TIME_QUALITY[status >> 6 & 7]
    return words


def describe_quality(quality: int) -> dict[str, Any]:
    """The time quality byte of FRACSEC in words."""
    return {
        "leap_second_direction": "delete" if quality & 0x40 else "add",
        "leap_second_occurred": bool(quality & 0x20),
        "leap_second_pending": bool(quality & 0x10),
        "time": TIME_QUALITY[quality & 15],
    }


def usable(status: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """[n] whether the values may be used: neither of STAT bits 15-14 is set, in either edition's meaning."""
    return status < 0x4000
