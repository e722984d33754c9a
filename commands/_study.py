"""Scenarios judged on all cores, as predictions; what was judged already is kept when the work is broken off."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from algorithms.judgement import VERSION, judge
from algorithms.report import Report, report
from archive.scenarios import Folder, Scenario

Json = dict[str, Any]

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""A worker has a core; more threads than that only wait for each other."""


def predictions(folder: Folder, kept: Path, workers: int | None = None) -> Iterator[tuple[str, Json]]:
    """(id, prediction) of all scenarios, as they are ready: first those that `kept`, a file of lines, has already."""
    head = _line("", {"folder": str(folder.path.resolve()), "judgement": VERSION})
    before = _kept(kept, head)
    kept.write_text(head + "".join(_line(name, said) for name, said in before.items()), encoding="utf-8")
    known = [scenario for scenario in folder.scenarios if scenario.id in before]
    yield from ((scenario.id, before[scenario.id]) for scenario in known)
    left = [scenario for scenario in folder.scenarios if scenario.id not in before]
    if not left:
        return
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    with (
        open(kept, "a", encoding="utf-8") as lines,
        ProcessPoolExecutor(workers or os.cpu_count(), get_context("spawn"), _begin, (folder,)) as pool,
    ):
        doing = [pool.submit(_predict, scenario) for scenario in left]
        try:
            for done in as_completed(doing):
                name, prediction = done.result()
                lines.write(_line(name, prediction))
                lines.flush()
                yield name, prediction
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _line(name: str, prediction: Json) -> str:
    return json.dumps([name, prediction]) + "\n"


def _kept(path: Path, head: str) -> dict[str, Json]:
    """Predictions in a file of lines; a last line that was cut off does not count.

    None where its first line is another one: of other scenarios, or by another version.
    """
    if not path.exists():
        return {}
    found = {}
    with open(path, encoding="utf-8") as lines:
        if lines.readline() != head:
            return {}
        for line in lines:
            if line.endswith("\n"):
                name, prediction = json.loads(line)
                found[name] = prediction
    return found


_folder: Folder | None = None
"""Of this worker."""


def _begin(folder: Folder) -> None:
    global _folder
    _folder = folder


def _predict(scenario: Scenario) -> tuple[str, Json]:
    assert _folder is not None
    return scenario.id, predict(_folder, scenario)


def predict(folder: Folder, scenario: Scenario) -> Json:
    """What the chain says of a scenario, in the form that scores read."""
    return prediction(report(judge(folder.observations(scenario))), scenario.devices)


def prediction(said: Report, devices: Sequence[str]) -> Json:
    """A report in the form that scores read, with the names of its devices."""
    told: Json = {
        "disturbance": said["disturbance"],
        "score": said["score"],
        "bad_devices": sorted({devices[flag["device"]] for flag in said["bad"]}),
    }
    if said["disturbance"]:
        told |= {"t_event": said["onset"]}
        told |= {name: said[name] for name in ("kind", "confidence", "probabilities", "size_mhz", "size_mw", "rules")}
    if said["nearest"]:
        told["nearest"] = [devices[device] for device in said["nearest"]]
    if said["ellipse"]:
        told |= {"lat": said["latitude"], "lon": said["longitude"], "ellipse95": said["ellipse"]}
    return told | {"detail": said["detection"]}
