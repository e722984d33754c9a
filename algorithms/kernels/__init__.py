"""Compiled loops (numba), each beside a plain twin that its tests compare it with.

Importing numba takes 0.3 s and compiling a kernel seconds, so nobody imports a kernel before it is needed, and
`syms compile` compiles all ahead. A kernel and all that it calls stand in one file: the compiled code is kept by
numba beside it (or in a folder of the user's), and made anew when that file changes, but not when another does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])

NO_FOLDER = (
    "compiled code can't be kept, so it is compiled anew at each start, which takes seconds: neither the folder of "
    "the program nor one of the user's can be written; set NUMBA_CACHE_DIR to one that can"
)


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, and keep the compiled code on disk if there is a place for it."""
    from numba import njit

    try:
        return cast(Function, njit(cache=True, error_model="numpy", nogil=True)(function))
    except RuntimeError as error:  # numba's only word for "no folder can be written"
        if "no locator" not in str(error):
            raise
        warnings.warn(NO_FOLDER, RuntimeWarning, stacklevel=2)
        return cast(Function, njit(error_model="numpy", nogil=True)(function))
