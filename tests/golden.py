"""What a release leaves on a disk, kept for the releases after it.

    python -m tests.golden FILE.tar.xz      run a small station, kill all of it, and pack archive, journals and registry

`tests/archive/golden/` has one such file per release that changed a format; they are never made again.
`read` says what stands in an unpacked one, so that `expected.json` (what the release itself read) can be compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from archive import layout
from archive.events import list_events
from archive.finish import finish_all
from archive.journal import Journal, Word
from archive.reading import Extract, open_archive
from archive.retention import DAY, Rules, plan, remove
from archive.writer import Archive
from commands._orphans import lock_holders
from commands._station import PrivateStation, free_port
from nodes import _alarmjournal, _state, _windowjournal
from nodes._alarmbook import Book
from nodes._keeper import Keeper
from nodes._mark import Mark
from nodes._registry import Registry
from nodes._windowbook import Shape
from protocol import clock
from protocol.messages import Health, Table, Verdict
from tests.archives import (
    NONE,
    T0,
    alarm,
    configuration,
    event,
    flags,
    grid,
    held_rows,
    measurements,
    spectra,
    spectrum,
    verdict,
)

LOW = {"name": "Low", "quantity": "frequency", "low": "55 Hz", "delay": "0 s", "hold": "0 s"}
SITE = {"station": "golden", "unknown": "admit", "limits": [LOW]}
"""Its frequency is always too low."""
LINK = 32_768
"""Of the first device that is admitted."""


def wiring(folder: Path) -> dict[str, Any]:
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": 2, "phasors": 1, "rate": "10/s"},
        "substation": {"kind": "simulator", "to": "front", "protocol": "gbt26865", "devices": 1,
                       "rate": "5/s"},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}",
                  "listen_gbt26865": f"127.0.0.1:{free_port()}",
                  "registry": str(folder / "registry.json")},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": ["receivers", "windows", "align", "alarms"],
                    "path": str(folder / "data"), "part": "8 kB"},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "200 ms", "statistics": True},
        "windows": {"kind": "trigger", "from": "align", "window": "5 s", "every": "5 s",
                    "dead_letters": str(folder / "dead-letters")},
        "judge": {"kind": "detector", "from": "windows"},
        "alarms": {"kind": "alarms", "from": "align"},
    }  # fmt: skip


def make(target: Path) -> None:
    """A station that was killed while it wrote; beside it a copy of its archive with a finished hour and an event."""
    work = Path(tempfile.mkdtemp(prefix="golden-"))
    folder = work / "golden"
    folder.mkdir()
    heard: list[Verdict] = []
    with PrivateStation(wiring(folder), SITE, (Health.TAG, Verdict.TAG), heard.append) as station:  # type: ignore[attr-defined]
        assert station.wait(lambda board: len(heard) >= 2 and board.total("archiver", "statistics") >= 3
                            and board.total("archiver", "alarms") >= 2, 90.0)  # fmt: skip
        station.listen(1.5)
        pids = lock_holders(station.pipeline.run)
        os.kill(int(Path(station.pipeline.run, "supervisord.pid").read_text()), signal.SIGKILL)
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        shutil.copytree(station.pipeline.journal, folder / "journal")
    _pack(folder, target)
    shutil.rmtree(work)


def _pack(folder: Path, target: Path) -> None:
    shutil.copytree(folder / "data", folder / "finished")
    _leave(folder / "finished")
    _finish(folder / "finished")
    (folder / "expected.json").write_text(json.dumps(read(folder), indent=1) + "\n")
    with tarfile.open(target, "w:xz") as packed:
        packed.add(folder, "golden")


def _finish(root: Path) -> None:
    """Spectra of a device stand in the finished hour, and some that came late in a part."""
    now = clock.Now(0, max(time for _, time, _, _ in held_rows(root)))
    of = spectrum(configuration(LINK), Table(1, 2, 0, 0, orders=5), range(2, 7))
    last = now.utc // clock.SECOND * clock.SECOND
    with closing(Archive(root)) as archive:
        onset = now.utc - 3 * clock.SECOND
        said = [event(onset, (LINK, LINK + 1), answer) for answer in (1, 2, 3)]
        for word in (of, spectra(of, [last - clock.SECOND, last]), verdict(LINK, onset), *said):
            archive.take(word)
        archive.commit(now)
        archive.write_events(now, 0, 2 * clock.SECOND, 2 * clock.SECOND, everything=True)
        archive.commit(now)
    finish_all(root)
    with closing(Archive(root)) as archive:
        archive.take(of)
        archive.take(spectra(of, [last - 2 * clock.SECOND]))
        archive.take(event(onset + clock.SECOND, (LINK, LINK + 1), disturbance=False, kind="none"))
        archive.commit(now)


def _leave(root: Path) -> None:
    """Of an hour before that, the overview alone: its rows are gone."""
    now = max(time for _, time, _, _ in held_rows(root))
    start = layout.hour_of(now) - 2 * layout.SPAN
    off = (start - T0) / clock.SECOND
    with closing(Archive(root)) as archive:
        known = next(each for each in archive.register.all if Table(*each.table).rate == 10)
        archive.take(known)
        archive.take(measurements([known.device >> 16] * 40, grid(5, 40, 10, start), Table(*known.table)))
        archive.take(flags((LINK, "frozen", off + 1, off + 3, 0), node="suspects"))
        archive.take(alarm("raised", off + 1, node="golden"))
        archive.commit(NONE)
    finish_all(root)
    remove(root, plan(root, Rules(age=layout.SPAN, overviews=10_000 * DAY), now), now)


def read(folder: Path) -> dict[str, Any]:
    """What this release finds in an unpacked one. Takes locks, changes nothing that counts."""
    return {
        "data": _archive(folder / "data"), "finished": _archive(folder / "finished"),
        "receiver": _receiver(folder / "journal" / "receivers"), "trigger": _trigger(folder / "journal" / "windows"),
        "mark": _mark(folder / "journal" / "align"), "registry": _registry(folder / "registry.json"),
        **_minutes(folder / "journal" / "align" / "minutes"), **_alarm_book(folder / "journal" / "alarms"),
    }  # fmt: skip


def _archive(root: Path) -> dict[str, Any]:
    rows = sorted((int(device), time, body.hex(), aside, count) for (device, time, body, aside), count
                  in held_rows(root).items())  # fmt: skip
    with open_archive(root) as found:
        verdicts, statistics, answers = found.verdicts(), found.statistics(), found.answers()
        changes = zip(*(found.alarms()[name].tolist() for name in ("time", "id", "change", "text")), strict=True)
        flagged = zip(*(found.flags()[name].tolist() for name in ("start", "stop", "device", "kind")), strict=True)
        beside = {"alarms": [*map(list, changes)], "flags": [*map(list, flagged)], "overviews": _seconds(found)}
        names = sorted(each.name for held in found.configurations.values() for each in held)
    minutes = zip(*(statistics[name].tolist() for name in ("start", "device", "received")), strict=True)
    said = zip(*(answers[name].tolist() for name in ("id", "answer", "onset", "record")), strict=True)
    events = [*list_events(root), *list_events(root, rejected=True)]
    return {
        **{name: each for name, each in beside.items() if each},
        **({"statistics": [list(each) for each in minutes]} if len(statistics["start"]) else {}),
        **({"answers": [list(each) for each in said]} if len(answers["id"]) else {}),
        "rows": len(rows), "digest": hashlib.sha256(json.dumps(rows).encode()).hexdigest(), "names": names,
        "verdicts": sorted(int(start) for start in verdicts["start"]), "events": len(events),
    }  # fmt: skip


def _seconds(found: Extract) -> list[Any]:
    """What there is of hours whose rows are gone: [device, seconds, digest]."""
    said = []
    for hour in found.overview_hours:
        there = found.between(hour, hour + layout.SPAN)
        for name in there.devices:
            seconds = there.overview(name, "frequency")
            parts = [np.round(each, 4).tobytes() for each in (seconds.minimum, seconds.mean, seconds.maximum)]
            said.append([name, seconds.time.tolist(), hashlib.sha256(b"".join(parts)).hexdigest()])
    return said


def _alarm_book(folder: Path) -> dict[str, Any]:
    """What a journal of alarms goes on with; releases up to archives of format 6 had none."""
    if not folder.exists():
        return {}
    keeper = Keeper(folder, keep=1 << 30, age=10**18)
    try:
        fold = _alarmjournal.Fold(Book()).take(keeper.records())
        told = sorted([name, entry.kind, str(entry.state)] for name, entry in fold.book.entries.items())
        return {"alarm_book": {"entries": told, "standing": {name: list(at) for name, at in fold.standing.items()}}}
    finally:
        keeper.close()


def _receiver(folder: Path) -> dict[str, Any]:
    with closing(Journal(folder)) as journal:
        state = _state.replay(journal.records())
        epochs = journal.epochs
    return {
        "epochs": [list(each) for each in epochs], "next": state.next, "ways": len(state.ways),
        "counts": {str(device): list(counts) for device, counts in state.counts.items()},
    }  # fmt: skip


def _trigger(folder: Path) -> dict[str, Any]:
    keeper = Keeper(folder, keep=1 << 30, age=10**18)
    try:
        book, open_ = _windowjournal.read(keeper.records, Shape("frequency", 5 * clock.SECOND, 5 * clock.SECOND, True))
        return {"standing": {writer: list(at) for writer, at in book.standing.items()}, "names": len(book.names),
                "open": [[due.cut.device, due.start] for due in open_]}  # fmt: skip
    finally:
        keeper.close()


def _mark(folder: Path) -> dict[str, Any]:
    mark = Mark(folder)
    mark.close()
    return {writer: list(at) for writer, at in mark.standing.items()}


def _minutes(folder: Path) -> dict[str, Any]:
    """What the journal of a stream of statistics holds; releases up to archives of format 4 had none."""
    if not folder.exists():
        return {}
    with closing(Journal(folder)) as journal:
        words = sum(isinstance(each, Word) for each in journal.records())
        return {"minutes": {"epochs": [list(each) for each in journal.epochs], "words": words}}


def _registry(path: Path) -> list[Any]:
    return sorted([*identity, number] for identity, number in Registry(path).numbers.items())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
