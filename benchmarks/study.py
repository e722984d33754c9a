"""Studies of an archive: how much faster than it happened a pipeline's triggers and detectors go over it.

    python -m benchmarks.study [--quick] [--devices 50] [--minutes 60]

Simulated devices, 50 frames a second, three phases each, a disturbance now and then; the pipeline is that of
`pipelines/station.yaml`, with and without its second stage. Time is that of `syms study` as a whole, its start and the
finished files that it makes included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from algorithms.simulation import Kind, Scenario, Simulation
from archive.finish import finish_all
from archive.writer import Archive
from benchmarks._report import progress, section, table
from nodes import _simulated, _yaml
from nodes._simulated import Shape
from nodes._told import told
from nodes._tongues import Tongue
from protocol.clock import SECOND, Now, slot_time
from protocol.messages import Measurements, device_number

CHECKOUT = Path(__file__).parents[1]
RATE = 50
SHAPE = Shape(RATE, 1_000_000, 50, 15, 2, 1, 3, 0, 1)
BEGIN = 1_777_800_000 * SECOND
EVERY = 600.0
"""Seconds from one disturbance to the next."""


def make(path: Path, devices: int, minutes: int) -> None:
    """An archive of simulated devices, finished."""
    simulation = Simulation(devices, 1 / RATE, 50.0, 1, Scenario(Kind.GENERATION_TRIP, EVERY))
    archive = Archive(path)
    number = np.array([device_number(link, 0) for link in range(1, devices + 1)], np.uint32)
    for link in range(1, devices + 1):
        cfg = _simulated.configuration(SHAPE, link, simulation.position[link - 1 : link])
        [known] = told(Tongue(), cfg, link, {"name": f"D{link}", "region": "north"})
        archive.configure(replace(known, device=int(number[link - 1])))
    for second in range(60 * minutes):
        archive.add(_rows(simulation, second, number, known.table))
        if second % 60 == 59:
            archive.commit(Now(0, 0))
            progress(f"{second // 60 + 1} min of rows")
    archive.close()
    finish_all(path)


def _rows(simulation: Simulation, second: int, number: np.ndarray[Any, Any], key: tuple[int, ...]) -> Measurements:
    """A second of all devices."""
    samples, devices = simulation.next(RATE), len(number)
    status = np.zeros(devices, np.uint16)
    rows = [_simulated.rows(SHAPE, samples, k, second * RATE + k, status)[0] for k in range(RATE)]
    slots = BEGIN // SECOND * RATE + second * RATE + np.arange(RATE)
    time = np.repeat(np.asarray(slot_time(slots, RATE)), devices)
    n = len(time)
    return Measurements(
        table=key, device=np.tile(number, RATE), time=time, arrival=time, snapped=np.zeros(n, np.int32),
        quality=np.zeros(n, np.uint8), status=np.zeros(n, np.uint16), aside=np.zeros(n, np.uint8),
        values=np.concatenate([each.values for each in rows]), digital=np.concatenate([each.digital for each in rows]),
    )  # fmt: skip


def pipelines(folder: Path) -> dict[str, Path]:
    """The station's pipeline as it is, and without what follows its trigger of windows."""
    whole, *_ = _yaml.read(CHECKOUT / "pipelines" / "station.yaml")  # not PyYAML's, to which `on` is true
    (folder / "site.yaml").write_text("station: benchmark\nunknown: admit\n")
    nodes = whole["nodes"]
    second = {name for name, node in nodes.items() if node.get("on") == "suspicion"}
    second |= {name for name, node in nodes.items() if str(node.get("from")) in second}
    first = {
        name: {**node, "from": _without(node["from"], second)} if "from" in node else node
        for name, node in nodes.items() if name not in second
    }  # fmt: skip
    made: dict[str, Path] = {}
    for name, some in (("windows of each device", first), ("the same, and events", nodes)):
        made[name] = folder / f"{len(made)}.yaml"
        made[name].write_text(yaml.safe_dump({"site": "site.yaml", "nodes": some}))
    return made if second else {"windows of each device": folder / "0.yaml"}


def _without(sources: Any, names: set[str]) -> Any:
    return [name for name in sources if name not in names] if isinstance(sources, list) else sources


def study(archive: Path, pipeline: Path, out: Path, workers: int) -> dict[str, Any]:
    """What `syms study --json` says."""
    command = [sys.executable, "-m", "commands", "study", str(archive), "--pipeline", str(pipeline), "--out", str(out)]
    command += ["--workers", str(workers), "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def main() -> None:
    """The archive, and each pipeline on one worker and on all cores."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="5 devices, 6 minutes")
    parser.add_argument("--devices", type=int)
    parser.add_argument("--minutes", type=int)
    asked = parser.parse_args()
    devices, minutes = asked.devices or (5 if asked.quick else 50), asked.minutes or (6 if asked.quick else 60)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "data", devices, minutes)
        for what, pipeline in pipelines(folder).items():
            for workers in sorted({1, os.cpu_count() or 1}):
                said = study(folder / "data", pipeline, folder / f"{pipeline.stem}-{workers}", workers)
                progress(f"{what}, {workers} workers: {said['seconds']:.0f} s")
                rows.append([what, workers, said["windows"], f"{said['seconds']:.1f}", f"{said['speed']:.0f}",
                             f"{said['device_seconds_per_second']:.0f}"])  # fmt: skip
    section(
        "Studies of an archive",
        "benchmarks.study",
        f"{minutes} minutes of {devices} devices, {RATE} frames a second.",
        table(["pipeline", "workers", "windows", "s", "times as fast as it happened", "device-seconds a second"], rows),
    )


if __name__ == "__main__":
    main()
