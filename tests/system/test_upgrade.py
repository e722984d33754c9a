"""A station at work goes to another release and back, process by process: no device notices, no row is lost."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive.reading import open_archive
from commands import _install
from commands._orphans import lock_holders
from commands._releases import Installation, ReleaseError
from commands._station import free_port
from nodes._sockets import listen
from protocol.messages import Health, Snapshots
from tests.installations import ROOT, of_checkout, place

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

DEVICES = 4
PIPELINE = """site: ../config/site.yaml
nodes:
  front:      {{kind: balancer,     listen: "127.0.0.1:{port}"}}
  receivers:  {{kind: receiver,     from: front, copies: 2}}
  archive:    {{kind: archiver,     from: receivers, path: ../data/station}}
  align:      {{kind: concentrator, from: receivers}}
"""
PROCESSES = {"front", "receivers.1", "receivers.2", "archive", "align"}


class Watch(threading.Thread):
    """What the station says meanwhile."""

    def __init__(self, run: str) -> None:
        super().__init__(daemon=True)
        self._run = run
        self.archived = 0
        self.pause = 0.0
        """The longest time between two words of slots [s]."""
        self.over = False

    def run(self) -> None:
        last = math.inf
        tags = [Health.TAG, Snapshots.TAG]  # type: ignore[attr-defined]
        for word in listen(self._run, ["archive", "align"], tags, 0.1):
            if isinstance(word, Health):
                self.archived = int(word.counters.get("archived", self.archived))
            elif word is not None:
                self.pause, last = max(self.pause, time.monotonic() - last), time.monotonic()
            if self.over:
                return

    def further(self, frames: int, patience: float = 40) -> bool:
        """Whether so many more are archived within `patience` [s]."""
        wanted, deadline = self.archived + frames, time.monotonic() + patience
        while self.archived < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.archived >= wanted


def command(made: Installation, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([made.root / "bin" / words[0], *words[1:]], env=os.environ | more, capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def releases_that_run(made: Installation) -> dict[str, str]:
    """Process -> the release that it runs from."""
    found = {}
    for process, pid in lock_holders(str(made.run)).items():
        words = Path(f"/proc/{pid}/cmdline").read_text()
        [found[process]] = [name for name in made.names() if f"{made.releases}/{name}/" in words]
    return found


@pytest.fixture
def made(run_folder: Path) -> Iterator[Installation]:
    """Two releases, `old` in force, not up; down in any case."""
    found = place(run_folder / "to")
    for name in ("old", "new"):
        of_checkout(found, name)
    _install.lay_out(found, "old", None, None)
    (found.root / "config" / "site.yaml").write_text("station: test\nunknown: admit\n")
    found.station.write_text(PIPELINE.format(port=free_port()))
    found.switch("old")
    yield found
    command(found, "syms", "down", str(found.station))


def test_upgrade_and_back_while_devices_send(made: Installation) -> None:
    port = made.station.read_text().partition("127.0.0.1:")[2].partition('"')[0]
    command(made, "supervisord", "-c", str(made.root / "supervisord.conf"))
    command(made, "syms", "up", str(made.station))
    words = ("simulate", "--to", f"127.0.0.1:{port}", "--devices", str(DEVICES), "--phasors", "1", "--json")
    devices = subprocess.Popen([sys.executable, "-m", "commands", *words], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        watch = Watch(str(made.run))
        watch.start()
        assert watch.further(100)
        assert releases_that_run(made) == dict.fromkeys(PROCESSES, "old")
        done = made.put_in_force("new")
        assert (done["up"], set(done["renewed"])) == (True, PROCESSES)
        assert (done["renewed"][0], done["renewed"][-2:]) == ("front", ["receivers.1", "receivers.2"])
        assert releases_that_run(made) == dict.fromkeys(PROCESSES, "new")
        assert watch.further(100)

        back = command(made, "syms-rollback").stdout
        assert back.startswith("release old is in force, after new; 5 processes of the station begun anew")
        assert releases_that_run(made) == dict.fromkeys(PROCESSES, "old")
        assert json.loads(command(made, "syms", "renew", str(made.station), "--json").stdout)["renewed"] == []
        assert watch.further(100)
    finally:
        devices.terminate()
        told = json.loads(devices.communicate(timeout=60)[0])
    assert told["connects"] == DEVICES
    assert watch.further(told["sent"] - watch.archived)
    watch.over = True
    print(f"{told['sent']} frames; {done['seconds']} s; slots paused for {watch.pause:.1f} s at most")

    for each in json.loads(command(made, "syms", "formats", str(made.station), "--json").stdout):
        assert each["readable"]
    command(made, "syms", "down", str(made.station))
    rows: Counter[tuple[int, int]] = Counter()
    with open_archive(made.root / "data" / "station") as found:
        for each in found.rows():
            rows.update((each.configuration.stream, int(time)) for time in each.time)
    assert len(rows) == told["sent"]
    assert set(rows.values()) == {1}

    mark = made.root / "data" / "station" / "archive.json"
    whole = mark.read_text()
    mark.write_text('{"what": "SYMS archive", "format": 999}')
    with pytest.raises(ReleaseError, match=r"archive of format 999, this release knows up to \d+; use a newer one"):
        made.roll_back()
    mark.write_text(whole)
    assert made.linked("current") == "old"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_bundle_installs_without_a_network(tmp_path: Path) -> None:
    """The real one, where there is no network at all: the demonstration runs, and an upgrade keeps what is there."""
    making = subprocess.run([sys.executable, ".ci/bundle.py"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    if making.returncode:
        pytest.skip(f"no way to an index: {making.stderr}")
    [bundle] = (ROOT / "build").glob("syms-station-*.run")
    alone = ["unshare", "-n"] if shutil.which("unshare") and os.geteuid() == 0 else []
    blind = os.environ | {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PYTHON": sys.executable}
    to = tmp_path / "syms"
    done = subprocess.run([*alone, "sh", bundle, "--to", to], env=blind, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    checked = subprocess.run([to / "bin" / "syms", "check", to / "pipelines" / "station.yaml"], capture_output=True,
                             text=True, timeout=60)  # fmt: skip
    assert "no faults" in checked.stdout, checked.stderr
    shown = subprocess.run([to / "bin" / "syms", "demo", "--seconds", "10", "--json", "--out", tmp_path / "demo"],
                           capture_output=True, text=True, timeout=300)  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["frames"]["archived"] > 1000
