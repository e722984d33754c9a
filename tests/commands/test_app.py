"""The command as a whole: every verb, faults and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands import app as syms

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "pipelines"
VERBS = (
    *("alarms", "algorithms", "backup", "check", "compile", "completeness", "decode", "demo", "down", "draw"),
    *("events", "export", "finish", "flags", "formats", "protect", "renew", "replay", "report", "restart"),
    *("restore", "retention", "rollback", "run", "scale", "schema", "simulate", "start", "status", "stop"),
    *("study", "swap", "try", "up", "users", "verify"),
)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(syms.make_app(syms.verbs()), list(words))
    return result.exit_code, result.output


def main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["syms", *words])
    with pytest.raises(SystemExit) as left:
        syms.main()
    code = left.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    code, output = run(verb, "--help")
    assert code == 0
    assert f"Usage: syms {verb}" in output.replace("root", "syms")


def test_the_list_of_verbs_is_whole() -> None:
    code, output = run("--help")
    listed = [line.split()[0] for line in output.partition("Commands:")[2].splitlines() if line.strip()]
    assert code == 0
    assert sorted(set(listed) & set(VERBS)) == sorted(VERBS)


def test_help_lists_every_verb_without_importing_it() -> None:
    output = CliRunner().invoke(syms.make_contents(), ["--help"]).output
    listed = output.partition("Commands:")[2]
    for module in syms.verbs():
        first = " ".join(syms.summary(module).split()[:2])
        assert first, f"the first line of commands/{module}.py is to be `syms verb`: what it does"
        assert module.rstrip("_") in listed
        assert first in listed


def test_help_does_not_wait_for_numpy() -> None:
    ask = "import sys; from commands import app; app.make_contents(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pydantic", "zmq", "h5py", "numba"} & set(loaded)


def test_faults_go_to_stderr_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(CASES / "units")
    assert main(monkeypatch, "check", "pipeline.yaml") == 2
    captured = capsys.readouterr()
    assert captured.err == Path("faults.txt").read_text()
    assert captured.out == ""


def test_faults_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(CASES / "nobody-works")
    assert main(monkeypatch, "check", "--json", "pipeline.yaml") == 2
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert [(fault["file"], fault["line"]) for fault in said["faults"]] == [("pipeline.yaml", 7)]


def test_a_missing_port_is_told_with_the_line_of_its_balancer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("site.yaml").write_text(
        "station: S\ndevices:\n  - {name: H, number: 1, protocol: gbt26865, identity: 0GX00GP1}\n"
    )
    nodes = "  receivers: {kind: receiver, from: front}\n  front: {kind: balancer, listen: 127.0.0.1:4712}\n"
    Path("pipeline.yaml").write_text(f"site: site.yaml\nnodes:\n{nodes}")
    assert main(monkeypatch, "check", "pipeline.yaml") == 2
    told = "pipeline.yaml:4: front: H (gbt26865) dials in; add listen_gbt26865: to the balancer\n"
    assert capsys.readouterr().err == told


def test_a_good_pipeline_checks_with_exit_code_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "check", str(CASES / "good" / "pipeline.yaml")) == 0
    assert "6 nodes, 8 processes, no faults" in capsys.readouterr().out


def test_what_cannot_start_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run_folder: Path
) -> None:
    run_folder.chmod(0o755)
    monkeypatch.setenv("SYMS_RUN", str(run_folder))
    assert main(monkeypatch, "up", str(CASES / "good" / "pipeline.yaml")) == 1
    assert "open to others; chmod 700 it" in capsys.readouterr().err


def test_a_process_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(monkeypatch, "run", str(CASES / "good" / "pipeline.yaml"), "receivers.3") == 2
    assert "receivers.1" in capsys.readouterr().err


def test_a_pipeline_that_is_not_up_says_so(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMS_RUN", str(run_folder / "none"))
    code, output = run("status", "--json", str(CASES / "good" / "pipeline.yaml"))
    assert code == 1
    assert json.loads(output)["up"] is False
    code, output = run("down", str(CASES / "good" / "pipeline.yaml"))
    assert code == 0
    assert "was not up" in output


def test_draws_every_wire() -> None:
    code, output = run("draw", str(ROOT / "pipelines" / "demo.yaml"))
    assert code == 0
    assert output.startswith("flowchart LR\n")
    for line in (
        'receivers_["receivers x2<br/><i>receiver</i>"]',
        "devices_ -->|frames| front_",
        "front_ -->|connections| receivers_",
        "receivers_ -->|rows| align_",
        "align_ -->|slots| windows_",
        "windows_ -->|windows| prejudge_",
        "prejudge_ -.->|verdicts| windows_",
        "windows_ -->|verdicts| archive_",
    ):
        assert line in output


def test_draws_devices_of_every_protocol_and_frames_that_are_passed_on() -> None:
    code, output = run("draw", str(ROOT / "pipelines" / "mixed.yaml"))
    assert code == 0
    for feed in ("pmus", "backups", "older", "hubs", "plants", "controls", "loads"):
        assert f"{feed}_ -->|frames| front_" in output
    assert "receivers_ -->|frames| relay_" in output
    assert "align_ -->|statistics| archive_" in output


@pytest.mark.parametrize(
    ("words", "path"), [((), "pipelines/schema.json"), (("--site",), "config/schema.json")], ids=["pipeline", "site"]
)
def test_the_schema_file_is_fresh(words: tuple[str, ...], path: str) -> None:
    code, output = run("schema", *words)
    assert code == 0
    assert output == (ROOT / path).read_text(), "run: make schema"


@pytest.mark.parametrize("path", [*(ROOT / "pipelines").glob("*.yaml"), *(ROOT / "config").glob("*.yaml")], ids=str)
def test_our_files_name_their_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
