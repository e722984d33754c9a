"""Nothing that the station needs, offers or is made with is under the GPL; the bill of materials is whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.cifiles import load

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    return load("sbom")


def test_every_package_has_a_licence_and_none_is_gpl(sbom: Any) -> None:
    found = {each.name: each.licence for each in sbom.packages()} | sbom.extras()
    assert [name for name, licence in found.items() if not licence] == []
    assert {name for name, licence in found.items() if sbom.copyleft(licence)} == set()
    assert {"numpy", "pyzmq", "hdf5plugin", "dask", "atheris"} <= found.keys()


def test_gpl_would_be_seen(sbom: Any) -> None:
    assert sbom.copyleft("MIT AND GPL-3.0-or-later") == {"GPL-3.0-or-later"}
    assert sbom.copyleft("AGPL-3.0") == {"AGPL-3.0"}
    assert sbom.copyleft("LGPL-2.1-or-later OR MPL-2.0") == set()


def test_the_bill_names_what_is_needed_with_versions_and_hashes(sbom: Any) -> None:
    bill = json.loads(json.dumps(sbom.bill(sbom.packages())))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {each["bom-ref"]: each for each in bill["components"]}
    needed = {each["name"] for each in components.values() if each["scope"] == "required"}
    assert {"numpy", "h5py", "pyzmq", "pydantic", "pydantic-core", "supervisor", "scipy"} <= needed
    assert not {"pytest", "ruff", "mypy", "hypothesis", "synchrophasor"} & needed
    assert all(each["version"] and each["hashes"] for each in components.values())
    assert {components[each]["name"] for each in bill["dependencies"][0]["dependsOn"]} == needed
    assert len(components) == len(bill["components"])


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="packages for other Pythons may be of other versions")
def test_the_page_of_licences_is_fresh(sbom: Any) -> None:
    assert (ROOT / "docs" / "licences.md").read_text() == sbom.page(sbom.packages()), "run: make sbom"
