"""The formats by their names. Needs none of what writes them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class Form(StrEnum):
    """A format."""

    CSV = "csv"
    HDF5 = "hdf5"
    XLSX = "xlsx"
    COMTRADE = "comtrade"
    MAT = "mat"
    PARQUET = "parquet"


class Comtrade(StrEnum):
    """How COMTRADE files are written."""

    ASCII = "ascii"
    BINARY32 = "binary32"
    FLOAT32 = "float32"
    CFF = "cff"
    """Configuration and data (ASCII) in one file."""


SUFFIXES = {".csv": Form.CSV, ".h5": Form.HDF5, ".hdf5": Form.HDF5, ".xlsx": Form.XLSX, ".mat": Form.MAT,
            ".parquet": Form.PARQUET}  # fmt: skip
"""What a file's name says of its format."""


def form_of(path: Path) -> Form | None:
    """The format that a name tells."""
    return SUFFIXES.get(path.suffix.lower())
