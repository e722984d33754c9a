"""The record of an event of an event trigger: its file, with all answers and the raw data of the devices looked at.

    attributes   id, onset, kind, confidence, place, … of the last answer; lists as JSON
    record       all answers in order, as JSON: what `archive/answers.py` keeps of each
    <table>/     the clip, see archive/clips.py

The file has the event's id as its name. It is made once, when the final answer came; one that was made without (its
trigger was gone) says so, and gives way to a whole one if a final answer comes after all.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py

from archive import folder, layout
from archive.answers import Said, answers
from archive.clips import event_file, write_clip
from archive.disk import Disk
from archive.folder import ArchiveError
from archive.groups import write_root
from archive.sources import open_finished
from protocol.clock import SECOND
from protocol.messages import Outcome

NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_[\w.-]{1,60}")
"""Ids that are the name of their file."""
NUMBERS = ("confidence", "score", "size_mhz", "size_mw", "latitude", "longitude")
LONGEST = 600 * SECOND
"""Of a clip, beyond the onset [ns]."""


def path_of(root: Path, name: str, hour: int) -> Path:
    """Where the file of an event is, or is to be; its answers are in the ledger of `hour` [ns]."""
    if not NAME.fullmatch(name):
        name = layout.event_name(hour, hashlib.sha256(name.encode()).hexdigest()[:8])
    return root / "events" / f"{name}.h5"


def is_filed(root: Path, name: str, hour: int, answer: int, final: bool) -> bool:
    """Whether the event's file knows this answer, or a later one: a trigger that was started anew may say it again."""
    try:
        with open_finished(path_of(root, name, hour)) as file:
            held, finished = int(file.attrs["answer"]), bool(file.attrs["final"])
    except (OSError, KeyError, ValueError, ArchiveError):
        return False
    return held >= answer and (finished or not final)


class Written(NamedTuple):
    """A file that was made."""

    path: Path
    final: bool
    rejected: bool


def counting(said: Sequence[Said]) -> Said:
    """Of all answers of an event, in order, the one that counts: the last that was judged, if any was."""
    judged = next((each for each in reversed(said) if each["outcome"] == Outcome.OK), said[-1])
    return judged | {key: said[-1][key] for key in ("answer", "final")}


def is_rejected(outcome: str, disturbance: bool) -> bool:
    """Whether it was judged, and was no disturbance."""
    return outcome == Outcome.OK and not disturbance


def write_record(
    root: Path, name: str, hour: int, before: int, after: int, disk: Disk | None = None, data: Path | None = None
) -> Written | None:
    """Write an event from its answers in the ledger; None if these are gone. Raises OSError, ArchiveError.

    The clip is that of all devices looked at, from `before` ns before the onset to the end of what was judged, at least
    `after` ns after the onset. Of what was rejected it has only the devices that were suspected or are bad.
    `data` is the archive that has these, if it is another one.
    """
    said = [json.loads(text) for text in answers(root, hour, name)["record"]]
    if not said:
        return None
    last = counting(said)
    onset, small = _onset(last), is_rejected(last["outcome"], last["disturbance"])
    stop = onset + after if small else max(onset + after, min(last["stop"], onset + LONGEST))
    path = path_of(root, name, hour)
    with event_file(root, path, disk) as out:
        write_root(out, onset - before, stop, folder.site_text(root), [])
        out.attrs.update(attributes_of(last))
        record = json.dumps(said, ensure_ascii=False)
        text = out.create_dataset("record", data=record, dtype=h5py.string_dtype())
        text.attrs["long_name"] = "all answers, in order (JSON)"
        write_clip(out, data or root, _shown(last, small), onset - before, stop, alone=True)
    return Written(path, last["final"], small)


def _onset(said: Said) -> int:
    return int(said["onset"] or said["start"])


def _shown(said: Said, small: bool) -> set[int]:
    """Numbers of the devices whose raw data are worth keeping."""
    found = {each["device"] for key in ("suspicions", "bad") for each in said.get(key, [])}
    return found if small else found | set(said.get("devices", {}).get("device", ()))


def attributes_of(said: Said) -> dict[str, Any]:
    """What stands at the root of an event's file."""
    onset = _onset(said)
    plain = ("id", "answer", "kind", "algorithm", "version", "trigger", "outcome", "error")
    devices = said.get("devices", {}).get("name", [])
    return {
        "title": "SYMS event", "onset": onset, "onset_text": f"{layout.moment(onset):%Y-%m-%dT%H:%M:%S.%fZ}",
        **{key: said[key] for key in plain}, **{key: _number(said[key]) for key in NUMBERS},
        "final": int(said["final"]), "disturbance": int(said["disturbance"]),
        "ellipse": [_number(each) for each in said["ellipse"]],
        "devices": _json(devices), "nearest": _json([each["name"] for each in said.get("nearest", [])]),
        "bad": _json(sorted({each["name"] for each in said.get("bad", [])})),
        "details": _json({key: said["detail"].get(key) for key in ("probabilities", "rules") if key in said["detail"]}),
    }  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class Looked:
    """A device that was looked at."""

    device: int
    name: str
    region: str
    latitude: float
    longitude: float
    arrival: int
    """ns UTC at which it left its course; 0 = not seen there."""
    amplitude: float
    """mHz; NaN = not known"""


@dataclass(frozen=True)
class Answer:
    """What was known at a time; see `protocol.messages.Event`."""

    id: str
    answer: int
    final: bool
    disturbance: bool
    kind: str
    confidence: float
    onset: int
    start: int
    stop: int
    score: float
    size_mhz: float
    size_mw: float
    latitude: float
    longitude: float
    ellipse: list[float]
    """Semi-major, semi-minor axis [km], bearing [degrees]; empty = not known."""
    nearest: list[str]
    devices: list[Looked]
    suspicions: list[dict[str, Any]]
    """`name`, `device`, `trigger`, `start`, `onset` [ns UTC], `score`"""
    bad: list[dict[str, Any]]
    """`name`, `device`, `kind`, `start`, `stop` [ns UTC, half-open], `score`"""
    detail: dict[str, Any]
    trigger: str
    worker: str
    algorithm: str
    version: int
    outcome: str
    error: str
    completeness: float
    took: int
    left_out: list[str] = field(default_factory=list)
    """What was too large to be kept."""

    @classmethod
    def of(cls, said: Said) -> Self:
        """An answer as `archive.answers.plain` made it; what a newer release added is left out."""
        found: dict[str, Any] = {"suspicions": [], "bad": []} | {
            spec.name: _number(said[spec.name]) if spec.type == "float" else said[spec.name]
            for spec in fields(cls) if spec.name in said
        }  # fmt: skip
        columns = said.get("devices", {})
        rows = zip(*(columns[spec.name] for spec in fields(Looked)), strict=True) if columns else ()
        found["devices"] = [
            Looked(device, name, region, _number(latitude), _number(longitude), arrival, _number(amplitude))
            for device, name, region, latitude, longitude, arrival, amplitude in rows
        ]
        found["nearest"] = [each["name"] for each in said.get("nearest", [])]
        return cls(**found)


@dataclass(frozen=True)
class Record:
    """All that an event's file says, but for the raw data."""

    id: str
    path: Path | None
    """None: it has no file yet."""
    answers: list[Answer] = field(default_factory=list)
    """In order; none where suspicious verdicts alone made the event."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """Of an event that suspicious verdicts alone made."""

    @property
    def counting(self) -> Answer:
        """The answer that counts: the last that was judged, if any was. Raises IndexError if there is none."""
        return next((each for each in reversed(self.answers) if each.outcome == Outcome.OK), self.answers[-1])

    @property
    def final(self) -> bool:
        """Whether nothing more is to come."""
        return not self.answers or self.answers[-1].final


def read_event(path: Path) -> Record:
    """An event's file. Raises ArchiveError."""
    try:
        with open_finished(path) as file:
            if "record" in file:
                said = json.loads(file["record"].asstr()[()])
                return Record(str(file.attrs["id"]), path, [Answer.of(each) for each in said])
            return Record(path.stem, path, verdicts=json.loads(file["verdicts"].asstr()[()]))
    except (OSError, KeyError, ValueError, TypeError) as fault:
        raise ArchiveError(f"{path}: no event file ({fault}); move it away") from fault
