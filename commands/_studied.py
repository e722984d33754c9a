"""The part of a pipeline that a study is made with: triggers, who feeds them, and who judges their windows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from commands._predictions import Judge
from nodes import detector
from nodes._pipeline import Pipeline
from nodes._wiring import NodeSpec


class StudyError(Exception):
    """A study can't be made; says why and what to do."""


def chain_of(pipeline: Pipeline) -> list[NodeSpec]:
    """The nodes that a study is made with. Raises StudyError if no windows are cut and judged."""
    specs = pipeline.nodes.values()
    triggers = [spec for spec in specs if spec.kind == "trigger"]
    if not triggers:
        raise StudyError(f"{pipeline.path}: no trigger in it: nothing is judged; add kind: trigger, and a detector")
    judged = [(spec, judge) for spec in triggers if (judge := detector_of(pipeline, spec.name))]
    if not judged:
        raise StudyError(f"{pipeline.path}: no detector reads {triggers[0].name}; add kind: detector")
    sources = {source for spec, _ in judged for source in spec.sources}
    concentrators = [spec for spec in specs if spec.kind == "concentrator" and spec.name in sources]
    return [*concentrators, *(spec for spec, _ in judged), *(judge for _, judge in judged)]


def detector_of(pipeline: Pipeline, trigger: str) -> NodeSpec | None:
    """The detectors of a trigger; of several kinds the first in the file."""
    readers = (spec for spec in pipeline.nodes.values() if trigger in spec.sources and spec.kind == "detector")
    return next(readers, None)


def follows(spec: NodeSpec) -> bool:
    """Whether a trigger cuts its windows on suspicion, not by schedule."""
    return getattr(spec.settings, "on", "schedule") == "suspicion"


def told_of(spec: NodeSpec) -> dict[str, Any]:
    """Settings of a node, and what judges."""
    told: dict[str, Any] = {"kind": spec.kind, "from": list(spec.sources)}
    if isinstance(spec.settings, detector.Settings):
        told |= spec.settings.told
    elif spec.settings is not None:
        told["settings"] = json.loads(spec.settings.model_dump_json())
    return told


def together_of(pipeline: Pipeline) -> Judge:
    """The first detector that judges several devices. Raises StudyError if there is none."""
    for spec in pipeline.nodes.values():
        if isinstance(spec.settings, detector.Settings) and spec.settings.together:
            place = replace(pipeline.place(spec.processes[0]), site_file=None)
            return Judge(spec.settings, place, {device.name: device.number for device in pipeline.site.devices})
    raise StudyError(
        f"{pipeline.path}: no detector in it judges several devices together; add one with algorithm: disturbance"
    )


def judged_of(pipeline: Pipeline) -> set[str]:
    """Event triggers, and the triggers that they read."""
    followers = [spec for spec in chain_of(pipeline) if spec.kind == "trigger" and follows(spec)]
    read = {name for spec in followers for name in spec.sources if pipeline.nodes[name].kind == "trigger"}
    return read.union(spec.name for spec in followers)
