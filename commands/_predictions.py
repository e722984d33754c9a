"""Scenarios judged on all cores, as predictions; what was judged already is kept when the work is broken off."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.judgement import VERSION, judge
from algorithms.observations import Observations
from algorithms.quantities import QUANTITIES
from algorithms.report import Report, report
from archive.scenarios import RATE, Folder, Scenario
from commands._answers import NO_TIME, ONE_THREAD, hushed, undisturbed, verdict_of
from nodes._node import Place
from nodes.detector import Detector, Settings
from protocol.clock import SECOND
from protocol.messages import Verdict, Window, device_number

Json = dict[str, Any]
UNKNOWN: Report = {
    "kind": "unknown", "confidence": None, "probabilities": {}, "size_mhz": None, "size_mw": None, "rules": [],
    "bad": [], "nearest": [], "ellipse": [], "detection": {}, "location": {}, "oscillation": {},
}  # fmt: skip
"""What an algorithm need not say."""
START = SECOND
"""Of a scenario's window: they have no date."""
UNLISTED = 60_000
"""Number of the first device that the site file does not name."""


@dataclass(frozen=True)
class Judge:
    """The detector of a pipeline that judges several devices."""

    settings: Settings
    place: Place
    numbers: dict[str, int]
    """Of devices, by their names in the site file: where in its network they are."""


def predictions(
    folder: Folder, kept: Path, workers: int | None = None, pipeline: Judge | None = None
) -> Iterator[tuple[str, Json]]:
    """(id, prediction) of all scenarios, as they are ready: first those that `kept`, a file of lines, has already.

    They are judged as the detector of a pipeline is set to; None: by the second judgement.
    """
    told = {} if pipeline is None else {"detector": pipeline.settings.told, "site": pipeline.place.site}
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
        ProcessPoolExecutor(workers or os.cpu_count(), get_context("spawn"), _begin, (folder, pipeline)) as pool,
    ):
        with undisturbed():
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
_judge: Callable[[Observations, Sequence[str]], Report]
"""Of this worker."""


def _begin(folder: Folder, pipeline: Judge | None) -> None:
    global _folder, _judge
    hushed()
    _folder, _judge = folder, judge_of(pipeline)


def _predict(scenario: Scenario) -> tuple[str, Json]:
    assert _folder is not None
    said = _judge(_folder.observations(scenario), scenario.devices)
    return scenario.id, prediction(said, scenario.devices)


def judge_of(pipeline: Judge | None) -> Callable[[Observations, Sequence[str]], Report]:
    """What makes a report of what named devices measured: a pipeline's detector, else the second judgement."""
    if pipeline is None:
        return lambda seen, _: report(judge(seen))
    detector = Detector(pipeline.settings, pipeline.place)
    list(detector.start(NO_TIME))

    def answered(seen: Observations, names: Sequence[str]) -> Report:
        numbers = [pipeline.numbers.get(name, UNLISTED + place) for place, name in enumerate(names)]
        return _report(verdict_of(detector, window_of(seen, numbers)))

    return answered


def _report(verdict: Verdict) -> Report:
    """A verdict as a report; of an algorithm of one's own with as much of that as its detail has."""
    onset = (verdict.onset - START) / SECOND if verdict.onset else None
    own = {"disturbance": verdict.suspicious, "score": verdict.score, "onset": onset}
    error = {"detection": {"error": verdict.error}} if verdict.error else {}
    return UNKNOWN | own | verdict.detail | error


def window_of(seen: Observations, links: Sequence[int]) -> Window:
    """Observations as an event trigger cuts a window, voltages per unit. `links` are numbers of a site file [m]."""
    unknown = np.full(seen.frequency.shape, np.nan)
    series = [seen.frequency, seen.magnitude, np.degrees(seen.angle), seen.negative, seen.zero]
    series += [unknown if power is None else power for power in (seen.active, seen.reactive)]
    values = np.stack(series, axis=1).astype(np.float32)
    return Window(
        trigger="",
        lease=0,
        attempt=1,
        device=np.array([device_number(link, 0) for link in links], np.uint32),
        start=START,
        rate=round(seen.rate),
        quantities=list(QUANTITIES),
        values=values,
        filled=np.zeros(seen.frequency.shape, np.uint8),
        completeness=float((~np.isnan(values).all(axis=1)).mean(axis=1).min()),
        detail={"latitude": seen.latitude.tolist(), "longitude": seen.longitude.tolist(), "nominal": seen.nominal},
    )


def prediction(said: Report, devices: Sequence[str]) -> Json:
    """A report in the form that scores read, with the names of its devices."""
    told: Json = {
        "disturbance": said["disturbance"],
        "score": said["score"],
        "bad_devices": sorted({devices[flag["device"]] for flag in said["bad"]}),
        "bad": [_flag(flag, devices) for flag in said["bad"]],
    }
    if said["disturbance"]:
        told |= {"t_event": said["onset"]}
        told |= {name: said[name] for name in ("kind", "confidence", "probabilities", "size_mhz", "size_mw", "rules")}
    if said["nearest"]:
        told["nearest"] = [devices[device] for device in said["nearest"]]
    if said["ellipse"]:
        told |= {"lat": said["latitude"], "lon": said["longitude"], "ellipse95": said["ellipse"]}
    if said["location"].get("named"):
        told["named"] = said["location"]["named"]
    if said["oscillation"]:
        told["oscillation"] = said["oscillation"]
    return told | {"detail": said["detection"]}


def _flag(flag: Json, devices: Sequence[str]) -> Json:
    """Bad data as labels tell them: seconds in the window."""
    start, stop = (None if flag.get(name) is None else flag[name] / RATE for name in ("start", "stop"))
    return {"device": devices[flag["device"]], "type": flag.get("kind"), "t_start": start, "t_end": stop}
