"""What events, bad data and processes are as conditions of alarms (`nodes/_conditions.py`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from archive import layout
from nodes._conditions import Condition, keyed
from nodes._flagging import BAD_DATA, REMEDIES
from nodes._patterns import chosen, matches
from nodes._settings import Frequency, Settings
from protocol.clock import SECOND
from protocol.messages import Configuration, Event, Flags, Health, Outcome, Severity

UNENDED = 3600 * SECOND
"""An event whose last answer never comes is over after so long."""
HEALTH_LASTS = 5 * SECOND
"""What a process says for less is no alarm."""
SILENT = 5 * SECOND
"""A process that says nothing for so long is silent; each speaks once a second."""
NUMBERS = re.compile(r"\d+(?:[.,:]\d+)*")
SAYS = "says"
"""Keys of what processes say of themselves begin so."""
Known = Mapping[int, Configuration]
Graded = Severity | Literal["none"]
"""How grave something is; none: it is no alarm."""


class Grade(Settings):
    """How grave some events are."""

    kinds: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["*"])
    """Kinds, as gen_trip; `*` and `?` as in file names."""
    above: Frequency = 0.0
    """Events at least so large; one whose size is not known has none."""
    severity: Graded
    """notice, warning, serious, critical; none: no alarm."""


GRADES = tuple(
    Grade.model_validate({"above": above, "severity": severity})
    for above, severity in (("200 mHz", "critical"), ("50 mHz", "serious"), ("0 Hz", "warning"))
)  # fmt: skip


def of_event(event: Event, grades: Sequence[Grade], known: Known, hold: int, utc: int) -> Condition | None:
    """An answer of an event trigger; None: it says nothing of an alarm. `hold` [ns]: an event that is known for good
    stays active for so long."""
    size = abs(event.size_mhz) / 1000 if math.isfinite(event.size_mhz) else 0.0
    fits = (each.severity for each in grades if matches([event.kind], each.kinds) and size >= each.above)
    severity = next(fits, "none")
    where = event.nearest or [each["device"] for each in event.suspicions]
    near = known.get(where[0]) if where else None
    told = Condition(
        source="event", key=event.id, kind=event.kind, subject=event.id, active=True, time=event.onset,
        device=where[0] if event.nearest else 0, region=near.region if near else "", value=event.size_mhz, unit="mHz",
        ends=utc + (hold if event.final else UNENDED), text=_told(event, near),
        detail={"answer": event.answer, "final": event.final, "confidence": event.confidence, "size_mw": event.size_mw,
                "latitude": event.latitude, "longitude": event.longitude, "onset": event.onset},
    )  # fmt: skip
    if event.outcome != Outcome.OK:
        return None
    if not event.disturbance or severity == "none":
        return told._replace(active=False, time=utc)
    return told._replace(severity=Severity(severity))


def _told(event: Event, near: Configuration | None) -> str:
    if not event.disturbance:
        bad = sorted({str(each.get("kind", "")).replace("_", " ") for each in event.bad})
        return "no disturbance" + (f": bad data, {', '.join(bad)}" if bad else "")
    parts = [event.kind.replace("_", " ")]
    if math.isfinite(event.size_mhz):
        parts.append(f"{event.size_mhz:+.0f} mHz")
    if math.isfinite(event.size_mw):
        parts.append(f"{event.size_mw:+.0f} MW")
    if near is not None and event.nearest:
        parts.append(f"near {near.name}")
    if math.isfinite(event.latitude) and math.isfinite(event.longitude):
        size = f" ± {event.ellipse[0]:.0f} km" if len(event.ellipse) == 3 else ""
        parts.append(f"at {event.latitude:.2f} {event.longitude:.2f}{size}")
    parts += [f"at {layout.moment(event.onset):%H:%M:%S} UTC", f"{event.confidence:.0%} sure",
              f"{event.device.size} devices looked at"]  # fmt: skip
    return ", ".join(parts) + ("" if event.final else "; more is to come")


def of_flags(word: Flags, grades: Mapping[str, Graded], known: Known, lasting: int) -> Iterator[Condition]:
    """Spans of bad data that begin, go on or end. `detail` tells who says so, since when."""
    columns = (getattr(word, name).tolist() for name in ("device", "start", "stop", "going", "score"))
    for kind, device, start, stop, going, score in zip(word.kind, *columns, strict=True):
        severity = chosen(grades, kind) or "none"
        whose = known.get(device)
        if severity != "none":
            yield Condition(
                source="flag", key=keyed(kind, device), kind=kind, subject=whose.name if whose else str(device),
                active=bool(going), time=start if going else stop, device=device, severity=Severity(severity),
                region=whose.region if whose else "", value=score, limit=1.0, lasting=lasting,
                text=f"bad data, {kind.replace('_', ' ')}; {REMEDIES.get(kind, 'look at its rows')}",
                detail={"by": {word.node: [word.epoch, start]}},
            )  # fmt: skip


def of_health(health: Health, severity: Severity) -> Iterator[Condition]:
    """What a process says of itself. Numbers in a sentence may change; it is the same alarm."""
    for sentence in health.alarms:
        if BAD_DATA not in sentence:
            yield Condition(
                source="health", key=keyed(SAYS, NUMBERS.sub("#", sentence)[:200], health.node), kind=health.kind,
                subject=health.node, active=True, time=health.time, severity=severity, text=sentence[:500],
                lasting=HEALTH_LASTS,
            )  # fmt: skip


def silent(process: str, kind: str, active: bool, utc: int) -> Condition:
    """A process that does not speak."""
    text = f"{process} is silent; see `syms status` and its log" if active else f"{process} speaks again"
    return Condition("health", keyed("silent", process), kind, process, active, utc, text, Severity.SERIOUS)
