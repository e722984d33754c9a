"""What all tests share."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import thorough

# In a container the tests may be root's; what they start is told so.
os.environ.setdefault("SYMS_AS_ROOT", "1")

# Images of containers like to set this. The hundreds of processes that tests start would then compile all modules anew.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False


BROWSER = "tests/console/browser/"


def pytest_configure(config: pytest.Config) -> None:
    """A change is judged by the same examples each time (CI); at home every run looks for new ones. With the slow tests
    goes more of the others, too.
    """
    thorough.be(config.option.markexpr != "not slow")
    settings.register_profile("house", deadline=None, max_examples=thorough.of(30, 100))
    settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
    settings.load_profile("ci" if os.environ.get("CI") else "house")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """Modules and items stay to the end: nobody looks for garbage among them, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first, so that none is left alone at the end."""
    items.sort(key=lambda item: (not item.nodeid.startswith(BROWSER), item.get_closest_marker("system") is None))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By file, but all that share a browser and a console go to one process, so that there is one of each."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return BROWSER if nodeid.startswith(BROWSER) else str(super()._split_scope(nodeid))

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures and labelled scenarios beside the checkout; the test is skipped without it."""
    folder = Path(os.environ.get("SYMS_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"{folder}: shared captures not found")
    return folder


@pytest.fixture
def run_folder() -> Iterator[Path]:
    """A private folder with a path short enough for unix sockets (107 bytes), which pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="syms-"))
    yield folder
    shutil.rmtree(folder)
