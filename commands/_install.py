"""Installs what a bundle brings, or upgrades to it. Run by the bundle itself; nothing but Python's own library is used.

sh syms-station-….run --to /opt/syms [--data /var/lib/syms] [--user syms]
sh syms-station-….run --check
/opt/syms/bin/syms-rollback [RELEASE]
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from commands._payload import MANIFEST, Bundle, BundleError, check_machine, check_place
from commands._releases import RECORD, Installation, ReleaseError, told

LAUNCHER = """\
#!/bin/sh
# This command of the release in force.
to='{to}'
release=$(readlink -f "$to/current") || exit 1
SYMS_RUN="${{SYMS_RUN:-$to/run}}"
export SYMS_RUN
unset PYTHONPATH PYTHONHOME
exec "$release/venv/bin/${{0##*/}}" "$@"
"""
ROLLBACK = """\
#!/bin/sh
# The release before is in force again, also if this one does not start.
to='{to}'
exec '{python}' -IB "$(readlink -f "$to/current")/installer" rollback --to "$to" "$@"
"""
UNIT = """\
; An example: cp {to}/syms.service /etc/systemd/system/ && systemctl enable --now syms
[Unit]
Description=SYMS master station
After=network-online.target time-sync.target
Wants=network-online.target

[Service]
User={user}
WorkingDirectory={to}
Environment=SYMS_RUN={to}/run
ExecStart={to}/bin/supervisord -n -c {to}/supervisord.conf
KillMode=mixed
TimeoutStopSec=300
LimitNOFILE=65536
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
COMMANDS = ("syms", "supervisord", "supervisorctl")
SHARE = Path("venv", "share", "syms-station")
"""In a release: the examples that our wheel brings."""
EXAMPLES = ("pipelines/station.yaml", "config/site.yaml")
SCHEMAS = ("pipelines/schema.json", "config/schema.json")
MOVED = {
    "%(here)s/.venv/bin/python -m commands": "%(here)s/bin/syms",
    "%(here)s/.venv/bin/python -IS %(here)s/commands/_pulse.py":
        "%(here)s/current/venv/bin/python -IS %(here)s/current/pulse.py",
}  # fmt: skip
"""What differs between supervisord.conf of a checkout and of an installation."""


def main(words: Sequence[str] | None = None) -> int:
    """`install FILE BEGIN …` or `rollback …`. Exit codes: 0 done, 1 it went wrong, 2 what was asked for is faulty."""
    parser = argparse.ArgumentParser(prog="installer")
    verbs = parser.add_subparsers(dest="verb", required=True)
    installing = verbs.add_parser("install", prog="sh syms-station-….run", usage="%(prog)s --to DIR | --check")
    installing.add_argument("file", type=Path, help=argparse.SUPPRESS)
    installing.add_argument("begin", type=int, help=argparse.SUPPRESS)
    installing.add_argument("--to", type=Path, help="where; as /opt/syms. An installation there is upgraded")
    installing.add_argument("--data", type=Path, help="folder of archive and journals; by default TO/data")
    installing.add_argument("--user", help="who runs the station; by default who installs it")
    installing.add_argument("--check", action="store_true", help="only see whether the bundle is whole and fits")
    back = verbs.add_parser("rollback", prog="syms-rollback")
    back.add_argument("release", nargs="?", default="", help="by default the one before")
    back.add_argument("--to", type=Path, required=True, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    try:
        if asked.verb == "rollback":
            print(told(roll_back(asked.to, asked.release)))
            return 0
        with closing(Bundle(asked.file, asked.begin)) as bundle:
            bundle.verify()
            check_machine(bundle.manifest)
            if asked.check or not asked.to:
                print(f"{asked.file}: {bundle.manifest.release} is whole and fits this machine; install it: --to DIR")
                return 0 if asked.check else 2
            install(bundle, asked.to.absolute(), asked.data, asked.user, lambda text: print(text, flush=True))
    except (BundleError, ReleaseError, OSError) as fault:
        print(f"syms: {fault}", file=sys.stderr)
        return 1
    return 0


def roll_back(to: Path, release: str = "") -> dict[str, Any]:
    """See `Installation.roll_back`; one at a time. Raises ReleaseError."""
    place = Installation(to)
    if not os.access(to, os.W_OK):
        raise ReleaseError(f"{to} can't be written to by this user; do it as who installed it")
    with place.alone():
        return place.roll_back(release)


def install(bundle: Bundle, to: Path, data: Path | None, user: str | None, say: Callable[[str], None]) -> None:
    """Everything, in an order in which a kill leaves a station that works: to be repeated. Raises BundleError,
    ReleaseError, OSError."""
    place, name = Installation(to), bundle.manifest.release
    account = _account(user)
    check_place(to, bundle.manifest)
    os.umask(0o022)
    place.releases.mkdir(parents=True, exist_ok=True)
    with place.alone():
        if name in place.names() and name in place.needed():
            say(f"release {name} is there already")
        else:
            say(f"release {name}: its packages are installed, a minute or so")
            make_release(bundle, place)
        lay_out(place, name, data, account)
        say("its loops are compiled, half a minute or so")
        compile_loops(place, name)
        done = place.put_in_force(name)
        say(told(done))
        if gone := place.prune():
            say(f"deleted: {', '.join(gone)}")
    if not done["from"]:
        say(first_steps(place))


def _account(user: str | None) -> pwd.struct_passwd | None:
    if user is None:
        return None
    try:
        found = pwd.getpwnam(user)
    except KeyError as fault:
        remedy = f"useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {user}"
        raise BundleError(f"there is no user {user}; make one: {remedy}") from fault
    if os.geteuid() not in (0, found.pw_uid):
        raise BundleError(f"only root can install for {user}; run it as root, or as {user} without --user")
    return found


def make_release(bundle: Bundle, place: Installation) -> None:
    """The folder of a release, whole once its record is there. Raises BundleError, OSError."""
    manifest = bundle.manifest
    release = place.releases / manifest.release
    shutil.rmtree(release, ignore_errors=True)  # what a kill left
    with tempfile.TemporaryDirectory(dir=place.releases, prefix=".unpacked-") as folder:
        unpacked = Path(folder)
        bundle.extract(unpacked)
        release.mkdir()
        _install_packages(unpacked, release)
        for item in unpacked.iterdir():
            if item.name != "wheels" and not item.name.startswith("requirements-"):
                shutil.move(item, release / item.name)
    [pulse] = release.glob("venv/lib/python3*/site-packages/commands/_pulse.py")
    (release / "pulse.py").symlink_to(pulse.relative_to(release))
    manifest_file = release / MANIFEST
    os.utime(manifest_file)  # the order of installation
    manifest_file.replace(release / RECORD)


def _base_python() -> str:
    """Ours; where that is one of a virtual environment, which may go, the one that this was made of."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _install_packages(unpacked: Path, release: Path) -> None:
    """A virtual environment of what the bundle has, and of nothing else: pip asks no index and no settings."""
    python = "{}.{}".format(*sys.version_info)
    wheels, venv = unpacked / "wheels", release / "venv"
    [pip] = wheels.glob("pip-*.whl")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
    clean |= {"PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(unpacked)}
    steps: list[list[str]] = [
        [_base_python(), "-m", "venv", "--without-pip", str(venv)],
        [
            str(venv / "bin" / "python"), f"{pip}/pip", "install", "--quiet", "--no-index", f"--find-links={wheels}",
            "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check",
            "--requirement", str(unpacked / f"requirements-{python}.txt"),
        ],
    ]  # fmt: skip
    for step in steps:
        done = subprocess.run(step, env=clean, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise BundleError(f"the packages could not be installed: {(done.stderr or done.stdout).strip()}")


def lay_out(place: Installation, name: str, data: Path | None, account: pwd.struct_passwd | None) -> None:
    """What stands beside the releases. What belongs to the station is made once and then left alone."""
    root, share = place.root, place.releases / name / SHARE
    for folder in ("bin", "pipelines", "config"):
        (root / folder).mkdir(exist_ok=True)
    mine = [_private(place.run), _data(root, data)]
    for example in EXAMPLES:
        if not (root / example).exists():
            mine.append(Path(shutil.copy(share / example, root / example)))
            mine.append((root / example).parent)
    for schema in SCHEMAS:
        shutil.copy(share / schema, root / schema)
    if account:
        for path in mine:
            os.chown(path, account.pw_uid, account.pw_gid)
    for command in COMMANDS:
        _write(root / "bin" / command, LAUNCHER.format(to=root), 0o755)
    _write(root / "bin" / "syms-rollback", ROLLBACK.format(to=root, python=_base_python()), 0o755)
    user = pwd.getpwuid(place.run.stat().st_uid).pw_name
    _write(root / "syms.service", UNIT.format(to=root, user=user))
    text = (share / "supervisord.conf").read_text()
    for old, new in MOVED.items():
        text = text.replace(old, new)
    _write(root / "supervisord.conf", text)


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _data(root: Path, asked: Path | None) -> Path:
    """The folder of archive and journals: TO/data, or a link to where it was asked for. Raises ReleaseError."""
    data = root / "data"
    if asked is None or (asked := asked.absolute()) == data:
        return data if data.exists() else _private(data)
    if os.path.lexists(data):
        if not data.is_symlink() or data.resolve() != asked.resolve():
            raise ReleaseError(f"{data} is there already; leave --data out, or move what is there to {asked} by hand")
        return asked
    asked.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.symlink_to(asked)
    return asked


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def compile_loops(place: Installation, name: str) -> None:
    """Compile what runs as machine code, where the station's user can keep it: no start waits for it then."""
    for more in ({}, {"NUMBA_CACHE_DIR": str(place.run / "compiled")}):
        done = place.syms(name, "compile", "--json", **more)
        if not done.returncode:
            return
    raise ReleaseError(f"the compiled loops could not be compiled: {done.stderr.strip()}")


def first_steps(place: Installation) -> str:
    """What to do next, after the first installation."""
    to, root = place.root, place.run.stat().st_uid == 0
    warning = "root runs no station: install again with --user, or set SYMS_AS_ROOT=1\n" if root else ""
    return (
        f"{warning}your devices: {to}/config/site.yaml; then {to}/bin/syms check {to}/pipelines/station.yaml\n"
        f"start: {to}/bin/syms up {to}/pipelines/station.yaml, or at boot: {to}/syms.service\n"
        f"pages: {to}/current/docs, the first is install-without-a-network.md"
    )
