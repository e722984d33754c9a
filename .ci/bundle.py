"""One file that installs the station on a server that reaches no index (docs/install-without-a-network.md).

    make bundle [PYTHONS="3.11 3.12"] [EXTRAS="archive parquet"] [GLIBC=2.28]

What goes in is what is committed: the sources of HEAD as a wheel, and the packages that requirements.lock names for
them, each checked against its hashes there; one that has no wheel is built into one here. The same commit gives the
same bytes, as long as the index has the same wheels, none had to be built, and setuptools and pip are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from packaging.markers import Marker
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
OLDEST_LIBRARY = "2.28"
"""RHEL 8, Debian 10 and later; numpy and its like are built for it."""
INSTALLER = ("__init__.py", "_install.py", "_payload.py", "_releases.py")
PAGES = ("LICENSE", "README.md", "CHANGELOG.md")
HEAD = """\
#!/bin/sh
# SYMS master station, release {release}, for {platform} and Python {pythons}: needs no network, only sh and Python.
#     sh {file} --to /opt/syms [--data /var/lib/syms] [--user syms]     installs it, or upgrades what is there
#     sh {file} --check                                                 only sees whether it is whole and fits
# PYTHON=/path/to/python3 chooses the Python.
for python in ${{PYTHON:-{names} python3}}; do
    "$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "{pythons}".split())' 2>/dev/null &&
        exec "$python" -IB -c '{boot}' "$0" {begin:>8} {size} {digest} "$@"
done
echo 'syms: Python {either} is needed, and is none of: {names} python3.' >&2
echo 'Install it (apt install python{last}; dnf install python{last}), or: PYTHON=/path/to/python{last} sh …' >&2
exit 1
"""
BOOT = """\
import hashlib, os, sys, tarfile, tempfile
path, begin, size, digest = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with open(path, "rb") as file:
    file.seek(begin)
    found, total = os.path.getsize(path) - begin, hashlib.sha256()
    while block := file.read(1 << 20):
        total.update(block)
    if found != size:
        sys.exit(f"syms: {path} was not copied whole: {found} of {size} bytes came; copy it here again")
    if total.hexdigest() != digest:
        sys.exit(f"syms: {path} is damaged: its checksum is not what its head says; copy it here again")
    file.seek(begin)
    with tarfile.open(fileobj=file, mode="r:") as tar, tempfile.TemporaryDirectory() as folder:
        for name in tar.getnames():
            if name.startswith("installer/"):
                tar.extract(name, folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        sys.path.insert(0, folder + "/installer")
        from commands._install import main
        sys.exit(main(["install", path, str(begin), *sys.argv[5:]]))
"""
MAIN = """\
import sys

from commands._install import main

sys.exit(main())
"""


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


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def sources(folder: Path) -> None:
    """What is committed."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def put(folder: Path, tree: Path, extras: list[str], pythons: list[str], glibc: str, commit: str) -> dict[str, Any]:
    """Lay the contents of a bundle out in a folder; returns its manifest."""
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    lock = needed((tree / "requirements.lock").read_text(), project, extras)
    wheels = folder / "wheels"
    wheels.mkdir()
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(tree))
    installed = __import__("pip").__version__
    pip("download", "--no-deps", "--only-binary=:all:", "--dest", str(wheels), f"pip=={installed}")
    ours = [each for each in wheels.iterdir() if not each.name.startswith("pip-")]
    unpacked = 0
    for python in pythons:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            download(lock, python, glibc, Path(place))
            theirs = sorted([*Path(place).iterdir(), *ours])
            (folder / f"requirements-{python}.txt").write_text("".join(requirement(each) for each in theirs))
            unpacked = max(unpacked, sum(weight(each) for each in theirs))
            for wheel in Path(place).iterdir():
                wheel.replace(wheels / wheel.name)
    copy_rest(folder, tree)
    (folder / "sbom.json").write_text(json.dumps(bill({each.name for each in lock}), indent=1) + "\n")
    return {
        "version": project["version"], "commit": commit, "platform": platform_name(), "pythons": pythons,
        "glibc": library([each.name for each in wheels.iterdir()]), "unpacked": unpacked, "files": digests(folder),
    }  # fmt: skip


def copy_rest(folder: Path, tree: Path) -> None:
    installer = folder / "installer" / "commands"
    installer.mkdir(parents=True)
    for name in INSTALLER:
        (installer / name).write_bytes((tree / "commands" / name).read_bytes())
    (installer.parent / "__main__.py").write_text(MAIN)
    for page in [*PAGES, *(str(path.relative_to(tree)) for path in files(tree / "docs"))]:
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        (folder / page).write_bytes((tree / page).read_bytes())


def bill(inside: set[str]) -> dict[str, Any]:
    """The bill of materials; required is what is in the bundle."""
    spec = importlib.util.spec_from_file_location("sbom", ROOT / ".ci" / "sbom.py")
    assert spec
    assert spec.loader
    sbom = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = sbom
    spec.loader.exec_module(sbom)
    found: dict[str, Any] = sbom.bill([each._replace(needed=each.name in inside) for each in sbom.packages()])
    return found


def platform_name() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def requirement(wheel: Path) -> str:
    """A line for pip that takes this file and no other."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def weight(wheel: Path) -> int:
    """Bytes that it unpacks to."""
    with zipfile.ZipFile(wheel) as opened:
        return sum(each.file_size for each in opened.infolist())


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def digests(folder: Path) -> dict[str, str]:
    """Path -> SHA-256."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files(folder)}


def packed(folder: Path, manifest: dict[str, Any], moment: int) -> bytes:
    """A tar of it; the same for the same contents. What a server reads first comes first."""
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    order = sorted(files(folder), key=lambda path: (path.parent.name == "wheels", path.name != "manifest.json", path))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in order:
            member = tarfile.TarInfo(str(path.relative_to(folder)))
            member.size, member.mtime, member.mode = path.stat().st_size, moment, 0o644
            with path.open("rb") as file:
                tar.addfile(member, file)
    return out.getvalue()


def head(manifest: dict[str, Any], tar: bytes, file: str) -> bytes:
    """What sh reads of the file."""
    pythons = manifest["pythons"]
    release = f"{manifest['version']}-{manifest['commit']}"
    told = {
        "release": release, "platform": manifest["platform"], "pythons": " ".join(pythons), "file": file,
        "names": " ".join(f"python{each}" for each in reversed(pythons)), "either": " or ".join(pythons),
        "last": pythons[-1], "boot": BOOT, "size": len(tar), "digest": hashlib.sha256(tar).hexdigest(),
    }  # fmt: skip
    length = len(HEAD.format(begin=0, **told).encode())
    return HEAD.format(begin=length, **told).encode()


def write(folder: Path, manifest: dict[str, Any], moment: int, into: Path) -> Path:
    """The bundle of what is laid out in a folder."""
    name = f"syms-station-{manifest['version']}-{manifest['platform']}-py{'-'.join(manifest['pythons'])}.run"
    tar = packed(folder, manifest, moment)
    into.mkdir(exist_ok=True)
    fresh = into / f".{name}.new"
    fresh.write_bytes(head(manifest, tar, name) + tar)
    fresh.chmod(0o755)
    fresh.replace(into / name)
    return into / name


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pythons", default="", help="as 3.11 3.12; by default this one")
    parser.add_argument("--extras", default="", help="of pyproject.toml, as archive parquet")
    parser.add_argument("--glibc", default=OLDEST_LIBRARY, help="take no wheel that needs a newer one")
    asked = parser.parse_args()
    pythons = asked.pythons.split() or ["{}.{}".format(*sys.version_info)]
    commit, moment = git("rev-parse", "--short=12", "HEAD"), git("log", "-1", "--format=%ct")
    os.environ["SOURCE_DATE_EPOCH"] = moment
    if git("status", "--porcelain", "--untracked-files=no"):
        print("bundle: what is not committed is not in it", file=sys.stderr)
    with tempfile.TemporaryDirectory() as place:
        tree, folder = Path(place, "tree"), Path(place, "bundle")
        folder.mkdir()
        sources(tree)
        try:
            manifest = put(folder, tree, asked.extras.split(), pythons, asked.glibc, commit)
        except BundleFault as fault:
            print(f"bundle: {fault}", file=sys.stderr)
            return 1
        made = write(folder, manifest, int(moment), ROOT / "build")
    whole = hashlib.sha256(made.read_bytes()).hexdigest()
    print(f"{made.relative_to(ROOT)}: {made.stat().st_size >> 20} MiB, glibc {manifest['glibc']} or newer")
    print(f"{whole}  {made.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
