"""One file that installs the station on a server that reaches no index (docs/install-without-a-network.md).

    make bundle [PYTHONS="3.11 3.12"] [EXTRAS="archive parquet"] [GLIBC=2.28]

What goes in is what is committed: the sources of HEAD as a wheel, and the packages that requirements.lock names for
them, each checked against its hashes there; one that has no wheel is built into one here. The same commit gives the
same bytes, as long as the index has the same wheels, none had to be built, and setuptools and pip are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import sbom
from runfile import digests, files, write
from wheelhouse import BundleFault, download, library, needed, pip, requirement, weight

ROOT = Path(__file__).parents[1]
OLDEST_LIBRARY = "2.28"
"""RHEL 8, Debian 10 and later; numpy and its like are built for it."""
INSTALLER = ("__init__.py", "_install.py", "_payload.py", "_releases.py")
PAGES = ("LICENSE", "README.md", "CHANGELOG.md")
MAIN = """\
import sys

from commands._install import main

sys.exit(main())
"""


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
    found: dict[str, Any] = sbom.bill([each._replace(needed=each.name in inside) for each in sbom.packages()])
    return found


def platform_name() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


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
