"""The verbs that keep a station safe, as a person and as a program calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from archive import layout
from commands.app import make_app
from console.access.audit import Audit, Done
from nodes._runfolder import run_folder
from tests.archives import T0, held_rows
from tests.backups import hour_file, station
from tests.doors import make_book


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station with a pipeline file that has no faults."""
    monkeypatch.setattr("commands._polite.give_way", lambda: None)
    monkeypatch.setattr("commands._polite.leave_cleanly", lambda: None)
    station(tmp_path)
    (tmp_path / "config" / "keys").mkdir()
    (tmp_path / "config" / "keys" / "a.key").write_text("secret")
    (tmp_path / "data" / "journal" / "north" / "receivers").mkdir(parents=True)
    (tmp_path / "data" / "journal" / "north" / "receivers" / "mark").write_text("here")
    (tmp_path / "pipelines" / "north.yaml").write_text(
        "site: ../config/north.yaml\n"
        "nodes:\n"
        "  front: {kind: balancer, listen: 127.0.0.1:47999}\n"
        "  receivers: {kind: receiver, from: front}\n"
        f"  archive: {{kind: archiver, from: receivers, path: {tmp_path}/data/north}}\n"
        "  care: {kind: caretaker, backup: {to: ../backup, at: '02:30'}, verify: {every: 7 d}}\n"
    )
    return tmp_path


def call(verb: str, *arguments: object) -> Result:
    return CliRunner().invoke(make_app([verb]), [verb, *(str(each) for each in arguments)])


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_backup_and_back(folder: Path, tmp_path: Path) -> None:
    target, pipeline = folder / "backup", folder / "pipelines" / "north.yaml"
    first = told(call("backup", target, "--pipeline", pipeline, "--json"))
    assert (first["alarms"], first["damaged"], first["inexact"]) == ([], [], [])
    result = call("verify", target)
    assert (result.exit_code, "all as written" in result.stdout) == (0, True)
    done = told(call("restore", target, "--to", folder / "new", "--json"))
    assert done["pipeline"] == str(folder / "new" / "pipelines" / "north.yaml")
    assert held_rows(folder / "new" / "data" / "north") == held_rows(folder / "data" / "north")
    assert (folder / "new" / "data" / "journal" / "north" / "receivers" / "mark").read_text() == "here"
    assert not (folder / "new" / "config" / "keys").exists()
    assert run_folder(folder / "new" / "pipelines" / "north.yaml") != run_folder(pipeline)
    assert call("verify", folder / "new" / "data" / "north").exit_code == 0
    refused = call("restore", target, "--to", folder / "new")
    assert (refused.exit_code, "--yes overwrites" in refused.stderr) == (1, True)
    hour_file(folder / "data" / "north").write_bytes(b"damaged")
    damaged = call("backup", target, "--pipeline", pipeline, "--json")
    assert damaged.exit_code == 1
    assert "restore it from an earlier snapshot" in json.loads(damaged.stdout)["alarms"][0]


def test_keys_are_copied_only_if_they_are_asked_for(folder: Path) -> None:
    call("backup", folder / "backup", "--pipeline", folder / "pipelines" / "north.yaml", "--with-keys")
    assert (folder / "backup" / "latest" / "config" / "keys" / "a.key").read_text() == "secret"


def test_users_and_what_they_did_are_copied_and_only_their_own_reads_them(folder: Path) -> None:
    pipeline = folder / "pipelines" / "north.yaml"
    with open(pipeline, "a") as file:
        file.write(
            "  align: {kind: concentrator, from: receivers}\n"
            "  console: {kind: console, from: align, users: ../people/users.yaml, audit: ../people/audit}\n"
        )
    make_book(folder / "people")
    audit = Audit(folder / "people" / "audit", max_file=400)
    for utc in range(6):
        audit.write(Done(T0 + utc, "anna", "administrator", "local", "users", "vera", "done"))
    assert len(audit.files()) > 2
    call("backup", folder / "backup", "--pipeline", pipeline)
    audit.write(Done(T0, "anna", "administrator", "local", "users", "vera", "done"))
    call("restore", folder / "backup", "--to", folder / "new")
    back = Audit(folder / "new" / "people" / "audit")
    assert (back.verify().lines, back.verify().faults) == (6, [])
    people = folder / "new" / "people" / "users.yaml"
    assert people.read_text() == (folder / "people" / "users.yaml").read_text()
    assert {path.stat().st_mode & 0o777 for path in (people, *back.to_copy())} == {0o600}


@pytest.mark.parametrize("during", ["head", "audit.jsonl"])
def test_what_is_done_while_the_log_is_copied_makes_no_copy_suspicious(tmp_path: Path, during: str) -> None:
    audit = Audit(tmp_path / "audit")
    done = Done(T0, "anna", "administrator", "local", "users", "vera", "done")
    audit.write(done)
    (tmp_path / "copy").mkdir()
    for path in audit.to_copy():
        if path.name == during:
            audit.write(done)
        shutil.copy(path, tmp_path / "copy")
    assert Audit(tmp_path / "copy").verify().faults == []


def test_verify_says_what_is_wrong(folder: Path) -> None:
    root = folder / "data" / "north"
    hour_file(root).unlink()
    result = call("verify", root)
    assert result.exit_code == 1
    assert (
        f"missing: {hour_file(root).relative_to(root)}: it was finished, and is not there; restore it" in result.stdout
    )
    found = json.loads(call("verify", root, "--json").stdout)
    assert [each["wrong"] for each in found["findings"]] == ["missing"]
    assert len(found["alarms"]) == 1
    assert call("verify", root, "--from", layout.moment(T0).isoformat()).exit_code == 0
    nothing = call("verify", folder / "config")
    assert (nothing.exit_code, "no SYMS archive" in nothing.stderr) == (2, True)


def test_retention_leaves_overviews_and_says_how_much(folder: Path) -> None:
    root = folder / "data" / "north"
    rules = ("retention", root, "--age", "1 d", "--overviews", "3650 d")
    dry = told(call(*rules, "--dry-run", "--json"))
    assert dry["freed"] == sum(each["bytes"] - each["left"] for each in dry["removals"])
    said = call(*rules, "--dry-run").stdout
    assert "its overview stays" in said
    assert f"{len(dry['removals'])} overviews of 0.00 GB stay" in said
    told(call(*rules, "--yes", "--json"))
    assert not hour_file(root).exists()
    asked = ("--from", "2026-05-03T08:00:00Z", "--to", "2026-05-03T09:00:00Z")
    assert "of 1 hour an overview by seconds is left" in call("export", root, *asked).stderr


def test_retention_asks_and_protected_stays(folder: Path) -> None:
    root = folder / "data" / "north"
    told(call("protect", root, "--from", "2026-05-03T07:00:00Z", "--to", "2026-05-03T08:00:00Z", "--reason", "inquiry",
              "--json"))  # fmt: skip
    assert "inquiry" in call("protect", root).stdout
    dry = told(call("retention", root, "--age", "1 d", "--dry-run", "--json"))
    assert [each["file"] for each in dry["removals"]] == [str(hour_file(root).relative_to(root))]
    assert dry["kept"] == {"protected": 1}
    assert call("retention", root, "--age", "1 d").exit_code == 1  # nobody answers
    assert hour_file(root).exists()
    assert len(told(call("retention", root, "--age", "1 d", "--yes", "--json"))["removals"]) == 1
    assert not hour_file(root).exists()
    assert "1 were removed by retention" in call("verify", root).stdout
    asked = ("--from", "2026-05-03T08:00:00Z", "--to", "2026-05-03T09:00:00Z")
    assert "1 file of that time removed by retention" in call("export", root, *asked).stderr
    assert "1 file of that time removed" in call("export", root, *asked, "--out", folder / "x.h5").stderr
    assert call("retention", root, "--age", "1").exit_code == 2
    assert call("retention", root, "--age", "2 d", "--overviews", "1 d").exit_code == 2
    assert call("protect", root, "--reason", "x").exit_code == 2
    assert told(call("protect", root, "--release", 1, "--json")) == []
    short = told(call("retention", root, "--size", "0 B", "--after-backup", "--yes", "--json"))
    assert "more would have to go (1 files not backed up yet)" in short["alarms"][0]
