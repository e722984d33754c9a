from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commands import algorithms


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.callback()(lambda: None)
    algorithms.register(made)
    return made


def test_a_person_sees_every_algorithm_with_its_settings(app: typer.Typer):
    result = CliRunner().invoke(app, ["algorithms"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for word in ("emd", "limit", "3.3", "200 ms", "1 mHz", "modes"):
        assert word in result.output


def test_json_says_the_same(app: typer.Typer):
    found = json.loads(CliRunner().invoke(app, ["algorithms", "--json"]).output)
    [emd] = [one for one in found if one["name"] == "emd"]
    assert (emd["name"], emd["version"], emd["where"]) == ("emd", 1, "algorithms.emd")
    settings = {setting["name"]: setting for setting in emd["settings"]}
    assert settings["smooth"] == {
        "name": "smooth",
        "type": "s",
        "default": "200 ms",
        "description": "Length of the means whose change is judged, and of the pause between them.",
    }
    assert settings["limit"]["default"] == 3.3
    assert settings["floor"]["default"] == "1 mHz"


def test_a_file_of_ones_own(app: typer.Typer, tmp_path: Path):
    (tmp_path / "mine.py").write_text(
        "from algorithms.registry import *\n"
        "class Own(Settings):\n    word: str\n    'What to say.'\n"
        "@algorithm('own', version=3)\n"
        "def judge(window: WindowData, settings: Own) -> Judgement:\n    'Says it.'\n    return Judgement(False, 0.0)\n"
    )
    own = json.loads(CliRunner().invoke(app, ["algorithms", str(tmp_path / "mine.py"), "--json"]).output)[-1]
    assert own["settings"] == [{"name": "word", "type": "string", "default": None, "description": "What to say."}]


def test_a_file_that_is_none_is_a_fault(app: typer.Typer):
    result = CliRunner().invoke(app, ["algorithms", "nothing.py"])
    assert result.exit_code == 2
    assert "no such file" in result.output
