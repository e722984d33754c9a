"""What is left of an hour whose rows retention has deleted: `overview_….h5`, where its finished file was.

    /<table>/overview/…   see archive/overviews.py; of tables with one row a second or fewer, it has every row
             device, channel, names, units, configuration, …   as in a finished file
    /tables, site, merged, verdicts, statistics, events, flags, alarms   as in a finished file

Spectra are not in it, nor are angles and rows that were set aside. Rows that come late for such an hour make a finished
file anew; until that goes as well both speak, and then they are put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import checksums, layout, spectra
from archive.alarms import ALARMS
from archive.answers import EVENTS
from archive.configurations import recognised
from archive.disk import Disk
from archive.flags import FLAGS
from archive.groups import write_devices, write_root
from archive.overviews import GROUP, Overviews, kept, statistics
from archive.sources import FinishedSource, merged_of, open_finished
from archive.statistics import STATISTICS
from archive.tables import put_index
from archive.verdicts import VERDICTS
from protocol import clock
from protocol.messages import Configuration, Table

LEDGERS = (VERDICTS, STATISTICS, EVENTS, FLAGS, ALARMS)
OVERHEAD = 128 << 10
"""Bytes of a file beside its data, about."""
Told = tuple[NDArray[np.float32], NDArray[np.int64]]
"""(minimum, mean, maximum [channel, 3, seconds], valid values [channel, seconds])"""


class Seconds:
    """The seconds of one table in a file; of one with a row a second or fewer, its slots."""

    def __init__(self, group: Any, table: Table) -> None:
        self._group, self._table = group, table
        self._source: FinishedSource | None = None
        self._rate = max(1, table.rate)
        held = [recognised(text) for text in group["configuration"].asstr()[:]]
        self.columns = {key: column for column, (key, _) in enumerate(held)}
        self.configurations = dict(held)
        self.first = int(group.attrs["first_slot"]) // self._rate
        self.stop = self.first + self._count()
        self._told = self._own if GROUP in group else self._computed

    def _count(self) -> int:
        if GROUP in self._group:
            return int(self._group[GROUP]["time"].shape[0])
        slots = int(self._group.attrs["first_slot"]) % self._rate + int(self._group["time"].shape[0])
        return -(-slots // self._rate)

    def of(self, key: str) -> Told | None:
        """Of the column with this configuration; None if there is none."""
        return self._told(self.columns[key]) if key in self.columns else None

    def _own(self, column: int) -> Told:
        data = self._group[GROUP]
        names = data["channel"].asstr()[:].tolist()
        labels = layout.channels(self._table)
        at = [names.index(labels[channel]) for channel in kept(self._table, slow=True)]  # format 3 has angles, too
        return data["values"][column][at], data["count"][column][at].astype(np.int64)

    def _computed(self, column: int) -> Told:
        """Files of releases that kept none, and slow tables."""
        if self._source is None:
            self._source = FinishedSource(self._group, self._table)
        block = self._source.block([column], self._source.first, self._source.stop)
        rows = np.where(block["present"][0][:, None] != 0, block["values"][0], np.float32(np.nan))
        before = self._source.first - self.first * self._rate
        after = (self.stop - self.first) * self._rate - before - len(rows)
        rows = np.pad(rows[:, kept(self._table, slow=True)], ((before, after), (0, 0)), constant_values=np.nan)
        found, count = statistics(rows, self._rate)
        return found.transpose(2, 0, 1), count.T


def leave(root: Path, hour: int, disk: Disk) -> Path:
    """Make it of the finished file of an hour and of what was left of it before. Raises ArchiveError, OSError."""
    path = layout.overview_path(root, hour)
    with ExitStack() as stack:
        files = [stack.enter_context(closing(open_finished(layout.finished_path(root, hour))))]
        merged = merged_of(files[0])
        if path.exists():
            before = stack.enter_context(closing(open_finished(path)))
            if merged <= (old := merged_of(before)):
                return path  # made, and the finished file was not deleted
            if not old <= merged:
                files, merged = [before, *files], merged | old
        temporary = path.with_suffix(".tmp")
        try:
            with h5py.File(temporary, "w", locking=False) as out:
                _write(out, hour, files, merged)
        except Exception:  # a disk that is full has no room for half of it
            temporary.unlink(missing_ok=True)
            raise
    checksums.finish(root, temporary, path, disk)
    return path


def _write(out: Any, hour: int, files: Sequence[Any], merged: set[str]) -> None:
    site = str(files[-1]["site"].asstr()[()]) if "site" in files[-1] else ""
    write_root(out, hour, hour + layout.SPAN, site, sorted(merged))
    out.attrs["title"] = "SYMS synchronized measurements: seconds of an hour whose rows are gone"
    index = {}
    for name, table in _tables(files):
        found = [Seconds(file[name], table) for file in files if name in file]
        index[name] = _write_table(out.create_group(name), table, found)
    put_index(out, index)
    for ledger in LEDGERS:
        rows = ledger.joined([ledger.of_file(file) for file in files])
        if len(rows[ledger.order[0]]):
            ledger.write_group(out, rows)


def _tables(files: Sequence[Any]) -> Iterator[tuple[str, Table]]:
    for name in sorted({name for file in files for name in file}):
        table = layout.table_of(name)
        if table is not None and kept(table, slow=True):
            yield name, table


def _write_table(group: Any, table: Table, found: Sequence[Seconds]) -> dict[str, Any]:
    """Returns what stands of it in the index."""
    held: dict[str, Configuration] = {key: each for one in found for key, each in one.configurations.items()}
    keys = sorted(held, key=lambda key: (held[key].device, held[key].version, key))
    first, stop = min(one.first for one in found), max(one.stop for one in found)
    rate = max(1, table.rate)
    group.attrs["first_slot"] = first * rate
    group.attrs["rate"] = table.rate
    configurations = [held[key] for key in keys]
    write_devices(group, table, configurations, spectra.plain(table))
    out = Overviews(group, table, int(clock.slot_time(first * rate, table.rate)), stop - first, slow=True)
    for column, key in enumerate(keys):
        out.begin(1)
        for one in found:
            if (told := one.of(key)) is not None:
                out.merge(0, one.first - first, *told)
        out.write(column)
    return {"first_slot": first * rate, "slots": (stop - first) * rate, "overview": kept(table, slow=True)}


def stays(path: Path) -> int:
    """Bytes that would be left of a finished file, about. Raises ArchiveError, OSError."""
    with closing(open_finished(path)) as file:
        ledgers = [file[each.name] for each in LEDGERS if each.name in file]
        seconds = [file[name].get(GROUP, file[name].get("values")) for name, _ in _tables([file])]
        return OVERHEAD + sum(map(_size, [*ledgers, *seconds]))


def _size(item: Any) -> int:
    """Bytes of the data of a dataset, or of all of a group."""
    if isinstance(item, h5py.Dataset):
        return int(item.id.get_storage_size())
    return sum(_size(each) for each in item.values())
