"""What the rows of the fault matrix do to a station, and what of it is allowed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from commands import _orphans, _supervise
from tests.chaos import oracle, relay
from tests.chaos.faults import Fault, plan
from tests.chaos.scene import Scene, unchanging, without_datagrams
from tests.chaos.shim import Shim, power_cut
from tests.chaos.station import ROOT, devices
from tests.chaos.truth import Device

KINDS = ("balancer", "receiver", "concentrator", "trigger", "detector", "archiver")
BATCH = 50
"""Faults of one run of a station."""
BETWEEN = (3.0, 4.5)
"""Seconds between two kills of the same process: it has come back meanwhile."""
STEPPED = 6
"""A device that has a table of its own, so that its clock leads no other's windows."""
HOUR = 3600 * 1_000_000_000
SYNC = 150_000_000
"""ns: what a power cut may take, the time between two syncs and a tick."""


@dataclass(frozen=True)
class Outcome:
    """One run of a row."""

    report: oracle.Report
    count: int
    back: tuple[float, ...] = ()
    """Seconds to flow again."""
    said: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the table. `act(row, folder, run, quick)` does a run of it."""

    name: str
    about: str
    count: int
    act: Callable[[Row, Path, int, bool], Outcome]
    what: Any = None


def quiet(text: str) -> None:
    """Nobody wants to read every single one of thousands."""


def seed_of(row: Row, run: int) -> int:
    """Of a run; the same at the next time."""
    return sum(ord(letter) * (at + 1) for at, letter in enumerate(row.name)) * 1000 + run


def kinds_of(scene: Scene, kind: str) -> list[str]:
    return [name for name, each in scene.station.kinds.items() if each == kind]


# kills and stops


def kill(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """One kind, each of its processes in turn, at random moments."""
    scene = Scene(folder)
    dice, at, faults = random.Random(seed_of(row, run)), 2.0, []
    names = kinds_of(scene, row.what)
    for number in range(4 if quick else min(BATCH, row.count)):
        faults.append(Fault(round(at, 2), (names[number % len(names)],)))
        at += dice.uniform(*BETWEEN) / len(names)
    report = scene.run(lambda scene: scene.perform(faults, quiet))
    return Outcome(report, sum(len(each.victims) for each in scene.done), tuple(scene.times_back().get(row.what, [])))


def several(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """Random kinds, up to three at once; balancer and receiver never together."""
    scene = Scene(folder)
    seconds = 20.0 if quick else 150.0
    faults = [replace(each, stopped=0.0) for each in plan(seed_of(row, run), seconds, scene.station.kinds, 3.0)]
    report = scene.run(lambda scene: scene.perform(faults, quiet))
    return Outcome(report, sum(len(each.victims) for each in scene.done))


def stop(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """One process of a kind is stopped for some seconds, and goes on."""
    kind, seconds, times = row.what
    played = devices if seconds <= 3 else without_datagrams if seconds <= 20 else unchanging
    scene = Scene(folder, played=played)
    names, pause = kinds_of(scene, kind), seconds + 8.0
    faults = [Fault(2.0 + pause * at, (names[at % len(names)],), seconds) for at in range(1 if quick else times)]
    report = scene.run(lambda scene: scene.perform(faults, quiet))
    return Outcome(report, len(scene.done))


# at every write


def every_write(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """A process dies at its first, second, third … write or sync, whole and torn, early in its life and later."""
    shim = Shim(folder.parent / "shim", [folder / "data", folder / "journal"], who=row.what, first=1 + 12 * run)
    scene = Scene(folder, environment=shim.environment)

    def act(scene: Scene) -> None:
        shim.set(kill=1)
        first = next(name for name in scene.station.kinds if name.startswith(row.what.rstrip("*")))
        os.kill(scene.station.pids()[first], signal.SIGKILL)
        server = _supervise.Supervisor(f"unix://{scene.station.run}/supervisor.sock")
        until = time.monotonic() + (15 if quick else 300)
        while time.monotonic() < until and shim.get("kills") < 4 * 12:
            for name, info in server.states().items():
                if info["statename"] == "BACKOFF" and info["spawnerr"]:
                    server.stop(name)
                    server.start(name)
            time.sleep(0.2)
        shim.set(kill=0)
        for name in scene.station.kinds:
            server.start(name)
        scene.station.flows.wait(lambda: len(scene.station.pids()) == len(scene.station.kinds), 60.0)

    report = scene.run(act)
    return Outcome(report, shim.get("kills"), said=f"up to the {shim.get('last_k')}th call")


def power(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """All die at once, what was not synced is taken back, and the station is started again."""
    shim = Shim(folder.parent / "shim-power", [folder / "data", folder / "journal"], undo=1)
    for old in shim.folder.glob("*.undo"):
        old.unlink()
    scene = Scene(folder, played=without_datagrams, environment=shim.environment)
    dice, said = random.Random(seed_of(row, run)), []

    def act(scene: Scene) -> None:
        for _ in range(1 if quick else 5):
            time.sleep(dice.uniform(4.0, 8.0))
            cut = time.time_ns()
            crash(scene)
            said.append(power_cut(shim.folder, dice))
            scene.station.up()
            scene.excused.append((cut - SYNC, time.time_ns() + 2_000_000_000))
            scene.may_break.append((cut - SYNC, time.time_ns() + 1_000_000_000))

    report = scene.run(act)
    undone = sum(each[0] for each in said)
    return Outcome(report, len(said), said=f"{undone} of {undone + sum(each[1] for each in said)} writes taken back")


def crash(scene: Scene) -> None:
    """SIGKILL of supervisord and all processes, as good as at once."""
    scene.fault("power cut of", ["all"])
    pids = scene.station.pids()
    supervisord = int(Path(scene.station.run, "supervisord.pid").read_text())
    for pid in (supervisord, *pids.values()):
        os.kill(pid, signal.SIGKILL)
    _orphans.wait_for_end([supervisord, *pids.values()], 10.0)
    _orphans.sweep(scene.station.run)


# the network


def link(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """The devices are behind a bad network for a while."""
    seconds, station, back = row.what
    with relay.Network(seed_of(row, run)) as net:

        def played(front: int) -> list[Device]:
            hosts = {"dials_in": relay.STATION, "tcp": relay.DEVICES}
            # A format that is given up before anybody could ask for it can not be known: a stated loss.
            of = unchanging if seconds > 20 else without_datagrams
            return [replace(each, host=hosts[each.way]) for each in of(front)]

        def listen(nodes: dict[str, Any]) -> None:
            port = nodes["front"]["listen"].rpartition(":")[2]
            nodes["front"]["listen"] = f"{relay.STATION}:{port}"

        scene = Scene(folder, played=played, alter=listen, devices_prefix=net.prefix, host=relay.DEVICES)

        def act(scene: Scene) -> None:
            time.sleep(3.0)
            scene.fault(row.name, ["the network"])
            net.to_station, net.to_devices = relay.Trouble(**station), relay.Trouble(**back)
            time.sleep(min(seconds, 10.0) if quick else seconds)
            net.both()
            # After a long cut TCP tries again only as long after it as it lasted, and windows go on with new slots.
            time.sleep(5.0 if quick else max(5.0, seconds))

        report = scene.run(act, drain=240.0)
        return Outcome(report, 1, said=f"{net.spoiled} of {net.passed} frames spoiled")


# the disk


def disk_error(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """Writes below data and journal fail, or are slow, for a while."""
    settings, seconds = row.what
    shim = Shim(folder.parent / "shim-disk", [folder / "data", folder / "journal"])
    scene = Scene(folder, environment=shim.environment)

    def act(scene: Scene) -> None:
        time.sleep(3.0)
        scene.fault(row.name, ["the disk"])
        shim.set(**settings)
        time.sleep(seconds / 2 if quick else seconds)
        alarms = [alarm for voice in scene.station.look().voices.values() for alarm in voice.last.alarms]
        shim.set(**dict.fromkeys(settings, 0))
        if "error" in settings and not alarms:
            scene.wrong.append("nobody raised an alarm while the disk took nothing")
        time.sleep(8.0)

    return Outcome(scene.run(act), 1)


def disk_full(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """Data and journal lie on a small file system that is filled to the last byte for a while."""
    with ExitStack() as cleaning:
        place = Path(tempfile.mkdtemp(prefix="syms-disk-"))
        cleaning.callback(shutil.rmtree, place, ignore_errors=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(place)], check=True)
        cleaning.callback(subprocess.run, ["umount", "-l", str(place)], check=True)
        scene = Scene(folder, data=place, alter=lambda nodes: nodes["archive"].update(reserve="1 MiB"))

        def act(scene: Scene) -> None:
            time.sleep(3.0)
            scene.fault(row.name, ["the disk"])
            fill = place / "filling"
            with open(fill, "wb", buffering=0) as file:
                try:
                    while file.write(bytes(1 << 20)):
                        continue
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise
            time.sleep(5.0 if quick else row.what)
            alarms = [alarm for voice in scene.station.look().voices.values() for alarm in voice.last.alarms]
            fill.unlink()
            if not alarms:
                scene.wrong.append("nobody raised an alarm while the disk was full")
            time.sleep(8.0)

        report = scene.run(act)
        return Outcome(report, 1)


# clocks


def device_clock(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """A device's clock is set, and set right again; its windows are not judged here, all its frames are."""

    def played(front: int) -> list[Device]:
        wrong = [(10.0, row.what), (20.0 if quick else 40.0, 0)]
        return [replace(each, steps=wrong if each.number == STEPPED else []) for each in without_datagrams(front)]

    scene = Scene(folder, played=played)
    scene.windows_of = [each.number for each in scene.devices if each.number != STEPPED]
    return Outcome(scene.run(lambda scene: time.sleep(25.0 if quick else 60.0)), 1)


def station_clock(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """The station's own clock is set (for its processes alone), all kinds are killed, and it is set right again."""
    shim = Shim(folder.parent / "shim-clock", [folder / "data", folder / "journal"])
    scene = Scene(folder, environment=shim.environment)

    def act(scene: Scene) -> None:
        time.sleep(3.0)
        scene.fault(row.name, ["the station"])
        shim.set(clock_ns=row.what)
        for kind in KINDS:
            time.sleep(3.0 if kind != "receiver" else 6.0)
            for name in kinds_of(scene, kind)[:1]:
                os.kill(scene.station.pids()[name], signal.SIGKILL)
                scene.fault("kill", [name])
        time.sleep(6.0)
        shim.set(clock_ns=0)
        time.sleep(5.0)

    return Outcome(scene.run(act), 1)


# twice


def double(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """Every process is started a second time: the copy ends at once and says why; the first goes on."""
    scene = Scene(folder)
    count = 0

    def act(scene: Scene) -> None:
        nonlocal count
        for name, pid in sorted(scene.station.pids().items()):
            command = [sys.executable, "-m", "commands", "run", str(scene.station.path), name]
            twin = subprocess.run(command, cwd=ROOT, env=scene.station.environment, capture_output=True, text=True,
                                  timeout=30)  # fmt: skip
            count += 1
            if twin.returncode == 0 or not (twin.stdout + twin.stderr).strip():
                scene.wrong.append(f"a second {name} ended with {twin.returncode}: {twin.stdout}{twin.stderr}")
            if scene.station.pids().get(name) != pid:
                scene.wrong.append(f"{name}: not the same process after a second one was started")

    return Outcome(scene.run(act), count)


def double_up(row: Row, folder: Path, run: int, quick: bool) -> Outcome:
    """`syms up` of a station that is up; kill -9 of supervisord, then `syms up`: never two copies of a process."""
    scene = Scene(folder)

    def act(scene: Scene) -> None:
        before = scene.station.pids()
        scene.station.syms("up", str(scene.station.path))
        if scene.station.pids() != before:
            scene.wrong.append("a second syms up changed the processes")
        supervisord = int(Path(scene.station.run, "supervisord.pid").read_text())
        scene.fault("kill", ["supervisord"])
        os.kill(supervisord, signal.SIGKILL)
        _orphans.wait_for_end([supervisord], 5.0)
        cut = time.time_ns()
        scene.station.up()
        scene.may_break.append((cut - 1_000_000_000, time.time_ns() + 2_000_000_000))
        if any(_orphans.alive(pid) for pid in before.values()):
            scene.wrong.append("a process of the dead supervisord runs on")
        if len(scene.station.pids()) != len(scene.station.kinds):
            scene.wrong.append(f"these run after the second syms up: {sorted(scene.station.pids())}")
        time.sleep(5.0)

    return Outcome(scene.run(act), 2)
