"""The one file of a bundle: a head that sh reads and checks, and a tar of what is laid out in a folder."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

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
