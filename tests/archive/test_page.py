"""The page on opening archives says what works: its examples in Python run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import archive
from archive.finish import finish_all
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Table
from tests import archives
from tests.archives import NONE, configuration, grid, measurements, seconds, verdict

PAGE = Path(__file__).parents[2] / "docs" / "open-an-archive.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
START = 1_778_051_400 * SECOND  # 2026-05-06T07:10:00Z
PLAIN, HARMONICS, BETWEEN = Table(50, 4, 0, 0), Table(1, 3, 0, 0, orders=49), Table(1, 3, 0, 0, 0, 180)
WAVES = ["VA", "VB", "VC"]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page speaks of, with the devices and the hour it names."""
    root = tmp_path_factory.mktemp("page")
    blue, smd = (
        configuration(link, PLAIN, name=name, phasors=[*WAVES, "IA"], phasor_units=["V", "V", "V", "A"])
        for link, name in ((1, "Blue PMU"), (2, "SMD L1"))
    )
    harmonics = archives.spectrum(smd, HARMONICS, range(2, 51), phasors=WAVES)
    between = archives.spectrum(smd, BETWEEN, np.concatenate([np.arange(90), np.arange(110, 200)]) / 2, phasors=WAVES)
    frequency = measurements([1, 2] * 1000, np.repeat(grid(13_000, 1000, start=START), 2), PLAIN)
    rows = [archives.spectra(each, seconds(260, 20, START)) for each in (harmonics, between)]
    writer = Archive(root / "data" / "station")
    for word in (blue, smd, harmonics, between, frequency, *rows, verdict(1, START + 270 * SECOND)):
        writer.take(word)
    writer.commit(NONE)
    writer.close()
    finish_all(root / "data" / "station")
    return root


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.strip().splitlines()[0][:40])
def test_an_example_runs(station: Path, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = station if "data/station" in example else station / "data" / "station" / "2026" / "05" / "06"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(xarray.DataArray, "plot", lambda data: data.load())  # without matplotlib
    known: dict[str, Any] = {"xarray": xarray}
    exec(example, known)
    assert known.keys() - {"xarray", "__builtins__"}


def test_what_the_examples_found(station: Path) -> None:
    [mixed] = [text for text in EXAMPLES if "found.at(" in text]
    known: dict[str, Any] = {}
    exec(mixed.replace("data/station", str(station / "data" / "station")), known)
    with archive.open(station / "data" / "station") as found:
        time, volts = found.get("SMD L1", "magnitude", "VA h5")
    both = known["both"]
    np.testing.assert_array_equal(both["u5"][np.isin(both.time, time)], volts)
    assert np.isfinite(known["angle"]).all()
    assert known["minutes"].shape == (10,)
