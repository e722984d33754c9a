"""Exports from pages: whose they are, how many there may be, what is left of them."""

from __future__ import annotations

import stat
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from console import exporting
from console.exporting import EACH, KEPT, Busy, Exports, Job, Order
from tests.doors import Clock

VERB = """
import json, pathlib, sys, time
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
print(json.dumps({"rows": 50, "of": 100}), file=sys.stderr, flush=True)
if "slow" in sys.argv:
    time.sleep(60)
if "bad" in sys.argv:
    sys.exit("no such event")
if "xlsx" in sys.argv:
    out.write_text(" ".join(sys.argv[1:]))
else:
    out.mkdir()
    (out / "a.cfg").write_text("a")
    (out / "b.dat").write_text("b")
"""


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exports:
    """With a verb that is quickly done."""
    program = tmp_path / "verb"
    program.write_text(f"#!{sys.executable}\n{VERB}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(exporting.sys, "executable", str(program))
    (tmp_path / "run" / "left").mkdir(parents=True)
    made = Exports(tmp_path / "run", tmp_path / "archive", CLOCK)
    assert not (tmp_path / "run").exists()
    return made


CLOCK = Clock()


def ended(job: Job) -> Job:
    end = time.monotonic() + 30
    while not job.ended and time.monotonic() < end:
        time.sleep(0.02)
    return job


def test_a_file_is_its_owners_and_gone_after_a_while(exports: Exports) -> None:
    job = ended(exports.begin("anna", Order("e1", "e1", [7, 8], ["frequency"], ("2026", "2027")), "xlsx"))
    assert (job.state, job.share, job.error) == ("ready", 0.5, "")
    assert job.path is not None
    words = job.path.read_text()
    assert "--event e1" in words
    assert "--device 7 --device 8 --quantity frequency --from 2026 --to 2027" in words
    assert exports.find(job.id, "anna") is job
    assert exports.find(job.id, "vera") is None
    CLOCK.go(KEPT + 1)
    assert exports.find(job.id, "anna") is None
    assert not job.path.exists()


def test_several_files_are_packed_into_one(exports: Exports) -> None:
    job = ended(exports.begin("anna", Order("../e 1", "../e 1"), "comtrade"))
    assert job.path is not None
    assert job.path.name == ".._e_1_comtrade.zip"
    with zipfile.ZipFile(job.path) as packed:
        assert sorted(packed.namelist()) == ["a.cfg", "b.dat"]


def test_what_the_verb_says_is_told(exports: Exports) -> None:
    job = ended(exports.begin("anna", Order("bad", "bad"), "mat"))
    assert (job.state, job.error) == ("failed", "no such event")


def test_one_user_has_so_many_at_a_time_and_what_is_taken_back_leaves_nothing(exports: Exports) -> None:
    jobs = [exports.begin("anna", Order("slow", "slow"), "csv") for _ in range(EACH)]
    with pytest.raises(Busy):
        exports.begin("anna", Order("slow", "slow"), "csv")
    for job in jobs:
        exports.cancel(job)
    end = time.monotonic() + 30
    while any(each.name == "export" for each in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.02)
    assert {job.state for job in jobs} == {"cancelled"}
    assert all(job.path is None for job in jobs)
    exports.begin("anna", Order("e1", "e1"), "csv")
    exports.close()


def test_there_are_no_other_formats(exports: Exports) -> None:
    with pytest.raises(KeyError):
        exports.begin("anna", Order("e1", "e1"), "exe")
