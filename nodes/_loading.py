"""Compiled loops are loaded beside the work: importing them takes a third of a second, compiling them seconds."""

from __future__ import annotations

import threading

import structlog

from algorithms import plausibility
from nodes._bulkplain import Loops
from protocol.c37118 import use_kernels


class Loading:
    """Loads them once, when somebody asks for it."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._loaded: list[Loops] = []

    def begin(self) -> None:
        """Asking again does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="loading", daemon=True)
            self._thread.start()

    def _load(self) -> None:
        try:
            from nodes._bulkloops import Compiled

            loops = Compiled()
            use_kernels()  # the same values, only faster
            plausibility.use_kernels()
            self._loaded.append(loops)
        except (ImportError, OSError, RuntimeError) as fault:  # no numba for this Python, no place for its cache
            structlog.get_logger().warning("compiled loops can't be loaded: frames cost more", reason=str(fault))

    def take(self) -> Loops | None:
        """Them, once, when they are loaded."""
        return self._loaded.pop() if self._loaded else None
