"""What earlier releases left is read; what a newer one left is refused, with what to do, and not touched."""

from __future__ import annotations

import json
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from archive import layout
from archive.events import list_events
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.reading import open_archive
from archive.watermark import SLOT, WatermarkError
from archive.writer import Archive
from nodes._registry import Registry, RegistryError
from protocol.messages import Table
from tests import golden
from tests.archives import NONE, grid, held_rows, measurements

KEPT = sorted(Path(__file__).with_name("golden").glob("*.tar.xz"))


def unpacked(packed: Path, folder: Path) -> Path:
    with tarfile.open(packed) as file:
        file.extractall(folder, filter="data")
    return folder / "golden"


@pytest.fixture
def last(tmp_path: Path) -> Path:
    return unpacked(KEPT[-1], tmp_path)


@pytest.mark.parametrize("packed", KEPT, ids=lambda path: path.name)
def test_what_a_release_left_is_read(packed: Path, tmp_path: Path) -> None:
    """Archive, finished file, event, receiver's and trigger's journal, concentrator's mark and minutes, registry."""
    folder = unpacked(packed, tmp_path)
    assert golden.read(folder) == json.loads((folder / "expected.json").read_text())


def test_the_last_one_has_what_came_last(last: Path) -> None:
    """All that came last; else nobody would see that a later release reads it no more."""
    found = golden.read(last)
    assert found["data"]["statistics"]
    assert found["minutes"]["words"]
    assert {change for _, _, change, _ in found["data"]["alarms"]} >= {"raised"}
    assert found["finished"]["flags"]
    [[_, seconds, _]] = found["finished"]["overviews"]
    assert len(seconds) == 5
    assert "Low" in {kind for _, kind, _ in found["alarm_book"]["entries"]}
    assert [answer for _, answer, *_ in found["finished"]["answers"]] == [1, 2, 3, 1]
    assert any(name.endswith(" harmonics") for name in found["finished"]["names"])
    with open_archive(last / "data") as archive:
        assert "gbt26865" in {each.protocol for held in archive.configurations.values() for each in held}


@pytest.mark.parametrize("packed", KEPT, ids=lambda path: path.name)
def test_what_a_release_left_is_gone_on_with(packed: Path, tmp_path: Path) -> None:
    """Its watermark holds, its parts take more rows, and all of it is finished."""
    folder = unpacked(packed, tmp_path)
    rows = json.loads((folder / "expected.json").read_text())["data"]["rows"]
    archive = Archive(folder / "data")
    assert archive.books.standing().sum(axis=0)[1] == rows
    [(writer, epoch)] = [each for each in archive.standing() if each[0] == "receivers"]
    [number] = [at for each, at in archive.standing().items() if each == (writer, epoch)]
    [known, *_] = archive.register.all
    time = max(at for _, at, _, _ in held_rows(folder / "data"))
    archive.take(
        measurements([known.device >> 16], [time + 10**9], Table(*known.table), node=writer, epoch=epoch, number=number)
    )
    archive.commit(NONE)
    archive.close()
    assert len(held_rows(folder / "data")) == rows + 1
    finish_all(folder / "data")
    assert len(held_rows(folder / "data")) == rows + 1


def refused(path: Path, number: int, act: Callable[[], object], known: int = layout.FORMAT,
            fault: type[Exception] = ArchiveError) -> None:  # fmt: skip
    before = path.read_bytes()
    with pytest.raises(fault) as found:
        act()
    assert f"{path}: format {number}, this release knows up to {known}; use a newer one" in str(found.value)
    assert path.read_bytes() == before


def newer(path: Path) -> Path:
    with h5py.File(path, "r+", locking=False) as file:
        assert file.attrs["format"] <= layout.FORMAT
        file.attrs["format"] = layout.FORMAT + 1
    return path


@pytest.mark.parametrize("name", ["rate10", "verdicts"])
def test_a_newer_part_is_refused(last: Path, name: str) -> None:
    path = newer(sorted((last / "data" / "live").glob(f"*/{name}*"))[0])

    def read() -> None:
        with open_archive(last / "data") as found:
            list(found.rows())
            found.verdicts()

    refused(path, layout.FORMAT + 1, read)
    assert path.exists()


def test_a_newer_part_is_not_written_to(last: Path) -> None:
    path = newer(sorted((last / "data" / "live").glob("*/rate10*"))[0])
    archive = Archive(last / "data")
    [(writer, epoch)] = [each for each in archive.standing() if each[0] == "receivers"]
    known = next(each for each in archive.register.all if Table(*each.table).rate == 10)
    start = int(h5py.File(path, "r", locking=False).attrs["start"])
    word = measurements([known.device >> 16], grid(599, 1, 10, start), Table(*known.table), node=writer, epoch=epoch,
                        number=archive.standing()[writer, epoch])  # fmt: skip
    archive.take(word)
    refused(path, layout.FORMAT + 1, lambda: archive.commit(NONE))
    archive.close()


def test_a_newer_finished_file_is_refused(last: Path) -> None:
    [path] = layout.finished_hours(last / "finished").values()
    newer(path)
    with open_archive(last / "finished") as found:
        refused(path, layout.FORMAT + 1, lambda: list(found.rows()))


def test_a_newer_event_is_refused(last: Path) -> None:
    path = min((last / "finished" / "events").iterdir())
    newer(path)
    refused(path, layout.FORMAT + 1, lambda: list_events(last / "finished"))


@pytest.mark.parametrize("name", ["watermark", "undo"])
def test_a_newer_watermark_is_refused(last: Path, name: str) -> None:
    path = last / "data" / name
    data = bytearray(path.read_bytes())
    for slot in range(0, len(data), SLOT):
        struct.pack_into("<I", data, slot + 8, layout.FORMAT + 1)
        if name == "undo":  # of a commit that did not reach its watermark
            _, _, sequence, length, _ = struct.unpack_from("<8sIQII", data)
            payload = bytes(data[28 : 28 + length])
            struct.pack_into("<QII", data, 12, sequence + 1, length, zlib.crc32(payload, sequence + 1))
    path.write_bytes(data)
    refused(path, layout.FORMAT + 1, lambda: Archive(last / "data"), fault=WatermarkError)


def test_a_newer_archive_is_refused(last: Path) -> None:
    (last / "data" / "archive.json").write_text(json.dumps({"format": layout.FORMAT + 1}))
    for use in (Archive, open_archive, finish_all):
        with pytest.raises(ArchiveError, match=f"format {layout.FORMAT + 1}, this release knows up to .*newer one"):
            use(last / "data")


def test_a_newer_registry_is_refused(last: Path) -> None:
    path = last / "registry.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    refused(path, 2, lambda: Registry(path), known=1, fault=RegistryError)
