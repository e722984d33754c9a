"""A pipeline file that changes is looked up once for all readers; one with faults leaves the drawing as it was."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from console.blueprint import AGAIN, Blueprint
from console.verbs import VerbError, Verbs
from tests.asynchronous import run

TOLD = {"nodes": [{"name": "front", "kind": "balancer", "copies": 1}], "edges": []}


class Said(Verbs):
    """Verbs that answer what they are told to."""

    answers: list[Any]

    async def ask(self, *words: str) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def said(path: Path, *answers: Any) -> Said:
    verbs = Said(path, "")
    object.__setattr__(verbs, "answers", list(answers))
    return verbs


async def look(blueprint: Blueprint, now: float) -> None:
    """And wait for what comes of it."""
    blueprint.look(now)
    blueprint.look(now)
    while blueprint.looking:
        await asyncio.sleep(0)


def test_a_changed_file_is_taken_up_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("nodes: {}\n")
    verbs = said(path, TOLD, VerbError("mine.yaml:1: a fault"), TOLD | {"nodes": []})
    blueprint = Blueprint(verbs)

    async def story() -> None:
        await look(blueprint, 1.0)
        assert [each.name for each in blueprint.wiring.units] == ["front"]
        await look(blueprint, 2.0)
        assert len(verbs.answers) == 2
        os.utime(path, ns=(7, 7))
        await look(blueprint, 3.0)
        assert blueprint.fault == "mine.yaml:1: a fault"
        assert [each.name for each in blueprint.wiring.units] == ["front"]
        await look(blueprint, 3.0 + AGAIN + 0.1)
        assert (blueprint.fault, blueprint.wiring.units) == ("", ())

    run(story())


def test_a_file_that_is_away_is_told(tmp_path: Path) -> None:
    blueprint = Blueprint(said(tmp_path / "none.yaml"))
    run(look(blueprint, 1.0))
    assert "none.yaml" in blueprint.fault
