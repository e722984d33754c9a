"""Scenarios judged on all cores, as predictions; what was judged already is kept when the work is broken off."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.judgement import VERSION, judge
from algorithms.observations import Observations
from algorithms.quantities import QUANTITIES
from algorithms.registry import WindowData
from algorithms.report import Report, report
from archive.scenarios import Folder, Scenario
from commands._answers import ONE_THREAD
from nodes.detector import Settings as Detector

Json = dict[str, Any]
UNKNOWN: Report = {
    "kind": "unknown", "confidence": None, "probabilities": {}, "size_mhz": None, "size_mw": None, "rules": [],
    "bad": [], "nearest": [], "ellipse": [], "detection": {},
}  # fmt: skip
"""What an algorithm need not say."""


def predictions(
    folder: Folder, kept: Path, workers: int | None = None, detector: Detector | None = None
) -> Iterator[tuple[str, Json]]:
    """(id, prediction) of all scenarios, as they are ready: first those that `kept`, a file of lines, has already.

    They are judged as `detector` is set to, which takes several devices; None: by the second judgement.
    """
    told = {} if detector is None else {"detector": detector.told}
    head = _line("", {"folder": str(folder.path.resolve()), "judgement": VERSION} | told)
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
        ProcessPoolExecutor(workers or os.cpu_count(), get_context("spawn"), _begin, (folder, detector)) as pool,
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
_detector: Detector | None = None
"""Of this worker."""


def _begin(folder: Folder, detector: Detector | None) -> None:
    global _folder, _detector
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asked for it
    _folder, _detector = folder, detector


def _predict(scenario: Scenario) -> tuple[str, Json]:
    assert _folder is not None
    return scenario.id, predict(_folder, scenario, _detector)


def predict(folder: Folder, scenario: Scenario, detector: Detector | None = None) -> Json:
    """What is said of a scenario, in the form that scores read."""
    seen = folder.observations(scenario)
    said = report(judge(seen)) if detector is None else answered(seen, detector)
    return prediction(said, scenario.devices)


def answered(seen: Observations, detector: Detector) -> Report:
    """What a detector's algorithm says, as a report; of one of your own with as much of that as its detail has."""
    algorithm, settings = detector.load()
    judgement = algorithm.run(window_of(seen), settings)
    onset = None if judgement.onset is None else judgement.onset / seen.rate
    own = {"disturbance": judgement.suspicious, "score": judgement.score, "onset": onset}
    return UNKNOWN | own | judgement.detail


def window_of(seen: Observations) -> WindowData:
    """Observations as a window of an event trigger has them, voltages per unit."""
    unknown = np.full(seen.frequency.shape, np.nan)
    series = [seen.frequency, seen.magnitude, np.degrees(seen.angle), seen.negative, seen.zero]
    series += [unknown if power is None else power for power in (seen.active, seen.reactive)]
    values = np.stack(series, axis=1).astype(np.float32)
    context = {"latitude": seen.latitude.tolist(), "longitude": seen.longitude.tolist(), "nominal": seen.nominal}
    device = np.arange(seen.devices, dtype=np.uint32)
    return WindowData(device, 0, seen.rate, list(QUANTITIES), values, np.zeros(seen.frequency.shape, np.uint8), context)


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
