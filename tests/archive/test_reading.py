"""Reading: by station and quantity, half-open intervals, faults that say what there is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import archive
from archive.finish import finish_all
from archive.folder import ArchiveError
from archive.sources import aside_of_part, open_part
from archive.spans import instant
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Table
from tests.archives import NONE, SMALL, T0, configuration, grid, measurements


@pytest.fixture(scope="module", params=["live", "finished", "both"])
def filled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Two stations over an hour's border, live, finished, or finished with late rows."""
    path = tmp_path_factory.mktemp(request.param)
    words = [measurements([1] * 100, grid(-50, 100, start=T0 + 2400 * SECOND)),
             measurements([2] * 100, grid(0, 100, start=T0 + 2400 * SECOND))]  # fmt: skip
    for word in words:
        writer = Archive(path)
        writer.take(configuration(1))
        writer.take(configuration(2))
        writer.take(word)
        writer.commit(NONE)
        writer.close()
        if request.param == "both" or (request.param == "finished" and word is words[1]):
            finish_all(path)
    return path


def test_by_station_and_quantity(filled: Path) -> None:
    word = measurements([1] * 100, grid(-50, 100, start=T0 + 2400 * SECOND))
    with archive.open(filled) as found:
        assert found.tables == [SMALL.name]
        assert found.devices == ["站 1", "站 2"]
        time, hertz = found.get("站 1", "frequency")
        np.testing.assert_array_equal(time, word.time)
        np.testing.assert_array_equal(hertz, word.values[:, 0])
        np.testing.assert_array_equal(found.get("link1/站 1", "angle", "V0")[1], word.values[:, 3])
        np.testing.assert_array_equal(found.get("站 1", "analog")[1], word.values[:, 4])
        np.testing.assert_array_equal(found.get("站 1", "digital", "word 1")[1], word.digital[:, 0])
        np.testing.assert_array_equal(found.get("站 1", "status")[1], word.status)
        np.testing.assert_array_equal(found.get("站 1", "quality")[1], word.quality)


def test_intervals_are_half_open(filled: Path) -> None:
    border = T0 + 2400 * SECOND
    with archive.open(filled, border - 20_000_000, border + 20_000_000) as found:
        assert found.get("站 1", "frequency")[0].tolist() == [border - 20_000_000, border]
        assert found.get("站 2", "frequency")[0].tolist() == [border]
        assert found.to_xarray().sizes["time"] == 2
    with archive.open(filled, border + 3600 * SECOND) as found:
        assert found.devices == []


def test_xarray_over_the_border_of_an_hour(filled: Path) -> None:
    with archive.open(filled) as found:
        data = found.to_xarray(SMALL.name)
    assert data["values"].shape == (2, 5, 150)
    assert data["present"].values.sum() == 200
    assert np.isnan(data["values"].sel(device="站 2").values[:, :50]).all()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("nobody", "frequency"), "no station 'nobody' in that time; there are: 站 1, 站 2"),
        (("站 1", "colour"), "no quantity 'colour': frequency, rocof"),
        (("站 1", "magnitude", "VX"), "name one of its magnitude channels: V0"),
    ],
)
def test_faults_say_what_there_is(filled: Path, asked: tuple[str, ...], said: str) -> None:
    with archive.open(filled) as found, pytest.raises(ArchiveError, match=said):
        found.get(*asked)


def test_moments() -> None:
    assert instant("1970-01-01T00:00:01Z", 0) == SECOND
    assert instant("1970-01-01T08:00:01.5+08:00", 0) == SECOND * 3 // 2
    assert instant("1970-01-01", 7) == 0
    assert instant(datetime(2026, 5, 3, 9, 20, tzinfo=UTC), 0) == T0
    assert instant(None, 7) == 7
    with pytest.raises(ArchiveError, match="write it as 2026-05-06T07:00:00Z"):
        instant("yesterday", 0)


def test_importing_the_package_imports_no_h5py() -> None:
    code = "import sys, archive, archive.longrows; sys.exit('h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
    with pytest.raises(AttributeError, match="nothing"):
        archive.nothing  # noqa: B018


def test_an_interval_ends_after_it_begins(filled: Path) -> None:
    with pytest.raises(ArchiveError, match=r"ends \(2026-05-03\) before it begins \(2026-05-04\); exchange them"):
        archive.open(filled, "2026-05-04", "2026-05-03")
    with archive.open(filled, T0, T0) as found:
        assert list(found.rows()) == []


@pytest.fixture
def namesakes(tmp_path: Path) -> Path:
    """Two stations of one name on two links, and a second one on the first of them; 3, 4 and 5 rows."""
    writer = Archive(tmp_path)
    one, two = (configuration(link, name="same") for link in (1, 2))
    third = replace(one, device=one.device + 1)
    rows = [measurements([1] * 3, grid(0, 3)), measurements([2] * 4, grid(0, 4)), measurements([1] * 5, grid(0, 5))]
    rows[2] = replace(rows[2], device=rows[2].device + 1)
    for word in (one, two, third, *rows):
        writer.take(word)
    writer.commit(NONE)
    writer.close()
    return tmp_path


def test_stations_of_one_name_are_told_apart(namesakes: Path) -> None:
    with archive.open(namesakes) as found:
        assert found.devices == ["link1/same", "link1/same (2)", "link2/same"]
        assert [len(found.get(name, "frequency")[0]) for name in found.devices] == [3, 5, 4]
        assert len(found.get("65537", "frequency")[0]) == 5
        which = r"3 stations are called 'same'; name one of: link1/same, link1/same \(2\), link2/same"
        with pytest.raises(ArchiveError, match=which):
            found.get("same", "frequency")
        assert sum(len(rows.time) for rows in found.rows(["same"])) == 12
        assert sum(len(rows.time) for rows in found.rows(["link1/same (2)", "link2/same"])) == 9


def test_an_interval_that_no_memory_holds(tmp_path: Path) -> None:
    writer = Archive(tmp_path)
    for word in (configuration(1), measurements([1] * 2, [0, T0])):  # a clock that began in 1970
        writer.take(word)
    writer.commit(NONE)
    writer.close()
    with archive.open(tmp_path) as found:
        assert found.get("站 1", "frequency")[0].tolist() == [0, T0]
        with pytest.raises(ArchiveError, match=r"MiB in memory; open a shorter interval"):
            found.to_xarray()
    with archive.open(tmp_path, T0) as found:
        assert found.to_xarray().sizes["time"] == 1


@pytest.mark.parametrize("finished", [False, True])
def test_rows_set_aside_are_found_by_their_own_time(tmp_path: Path, finished: bool) -> None:
    """They lie with the rows among which they came, whatever their time says."""
    old, late = T0 - 86_400 * 60 * SECOND, T0 + 7200 * SECOND
    for word in (measurements([1] * 2, [T0, old]), measurements([1] * 3, [T0 + SECOND, late, old + SECOND])):
        writer = Archive(tmp_path)
        for each in (configuration(1), configuration(2), measurements([2], [T0])):
            writer.take(each)
        writer.take(replace(word, aside=np.array([0, 1, 1], np.uint8)[: len(word.device)]))
        writer.commit(NONE)
        writer.close()
        if finished:
            finish_all(tmp_path)
    for start, end, times in (
        (old, old + 1, [old]),
        (old - SECOND, old + 2 * SECOND, [old, old + SECOND]),
        (late, None, [late]),
        (T0, late, [T0, T0 + SECOND]),
    ):
        with archive.open(tmp_path, start, end) as found:
            found.check_devices(["站 1"])
            assert [time for rows in found.rows(["站 1"]) for time in rows.time.tolist()] == times
            assert found.has_aside() == (T0 not in times)
            assert len(found.get("站 1", "frequency")[0]) == (2 if T0 in times else 0)
    with archive.open(tmp_path, old + 2 * SECOND, T0 - SECOND) as found:
        assert (found.devices, list(found.rows())) == ([], [])


def test_channels_of_one_name_are_told_apart(tmp_path: Path) -> None:
    table = Table(50, 3, 0, 0)
    word = measurements([1] * 2, grid(0, 2), table)
    writer = Archive(tmp_path)
    for each in (configuration(1, table, phasors=["V", "I", "V"]), word):
        writer.take(each)
    writer.commit(NONE)
    writer.close()
    with archive.open(tmp_path) as found:
        for name, channel in (("V", 2), ("I", 4), ("V (2)", 6)):
            np.testing.assert_array_equal(found.get("站 1", "magnitude", name)[1], word.values[:, channel])
        with pytest.raises(ArchiveError, match=r"name one of its angle channels: V, I, V \(2\)"):
            found.get("站 1", "angle", "V (3)")


def test_a_channel_that_a_station_has_at_times(tmp_path: Path) -> None:
    wide = Table(50, 2, 0, 0)
    words = [configuration(1), measurements([1] * 3, grid(0, 3)),
             configuration(1, wide, version=2), measurements([1] * 3, grid(3, 3), wide)]  # fmt: skip
    writer = Archive(tmp_path)
    for word in words:
        writer.take(word)
    writer.commit(NONE)
    writer.close()
    with archive.open(tmp_path) as found:
        assert found.get("站 1", "magnitude", "V0")[0].tolist() == grid(0, 6).tolist()
        assert found.get("站 1", "magnitude", "V1")[0].tolist() == grid(3, 3).tolist()
        with pytest.raises(ArchiveError, match="magnitude channels"):
            found.get("站 1", "magnitude", "V2")


def test_a_row_set_aside_while_its_part_is_being_read_is_not_taken_for_anothers(tmp_path: Path) -> None:
    writer = Archive(tmp_path)
    for link in (1, 2):
        writer.take(configuration(link))
    for link in (2, 1):
        writer.take(measurements([link], [T0], aside=1))
        writer.commit(NONE)
        if link == 2:
            (path,) = tmp_path.glob("live/*/*.aside.*")
            before = open_part(path)
    rows = aside_of_part(before)
    assert ([each.stream for each in rows.configurations], rows.column.tolist()) == ([2], [0])
    assert rows.rows["time"].tolist() == [T0]
    before.close()
    writer.close()
