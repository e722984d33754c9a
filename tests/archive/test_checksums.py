"""Every finished file and event has its checksum, whoever is killed while it is made; verifying finds what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from archive import checksums, layout
from archive.disk import Disk
from archive.finish import finish_all, finish_hour
from archive.folder import ArchiveError
from archive.shelves import seal_part
from archive.verifying import Wrong, adopt, verify
from archive.writer import Archive
from protocol.clock import SECOND
from tests.archives import NONE, T0, Dying, Killed, configuration, grid, measurements, verdict
from tests.backups import hour_file, station

ALL = (0, 1 << 62)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return station(tmp_path)[0]


def wrong(root: Path, fast: bool = False) -> dict[str, str]:
    return {Path(each.file).name: each.wrong for each in verify(root, *ALL, fast).findings}


def test_what_is_whole_is_found_so(root: Path) -> None:
    found = verify(root, *ALL)
    assert found.findings == []
    assert found.files == 2 + 1 + 3  # finished; a part; configurations, checksums, watermark
    assert found.bytes == sum(path.stat().st_size for path in layout.finished_hours(root).values())


def test_one_bit_of_a_finished_file(root: Path) -> None:
    path = hour_file(root)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert wrong(root) == {path.name: Wrong.DAMAGED}
    assert wrong(root, fast=True) == {}
    path.write_bytes(data[:-1])
    assert wrong(root, fast=True) == {path.name: Wrong.DAMAGED}
    [finding] = verify(root, *ALL).findings
    assert "restore it" in finding.remedy
    assert verify(root, T0, T0 + SECOND).findings == []


def test_a_file_that_is_gone_and_one_that_nobody_knows(root: Path) -> None:
    gone, stranger = hour_file(root), hour_file(root, 5)
    stranger.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(hour_file(root, 2), stranger)
    gone.unlink()
    assert wrong(root) == {gone.name: Wrong.MISSING, stranger.name: Wrong.EXTRA}
    assert adopt(root) == [stranger.relative_to(root).as_posix()]
    assert wrong(root) == {gone.name: Wrong.MISSING}
    stranger.write_bytes(b"nothing")
    (root / checksums.NAME).unlink()
    with pytest.raises(ArchiveError, match="not readable as HDF5"):
        adopt(root)


def test_what_is_beside_the_files(root: Path) -> None:
    told = (root / "configurations.jsonl").read_bytes()
    (root / "configurations.jsonl").write_bytes(told.replace(b"link1", b"link7", 1))
    (root / "strays.json").write_text("[")
    (root / "watermark").write_bytes(b"x" * (17 << 20))
    part = next((root / "live").glob("*/*.part.h5"))
    with part.open("r+b") as file:
        file.truncate(part.stat().st_size - 1)
    names = {"configurations.jsonl", "strays.json", "watermark", part.name}
    assert wrong(root) == dict.fromkeys(names, Wrong.DAMAGED)


def test_a_damaged_line_of_checksums_is_told(root: Path) -> None:
    path = root / checksums.NAME
    path.write_bytes(path.read_bytes().replace(b"sha256", b"sha257", 1))
    assert Wrong.DAMAGED in verify(root, *ALL).findings[-1].wrong


@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("again", [False, True])
def test_killed_while_a_file_gets_its_name_nothing_is_wrong(tmp_path: Path, at: int, again: bool) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1))
    archive.take(measurements([1] * 5, grid(0, 5)))
    archive.commit(NONE)
    archive.close()
    if again:  # late rows for a file that is there
        finish_all(tmp_path)
        archive = Archive(tmp_path)
        archive.take(measurements([1] * 5, grid(5, 5)))
        archive.commit(NONE)
        archive.close()
    for part in tmp_path.glob("live/*/*.part.h5"):
        seal_part(part)
    disk = Dying(at)
    try:
        finish_hour(tmp_path, layout.hour_of(T0), disk)
        assert disk.calls < at
    except Killed:
        pass
    assert verify(tmp_path, *ALL).findings == []
    finish_all(tmp_path)
    assert verify(tmp_path, *ALL).findings == []
    [path] = layout.finished_hours(tmp_path).values()
    known = checksums.read(tmp_path)[path.relative_to(tmp_path).as_posix()]
    assert known.sha256 == checksums.digest(path)


def test_an_event_has_its_checksum(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1))
    archive.take(measurements([1] * 500, grid(0, 500)))
    archive.take(verdict(1, T0 + 5 * SECOND))
    archive.commit(NONE)
    [path] = archive.write_events(NONE, 0, SECOND, SECOND, everything=True)
    archive.close()
    assert checksums.read(tmp_path)[f"events/{path.name}"].made
    assert verify(tmp_path, T0, T0 + 10 * SECOND).findings == []
    path.unlink()
    assert wrong(tmp_path) == {path.name: Wrong.MISSING}


def test_lines_of_two_at_once_and_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / checksums.NAME
    checksums.append(path, [{"file": "a", "size": 1, "sha256": "00"}], Disk())
    with path.open("ab") as file:
        file.write(b'deadbeef {"file": "to')
    checksums.append(path, [{"file": "a", "made": True}, {"file": "b", "removed": 5, "why": "old"}], Disk())
    assert [said and said.get("file") for said in checksums.lines(path)] == ["a", "a", "b"]
    found = checksums.read(tmp_path)
    assert (found["a"].made, found["b"].removed, found["b"].why) == (True, 5, "old")
