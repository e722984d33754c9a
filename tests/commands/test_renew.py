"""Going on as another release: who begins anew when, and what is said where there is nothing to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archive import layout
from commands import app as syms
from commands.renew import order
from nodes._pipeline import load

ROOT = Path(__file__).parents[2]
PIPELINE = """site: site.yaml
nodes:
  devices:    {kind: simulator,    to: front}
  front:      {kind: balancer,     listen: "127.0.0.1:4712", registry: registry.json}
  receivers:  {kind: receiver,     from: front, copies: 2}
  archive:    {kind: archiver,     from: receivers, path: archive}
  align:      {kind: concentrator, from: receivers}
"""


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYMS_RUN", str(tmp_path / "run"))
    (tmp_path / "pipelines").mkdir()  # journals lie beside it
    (tmp_path / "pipelines" / "site.yaml").write_text("station: test\nunknown: admit\n")
    path = tmp_path / "pipelines" / "pipeline.yaml"
    path.write_text(PIPELINE)
    return path


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(syms.make_app(syms.verbs()), list(words))
    return result.exit_code, result.output or str(result.exception)


def test_balancer_first_receivers_last(pipeline: Path) -> None:
    """The one has to have the connections while the other has not; what plays devices is no part of that."""
    assert order(load(pipeline)) == ["front", "archive", "align", "receivers.1", "receivers.2", "devices"]


def test_what_is_not_up_is_not_renewed(pipeline: Path) -> None:
    assert run("renew", str(pipeline)) == (0, f"{pipeline} is not up\n")
    code, told = run("renew", str(pipeline), "--json")
    assert (code, json.loads(told)["up"], json.loads(told)["renewed"]) == (0, False, [])


def test_a_checkout_has_no_release_before(pipeline: Path) -> None:
    code, told = run("rollback")
    assert code == 1
    assert "this is a checkout" in told


def test_formats_are_told(pipeline: Path) -> None:
    assert run("formats", str(pipeline)) == (0, f"{pipeline}: nothing was written yet\n")
    (pipeline.parent / "archive").mkdir()
    mark = pipeline.parent / "archive" / "archive.json"
    for format_, code in ((layout.FORMAT, 0), (layout.FORMAT + 1, 1)):
        mark.write_text(json.dumps({"format": format_}))
        found, told = run("formats", str(pipeline), "--json")
        assert found == code
        assert json.loads(told) == [
            {"path": str(pipeline.parent / "archive"), "what": "archive", "found": format_, "known": layout.FORMAT,
             "readable": not code},
        ]  # fmt: skip
    assert f"this release knows up to {layout.FORMAT}; use a newer one" in run("formats", str(pipeline))[1]
    mark.write_text("{")
    code, told = run("formats", str(pipeline))
    assert (code, "archive.json: damaged" in told) == (1, True)
