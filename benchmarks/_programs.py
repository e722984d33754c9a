"""The C programs beside this file, compiled when they are needed, and what other processes cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
BUILT = HERE.parent / "build" / "bench"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def build(name: str) -> Path:
    """The program of `NAME.c`, compiled anew if a source is newer. Raises SystemExit with the compiler's words."""
    source, program = HERE / f"{name}.c", BUILT / name
    newest = max(path.stat().st_mtime for path in (source, *HERE.glob("*.h")))
    if program.exists() and program.stat().st_mtime > newest:
        return program
    BUILT.mkdir(parents=True, exist_ok=True)
    fresh = program.with_name(f".{name}.{os.getpid()}")
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(fresh), str(source), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{source.name} does not compile:\n{done.stderr}")
    fresh.replace(program)
    return program


class Program:
    """A running program that says JSON lines on stdout; the latest is `said`. Ended on leaving the `with` block."""

    def __init__(self, name: str, *arguments: Any) -> None:
        self.said: dict[str, Any] = {}
        self.lines = 0
        command = [str(build(name)), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said = json.loads(line)
            self.lines += 1

    def wait(self, condition: Callable[[dict[str, Any]], bool], patience: float) -> bool:
        """Until `condition` of what it said is true; False after `patience` [s], or when it has ended."""
        deadline = time.monotonic() + patience
        while not (self.said and condition(self.said)):
            if time.monotonic() > deadline or self.process.poll() is not None:
                return bool(self.said) and condition(self.said)
            time.sleep(0.05)
        return True

    def pause(self) -> None:
        """`load`: no more data; connections stay."""
        self.process.send_signal(signal.SIGUSR1)

    def end_by_itself(self, patience: float = 300.0) -> dict[str, Any]:
        """Wait until it has ended; its last line."""
        self.process.wait(patience)
        self._reader.join(patience)
        return self.said

    def end(self, patience: float = 30.0) -> dict[str, Any]:
        """SIGTERM, and its last line."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.end_by_itself(patience)


def pace(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    """Frames a second between two lines of `load`."""
    frames, took = later["total"] - earlier["total"], later["utc"] - earlier["utc"]
    return 1e9 * float(frames) / max(1.0, float(took))


def cpu(pid: int) -> float:
    """Seconds of CPU, user and system, that a living process and its children that have ended used so far."""
    return sum(int(field) for field in _stat(pid)[11:15]) / TICKS


def memory(pid: int) -> int:
    """Bytes of memory that it holds, without the files that it has mapped and shares."""
    resident, shared = (int(word) for word in Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    return (resident - shared) * PAGE


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat behind the name, which may have blanks in it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
