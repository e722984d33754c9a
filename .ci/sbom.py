"""What the station is made of: a bill of materials in CycloneDX, and the page of licences.

    make sbom        build/sbom.json, docs/licences.md

Versions and hashes are those of requirements.lock, licences those that the installed packages state. What is found in
neither is said here by hand. The same lock gives the same files, byte by byte.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
OURSELVES = "syms-station"
SPDX = {
    "Apache 2.0": "Apache-2.0", "BSD 2-Clause License": "BSD-2-Clause", "BSD-3": "BSD-3-Clause", "ISC License": "ISC",
    "MIT License": "MIT", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}  # fmt: skip
"""What packages write, and what it is called."""
BY_HAND = {
    "h5netcdf": "BSD-3-Clause", "scipy": "BSD-3-Clause", "supervisor": "BSD-3-Clause-Modification",
    "appnope": "BSD-2-Clause", "comm": "BSD-3-Clause", "ipython-pygments-lexers": "BSD-3-Clause",
    "docutils": "LicenseRef-Public-Domain AND BSD-2-Clause AND PSF-2.0", "nest-asyncio2": "BSD-2-Clause",
    "pexpect": "ISC", "ptyprocess": "ISC",
    "itsdangerous": "BSD-3-Clause", "jinja2": "BSD-3-Clause", "jupyter-client": "BSD-3-Clause",
    "nbclient": "BSD-3-Clause", "nbformat": "BSD-3-Clause", "prompt-toolkit": "BSD-3-Clause",
    "tinycss2": "BSD-3-Clause", "traitlets": "BSD-3-Clause", "webencodings": "BSD-3-Clause",
    "contourpy": "BSD-3-Clause", "cycler": "BSD-3-Clause", "kiwisolver": "BSD-3-Clause", "matplotlib": "PSF-2.0",
    "pytest-timeout": "MIT",
    # not installed everywhere, or an extra that is not in the lock
    "atheris": "Apache-2.0", "cffi": "MIT", "colorama": "BSD-3-Clause", "dask": "BSD-3-Clause", "hdf5plugin": "MIT",
    "pycparser": "BSD-3-Clause",
}  # fmt: skip
"""Packages that state theirs as a whole text or not at all (read in the files that they ship)."""
BLAS = "OpenBLAS (BSD-3-Clause), libgfortran (GPL-3.0-or-later WITH GCC-exception-3.1), libquadmath (LGPL-2.1-or-later)"
INSIDE = {
    "h5py": "HDF5 (BSD-3-Clause), libaec (BSD-2-Clause)",
    "hdf5plugin": "compression filters with licences of their own (see its documentation)",
    "matplotlib": "FreeType (FTL), libraqm (MIT), Qhull (Qhull), DejaVu fonts (Bitstream-Vera)",
    "numpy": BLAS,
    "pillow": "FreeType (FTL), libjpeg-turbo (IJG), libpng (libpng-2.0), libtiff (libtiff), and others in its LICENSE",
    "pyarrow": "Apache Arrow and Parquet (Apache-2.0), and libraries under the licences in its LICENSE.txt",
    "pyyaml": "libyaml (MIT)",
    "pyzmq": "ZeroMQ (MPL-2.0), libsodium (ISC)",
    "scipy": BLAS,
}
"""Compiled libraries in the wheels for Linux."""
ELSEWHERE = "sys_platform == 'emscripten'"
"""Packages for browsers: the station runs in none."""
VENDORED = {"uPlot 1.6.32 (JavaScript, `console/components/lib/uplot.js`)": "MIT"}
"""What lies in our own folders but is not ours."""
LICENCE = re.compile(r"[A-Za-z0-9.+-]+")


class Package(NamedTuple):
    """One line of the lock."""

    name: str
    version: str
    hashes: list[str]
    """SHA-256 of its files, one of which is installed."""
    licence: str
    """SPDX expression; "" if it is not known."""
    needed: bool
    """At run time; else for an extra or for development."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(name: str) -> str:
    """As the installed package states it, in the words of SPDX."""
    if canonical(name) in BY_HAND:
        return BY_HAND[canonical(name)]
    try:
        told: Any = distribution(name).metadata
    except PackageNotFoundError:
        return ""
    if found := told.get("License-Expression"):
        return str(found)
    text = (told.get("License") or "").strip()
    if text and "\n" not in text and len(text) < 40:
        return SPDX.get(text, text)
    kinds = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier") or () if each.startswith("License")]
    return " AND ".join(SPDX.get(kind, "") for kind in kinds)


def needed(name: str, found: set[str]) -> set[str]:
    """A package and all that it needs to run."""
    if canonical(name) not in found:
        try:
            wants = distribution(name).requires or []
        except PackageNotFoundError:
            return found  # for another system, or another Python
        found.add(canonical(name))
        for each in wants:
            word, _, marker = each.partition(";")
            if "extra" not in marker:
                needed(LICENCE.findall(word.replace("[", " "))[0], found)
    return found


def packages() -> list[Package]:
    """What the lock names."""
    ours = needed(OURSELVES, set())
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    found = [re.match(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines]
    return [
        Package(each[1], each[2], re.findall(r"sha256:([0-9a-f]{64})", line), licence_of(each[1]),
                canonical(each[1]) in ours)
        for each, line in zip(found, lines, strict=True) if each and ELSEWHERE not in line
    ]  # fmt: skip


def extras() -> dict[str, str]:
    """Package -> licence of the extras that are not in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {canonical(each.name) for each in packages()} | {OURSELVES}
    named = {
        canonical(LICENCE.findall(each)[0]) for extra in project["optional-dependencies"].values() for each in extra
    }
    return {name: licence_of(name) for name in sorted(named - locked)}


def copyleft(licence: str) -> set[str]:
    """The licences in an expression that ask for the whole program's sources (GPL, AGPL)."""
    return {word for word in LICENCE.findall(licence) if re.match(r"A?GPL\b", word)}


def bill(found: list[Package]) -> dict[str, Any]:
    """The bill of materials, CycloneDX 1.6."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    root = {
        "type": "application", "bom-ref": OURSELVES, "name": OURSELVES, "version": project["version"],
        "licenses": [{"expression": project["license"]}],
    }  # fmt: skip
    number = uuid.uuid5(uuid.NAMESPACE_OID, (ROOT / "requirements.lock").read_text() + project["version"])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}", "version": 1, "metadata": {"component": root},
        "components": [_component(each) for each in found],
        "dependencies": [{"ref": OURSELVES, "dependsOn": [_url(each) for each in found if each.needed]}],
    }  # fmt: skip


def _url(package: Package) -> str:
    return f"pkg:pypi/{canonical(package.name)}@{package.version}"


def _component(package: Package) -> dict[str, Any]:
    inside = INSIDE.get(canonical(package.name))
    return {
        "type": "library", "bom-ref": _url(package), "name": package.name, "version": package.version,
        "purl": _url(package), "scope": "required" if package.needed else "excluded",
        "licenses": [{"expression": package.licence}],
        "hashes": [{"alg": "SHA-256", "content": each} for each in package.hashes],
        **({"properties": [{"name": "contains", "value": inside}]} if inside else {}),
    }  # fmt: skip


def page(found: list[Package]) -> str:
    """docs/licences.md."""
    lines = [
        "# Licences of what the station uses", "",
        "Made by `make sbom` from requirements.lock; versions and hashes stand there and in `build/sbom.json`",
        "(CycloneDX). No package is under the GPL or AGPL, needed or not (`tests/test_licences.py`). Libraries under",
        "the LGPL and MPL, and GCC's runtime, whose exception allows this, are used as they are.", "",
    ]  # fmt: skip
    others = "For development and the extras `archive`, `parquet`, `plots`"
    for title, needed in (("Needed to run", True), (others, False)):
        rows = sorted({(each.name, each.licence) for each in found if each.needed == needed})  # two versions of some
        lines += [f"## {title}", "", *_table(rows), ""]
    lines += ["## Other extras, not in the lock", "", *_table(list(extras().items())), ""]
    lines += ["## Part of this package", "", *_table(list(VENDORED.items())), ""]
    return "\n".join(lines)


def _table(rows: list[tuple[str, str]]) -> list[str]:
    body = [f"| {name} | {licence} | {INSIDE.get(canonical(name), '')} |" for name, licence in rows]
    return ["| package | licence | compiled into it |", "|---|---|---|", *body]


def main() -> int:
    found = packages()
    if unknown := [each.name for each in found if not each.licence]:
        print(
            f"sbom: no licence is known of {', '.join(unknown)}; install them, or say it in {__file__}", file=sys.stderr
        )
        return 1
    target = ROOT / "build" / "sbom.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(bill(found), indent=1) + "\n")
    (ROOT / "docs" / "licences.md").write_text(page(found))
    print(f"sbom: {len(found)} packages in build/sbom.json, docs/licences.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
