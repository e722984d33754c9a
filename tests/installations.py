"""Installations for tests: releases that are this checkout, releases that are a few lines of sh, and a bundle of almost
nothing."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from commands import _install
from commands._releases import RECORD, Installation
from tests.cifiles import load

ROOT = Path(__file__).parents[1]
SYMS = """\
import sys
from pathlib import Path

release = Path(sys.prefix).parent
if sys.argv[1:2] == ["--version"]:
    print("syms", release.name)
elif sys.argv[1:2] == ["renew"]:
    print('{"up": false, "renewed": []}')
"""
"""What the wheel of `tiny` has for a station."""


def builder() -> ModuleType:
    """`.ci/bundle.py`."""
    return load("bundle")


def place(root: Path) -> Installation:
    """An empty one."""
    made = Installation(root)
    made.releases.mkdir(parents=True)
    made.run.mkdir(mode=0o700)
    return made


def stub(made: Installation, name: str, script: str = 'echo "{}"') -> None:
    """A release whose `syms` is a few lines of sh."""
    release = made.releases / name
    (release / "venv" / "bin").mkdir(parents=True)
    (release / "venv" / "bin" / "syms").write_text(f"#!/bin/sh\n{script}\n")
    (release / "venv" / "bin" / "syms").chmod(0o755)
    (release / RECORD).write_text("{}")


def of_checkout(made: Installation, name: str) -> None:
    """A release that runs what stands in this checkout, from a place of its own."""
    release = made.releases / name
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(release / "venv")], check=True, timeout=60)
    [packages] = (release / "venv").glob("lib/python3*/site-packages")
    (packages / "checkout.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    for command, module in (("syms", "commands"), ("supervisord", "supervisor.supervisord")):
        script = release / "venv" / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "${{0%/*}}/python" -m {module} "$@"\n')
        script.chmod(0o755)
    share = release / _install.SHARE
    share.mkdir(parents=True)
    for item in ("supervisord.conf", "pipelines", "config"):
        (share / item).symlink_to(ROOT / item)
    (release / "pulse.py").symlink_to(ROOT / "commands" / "_pulse.py")
    installer = release / "installer"
    installer.mkdir()
    (installer / "commands").symlink_to(ROOT / "commands")
    (installer / "__main__.py").write_text(builder().MAIN)
    (release / RECORD).write_text("{}")


def tiny(folder: Path, version: str = "1.0", commit: str = "abc", **more: Any) -> Path:
    """A bundle that installs in a second: its `syms` starts, and nothing else; `more` goes into the manifest."""
    making, house, run = builder(), load("wheelhouse"), load("runfile")
    python = "{}.{}".format(*sys.version_info)
    contents = folder / f"contents-{version}-{commit}"
    wheels = contents / "wheels"
    wheels.mkdir(parents=True)
    ours = wheel(wheels, version)
    (wheels / _pip().name).write_bytes(_pip().read_bytes())
    (contents / f"requirements-{python}.txt").write_text(house.requirement(ours))
    making.copy_rest(contents, ROOT)
    manifest = {
        "version": version, "commit": commit, "platform": making.platform_name(), "pythons": [python], "glibc": "2.5",
        "unpacked": house.weight(ours), "files": run.digests(contents),
    }  # fmt: skip
    made: Path = run.write(contents, manifest | more, 1_700_000_000, folder / "made")
    return made


def _pip() -> Path:
    """The wheel that Python brings for new environments."""
    places = [Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled"), Path("/usr/share/python-wheels")]
    found = [wheel for each in places for wheel in each.glob("pip-*.whl")]
    if not found:
        pytest.skip("this Python brings no wheel of pip")
    return found[0]


def wheel(folder: Path, version: str) -> Path:
    """`syms_station`, with the examples that the installer copies."""
    about = f"Metadata-Version: 2.1\nName: syms-station\nVersion: {version}\n"
    files = {
        "commands/__init__.py": "",
        "commands/app.py": f"def main():\n    exec({SYMS!r}, {{}})\n",
        "commands/_pulse.py": "",
        f"syms_station-{version}.dist-info/METADATA": about,
        f"syms_station-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"syms_station-{version}.dist-info/entry_points.txt": "[console_scripts]\nsyms = commands.app:main\n",
    }
    share = f"syms_station-{version}.data/data/share/syms-station"
    for item in ("supervisord.conf", *_install.EXAMPLES, *_install.SCHEMAS):
        files[f"{share}/{item}"] = (ROOT / item).read_text()
    record = f"syms_station-{version}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(text)},{len(text.encode())}" for name, text in files.items()]
    path = folder / f"syms_station-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as out:
        for name, text in {**files, record: "\n".join([*lines, f"{record},,"])}.items():
            out.writestr(zipfile.ZipInfo(name), text)  # of 1980, whenever it is made
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
