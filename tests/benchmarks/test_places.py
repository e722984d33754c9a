from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from algorithms.responses import Response
from algorithms.telling import Told
from benchmarks.grids.places import WAYS, places


def test_ways_leave_out_what_they_say() -> None:
    one, other, third = (Response(name, np.ones(4), np.ones(4), np.ones(4)) for name in ("jump", "jump alone", "else"))
    tells = Told([one], np.zeros(4), {}, [other], [third])
    maps = {way: change(tells).maps for way, change in WAYS.items()}
    assert maps["all that tells"] == [[one], [other]]
    assert maps["what devices felt"] == [[one]]
    assert maps["what of it the others do not explain"] == [[other]]
    assert WAYS["both, ordered by what devices felt"](tells).closer == []
    assert all(change(Told([one], np.zeros(4), {})).maps == [[one]] for change in WAYS.values())


def test_events_of_a_set_are_placed_by_their_true_kind_and_onset(shared: Path, tmp_path: Path) -> None:
    """Two of the labelled scenarios."""
    source = shared / "data" / "scenarios"
    labels = json.loads((source / "labels.json").read_text())
    wanted = [next(each for each in labels if each["kind"] == kind) for kind in ("fault_2ph", "gen_trip")]
    for name in ("devices.json", f"{wanted[0]['system']}.npz", f"{wanted[1]['system']}.npz"):
        if not (tmp_path / name).exists():
            (tmp_path / name).symlink_to(source / name)
    (tmp_path / "labels.json").write_text(json.dumps(wanted))
    lines = places([tmp_path]).splitlines()
    assert lines[0].startswith("| events | told by | first |")
    told = {tuple(line.split(" | ")[:2]) for line in lines[2:]}
    for group in ("lost generation and load (1)", "faults (1)", "all (2)"):
        assert (f"| {group}", "all that tells") in told
    assert all(cell != "nan" for line in lines if "(1)" in line for cell in line.split(" | "))
