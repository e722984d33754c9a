"""The audit log: what stands there stays there, and whoever touches it shows."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from console.access.audit import Audit, Done
from console.access.users import AccessFault

SECOND = 10**9


def fill(log: Audit, count: int, first: int = 0) -> None:
    for at in range(first, first + count):
        log.write(Done(at * SECOND + 5, "anna", "administrator", "10.0.0.7", "restart", f"align.{at}", "done"))


def raw(folder: Path) -> list[bytes]:
    return (folder / "audit.jsonl").read_bytes().splitlines(keepends=True)


def test_lines_as_they_stand_there(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit")
    key = log.write(
        Done(1_800_000_000_123_456_789, "张三", "operator", "::1", "comment", "7", "done", "line 1\nline 2")
    )
    (line,) = raw(log.folder)
    told = json.loads(line)
    assert told == {"n": 1, "utc": "2027-01-15T08:00:00.123456789Z", "user": "张三", "role": "operator",
                    "address": "::1", "action": "comment", "object": "7", "outcome": "done",
                    "detail": "line 1\nline 2", "prev": "0" * 64}  # fmt: skip
    assert log.verify().last == key
    assert stat.S_IMODE((log.folder / "audit.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE(log.folder.stat().st_mode) == 0o700


def test_long_texts_are_cut(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    log.write(Done(0, "u" * 10_000, "", "", "", "", "", "d" * 10_000))
    assert len(raw(tmp_path)[0]) < 2000


def test_spans(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    fill(log, 10)
    assert [line["n"] for line in log.lines(3 * SECOND + 5, 6 * SECOND + 5)] == [4, 5, 6]
    assert len(list(log.lines())) == 10


def test_several_write_it(tmp_path: Path) -> None:
    console, command = Audit(tmp_path), Audit(tmp_path)
    for at in range(6):
        fill(command if at % 2 else console, 1, at)
    assert console.verify().faults == []
    assert [line["n"] for line in console.lines()] == [1, 2, 3, 4, 5, 6]


def test_rotation_keeps_the_chain(tmp_path: Path) -> None:
    log = Audit(tmp_path, max_file=700)
    fill(log, 12)
    assert len(log.files()) == 4
    assert [path.name for path in log.files()][:2] == ["audit-000001.jsonl", "audit-000002.jsonl"]
    found = Audit(tmp_path).verify()
    assert (found.lines, found.files, found.faults) == (12, 4, [])
    assert [line["n"] for line in log.lines()] == list(range(1, 13))


def test_a_kill_between_the_files_of_a_rotation(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    fill(log, 3)
    os.rename(tmp_path / "audit.jsonl", tmp_path / "audit-000001.jsonl")
    fill(Audit(tmp_path), 2, 3)
    assert log.verify().faults == []
    assert log.verify().lines == 5


def broken(folder: Path, lines: list[bytes]) -> list[str]:
    (folder / "audit.jsonl").write_bytes(b"".join(lines))
    return Audit(folder).verify().faults


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    fill(Audit(tmp_path), 6)
    return raw(tmp_path)


def test_an_edit_shows(tmp_path: Path, lines: list[bytes]) -> None:
    edited = [*lines[:2], lines[2].replace(b"anna", b"vera"), *lines[3:]]
    assert broken(tmp_path, edited) == [
        "audit.jsonl:4: the line before is not the one that was there when this was written"
    ]


def test_an_edit_of_the_last_line_shows(tmp_path: Path, lines: list[bytes]) -> None:
    edited = [*lines[:5], lines[5].replace(b"anna", b"vera")]
    assert broken(tmp_path, edited) == ["audit.jsonl:6: is not the line 6 that was written"]


def test_a_line_cut_out_shows(tmp_path: Path, lines: list[bytes]) -> None:
    first = broken(tmp_path, lines[:2] + lines[3:])[0]
    assert first == "audit.jsonl:3: has number 4 where 3 should be: lines are missing or were added"


def test_lines_cut_off_show(tmp_path: Path, lines: list[bytes]) -> None:
    assert broken(tmp_path, lines[:4]) == ["audit.jsonl:1: ends with line 4, but 6 were written: the end is cut off"]
    assert broken(tmp_path, []) == ["audit.jsonl:1: ends with line 0, but 6 were written: the end is cut off"]
    assert broken(tmp_path, lines[2:])


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_lines_cut_off_show_after_more_were_written(tmp_path: Path, lines: list[bytes], cut: int) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[: 6 - cut]))
    fill(Audit(tmp_path), 2, 6)
    faults = Audit(tmp_path).verify().faults
    assert (
        faults[0] == f"audit.jsonl:{7 - cut}: has number 7 where {7 - cut} should be: lines are missing or were added"
    )


def test_a_log_without_its_head_is_told(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "head").unlink()
    assert broken(tmp_path, lines) == [
        "head:1: is missing or unreadable, so that nobody knows whether lines are cut off at the end"
    ]


def test_the_writer_knows_what_it_wrote_without_the_head(tmp_path: Path) -> None:
    log = Audit(tmp_path)
    fill(log, 4)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(raw(tmp_path)[:2]))
    (tmp_path / "head").unlink()
    fill(log, 1, 4)
    assert log.verify().faults[0].startswith("audit.jsonl:3: has number 5 where 3 should be")


def test_a_line_torn_by_a_power_cut_is_told_and_the_rest_stands(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines) + b'{"n": 7, "ut')
    fill(Audit(tmp_path), 2, 7)
    found = Audit(tmp_path).verify()
    assert found.faults == [
        "audit.jsonl:7: is no whole line of a log (a power cut in the middle of writing, or damage)"
    ]
    assert [line["n"] for line in Audit(tmp_path).lines()] == [1, 2, 3, 4, 5, 6, 8, 9]


def test_a_disk_that_takes_half_a_line(tmp_path: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:20]))
    with pytest.raises(AccessFault, match=r"can't be written \(No space left"):
        fill(Audit(tmp_path), 1, 6)
    monkeypatch.undo()
    assert raw(tmp_path) == lines
    fill(Audit(tmp_path), 1, 6)
    assert Audit(tmp_path).verify().faults == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "elsewhere").touch()
    (tmp_path / "audit" / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AccessFault):
        fill(Audit(tmp_path / "audit"), 1)
    assert not (tmp_path / "elsewhere").read_bytes()
