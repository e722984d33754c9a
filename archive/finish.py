"""Finishing: the parts of one hour become one file of the whole station, made to be read.

    python -m archive.finish DIR [PARENT]   merge what is sealed (a niced child of the archiver does this, and ends with
                                            it: PARENT is its process id)

A finished file has one group per table, device-major (`values [device, channel, time]`), in chunks of one channel of
one device, shuffled and gzipped, absent values NaN, with an overview by seconds; and the groups `verdicts`,
`statistics`, `events`, `flags`, `alarms`. It appears under its name complete and on disk before its parts are deleted.
Parts that are found with a file which holds them already are deleted; late rows come as new parts and are merged with
the file that is there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import h5py

from archive import checksums, folder, layout, priorities
from archive.disk import Disk, make_folder
from archive.groups import write_aside, write_root
from archive.merging import joined, joined_aside
from archive.parts import Cells, Part
from archive.remains import LEDGERS
from archive.settling import Settling
from archive.shelves import seal_part
from archive.sources import merged_of, open_finished, open_part
from archive.tables import write_index, write_table
from archive.watermark import Watermark


def finish_hour(root: Path, hour: int, disk: Disk | None = None) -> Path | None:
    """Merge the sealed parts of an hour into its finished file; None if there are none. The caller holds a lock."""
    disk = disk or Disk()
    sealed = sorted(layout.live_folder(root, hour).glob(f"*{layout.SEALED}"))
    path = layout.finished_path(root, hour)
    if not sealed:
        return None
    with ExitStack() as stack:
        file = stack.enter_context(open_finished(path)) if path.exists() else None
        merged = merged_of(file) if file is not None else set()
        fresh = [each for each in sealed if _serial(each) not in merged]
        parts = [stack.enter_context(closing(open_part(each))) for each in fresh if not layout.ledger_of(each)]
        said = [(layout.ledger_of(each), stack.enter_context(closing(Cells(each, disk))))
                for each in fresh if layout.ledger_of(each)]  # fmt: skip
        if fresh:
            _write(root, hour, path, file, parts, said, merged | {_serial(each) for each in fresh}, disk)
    for each in sealed:
        each.unlink()
    return path


def _serial(path: Path) -> str:
    """A part's own number, which no other part ever has."""
    return path.name.split(".")[-3]


def _write(root: Path, hour: int, path: Path, file: Any, parts: list[Part], said: list[tuple[str, Cells]],
           merged: set[str], disk: Disk) -> None:  # fmt: skip
    make_folder(path.parent)
    temporary, settling = path.with_suffix(".tmp"), Settling(keep=True)
    with h5py.File(temporary, "w", locking=False) as out:
        fd = int(out.id.get_vfd_handle())
        write_root(out, hour, hour + layout.SPAN, folder.site_text(root), sorted(merged))
        for table, rows in joined(file, parts):
            span = rows.crop()
            if span is not None:
                write_table(out.create_group(table.name), rows, *span, overview=True,
                            grown=lambda: settling.grown(temporary, fd, temporary.stat().st_size))  # fmt: skip
        write_index(out)
        for table, aside in joined_aside(file, parts):
            write_aside(out.create_group(f"aside/{table.name}"), table, aside)
        for ledger in LEDGERS:
            held = [ledger.of_file(file)] if file is not None else []
            kept = ledger.joined(held + [ledger.of_part(part) for name, part in said if name == ledger.name])
            if len(kept[ledger.order[0]]):
                ledger.write_group(out, kept)
        out.flush()
    checksums.finish(root, temporary, path, disk, checksums.deciding(root))


def finish_sealed(root: Path) -> list[Path]:
    """Merge all that is sealed, while a writer may be at work on the rest. Raises ArchiveError."""
    folder.check(root)
    with closing(folder.finish_lock(root)):
        files = [finish_hour(root, hour) for hour in layout.live_hours(root)]
    return [file for file in files if file is not None]


def finish_all(path: str | os.PathLike[str]) -> list[Path]:
    """Finish all hours of an archive that nobody writes to. Returns the files made. Raises ArchiveError."""
    root = Path(path)
    folder.check(root)
    with closing(folder.writer_lock(root)):
        with closing(Watermark(root, Disk())) as watermark:
            watermark.undo()
        for live in layout.live_hours(root).values():
            for part in live.glob(f"*{layout.PART}"):
                seal_part(part)
        files = finish_sealed(root)
        for left in (root / "live").glob("*"):
            folder.remove_empty(left)
        return files


PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel end us when our parent ends, also one that is killed; it may have ended already (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Merge what is sealed in one archive. Exit code 0, or 1 with the fault on stderr."""
    if len(arguments) > 1:
        end_with(int(arguments[1]))
    try:
        for path in finish_sealed(Path(arguments[0])):
            print(path)
    except (folder.ArchiveError, OSError) as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    priorities.go_behind()  # whoever writes goes first
    sys.exit(main(sys.argv[1:]))
