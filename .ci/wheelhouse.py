"""The packages that a bundle has for each Python: as the lock names them, as wheels, with their hashes."""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from packaging.markers import Marker
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]


class BundleFault(Exception):
    """It can't be made; says why and what to do."""


class Locked(NamedTuple):
    """A package of the lock."""

    name: str
    version: str
    marker: str
    hashes: list[str]

    def wanted(self, python: str) -> bool:
        """Whether it is for this Python here."""
        here = {"python_version": python, "python_full_version": f"{python}.0"}
        return not self.marker or Marker(self.marker).evaluate(here)

    @property
    def line(self) -> str:
        return f"{self.name}=={self.version} " + " ".join(f"--hash=sha256:{each}" for each in self.hashes)


def needed(lock: str, project: dict[str, Any], extras: list[str]) -> list[Locked]:
    """What the lock has of the packages that we need to run, and these, and so on, as its `via` tells."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    found: list[tuple[Locked, set[str]]] = []
    for block in blocks:
        if told := re.match(r"([A-Za-z0-9._-]+)==(\S+)(?: ; ([^\\\n]*?))? *\\?\n", block):
            via = {canonicalize_name(word) for word in re.findall(r"#\s+(?:via )?([A-Za-z0-9._-]+)(?=[\s\[]|$)", block)}
            hashes = re.findall(r"sha256:([0-9a-f]{64})", block)
            found.append((Locked(canonicalize_name(told[1]), told[2], told[3] or "", hashes), via))
    optional = project["optional-dependencies"]
    if unknown := [extra for extra in extras if extra not in optional]:
        raise BundleFault(f"there is no extra {', '.join(unknown)}; there are: {', '.join(sorted(optional))}")
    asked = [*project["dependencies"], *(each for extra in extras for each in optional[extra])]
    names = {canonicalize_name(re.match(r"[A-Za-z0-9._-]+", each)[0]) for each in asked}  # type: ignore[index]
    if missing := sorted(names - {each.name for each, _ in found}):
        raise BundleFault(f"{', '.join(missing)} not in requirements.lock; make lock first, or leave the extra out")
    while more := {each.name for each, via in found if each.name not in names and via & names}:
        names |= more
    return [each for each, _ in found if each.name in names]


def download(packages: list[Locked], python: str, glibc: str, into: Path) -> None:
    """The wheels of these packages for a Python, whichever runs this; a source package is built."""
    machine = platform.machine()
    minors = range(int(glibc.split(".")[1]), 4, -1)
    tags = [f"manylinux_2_{minor}_{machine}" for minor in minors]
    tags += [f"{old}_{machine}" for old in ("manylinux2014", "manylinux2010", "manylinux1")]
    tags += [f"linux_{machine}"]
    listed = into / "listed.txt"
    listed.write_text("".join(f"{each.line}\n" for each in packages if each.wanted(python)))
    platforms = [word for tag in tags for word in ("--platform", tag)]
    pip(
        "download", "--no-deps", "--require-hashes", "--python-version", python, "--implementation", "cp", *platforms,
        "--dest", str(into), "--requirement", str(listed),
    )  # fmt: skip
    listed.unlink()
    for source in [each for each in into.iterdir() if each.suffix != ".whl"]:
        pip("wheel", "--no-deps", "--wheel-dir", str(into), str(source))
        source.unlink()
    for wheel in into.glob("*.whl"):
        if not fits(wheel.name, python):
            raise BundleFault(f"{wheel.name}, built here, is not for Python {python}; make its bundle with that Python")


def fits(wheel: str, python: str) -> bool:
    """Whether a wheel is for a Python, as its name says."""
    tags = parse_wheel_filename(wheel)[3]
    digits = python.replace(".", "")
    return any(
        tag.interpreter in (f"cp{digits}", f"py{digits}", "py3") or (tag.abi == "abi3" and tag.interpreter[:3] == "cp3")
        for tag in tags
    )


def library(wheels: list[str]) -> str:
    """The oldest glibc that all of them run with."""
    newest = (2, 5)
    for wheel in wheels:
        minors = [tuple(map(int, found)) for found in re.findall(r"manylinux_(\d+)_(\d+)_", wheel)]
        minors += [(2, 17)] * ("manylinux2014" in wheel)
        newest = max(newest, min(minors, default=newest))
    return "{}.{}".format(*newest)


def pip(*words: str, cwd: Path = ROOT) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", words[0], "--quiet", *words[1:]], cwd=cwd, capture_output=True,
                          text=True)  # fmt: skip
    if done.returncode:
        raise BundleFault(f"pip {words[0]} failed:\n{done.stderr.strip()}")


def requirement(wheel: Path) -> str:
    """A line for pip that takes this file and no other."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def weight(wheel: Path) -> int:
    """Bytes that it unpacks to."""
    with zipfile.ZipFile(wheel) as opened:
        return sum(each.file_size for each in opened.infolist())
