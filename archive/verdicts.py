"""Every verdict, once: which window of which device was judged when, by what, and how it ended.

A verdict is kept in the hour of its window's `stop`, as a row for each of its devices, in a part as `archive/parts.py`
makes them (`present [row]`, the others as in `layout.VERDICT_FIELDS`), then in the finished file's group `verdicts`.
It goes through the same commit as rows. A twin changes nothing: a verdict of the same trigger, device and start, by
the same version of the same algorithm, or one of the two without any (a window that nobody judged).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.disk import Disk
from archive.folder import ArchiveError
from archive.parts import Cells
from archive.sources import open_finished
from protocol.messages import Verdict

GROUP = "verdicts"
Verdicts = dict[str, NDArray[Any]]
"""Field of `layout.VERDICT_FIELDS` to [n]; texts as bytes."""
Window = tuple[bytes, int, int]
"""(trigger, device, start)"""
Judge = tuple[bytes, int]
"""(algorithm, its version); `NOBODY` if the window was not judged."""
NOBODY: Judge = (b"", 0)
PACKED = {"shuffle": True, "compression": "gzip", "compression_opts": 4}


def text(value: str, field: str) -> bytes:
    """UTF-8 of a text, cut to what a field takes."""
    room = np.dtype(layout.VERDICT_FIELDS[field].dtype).itemsize
    return value.encode()[:room].decode(errors="ignore").encode()


def detail_text(detail: dict[str, Any]) -> bytes:
    """JSON of an algorithm's figures; those that do not fit are left out and named in `left_out`."""
    room = np.dtype(layout.VERDICT_FIELDS["detail"].dtype).itemsize
    whole = json.dumps(detail, separators=(",", ":"))
    if len(whole) <= room:
        return whole.encode()
    kept: dict[str, Any] = {}
    for name, value in detail.items():
        if len(json.dumps(kept | {name: value}, separators=(",", ":"))) <= room - 32:
            kept[name] = value
    return json.dumps(kept | {"left_out": len(detail) - len(kept)}, separators=(",", ":")).encode()


def rows_of(verdict: Verdict, name_of: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    """A verdict as rows of `layout.VERDICT_FIELDS`, without `kept`."""
    said = {name: getattr(verdict, name, 0) for name in layout.VERDICT_FIELDS}
    for name in ("outcome", "algorithm", "trigger", "worker", "error"):
        said[name] = text(str(said[name]), name)
    said["detail"] = detail_text(verdict.detail)
    for device in verdict.device.tolist():
        yield said | {"device": device, "name": text(name_of(device), "name")}


class Known:
    """Which windows of an hour have a verdict already."""

    def __init__(self) -> None:
        self._judged: dict[Window, set[Judge]] = {}

    def note(self, row: dict[str, Any]) -> bool:
        """Whether a row is new; it is known from now on."""
        judges = self._judged.setdefault((row["trigger"], row["device"], row["start"]), set())
        judge = (row["algorithm"], row["version"])
        if judges and (judge in judges or judge == NOBODY or NOBODY in judges):
            return False
        judges.add(judge)
        return True

    def note_all(self, rows: Verdicts) -> NDArray[np.bool_]:
        """[n] Which of some rows were new."""
        names = ("trigger", "device", "start", "algorithm", "version")
        columns = (rows[name].tolist() for name in names)
        return np.array([self.note(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)], bool)


def of_part(part: Cells) -> Verdicts:
    """All verdicts that a part holds."""
    taken = np.flatnonzero(part.view("present"))
    return {name: np.array(part.view(name)[taken]) for name in layout.VERDICT_FIELDS}


def of_file(file: Any) -> Verdicts:
    """All verdicts of a finished file; none if an older release made it."""
    if GROUP not in file:
        return empty()
    group = file[GROUP]
    return {
        name: np.array([each.encode() for each in group[name].asstr()[:]], field.dtype) if "S" in field.dtype
        else group[name][:].astype(field.dtype)
        for name, field in layout.VERDICT_FIELDS.items()
    }  # fmt: skip


def empty() -> Verdicts:
    """No verdicts."""
    return {name: np.zeros(0, field.dtype) for name, field in layout.VERDICT_FIELDS.items()}


def joined(found: Sequence[Verdicts]) -> Verdicts:
    """Several as one, each verdict once, in order of window, device and arrival; the first of twins speaks."""
    found = [empty(), *found]
    rows = {name: np.concatenate([each[name] for each in found]) for name in layout.VERDICT_FIELDS}
    new = Known().note_all(rows)
    order = np.flatnonzero(new)
    order = order[np.lexsort((rows["kept"][order], rows["device"][order], rows["start"][order], rows["stop"][order]))]
    return {name: values[order] for name, values in rows.items()}


def write_group(out: Any, rows: Verdicts) -> None:
    """The group `verdicts` of a finished file: one dimension, `verdict`."""
    count = len(rows["start"])
    group = out.create_group(GROUP)
    scale = group.create_dataset("verdict", data=np.arange(count))
    scale.attrs["long_name"] = "verdict, in order of its window's end"
    scale.make_scale("verdict")
    for name, field in layout.VERDICT_FIELDS.items():
        if "S" in field.dtype:
            texts = np.array([each.decode(errors="replace") for each in rows[name].tolist()], dtype=object)
            data = group.create_dataset(name, data=texts, dtype=h5py.string_dtype())
        else:
            data = group.create_dataset(name, data=rows[name], chunks=(min(count, 1 << 16),), **PACKED)
        data.attrs["long_name"] = field.about
        data.dims[0].attach_scale(scale)
        if name in ("start", "stop", "kept"):
            data.attrs["units"] = layout.TIME_TEXT
            data.attrs["calendar"] = "proleptic_gregorian"


def between(root: Path, start: int, end: int) -> Iterator[Verdicts]:
    """The verdicts on windows whose `stop` is in (start, end] ns, hour by hour, in order. Raises ArchiveError."""
    hours = layout.finished_hours(root).keys() | layout.live_hours(root).keys()
    for hour in sorted(hour for hour in hours if start - layout.SPAN < hour <= end):
        rows = _of_hour(root, hour)
        yield some(rows, (rows["stop"] > start) & (rows["stop"] <= end))


def some(rows: Verdicts, which: NDArray[np.bool_]) -> Verdicts:
    """Those of [n] that are chosen."""
    return {name: values[which] for name, values in rows.items()}


def _of_hour(root: Path, hour: int) -> Verdicts:
    paths, finished = layout.live_folder(root, hour), layout.finished_path(root, hour)
    for _ in range(5):  # a finishing child may merge and delete sealed parts while we open them
        with suppress(FileNotFoundError), ExitStack() as stack:
            live = sorted(paths.glob("verdicts.*.h5"))  # first: what is merged meanwhile is then in the finished file
            parts = [stack.enter_context(closing(Cells(path, Disk()))) for path in live]
            found = [of_file(stack.enter_context(open_finished(finished)))] if finished.exists() else []
            return joined(found + [of_part(part) for part in parts])
    raise ArchiveError(f"{root}: the files of {layout.hour_name(hour)} are changing; try again")


def readable(rows: Verdicts) -> Verdicts:
    """The same with texts as str."""
    texts = {name for name, values in rows.items() if values.dtype.kind == "S"}
    decoded = {name: [each.decode(errors="replace") for each in rows[name].tolist()] for name in texts}
    return {name: np.array(decoded[name], dtype=object) if name in texts else rows[name] for name in rows}
