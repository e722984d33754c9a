"""How well the station's own clock is kept: what chrony, ntpd, ptp4l, systemd-timesyncd and the kernel say of it.

Pure, but for `kernel()`: each `Witness` is a command to ask, and a parser of its answer. Every offset is the station's
clock minus the reference: positive when the station is ahead. The programs do not agree on the sign among themselves.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from protocol.clock import MILLISECOND, SECOND

NTP_ERA = 2_208_988_800
"""Seconds from 1900 to 1970."""


@dataclass(frozen=True)
class ClockState:
    """What one witness says."""

    source: str
    """Who keeps the clock, and by whom, as `chrony by 10.0.0.1`."""
    synchronised: bool
    offset: int | None = None
    """ns, station minus reference; None: not told."""
    error: int | None = None
    """ns, bound of the error against UTC as the witness sees it."""
    stratum: int | None = None
    updated: int | None = None
    """UTC [ns] of the last word of the reference."""
    leap: int = 0
    """+1: a leap second will be put in at the end of the day or month, -1: taken out."""


Parser = Callable[[str], ClockState | None]


@dataclass(frozen=True)
class Witness:
    """Whom to ask."""

    name: str
    command: tuple[str, ...]
    parse: Parser
    """Of the command's output; None if that says nothing of a clock that is being kept."""


def seconds(text: str) -> int:
    """ns of a number of seconds."""
    return int(Decimal(text) * SECOND)


LEAPS = {"Insert second": 1, "Delete second": -1}


def chrony(text: str) -> ClockState | None:
    """`chronyc -n -c tracking`: one line of 14 fields, the same since chrony 2.4."""
    fields = text.strip().split(",")
    if len(fields) != 14:
        return None
    try:
        reference, address, stratum = fields[0], fields[1], int(fields[2])
        updated, behind = seconds(fields[3]), seconds(fields[4])
        error = seconds(fields[10]) // 2 + seconds(fields[11]) + abs(behind)
    except (ValueError, InvalidOperation, OverflowError):
        return None
    if fields[13] == "Not synchronised" or not updated:
        return ClockState("chrony", False)
    if reference == "7F7F0101":
        return ClockState("chrony by this machine's own clock", False, stratum=stratum)
    return ClockState(f"chrony by {address or named(reference)}", True, -behind, error, stratum, updated,
                      LEAPS.get(fields[13], 0))  # fmt: skip


def named(reference: str) -> str:
    """A reference id in hex as the letters that it stands for, as `GPS`."""
    letters = bytes.fromhex(reference).rstrip(b"\0") if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", reference) else b""
    return letters.decode() if letters.isalnum() and letters.isascii() else reference


def ntpd(text: str) -> ClockState | None:
    """`ntpq -n -c rv` of ntpd 4.2 and NTPsec: `name=value, …` over several lines; times in ms."""
    found = dict(re.findall(r"(\w+)=(\"[^\"]*\"|[^,\s]*)", text))
    try:
        stratum, leap = int(found["stratum"]), int(found["leap"], 2)
        offset = round(-float(found["offset"]) * MILLISECOND)
        error = round((float(found["rootdelay"]) / 2 + float(found["rootdisp"])) * MILLISECOND) + abs(offset)
    except (KeyError, ValueError):
        return None
    own = "LOCAL" in found.get("refid", "") or found.get("refid", "").startswith("127.127.1.")
    if leap == 3 or stratum >= 16 or own:
        return ClockState("ntpd by this machine's own clock" if own else "ntpd", False, stratum=stratum)
    return ClockState(f"ntpd by {found.get('refid', '?')}", True, offset, error, stratum, _reftime(found),
                      {1: 1, 2: -1}.get(leap, 0))  # fmt: skip


def _reftime(found: dict[str, str]) -> int | None:
    """UTC [ns] of `reftime=e6b1c3f5.1a2b3c4d`; in the era that began in 2036 if it is small."""
    match = re.match(r"(?:0x)?([0-9a-fA-F]{8})\.([0-9a-fA-F]{8})", found.get("reftime", ""))
    if match is None:
        return None
    whole, part = int(match[1], 16), int(match[2], 16)
    era = 0 if whole >= 1 << 31 else 1 << 32
    return (whole + era - NTP_ERA) * SECOND + (part * SECOND >> 32)


def ptp(text: str) -> ClockState | None:
    """`pmc -u -b 0 'GET TIME_STATUS_NP' …`: what ptp4l on this host says."""
    found = dict(re.findall(r"^\s+(\w+(?:\.\w+)?)\s+(\S+)\s*$", text, re.MULTILINE))
    if "gmPresent" not in found:
        return None
    if found["gmPresent"] != "true":
        return ClockState("ptp4l without a grandmaster", False)
    try:
        offset = int(found["master_offset"])
    except (KeyError, ValueError):
        return None
    leap = int(found.get("leap61") == "1") - int(found.get("leap59") == "1")
    return ClockState(f"ptp4l by {found.get('gmIdentity', '?')}", True, offset, leap=leap)


DURATION = {"us": 1_000, "µs": 1_000, "μs": 1_000, "ms": MILLISECOND, "s": SECOND, "min": 60 * SECOND,
            "h": 3600 * SECOND}  # fmt: skip


def duration(text: str) -> int:
    """ns of a time span as systemd writes it: `-1.123ms`, `1min 2.5s`, `0`. Raises ValueError."""
    sign = -1 if text.startswith("-") else 1
    total = 0
    for part in text.lstrip("+-").split():
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zµμ]*)", part)
        if match is None or (match[2] not in DURATION and float(match[1])):
            raise ValueError(f"{text!r} is no time span")
        total += round(float(match[1]) * DURATION.get(match[2], 0))
    return sign * total


def timesyncd(text: str) -> ClockState | None:
    """`timedatectl timesync-status`: `Name: value`, a line each."""
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    server = found.get("Server", "").split(" ")[0]
    if not server:
        return None
    if found.get("Packet count", "0") == "0":
        return ClockState(f"systemd-timesyncd, no answer of {server} yet", False)
    try:
        offset = -duration(found["Offset"])
        distance = duration(found["Root distance"].split(" (")[0])
        stratum = int(found["Stratum"])
    except (KeyError, ValueError):
        return None
    leap = {"insert second": 1, "delete second": -1}.get(found.get("Leap", ""), 0)
    return ClockState(f"systemd-timesyncd by {server}", True, offset, distance + abs(offset), stratum, leap=leap)


WITNESSES = (
    Witness("chrony", ("chronyc", "-n", "-c", "tracking"), chrony),
    Witness("ntpd", ("ntpq", "-n", "-c", "rv"), ntpd),
    Witness("ptp4l", ("pmc", "-u", "-b", "0", "GET TIME_STATUS_NP", "GET TIME_PROPERTIES_DATA_SET"), ptp),
    Witness("systemd-timesyncd", ("timedatectl", "timesync-status"), timesyncd),
)
"""In this order: the first that answers is believed. The kernel is always asked too."""

# the kernel

STA_PLL, STA_INS, STA_DEL, STA_UNSYNC, STA_NANO = 0x0001, 0x0010, 0x0020, 0x0040, 0x2000
TIME_ERROR = 5


class Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>."""

    _fields_ = [
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("constant", ctypes.c_long),
        ("precision", ctypes.c_long), ("tolerance", ctypes.c_long), ("seconds", ctypes.c_long),
        ("fraction", ctypes.c_long), ("tick", ctypes.c_long), ("ppsfreq", ctypes.c_long), ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int), ("stabil", ctypes.c_long), ("jitcnt", ctypes.c_long), ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long), ("stbcnt", ctypes.c_long), ("tai", ctypes.c_int), ("spare", ctypes.c_int * 11),
    ]  # fmt: skip


def kernel() -> ClockState | None:
    """What the kernel knows of its clock; None if it does not tell (no Linux, or forbidden)."""
    asked = Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return of_kernel(state, asked.status, asked.offset, asked.maxerror) if state >= 0 else None


def of_kernel(state: int, status: int, offset: int, maxerror: int) -> ClockState:
    """From adjtimex: its answer, the flags, the correction left [ns or µs], and the greatest error [µs].

    The correction is only what the kernel's own loop has still to do: chrony keeps that to itself.
    """
    kept = state != TIME_ERROR and not status & STA_UNSYNC
    left = -offset * (1 if status & STA_NANO else 1_000) if kept and status & STA_PLL else None
    leap = int(bool(status & STA_INS)) - int(bool(status & STA_DEL))
    return ClockState("the kernel", kept, left, maxerror * 1_000 if kept else None, leap=leap)


def both(told: ClockState | None, own: ClockState | None) -> ClockState | None:
    """One state of what a witness and the kernel say: ptp4l and timesyncd know nothing of what sets the clock."""
    if told is None or own is None:
        return told or own
    measures = told.source.startswith(("ptp4l", "systemd-timesyncd"))
    kept = told.synchronised and (own.synchronised or not measures)
    error = told.error if told.error is not None else own.error
    return ClockState(told.source, kept, told.offset, error, told.stratum, told.updated, told.leap or own.leap)
