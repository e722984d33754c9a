"""The judgement on sets that nothing was chosen by: what `python -m benchmarks grids` writes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._report import progress, section, table
from benchmarks.grids.damping import RANGES
from benchmarks.grids.scoring import SIZES, Scores, Share, scored

FIRST = 1000
"""Seed of the first grid. Nothing is to be chosen by grids from this seed on."""
Make = Callable[[Path, int, str, int, int], Path]
CHECKOUT = Path(__file__).parents[2]
SHARES = (5, 25, 50, 75, 95)
"""Percent, of how large events are."""


def measured(make: Make, grids: int, windows: int, workers: int, keep: Path | None) -> None:
    """Make the sets, have them judged, print the section. What is in `keep` already is not made again."""
    with tempfile.TemporaryDirectory() as temporary:
        out = temporary if keep is None else keep
        sets = {
            how: [_judged(make, Path(out), FIRST + k, how, windows, workers) for k in range(grids)] for how in RANGES
        }
        labels = {how: [each for path in paths for each in _read(path / "labels.json")] for how, paths in sets.items()}
        said = {how: _together(_read(path / "said.json") for path in paths) for how, paths in sets.items()}
        about = [_read(path / "grid.json") for paths in sets.values() for path in paths]
    scores = [scored(labels[how], said[how]) for how in RANGES]
    heads = [f"{how} ({100 * low:g}–{100 * high:g} %)" for how, (low, high) in RANGES.items()]
    section(
        "Grids that nothing was chosen by",
        "benchmarks.grids",
        f"Synthetic grids of seeds from {FIRST} on ({grids}), {windows} windows of each, and each three times: with "
        "its modes damped well, somewhat and badly. All by the second judgement as it is.",
        table(["", *heads], rows(scores)),
        "Of these grids (damping of modes: least, median, most):",
        table(("grid", "buses", "machines", "devices", "load [GW]", "mHz for 1 %", "modes [Hz]", "damping [%]"),
              map(_grid, about)),
        "The windows' events, and their ambient:",
        table(("", *(f"{each} %" for each in SHARES)), sizes([each for some in labels.values() for each in some])),
    )  # fmt: skip


def _judged(make: Make, out: Path, seed: int, how: str, windows: int, workers: int) -> Path:
    """Folder of a set, with what was judged in said.json."""
    found = out / f"{seed}{how}"
    if not (found / "said.json").is_file():
        path = make(found / "making", seed, how, windows, workers)
        progress(f"{path.name}: judging")
        command = [sys.executable, "-m", "commands", "study", "--scenarios", str(path), "--predictions",
                   str(path / "said.json"), "--workers", str(workers), "--json"]  # fmt: skip
        subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
        for each in path.iterdir():
            each.rename(found / each.name)
    return found


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _together(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {name: said for part in parts for name, said in part.items()}


def rows(scores: Sequence[Scores]) -> list[tuple[str, ...]]:
    """Of the table, a column for each."""

    def each(name: str, cell: Callable[[Scores], str]) -> tuple[str, ...]:
        return (name, *(cell(score) for score in scores))

    return [
        each("detected, not marginal", lambda s: share(s.found)),
        *((name, *(share(score.by_size[name]) for score in scores)) for name, _, _ in SIZES),
        each("marginal ones", lambda s: share(s.marginal)),
        each("false windows: clean", lambda s: f"{s.false.held} of {s.false.count}"),
        each("bad data alone rejected", lambda s: share(s.rejected)),
        each("kind macro-F1, ten kinds / six", lambda s: f"{s.ten:.2f} / {s.six:.2f}"),
        each("time error without oscillations, median / p95", lambda s: _seconds(s.time)),
        each("of oscillations", lambda s: _seconds(s.begin)),
        each("nearest device (impedance): first", lambda s: share(s.first)),
        each("among three", lambda s: share(s.three)),
        each("place: error, median / p90", lambda s: "{:.0f} / {:.0f} km".format(*_quantiles(s.away, 50, 90))),
        each("ellipse holds", lambda s: share(s.ellipse)),
    ]


def share(of: Share) -> str:
    """For people."""
    return f"{of.value:.2f} ({of.count})"


def _seconds(errors: Sequence[float]) -> str:
    return "{:.2g} / {:.2g} s".format(*_quantiles(errors, 50, 95))


def _quantiles(of: Sequence[float], *shares: float) -> list[float]:
    return [float(np.percentile(of, share)) if len(of) else float("nan") for share in shares]


def _grid(about: dict[str, Any]) -> tuple[str, ...]:
    hertz, ratio = np.array(about["modes"]).T
    damped = " ".join(f"{100 * each:.1f}" for each in (ratio.min(), np.median(ratio), ratio.max()))
    return (
        f"{about['seed']} {about['damping']}", str(about["buses"]), str(about["machines"]), str(about["devices"]),
        f"{about['load_mw'] / 1e3:.1f}", f"{about['nadir_mhz_for_1_percent']:.0f}",
        f"{hertz.min():.2f}–{hertz.max():.2f}", damped,
    )  # fmt: skip


def sizes(labels: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """How large events are, by groups of kinds."""
    groups = {
        "losses of generation and load [mHz]": ("gen_trip", "load_loss"), "lines [mHz]": ("line_trip",),
        "faults [mHz]": ("fault_3ph", "fault_2ph", "fault_ground"),
        "oscillations [mHz]": ("osc_inter_area", "osc_forced", "osc_subsync"),
    }  # fmt: skip
    found = []
    for name, kinds in groups.items():
        some = [each["detail"]["peak_mhz_largest"] for each in labels if each["kind"] in kinds]
        found.append((name, *(f"{each:.0f}" for each in _quantiles(some, *SHARES))))
    quiet = [each["detail"]["ambient_rms_mhz"] for each in labels if "ambient_rms_mhz" in each["detail"]]
    return [*found, ("ambient, rms [mHz]", *(f"{each:.0f}" for each in _quantiles(quiet, *SHARES)))]
