"""What goes in comes out, bit by bit, once, whatever the order, the cuts and the kills."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import layout
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.reading import open_archive
from archive.writer import Archive
from protocol.clock import SECOND, Now
from protocol.messages import Aside, Measurements, Table, Tally, device_number
from tests.archives import NONE, SMALL, T0, Dying, Killed, Row, configuration, content, grid, held_rows, measurements

SLOW = Table(-10, 0, 2, 0)
FAST = Table(60, 0, 0, 2)
TABLES = {1: SMALL, 2: SMALL, 3: SMALL, 4: FAST, 5: SLOW}


def given_rows(words: Sequence[Measurements]) -> list[tuple[Row, int]]:
    """(row, its slot) of all words, in order."""
    found = []
    for word in words:
        slots = np.asarray(layout.clock.slot_of(word.time, word.table[0]))
        for k in range(len(word.device)):
            body = content(word.status[k], word.values[k], word.digital[k])
            found.append(((int(word.device[k]), int(word.time[k]), body, int(word.aside[k])), int(slots[k])))
    return found


def expected(words: Sequence[Measurements]) -> tuple[Counter[Row], int]:
    """(the rows an archive must hold, how many were duplicates) by the law: first come, nothing overwritten."""
    places: dict[tuple[int, int], Row] = {}
    aside: set[tuple[int, int, bytes]] = set()
    rows: Counter[Row] = Counter()
    duplicates = 0
    # a commit places the rows of a table first, and then sets aside: the order among tables does not matter
    for row, slot in given_rows(words):
        device, time, body, reason = row
        if reason == Aside.NO:
            held = places.setdefault((device, slot), row)
            if held is row:
                rows[row] += 1
                continue
            if held[1:3] == (time, body):
                duplicates += 1
                continue
            reason = Aside.PLACE_TAKEN
        if (device, time, body) in aside:
            duplicates += 1
            continue
        aside.add((device, time, body))
        rows[device, time, body, int(reason)] += 1
    return rows, duplicates


def distinct(rows: Counter[Row]) -> set[tuple[int, int, bytes, bool]]:
    """Rows without copies: which reason stays of two, and whether there are two, depends on the commits.

    So does whether a row set aside stays beside a placed one of the same content, or is its duplicate.
    """
    placed = {(device, time, body) for device, time, body, reason in rows if not reason}
    return {
        (device, time, body, reason > 0)
        for device, time, body, reason in rows
        if not reason or (device, time, body) not in placed
    }


def numbered(words: Sequence[Any], node: str = "receivers.1", epoch: int = 7) -> list[Any]:
    return [type(word)(**vars(word) | {"node": node, "epoch": epoch, "number": k}) for k, word in enumerate(words)]


@st.composite
def streams(draw: st.DrawFn) -> list[Any]:
    """Configurations, then batches: repeated, late, out of order, off the grid, hours apart, several tables."""
    words: list[Any] = [configuration(link, table) for link, table in TABLES.items()]
    for _ in range(draw(st.integers(1, 8))):
        table = draw(st.sampled_from([SMALL, SMALL, FAST, SLOW]))
        links = [link for link, other in TABLES.items() if other == table]
        hours = draw(st.sampled_from([0, 0, 0, 1, -400_000, 600_000]))
        first = draw(st.integers(-5, 5))
        count = draw(st.integers(0, 12))
        link = draw(st.sampled_from(links))
        shift = draw(st.sampled_from([0, 0, 0, 3_000_000, -7_000_000]))
        times = grid(first, count, table.rate if table.rate > 0 else 1, T0 + hours * 3600 * SECOND) + shift
        order = draw(st.permutations(range(count)))
        words.append(
            measurements([link] * count, times[list(order)], table, seed=draw(st.integers(0, 1)),
                         aside=draw(st.sampled_from([0, 0, 0, 0, 1])))
        )  # fmt: skip
        if draw(st.integers(0, 9)) == 0:
            words.append(configuration(link, table, version=2, name=f"renamed {draw(st.integers(0, 1))}"))
    return words


def mentions_rename(words: Sequence[Any]) -> bool:
    return any(getattr(word, "version", 1) == 2 for word in words)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=streams(), every=st.integers(1, 4), reopen=st.booleans())
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, words: list[Any], every: int, reopen: bool
) -> None:
    path = tmp_path_factory.mktemp("archive")
    archive = Archive(path)
    for k, word in enumerate(numbered(words)):
        archive.take(word)
        if k % every == 0:
            archive.commit(Now(k, k))
            if reopen:
                archive.close()
                archive = Archive(path)
    archive.commit(NONE)
    books = archive.books.totals()
    archive.close()
    rows = [word for word in words if isinstance(word, Measurements)]
    live = held_rows(path)
    assert books["received"] == sum(len(word.device) for word in rows)
    assert books["pending"] == books["corrupt"] == books["refused"] == books["lost"] == 0
    assert books["archived"] == sum(n for row, n in live.items() if row[3] == 0)
    assert books["aside"] == sum(n for row, n in live.items() if row[3] != 0)
    if not mentions_rename(words):  # a configuration that changed has a column, and so places, of its own
        wanted, duplicates = expected(rows)
        assert distinct(live) == distinct(wanted)
        if not any(word.aside.any() for word in rows):  # such a copy may come while its device is in another hour
            assert books["duplicate"] == duplicates
    finish_all(path)
    assert not list((path / "live").glob("*"))
    assert held_rows(path) == live


def test_configuration_change_takes_a_new_column_and_loses_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1, name="old"))
    archive.take(measurements([1] * 5, grid(0, 5)))
    archive.take(configuration(1, version=2, name="new"))
    archive.take(measurements([1] * 5, grid(4, 5), seed=1))
    archive.commit(NONE)
    archive.close()
    with open_archive(tmp_path) as found:
        assert len(found.get("old", "frequency")[0]) == 5
        assert len(found.get("new", "frequency")[0]) == 5
        assert found.tables == [SMALL.name]


def test_the_same_configuration_again_keeps_its_column(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for version in (1, 2, 3):
        archive.take(configuration(1, version=version))
        archive.take(measurements([1], grid(version, 1)))
        archive.commit(NONE)
    archive.close()
    part = next(tmp_path.glob("live/*/*.part.h5"))
    with h5py.File(part, locking=False) as file:
        assert np.count_nonzero(file["columns"]["length"]) == 1


def test_rows_without_configuration_are_kept_under_a_name_that_says_so(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(measurements([3], grid(0, 1)))
    archive.commit(NONE)
    archive.close()
    with open_archive(tmp_path) as found:
        assert found.devices == ["device 3.0"]
        assert len(found.get("device 3.0", "magnitude", "phasor 1")[0]) == 1


def test_more_devices_than_columns_open_another_part(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for link in range(1, 40):
        archive.take(configuration(link))
        archive.take(measurements([link] * 2, grid(0, 2)))
        archive.commit(NONE)
    archive.close()
    assert len(list(tmp_path.glob("live/*/*.part.h5"))) > 1
    with open_archive(tmp_path) as found:
        assert len(found.devices) == 39


@pytest.mark.parametrize(("limit", "minutes"), [(2 << 30, 60), (20 << 20, 30), (12 << 20, 20), (3 << 20, 5), (1, 1)])
def test_a_part_covers_the_longest_span_under_the_limit(tmp_path: Path, limit: int, minutes: int) -> None:
    archive = Archive(tmp_path, limit=limit)
    archive.take(configuration(1))
    archive.take(measurements([1] * 3, [T0, T0 + 1200 * SECOND, T0 + 2399 * SECOND]))
    archive.commit(NONE)
    archive.close()
    parts = sorted(tmp_path.glob("live/*/*.part.h5"))
    assert {path.name.split(".")[1].split("_")[1] for path in parts} == {f"{minutes}min"}
    assert len(held_rows(tmp_path)) == 3
    for path in parts:
        with h5py.File(path, locking=False) as file:
            assert file.attrs["start"] % (minutes * 60 * SECOND) == 0


@pytest.mark.parametrize("time", [0, 1, SECOND, (2**32 - 1) * SECOND])
def test_times_from_1970_to_2106(tmp_path: Path, time: int) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1))
    archive.take(measurements([1], [time]))
    archive.commit(NONE)
    archive.close()
    assert [row[1] for row in held_rows(tmp_path)] == [time]
    finish_all(tmp_path)
    assert [row[1] for row in held_rows(tmp_path)] == [time]


def test_an_implausible_time_opens_no_hour_of_its_own(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1))
    archive.take(measurements([1], [T0]))
    archive.take(measurements([1], [5 * SECOND], aside=Aside.IMPLAUSIBLE_TIME))
    archive.commit(NONE)
    archive.close()
    assert list(layout.live_hours(tmp_path)) == [layout.hour_of(T0)]
    assert {row[3] for row in held_rows(tmp_path)} == {0, 1}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("hours", [0, 1])
def test_an_old_frame_injected_again_is_a_copy(tmp_path: Path, together: bool, hours: int) -> None:
    """Implausible where it stands in the stream, but at its place already."""
    archive = Archive(tmp_path)
    archive.take(configuration(1))
    old, now = grid(0, 5), grid(0, 5, start=T0 + (hours * 3600 + 120) * SECOND)
    for word in (measurements([1] * 5, old), measurements([1] * 5, now), measurements([1] * 2, old[1:3], aside=1)):
        archive.take(word)
        if not together:
            archive.commit(NONE)
    archive.take(measurements([1], old[4:], seed=1, aside=1))
    archive.commit(NONE)
    totals = archive.books.totals()
    archive.close()
    assert (totals["archived"], totals["duplicate"], totals["aside"]) == (10, 2, 1)
    assert sum(held_rows(tmp_path).values()) == 11


def test_rows_are_read_by_the_configuration_of_their_own_stream(tmp_path: Path) -> None:
    """A device moved to another receiver; the first one's last rows come after the second one's configuration."""
    archive = Archive(tmp_path)
    first, second = {"node": "receivers.1", "epoch": 1}, {"node": "receivers.2", "epoch": 2}
    archive.take(configuration(1, name="before", **first, number=0))
    archive.take(configuration(1, name="after", **second, number=0))
    archive.take(measurements([1], grid(1, 1), **second, number=1))
    archive.take(measurements([1], grid(0, 1), **first, number=1))
    archive.commit(NONE)
    archive.close()
    with open_archive(tmp_path) as found:
        assert {rows.configuration.name: rows.time.tolist() for rows in found.rows()} == {
            "before": grid(0, 1).tolist(), "after": grid(1, 1).tolist()
        }  # fmt: skip


def test_words_taken_before_are_not_taken_again(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    words = numbered([configuration(1), measurements([1], [T0])])
    assert [archive.take(word) for word in words] == [True, True]
    archive.commit(NONE)
    assert archive.standing() == {("receivers.1", 7): 2}
    archive.close()
    archive = Archive(tmp_path)
    assert [archive.take(word) for word in words] == [False, False]
    archive.commit(NONE)
    assert archive.books.totals()["received"] == 1
    archive.close()


def tally(device: Sequence[int], **counts: Sequence[int]) -> Tally:
    n = len(device)
    columns = {
        name: np.array(counts.get(name, [0] * n), np.int64) for name in ("received", "corrupt", "refused", "lost")
    }
    return Tally(device=np.array(device, np.uint32), **columns)


def test_the_books_balance_with_what_the_receivers_say(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    device = [device_number(1, 0)]
    words = numbered([
        configuration(1), measurements([1] * 4, grid(0, 4)), measurements([1] * 2, grid(0, 2)),
        tally(device, received=[13], corrupt=[2], refused=[1], lost=[1]),
    ])  # fmt: skip
    for word in words:
        archive.take(word)
    archive.commit(NONE)
    totals = archive.books.totals()
    assert totals == {"received": 13, "archived": 4, "aside": 0, "duplicate": 2, "corrupt": 2, "refused": 1,
                      "lost": 1, "pending": 3}  # fmt: skip
    archive.take(
        Measurements(**vars(measurements([1] * 3, grid(4, 3))) | {"node": "receivers.1", "epoch": 7, "number": 4})
    )
    archive.commit(NONE)
    assert archive.books.totals()["pending"] == 0
    archive.close()


def test_what_a_gap_swallowed_is_lost(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    words = numbered([configuration(1), measurements([1] * 4, grid(0, 4)), measurements([1] * 4, grid(4, 4)),
                      tally([device_number(1, 0)], received=[8])])  # fmt: skip
    for word in (words[0], words[1], words[3]):
        archive.take(word)
    archive.commit(NONE)
    totals = archive.books.totals()
    assert (totals["received"], totals["archived"], totals["lost"], totals["pending"]) == (8, 4, 4, 0)
    archive.close()


def test_a_second_writer_is_told_who_is_there(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    with pytest.raises(ArchiveError, match=r"process \d+ writes this archive; stop it first"):
        Archive(tmp_path)
    with pytest.raises(ArchiveError, match="stop it first"):
        finish_all(tmp_path)
    archive.close()


class Full(Dying):
    """A disk on which nothing more fits from the n-th change on, until there is room."""

    def __init__(self) -> None:
        super().__init__(0)
        self.full = False
        self.after = 0

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        if self.full:
            self.after -= 1
            if self.after < 0:
                raise OSError(28, "No space left on device")
        super().pwrite(fd, data, offset)


@pytest.mark.parametrize("after", range(12))
def test_a_full_disk_changes_nothing_and_the_commit_can_be_tried_again(tmp_path: Path, after: int) -> None:
    disk = Full()
    archive = Archive(tmp_path, disk=disk)
    words = numbered([configuration(1), measurements([1] * 4, grid(0, 4)), measurements([1], [T0], seed=1)])
    for word in words:
        archive.take(word)
    disk.full, disk.after = True, after
    with pytest.raises(OSError, match="No space"):
        archive.commit(NONE)
    assert archive.books.totals()["received"] == 0
    disk.full = False
    archive.commit(NONE)
    assert archive.books.totals() | {"archived": 4, "aside": 1} == archive.books.totals()
    archive.close()
    assert sum(held_rows(tmp_path).values()) == 5


def test_a_configuration_that_comes_while_the_disk_is_full_waits_for_room(tmp_path: Path) -> None:
    disk = Full()
    archive = Archive(tmp_path, disk=disk)
    disk.full = True
    for word in numbered([configuration(1, name="kept"), measurements([1] * 4, grid(0, 4))]):
        assert archive.take(word)
    with pytest.raises(OSError, match="No space"):
        archive.commit(NONE)
    disk.full = False
    assert archive.commit(NONE)
    archive.close()
    archive = Archive(tmp_path)
    assert archive.register.name(device_number(1, 0)) == "kept"
    archive.close()


def test_space_is_kept_free(tmp_path: Path) -> None:
    archive = Archive(tmp_path, reserve=1 << 60)
    archive.take(measurements([1], [T0]))
    with pytest.raises(OSError, match="make room"):
        archive.commit(NONE)
    archive.close()


def story() -> list[list[Any]]:
    """Words by commit: two tables, a duplicate, a place taken, a stale row, a second hour."""
    words = numbered([
        configuration(1), configuration(2), configuration(4, FAST),
        measurements([1, 2] * 4, np.repeat(grid(0, 4), 2)), measurements([4] * 3, grid(0, 3, 60), FAST),
        measurements([1] * 2, grid(2, 2)), measurements([2], grid(1, 1), seed=1), measurements([1], [9], aside=1),
        measurements([1, 2], [T0 + 3600 * SECOND] * 2), tally([device_number(1, 0)], received=[8]),
    ])  # fmt: skip
    return [words[:5], words[5:8], words[8:]]


def run(path: Path, disk: Dying) -> None:
    """One life of an archiver: takes all that is not durable yet, commits, finishes."""
    archive = Archive(path, disk=disk)
    try:
        for words in story():
            for word in words:
                archive.take(word)
            archive.commit(NONE)
    finally:
        archive.close()


@pytest.mark.parametrize(
    ("torn", "stride"),
    [pytest.param(False, 1, marks=pytest.mark.slow), pytest.param(True, 1, marks=pytest.mark.slow), (True, 9)],
)
def test_killed_at_every_change_of_a_file(tmp_path: Path, torn: bool, stride: int) -> None:
    """Every file stays readable, and the next life ends with the same rows and books as if nothing had happened.

    With a stride each run takes other changes.
    """
    run(tmp_path / "whole", Dying(0))
    wanted, whole = held_rows(tmp_path / "whole"), Archive(tmp_path / "whole")
    books = whole.books.to_json()
    whole.close()
    counter = Dying(0)
    run(tmp_path / "count", counter)
    for at in range(1 + random.randrange(stride), counter.calls + 1, stride):
        path = tmp_path / f"{at}"
        with pytest.raises(Killed):
            run(path, Dying(at, torn))
        for part in path.glob("live/*/*.part.h5"):
            with h5py.File(part, locking=False) as file:
                assert set(np.unique(file["present"][...])) <= {0, 1}
        run(path, Dying(0))
        assert held_rows(path) == wanted, f"killed at change {at}"
        again = Archive(path)
        assert again.books.to_json() == books, f"killed at change {at}"
        again.close()


def test_a_plain_reader_sees_a_live_part(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.take(configuration(1))
    archive.take(measurements([1] * 3, grid(0, 3)))
    archive.commit(NONE)
    part = next(tmp_path.glob("live/*/*.part.h5"))
    with h5py.File(part, "r", locking=False) as file:
        slot = int(np.flatnonzero(file["present"][:, 0])[0])
        assert file["time"][slot] == T0
        assert file["present"][slot : slot + 4, 0].tolist() == [1, 1, 1, 0]
        before = file["values"][slot, 0]
        archive.take(measurements([1] * 3, grid(3, 3)))
        archive.commit(NONE)
    with h5py.File(part, "r", locking=False) as file:
        assert file["present"][slot : slot + 7, 0].tolist() == [1] * 6 + [0]
        assert file["values"][slot, 0].tobytes() == before.tobytes()
        assert b'"name":"' in file["configuration"][0]
        assert math.prod(file["values"].shape) * 4 > 10 * part.stat().st_blocks * 512  # sparse
    archive.close()
