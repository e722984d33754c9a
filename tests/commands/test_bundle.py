"""The bundle: what goes in, what a damaged one says, what a machine must have, and installing one of almost nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from commands import _payload
from commands._payload import Bundle, BundleError, Manifest, check_machine, check_place
from commands._releases import Installation
from tests.cifiles import load
from tests.installations import ROOT, builder, tiny

LOCK = """\
# made by a tool
alpha==1.0 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via syms-station (pyproject.toml)
beta==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:{b}
    # via
    #   alpha
    #   pytest
beta==3.0 ; python_full_version >= '3.12' \\
    --hash=sha256:{a}
    # via
    #   alpha
gamma==1.1 \\
    --hash=sha256:{a}
    # via beta
pytest==9.0 \\
    --hash=sha256:{a}
    # via syms-station (pyproject.toml)
""".format(a="a" * 64, b="b" * 64)
PROJECT = {"dependencies": ["Alpha>=1"], "optional-dependencies": {"dev": ["pytest>=8"], "odd": ["delta"]}}
PYTHON = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="module")
def making() -> ModuleType:
    return load("wheelhouse")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("bundle"))


def run(path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(path), *words], env={**os.environ, "PYTHON": sys.executable, **environment},
                          capture_output=True, text=True, timeout=60)  # fmt: skip


def test_only_what_is_needed_to_run_goes_in(making: Any) -> None:
    found = making.needed(LOCK, PROJECT, [])
    assert [(each.name, each.version) for each in found] == [
        ("alpha", "1.0"), ("beta", "2.0"), ("beta", "3.0"), ("gamma", "1.1"),
    ]  # fmt: skip
    assert found[0].hashes == ["a" * 64, "b" * 64]
    assert found[0].line == f"alpha==1.0 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}"
    assert [each.version for each in found if each.name == "beta" and each.wanted("3.11")] == ["2.0"]
    assert [each.version for each in found if each.name == "beta" and each.wanted("3.12")] == ["3.0"]
    assert "pytest" in {each.name for each in making.needed(LOCK, PROJECT, ["dev"])}
    with pytest.raises(making.BundleFault, match="delta not in requirements"):
        making.needed(LOCK, PROJECT, ["odd"])
    with pytest.raises(making.BundleFault, match="there is no extra nothing; there are: dev, odd"):
        making.needed(LOCK, PROJECT, ["nothing"])


def test_the_lock_has_all_that_we_need(making: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {each.name for each in making.needed((ROOT / "requirements.lock").read_text(), project, [])}
    assert {"numpy", "llvmlite", "pydantic-core", "supervisor", "tqdm"} <= names
    assert not {"pytest", "mypy", "ruff", "pandas"} & names


def test_wheels_are_for_a_python_and_a_library(making: Any) -> None:
    assert making.fits("numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl", "3.11")
    assert not making.fits("numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl", "3.12")
    assert making.fits("rich-15.0.0-py3-none-any.whl", "3.12")
    assert making.fits("argon2_cffi-25.1.0-cp39-abi3-manylinux_2_26_x86_64.whl", "3.12")
    assert making.library(["rich-15.0.0-py3-none-any.whl"]) == "2.5"
    assert making.library(["a-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"]) == "2.27"
    assert making.library(["a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"]) == "2.17"


def test_the_same_contents_are_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    assert tiny(tmp_path).read_bytes() == bundle.read_bytes()


def test_check_only_looks(bundle: Path) -> None:
    told = run(bundle, "--check")
    assert (told.returncode, told.stderr) == (0, "")
    assert "1.0-abc is whole and fits this machine" in told.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-100], "was not copied whole: "),
        (lambda data: data + b"more", "was not copied whole: "),
        (lambda data: data[:-700_000] + bytes([data[-700_000] ^ 1]) + data[-699_999:], "is damaged: its checksum"),
    ],
)
def test_a_damaged_bundle_says_so(bundle: Path, tmp_path: Path, change: Any, words: str) -> None:
    damaged = tmp_path / "damaged.run"
    damaged.write_bytes(change(bundle.read_bytes()))
    told = run(damaged, "--to", str(tmp_path / "to"))
    assert told.returncode == 1
    assert words in told.stderr
    assert "copy it here again" in told.stderr
    assert not (tmp_path / "to").exists()


def test_a_file_that_is_not_what_the_manifest_says_is_named(tmp_path: Path) -> None:
    path = tiny(tmp_path, files={"README.md": "0" * 64})
    begin = path.read_bytes().index(b"manifest.json\0")
    with (
        closing(Bundle(path, begin)) as opened,
        pytest.raises(BundleError, match=r"damaged \(CHANGELOG.md, LICENSE, R"),
    ):
        opened.verify()


def test_another_python_is_asked_for(bundle: Path, tmp_path: Path) -> None:
    told = run(tiny(tmp_path, pythons=["3.99"]), "--check")
    assert told.returncode == 1
    assert "Python 3.99 is needed" in told.stderr
    assert "apt install python3.99" in told.stderr
    told = run(bundle, "--check", PYTHON="/nowhere/python3")
    assert (told.returncode, f"Python {PYTHON} is needed" in told.stderr) == (1, True)


def manifest(**more: Any) -> Manifest:
    here = builder().platform_name()
    fitting = {"version": "1", "commit": "a", "platform": here, "pythons": [PYTHON], "glibc": "2.17", "unpacked": 0,
               "files": {}}  # fmt: skip
    return Manifest(**(fitting | more))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"platform": "linux_riscv128"}, "the bundle is for linux_riscv128; make one on such a machine"),
        ({"glibc": "2.999"}, "the bundle needs 2.999 or newer; .*make bundle GLIBC="),
        ({"pythons": ["3.99"]}, "the bundle is for 3.99; name another"),
    ],
)
def test_a_machine_that_does_not_fit(more: dict[str, Any], words: str) -> None:
    check_machine(manifest())
    with pytest.raises(BundleError, match=words):
        check_machine(manifest(**more))


def test_other_libraries_and_a_missing_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_payload.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BundleError, match=f"apt install python{PYTHON}-venv"):
        check_machine(manifest())
    monkeypatch.setattr(_payload.platform, "libc_ver", lambda lib: ("", ""))
    with pytest.raises(BundleError, match="not glibc"):
        check_machine(manifest())


def test_a_place_that_does_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_place(tmp_path / "a" / "b", manifest())
    with pytest.raises(BundleError, match=r"MiB free, \d+ MiB are needed; make room"):
        check_place(tmp_path, manifest(unpacked=1 << 60))
    with pytest.raises(BundleError, match="can't have spaces"):
        check_place(tmp_path / "it is here", manifest())
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="is no folder"):
        check_place(tmp_path / "file" / "b", manifest())
    monkeypatch.setattr(_payload.os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    with pytest.raises(BundleError, match="mounted noexec"):
        check_place(tmp_path, manifest())


def test_install_upgrade_and_back(bundle: Path, tmp_path: Path) -> None:
    to, data = tmp_path / "syms", tmp_path / "archives"
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_REQUIRE_VIRTUALENV": "1", "PYTHONPATH": "/nowhere"}
    told = run(bundle, "--to", str(to), "--data", str(data), **offline)
    assert told.returncode == 0, told.stderr
    assert f"start: {to}/bin/syms up {to}/pipelines/station.yaml" in told.stdout
    made = Installation(to)
    assert (made.names(), made.linked("current"), made.linked("previous")) == (["1.0-abc"], "1.0-abc", "")
    assert (to / "data").resolve() == data
    assert (to / "run").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in to.glob("releases/.unpacked*")] == []
    assert f"ExecStart={to}/bin/supervisord -n -c {to}/supervisord.conf" in (to / "syms.service").read_text()
    assert ".venv" not in (to / "supervisord.conf").read_text()
    assert (to / "current" / "pulse.py").is_file()
    assert (to / "current" / "docs" / "install-without-a-network.md").is_file()
    (to / "config" / "site.yaml").write_text("mine")
    (data / "archive").write_text("rows")

    again = run(bundle, "--to", str(to))
    assert (again.returncode, "is there already" in again.stdout) == (0, True)
    told = run(tiny(tmp_path, "1.1", "def"), "--to", str(to))
    assert told.returncode == 0, told.stderr
    assert "release 1.1-def is in force, after 1.0-abc; the station does not run\n" in told.stdout
    version = [str(to / "bin" / "syms"), "--version"]
    assert subprocess.run(version, capture_output=True, text=True).stdout == "syms 1.1-def\n"
    assert ((to / "config" / "site.yaml").read_text(), (data / "archive").read_text()) == ("mine", "rows")

    back = subprocess.run([to / "bin" / "syms-rollback"], capture_output=True, text=True)
    assert back.stdout == "release 1.0-abc is in force, after 1.1-def; the station does not run\n", back.stderr
    assert subprocess.run(version, capture_output=True, text=True).stdout == "syms 1.0-abc\n"

    refused = run(bundle, "--to", str(to), "--data", str(tmp_path / "elsewhere"))
    assert (refused.returncode, "data is there already; leave --data out" in refused.stderr) == (1, True)
    refused = run(bundle, "--to", str(to), "--user", "nobody-at-all")
    assert (refused.returncode, "useradd --system" in refused.stderr) == (1, True)
