"""What a bundle makes on a server: releases side by side, one of them in force.

    TO/releases/0.4.0-1a2b3c4d5e6f/    venv, installer, docs, sbom.json, release.json (last: then it is whole)
    TO/current, TO/previous            links to the release in force, and to the one before
    TO/bin                             syms, supervisord, supervisorctl of the release in force; syms-rollback
    TO/pipelines, config, data, run    the station's own; no release touches what is there
    TO/supervisord.conf, syms.service

The owner of `run` is the user of the station. Nothing but Python's own library is imported here: it works when a
release does not.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

RECORD = "release.json"
KEEP = 3
"""Releases that stay, besides those that are in force or run."""
PATIENCE = 900.0
"""Seconds that any command of a release is given."""


class ReleaseError(Exception):
    """It can't be done; says why and what to do."""


class Installation:
    """The place that a bundle was installed to."""

    def __init__(self, root: Path) -> None:
        self.root, self.releases = root, root / "releases"
        self.run, self.station = root / "run", root / "pipelines" / "station.yaml"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One changes it at a time. Raises ReleaseError."""
        with open(self.releases / ".lock", "a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as fault:
                raise ReleaseError(f"{self.root}: somebody installs or rolls back; wait until that is over") from fault
            yield

    def names(self) -> list[str]:
        """Whole releases, in the order of their installation."""
        records = sorted(self.releases.glob(f"*/{RECORD}"), key=lambda path: (path.stat().st_mtime_ns, path))
        return [record.parent.name for record in records]

    def linked(self, name: str) -> str:
        """The release that `current` or `previous` is; "" if none."""
        link = self.root / name
        return link.readlink().name if link.is_symlink() else ""

    def switch(self, name: str) -> None:
        """Put a release in force. A kill leaves the old one or the new one in force."""
        if (old := self.linked("current")) != name:
            if old:
                self._link("previous", old)
            self._link("current", name)

    def _link(self, link: str, name: str) -> None:
        fresh = self.root / f".{link}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path("releases", name))
        fresh.replace(self.root / link)

    def running(self) -> set[str]:
        """Releases that processes run from."""
        found = set()
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = place.read_bytes().decode(errors="replace")
            except OSError:
                continue
            found |= {name for name in self.names() if f"{self.releases}/{name}/" in words}
        return found

    def needed(self) -> set[str]:
        """Releases that are not to be touched."""
        return {self.linked("current"), self.linked("previous"), *self.running()}

    def prune(self, keep: int = KEEP) -> list[str]:
        """Delete the oldest releases; returns their names."""
        names = self.names()
        safe = {*names[-keep:], *self.needed()}
        gone = [name for name in names if name not in safe]
        for name in gone:
            (self.releases / name / RECORD).unlink()  # a kill leaves one that is not whole
            shutil.rmtree(self.releases / name)
        return gone

    def owner(self) -> dict[str, Any]:
        """For `subprocess`: to be the station's user, where we are root and it is not."""
        info = self.run.stat()
        if os.geteuid() or not info.st_uid:
            return {}
        try:
            groups = os.getgrouplist(pwd.getpwuid(info.st_uid).pw_name, info.st_gid)
        except KeyError:
            groups = [info.st_gid]
        return {"user": info.st_uid, "group": info.st_gid, "extra_groups": groups}

    def syms(self, name: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The `syms` of a release, as the station's user; `more` is of its environment. Raises
        ReleaseError."""
        owner = self.owner()
        home = {"HOME": pwd.getpwuid(owner["user"]).pw_dir} if owner else {}
        drop = {"PYTHONPATH", "PYTHONHOME"}
        environment = {key: value for key, value in os.environ.items() if key not in drop}
        try:
            return subprocess.run(
                [str(self.releases / name / "venv" / "bin" / "syms"), *words],
                env={"SYMS_RUN": str(self.run)} | environment | home | more,
                cwd=self.root, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, **owner,
            )  # fmt: skip
        except PermissionError as fault:
            python = (self.releases / name / "venv" / "bin" / "python").resolve()
            raise ReleaseError(
                f"the owner of {self.run} may not run {python}; install with a Python that everybody may run, as "
                "PYTHON=/usr/bin/python3 sh …"
            ) from fault
        except subprocess.TimeoutExpired as fault:
            raise ReleaseError(f"syms {words[0]} of release {name} does not end; is the machine at work?") from fault

    def try_out(self, name: str) -> None:
        """Whether a release starts, takes the pipeline file, and reads what is on the disk. Raises ReleaseError."""
        asked: list[tuple[str, ...]] = [("--version",)]
        if self.station.exists():
            asked += [("check", str(self.station)), ("formats", str(self.station))]
        for words in asked:
            done = self.syms(name, *words)
            if done.returncode:
                told = (done.stderr.strip() or done.stdout.strip()).replace("\n", "\n    ")
                raise ReleaseError(
                    f"release {name} was tried and does not fit: syms {' '.join(words)}\n    {told}\n"
                    f"{self.linked('current') or 'nothing'} stays in force"
                )

    def _take_up(self, name: str) -> dict[str, Any]:
        """Have a station that runs go on as this release, process by process; what `syms renew --json` tells. Raises
        ReleaseError."""
        if not self.station.exists():
            return {"up": False, "renewed": []}
        done = self.syms(name, "renew", str(self.station), "--json")
        if done.returncode:
            raise ReleaseError(
                f"release {name} is in force, but not every process runs:\n    {done.stderr.strip()}\n"
                f"back again: {self.root}/bin/syms-rollback"
            )
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def put_in_force(self, name: str) -> dict[str, Any]:
        """From the release in force to this one, with a station that runs; what became of it. Raises ReleaseError."""
        before = self.linked("current")
        self.try_out(name)
        self.switch(name)
        return {"from": before, "to": name, **self._take_up(name)}

    def roll_back(self, name: str = "") -> dict[str, Any]:
        """Put the release before in force again, or the one that is named. Raises ReleaseError."""
        before, target = self.linked("current"), name or self.linked("previous")
        if not target or target == before:
            raise ReleaseError(f"there is no release before {before or 'the first'}; there are: {self._listed()}")
        if target not in self.names():
            raise ReleaseError(f"there is no release {target} (any more); there are: {self._listed()}")
        return self.put_in_force(target)

    def _listed(self) -> str:
        return ", ".join(self.names()) or "none"


def own() -> Installation | None:
    """The installation that this Python belongs to; None for a checkout."""
    release = Path(sys.prefix).parent
    return Installation(release.parent.parent) if (release / RECORD).exists() else None


def own_name() -> str:
    """Version and, of an installed release, commit of this program."""
    release = Path(sys.prefix).parent
    return release.name if (release / RECORD).exists() else metadata.version("syms-station")


def told(done: dict[str, Any]) -> str:
    """What became of it, for people."""
    after = f", after {done['from']}" if done["from"] not in ("", done["to"]) else ""
    station = (
        f"{len(done['renewed'])} processes of the station begun anew in {done['seconds']:.0f} s"
        if done["up"]
        else "the station does not run"
    )
    return f"release {done['to']} is in force{after}; {station}"
