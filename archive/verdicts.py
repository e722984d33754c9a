"""Every verdict, once: which window of which device was judged when, by what, and how it ended.

A verdict is kept in the hour of its window's `stop`, as a row for each of its devices, in a part as `archive/parts.py`
makes them (`present [row]`, the others as in `layout.VERDICT_FIELDS`), then in the finished file's group `verdicts`.
It goes through the same commit as rows. A twin changes nothing: a verdict of the same trigger, device and start, by
the same version of the same algorithm, or one of the two without any (a window that nobody judged).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from protocol.messages import Cause, Verdict

GROUP = "verdicts"
Verdicts = dict[str, NDArray[Any]]
"""Field of `layout.VERDICT_FIELDS` to [n]; texts as str, which takes less memory than their room on disk."""
Window = tuple[str, int, int]
"""(trigger, device, start)"""
Judge = tuple[str, int]
"""(algorithm, its version); `NOBODY` if the window was not judged."""
NOBODY: Judge = ("", 0)
KEY = ("trigger", "device", "start", "algorithm", "version")
TEXTS = {name for name, field in layout.VERDICT_FIELDS.items() if "S" in field.dtype}
PACKED = {"shuffle": True, "compression": "gzip", "compression_opts": 4}


def fitting(value: str, field: str) -> str:
    """A text, cut to what a field takes as UTF-8."""
    room = np.dtype(layout.VERDICT_FIELDS[field].dtype).itemsize
    return value.encode(errors="replace")[:room].decode(errors="ignore").rstrip("\0")


def detail_text(detail: dict[str, Any]) -> str:
    """JSON of an algorithm's figures; those that do not fit are left out, and `left_out` says how many."""
    room = np.dtype(layout.VERDICT_FIELDS["detail"].dtype).itemsize
    plain = without_nan(detail)
    whole = _json(plain)
    if len(whole) <= room:
        return whole
    kept: dict[str, Any] = {}
    for name, value in plain.items():
        if len(_json(kept | {name: value})) <= room - 32:
            kept[name] = value
    return _json(kept | {"left_out": len(plain) - len(kept)})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def without_nan(value: Any) -> Any:
    """The same as JSON can say it: what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rows_of(verdict: Verdict, name_of: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    """A verdict as rows of `layout.VERDICT_FIELDS`, without `kept`."""
    said = {name: getattr(verdict, name, 0) for name in layout.VERDICT_FIELDS}
    for name in ("outcome", "algorithm", "trigger", "worker", "error"):
        said[name] = fitting(str(said[name]), name)
    cause = {} if verdict.cause == Cause.SCHEDULE else {"cause": str(verdict.cause)}
    said["detail"] = detail_text(cause | verdict.detail)
    for device in verdict.device.tolist():
        yield said | {"device": device, "name": fitting(name_of(device), "name")}


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
        columns = (rows[name].tolist() for name in KEY)
        return np.array([self.note(dict(zip(KEY, row, strict=True))) for row in zip(*columns, strict=True)], bool)


def of_part(part: Cells, fields: Iterable[str] = layout.VERDICT_FIELDS) -> Verdicts:
    """Some fields of all verdicts that a part holds."""
    taken = np.flatnonzero(part.view("present"))
    found = {name: np.array(part.view(name)[taken]) for name in fields if name not in TEXTS}
    return found | {name: texts(part.view(name)[taken].tolist()) for name in fields if name in TEXTS}


def texts(found: list[bytes]) -> NDArray[Any]:
    """[n] str; those that are the same share their memory."""
    known = {each: each.decode(errors="replace") for each in set(found)}
    return np.array([known[each] for each in found], dtype=object)


def of_file(file: Any, fields: Iterable[str] = layout.VERDICT_FIELDS) -> Verdicts:
    """Some fields of all verdicts of a finished file; none if an older release made it."""
    if GROUP not in file:
        return {name: values for name, values in empty().items() if name in fields}
    group = file[GROUP]
    found = {name: group[name][:].astype(layout.VERDICT_FIELDS[name].dtype) for name in fields if name not in TEXTS}
    return found | {name: texts(group[name][:].tolist()) for name in fields if name in TEXTS}


def empty() -> Verdicts:
    """No verdicts."""
    kinds = ((name, object if name in TEXTS else field.dtype) for name, field in layout.VERDICT_FIELDS.items())
    return {name: np.zeros(0, kind) for name, kind in kinds}


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
        if name in TEXTS:
            data = group.create_dataset(name, data=rows[name], dtype=h5py.string_dtype())
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
