"""What all tests share."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A change is judged by the same examples each time (CI); at home every run looks for new ones.
settings.register_profile("house", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")

# In a container the tests may be root's; what they start is told so.
os.environ.setdefault("SYMS_AS_ROOT", "1")

# Images of containers like to set this. The hundreds of processes that tests start would then compile all modules anew.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first, so that none is left alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("system") is None)


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
