"""The judge of a chaos run, written apart from the station: it reads send logs, HDF5 files with plain h5py, and books.

    python -m tests.chaos.oracle FOLDER         FOLDER/devices.json, sent.log, data/, status.json, faults.jsonl

What it holds the station to:

- every frame that the kernel took whole at a device stands in the files exactly once (`aside` counts as well),
  with the values that the device measured; nothing stands there that was not sent;
- every HDF5 file opens, at any moment, also a part whose writer was killed;
- every window that fell due has exactly one verdict: windows of a device end at the multiples of `EVERY` that its
  own phase shifts; the first begins after its first sample, the last one holds its last sample, and they are due when
  their last slot came for any device of the table;
- the books say the same as the files and the send logs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.chaos.holdings import I8, Archive, Found
from tests.chaos.truth import CUT, DAMAGED, GOOD, LOG, PERIOD, RATE, REPEATED, UNHEARD, Device, expected

Excused = Sequence[tuple[int, int]]
"""[from, to) ns UTC: frames of these times may be lost."""
FEW = 8
"""Broken connections that are named."""
MOST = 40
"""Missed windows that are named."""
GONE = 256
"""After a silence of so many windows a device's windows begin anew."""
DOOR = "front"
"""The balancer's name."""
MOMENT = 100_000_000
"""ns: from the kernel's word to a device that it is connected, to the door's."""
NEAR = 5_000_000_000
"""ns around a loss within which a fault is named with it."""


@dataclass
class Report:
    """The sentence."""

    sent: int = 0
    archived: int = 0
    lost: int = 0
    duplicated: int = 0
    unreadable: int = 0
    windows: int = 0
    missed: int = 0
    twice: int = 0
    excused: int = 0
    """Frames sent that are lost, and may be: what a power cut takes. Not among `sent`."""
    faults: list[str] = field(default_factory=list)
    """Whatever else is wrong, each a sentence."""
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        wrong = (self.lost, self.duplicated, self.unreadable, self.missed, self.twice)
        return not any(wrong) and not self.faults and self.sent == self.archived > 0

    def __str__(self) -> str:
        return (
            f"sent {self.sent} archived {self.archived} lost {self.lost} duplicated {self.duplicated} unreadable "
            f"{self.unreadable} windows {self.windows} missed {self.missed} twice {self.twice}"
        )


# frames


def judge_frames(device: Device, sent: NDArray[Any], found: Found, report: Report, excused: Excused = ()) -> list[int]:
    """Frames of one device against what is archived of it; returns the times [ns] of those that are lost.

    A clock that is set back tells a time twice: then as many rows of that time, with the values of each, are wanted.
    """
    good, unsure = sent[sent["kind"] == GOOD], sent[(sent["kind"] == UNHEARD) | (sent["kind"] == CUT)]
    time, values = found.joined()
    told, times_told = np.unique(good["time"], return_counts=True)
    plain = good[~np.isin(good["time"], told[times_told > 1])]
    unique, index, count = np.unique(time, return_index=True, return_counts=True)
    once = np.setdiff1d(unique, told[times_told > 1])
    lost = np.setdiff1d(plain["time"], once).tolist()
    report.sent += len(plain)
    report.archived += len(plain) - len(lost)
    report.duplicated += int((count - 1)[np.isin(unique, once)].sum())
    strange = np.setdiff1d(np.setdiff1d(once, plain["time"]), unsure["time"])
    if strange.size:
        report.faults.append(f"{device.name}: {len(strange)} rows that it never sent, the first at {strange[0]}")
    for form in np.unique(plain["form"]).tolist():
        mine = plain[plain["form"] == form]
        _, at, which = np.intersect1d(unique, mine["time"], return_indices=True)
        _judge_values(device, values[index[at]], expected(device, form, mine["k"][which]), report)
    for each in told[times_told > 1].tolist():
        lost += _judge_twins(device, each, good[good["time"] == each], values[time == each], report)
    forgiven = [when for when in lost if any(low <= when < high for low, high in excused)]
    report.sent -= len(forgiven)
    report.excused += len(forgiven)
    report.lost += len(lost) - len(forgiven)
    return sorted(set(lost) - set(forgiven))


def _judge_twins(device: Device, when: int, sent: NDArray[Any], have: NDArray[np.float32], report: Report) -> list[int]:
    """Frames of one time, in no order; returns the time for each that is lost."""
    left = list(have)
    lost = []
    for each in sent:
        want = expected(device, int(each["form"]), np.array([each["k"]]))[0]
        match = next((at for at, row in enumerate(left) if row.shape == want.shape and _same(row, want).all()), None)
        lost += [when] if match is None else []
        if match is not None:
            del left[match]
    report.sent += len(sent)
    report.archived += len(sent) - len(lost)
    report.duplicated += len(left)
    return lost


def _same(have: NDArray[np.float32], want: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Sums in another order may differ in the last bit."""
    same: NDArray[np.bool_] = np.abs(have - want) <= np.spacing(np.abs(want))
    return same


def _judge_values(device: Device, have: NDArray[np.float32], want: NDArray[np.float32], report: Report) -> None:
    if have.shape != want.shape:
        report.faults.append(f"{device.name}: rows of shape {have.shape}, sent {want.shape}")
        return
    wrong = ~_same(have, want)
    if wrong.any():
        row, channel = np.argwhere(wrong)[0].tolist()
        what = f"channel {channel}: {have[row, channel]!r}, sent {want[row, channel]!r}"
        report.faults.append(f"{device.name}: {int(wrong.any(axis=1).sum())} rows with other values, as {what}")


# windows


def windows_due(device: Device, time: I8, top: int, length: int, every: int, golden: float) -> I8:
    """[n] times [ns] of the first samples of a device's windows that fell due, `top` being the table's last slot.

    `length` and `every` in slots; `golden` staggers.
    """
    slots = np.unique(time // PERIOD)
    phase = int(device.key * golden % 1.0 * every)
    found = [np.zeros(0, np.int64)]
    for run in np.split(slots, np.flatnonzero(np.diff(slots) > GONE * every + length) + 1):
        if run.size:
            first = int(run[0]) + length
            ends = np.arange(first + (phase - first) % every, top + 2, every, dtype=np.int64)
            found.append((ends[ends - length <= run[-1]] - length) * PERIOD)
    return np.unique(np.concatenate(found))


def judge_windows(
    devices: list[Device], archive: Archive, length: float, every: float, golden: float, report: Report
) -> list[tuple[Device, int]]:
    """Windows against the archived verdicts; returns (device, start) of those missed."""
    tops: dict[str, int] = {}
    for found in archive.devices.values():
        for table, time in found.tops.items():
            tops[table] = max(tops.get(table, 0), time // PERIOD)
    report.twice += sum(count - 1 for count in archive.judged.values())
    judged = {(device, start) for _, device, start in archive.judged}
    missed: list[tuple[Device, int]] = []
    for device in devices:
        found = archive.devices.get(device.key, Found())
        top = max((tops[table] for table in found.tops), default=0)
        due = windows_due(device, found.joined()[0], top, round(length * RATE), round(every * RATE), golden)
        report.windows += len(due)
        missed += [(device, start) for start in due.tolist() if (device.key, start) not in judged]
        extra = {start for key, start in judged if key == device.key} - set(due.tolist())
        if extra:
            report.faults.append(
                f"{device.name}: {len(extra)} verdicts of windows that were not due: {sorted(extra)[:3]}"
            )
    report.missed += len(missed)
    return missed


def compare_heard(heard: list[dict[str, Any]], archive: Archive, report: Report) -> None:
    """Verdicts that were heard on the wire are in the archive; how often a window was judged anew is told."""
    said = Counter((each["device"], each["start"]) for each in heard)
    kept = {(device, start) for _, device, start in archive.judged}
    gone = [key for key in said if key not in kept]
    if gone:
        report.faults.append(f"{len(gone)} of {len(said)} windows were judged aloud and have no verdict in the archive")
    again = sum(count - 1 for count in said.values())
    report.notes.append(f"verdicts heard on the wire: {len(said)}, said anew: {again}")


# books


def judge_books(
    devices: list[Device], sent: NDArray[Any], archive: Archive, status: Any, report: Report, excused: Excused = ()
) -> None:
    """`syms status --json` of the drained station against files and send logs; frames excused count or don't."""
    sure = np.ones(len(sent), bool)
    for low, high in excused:
        sure &= (sent["time"] < low) | (sent["time"] >= high)
    rows = {row["device"]: row["counts"] for row in status["devices"]}
    for device in devices:
        counts = rows.get(device.key, {})
        book = {name: int(counts.get(f"archiver_{name}", counts.get(name, 0))) for name in
                ("received", "archived", "aside", "duplicate", "corrupt", "refused", "lost", "pending")}  # fmt: skip
        mine = sent["device"] == device.number
        most, least = Counter(sent["kind"][mine].tolist()), Counter(sent["kind"][mine & sure].tolist())
        found = archive.devices.get(device.key, Found())
        rest = book["received"] - sum(count for name, count in book.items() if name != "received")
        if rest:
            report.faults.append(f"{device.name}: the books do not balance: {book}")
        kept = sum(map(len, found.time)) - found.aside
        want = {
            "received": tuple(kinds[GOOD] + kinds[DAMAGED] + kinds[REPEATED] for kinds in (least, most)),
            "archived": (kept, kept),
            "aside": (found.aside, found.aside),
            "duplicate": (least[REPEATED], most[REPEATED]),
            "corrupt": (least[DAMAGED], most[DAMAGED]),
        }
        wrong = [f"{name} {book[name]} instead of {high}" for name, (low, high) in want.items()
                 if not low <= book[name] <= high]  # fmt: skip
        if wrong:
            report.faults.append(f"{device.name}: the books say {', '.join(wrong)}")


# all of it


def spans(times: list[int]) -> Iterator[tuple[int, int, int]]:
    """(first, last, how many) of times [ns] that follow one another within 100 ms."""
    start = 0
    for at in range(1, len(times) + 1):
        if at == len(times) or times[at] - times[at - 1] > 100_000_000:
            yield times[start], times[at - 1], at - start
            start = at


def near(when: int, faults: list[dict[str, Any]]) -> str:
    """The faults around an instant."""
    said = [f"{each['what']} {', '.join(each['victims'])} {(when - each['utc']) / 1e9:+.2f} s"
            for each in faults if abs(when - each["utc"]) < NEAR]  # fmt: skip
    return "; ".join(said) or "nothing was done near it"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines; none if there is no such file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def judge(
    folder: Path, excused: Excused = (), may_break: Excused = (), windows_of: Sequence[int] | None = None
) -> Report:
    """The whole run in a folder; connections may break in `may_break`, windows are those of the devices named."""
    report = Report()
    devices = [Device(**each) for each in json.loads((folder / "devices.json").read_text())]
    setup = json.loads((folder / "setup.json").read_text())
    sent = np.fromfile(folder / "sent.log", LOG)
    faults, links = read_lines(folder / "faults.jsonl"), read_lines(folder / "links.jsonl")
    archive = Archive(folder / "data")
    report.unreadable = len(archive.unreadable)
    report.notes += archive.unreadable
    for device in devices:
        mine = sent[sent["device"] == device.number]
        lost = judge_frames(device, mine, archive.devices.get(device.key, Found()), report, excused)
        for first, last, count in spans(sorted(lost)):
            where = f"{device.name}: {count} lost, {first} to {last}"
            report.notes.append(f"{where}: {near(first, faults)}")
    compare_heard(read_lines(folder / "heard.jsonl"), archive, report)
    looked_at = [device for device in devices if windows_of is None or device.number in windows_of]
    missed = judge_windows(looked_at, archive, setup["window"], setup["every"], setup["golden"], report)
    for device, start in missed[:MOST]:
        report.notes.append(f"{device.name}: no verdict for the window of {start}: "
                            f"{near(start + int(setup['window'] * 1e9), faults)}")  # fmt: skip
    strangers = set(archive.devices) - {device.key for device in devices}
    if strangers:
        report.faults.append(f"rows of devices that there are not: {sorted(strangers)}")
    if (folder / "status.json").exists():
        judge_books(devices, sent, archive, json.loads((folder / "status.json").read_text()), report, excused)
    broken = [link for link in links if link["what"] == "broken" and not _came_to_a_dying_door(link, links, faults)
              and not any(low <= link["utc"] < high for low, high in may_break)]  # fmt: skip
    for link in broken[:FEW]:
        report.faults.append(f"Device {link['device']}: its connection broke ({link['why']}): "
                             f"{near(link['utc'], faults)}")  # fmt: skip
    if len(broken) > FEW:
        report.faults.append(f"{len(broken)} connections broke, those above among them")
    report.notes += _tellings(sent, links, archive)
    return report


def _came_to_a_dying_door(link: dict[str, Any], links: list[dict[str, Any]], faults: list[dict[str, Any]]) -> bool:
    """Whether a connection broke that had not been told to send yet, as the balancer was killed that took it in."""
    mine = [each for each in links if each["device"] == link["device"] and each["utc"] < link["utc"]]
    since = max((each["utc"] for each in mine if each["what"] == "connected"), default=link["utc"])
    started = any(each["what"] == "started" and each["utc"] >= since for each in mine)
    killed = any(each["what"] == "kill" and DOOR in each["victims"] and since - MOMENT < each["utc"] <= link["utc"]
                 for each in faults)  # fmt: skip
    return killed and not started


def _tellings(sent: NDArray[Any], links: list[dict[str, Any]], archive: Archive) -> Iterator[str]:
    """What is no fault, and worth knowing."""
    names = {DAMAGED: "damaged on purpose", REPEATED: "sent twice", CUT: "cut by a broken connection",
             UNHEARD: "datagrams that nobody listened for"}  # fmt: skip
    kinds = Counter(sent["kind"].tolist())
    yield ", ".join(f"{kinds[kind]} {name}" for kind, name in names.items())
    outcomes = Counter(outcome for *_, outcome in archive.verdicts)
    yield f"verdicts: {', '.join(f'{count} {name}' for name, count in sorted(outcomes.items())) or 'none'}"
    what = Counter(link["what"] for link in links)
    yield "connections: " + ", ".join(f"{count}x {name}" for name, count in sorted(what.items()))


def tell(report: Report) -> None:
    """The report, the sentence last."""
    for note in [*report.notes, *(f"WRONG: {fault}" for fault in report.faults)]:
        print(note)
    print(report, flush=True)


if __name__ == "__main__":
    whole = judge(Path(sys.argv[1]))
    tell(whole)
    sys.exit(0 if whole.good else 1)
