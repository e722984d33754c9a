"""Memory does not grow with what is exported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive.exports.forms import Form
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Table
from tests import archives as makers
from tests import exporting

ROOT = Path(__file__).parents[3]
WEIGHED = """
import re, sys
from pathlib import Path
from archive import spans, tables
from archive.exports import blocks
from archive.exports.forms import Comtrade, Form
from tests import exporting
spans.BLOCK = blocks.BLOCK = blocks.WIDE = tables.MEMORY = 1 << 20
tables.CHUNK = 1000
root, form, out, end = sys.argv[1:]
exporting.exported(Path(root), Form(form), Path(out), Comtrade.BINARY32, end=int(end))
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Finished files with rows of 24 MB: two stations with 202 channels, five minutes."""
    root, table = tmp_path_factory.mktemp("heavy"), Table(50, 100, 0, 0)
    archive = Archive(root)
    for link in (1, 2):
        archive.take(makers.configuration(link, table))
        for first in range(0, 15_000, 3000):
            archive.take(makers.measurements([link] * 3000, makers.grid(first, 3000), table))
            archive.commit(makers.NONE)
    archive.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archive.tables.CHUNK", 500)
        yield exporting.finished(root)


@pytest.mark.parametrize(
    ("form", "seconds"),
    [
        (Form.COMTRADE, 300),
        (Form.PARQUET, 300),
        pytest.param(Form.CSV, 40, marks=pytest.mark.slow),
        pytest.param(Form.XLSX, 10, marks=pytest.mark.slow),
        pytest.param(Form.HDF5, 300, marks=pytest.mark.slow),
        pytest.param(Form.MAT, 300, marks=pytest.mark.slow),
    ],
)
def test_memory_is_bounded(heavy: Path, tmp_path: Path, form: Form, seconds: int) -> None:
    """What a process takes at most for some time, and for a tenth of it, differ by a few blocks of 1 MB."""

    def weight(seconds: int) -> int:
        out = str(tmp_path / f"{seconds}.{form}.out")
        told = [str(heavy), form.value, out, str(makers.T0 + seconds * SECOND)]
        done = subprocess.run([sys.executable, "-c", WEIGHED, *told], cwd=ROOT, timeout=100, check=True, text=True,
                              env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)  # fmt: skip
        return int(done.stdout) << 10

    grown = weight(seconds) - weight(seconds // 10)
    assert grown < 16 << 20
