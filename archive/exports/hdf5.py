"""HDF5: one file in the shape of the archive's own finished files (docs/open-an-archive.md), with what was asked for.

Tables have only the stations that were asked for. Channels that were not are NaN, which takes no room in the file.
"""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from archive import folder
from archive.configurations import identity
from archive.exports.formats import Meanwhile, Writer
from archive.exports.plan import Sheet, present
from archive.exports.wishes import Wish, told
from archive.groups import write_root
from archive.parts import Rows
from archive.picking import Pick
from archive.settling import Settling
from archive.sources import Joined
from archive.tables import write_table
from protocol.messages import Configuration


class Hdf5(Writer):
    """One file."""

    def run(self, meanwhile: Meanwhile) -> None:
        path, settling = self.target.file("", ".h5"), Settling()
        with h5py.File(path, "w", locking=False) as out:
            write_root(out, self.plan.start, self.plan.end, folder.site_text(self.plan.root), [])
            out.attrs["title"] = "SYMS extract"
            out.attrs["asked"] = told(self.plan.wish)
            if self.plan.wish.onset is not None:
                out.attrs["onset"] = self.plan.wish.onset

            def settled(rows: int) -> None:
                out.flush()
                settling.grown(path, int(out.id.get_vfd_handle()), path.stat().st_size)
                meanwhile(rows)

            for sheet in self.plan.sheets:
                rows = Joined(sheet.table, [Some(sheet, self.plan.wish, settled)])
                write_table(out.create_group(sheet.table.name), rows, sheet.first, sheet.last + 1)


class Some:
    """What is wanted of a table, as a source of rows (`sources.Source`)."""

    def __init__(self, sheet: Sheet, wish: Wish, meanwhile: Meanwhile) -> None:
        self._sheet, self._wish, self._meanwhile = sheet, wish, meanwhile
        self._columns = [column for track in sheet.tracks for column in track.columns]
        self._tracks = [track for track in sheet.tracks for _ in track.columns]
        held = [sheet.rows.configurations[column] for column in self._columns]
        self.first, self.stop = sheet.first, sheet.last + 1
        self.columns = {identity(each): column for column, each in enumerate(held)}
        self.configurations: dict[str, Configuration] = {identity(each): each for each in held}

    def crop(self) -> tuple[int, int] | None:
        return self.first, self.stop

    def block(self, columns: Sequence[int], first: int, stop: int, pick: Pick | None = None) -> Rows:
        """All fields, without the rows and channels that were not asked for."""
        found = self._sheet.rows.block([self._columns[column] for column in columns], first, stop, pick)
        here = present(found, self._sheet.table.rate, first, self._wish)
        for name, values in found.items():
            values[~here] = 0
            for row, column in enumerate(columns):
                wanted = {channel.at for channel in self._tracks[column].channels if channel.field == name}
                if name in ("values", "digital"):
                    others = sorted(set(range(values.shape[-1])) - wanted)
                    values[row, :, others] = np.nan if name == "values" else 0
        self._meanwhile(int(here.sum()))
        return found
