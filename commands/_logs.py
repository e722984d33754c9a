"""Logs of long-running processes: one line each on stderr, which no reader of them can make wait or end.

`SYMS_LOGS=json` in the environment makes each line a JSON object, for programs that collect logs.

Under supervisord stderr is a pipe. When supervisord was killed, writing to it fails; when supervisord stands still (a
full disk, SIGSTOP), it fills up and writing would wait. A line that can't be written is left out, and counted in the
next one that can.
"""

from __future__ import annotations

import logging
import os
import stat
import sys

import structlog
import typer

from nodes._logged import add


class Lines:
    """Writes whole lines to a descriptor, or leaves them out. A file for `structlog.WriteLogger`."""

    def __init__(self, fd: int) -> None:
        self.fd, self.left_out = fd, 0
        self._rest = b""
        """Of a line that the pipe took in part."""
        if _ours(fd):
            os.set_blocking(fd, False)

    def write(self, text: str) -> int:
        """One line, with its end."""
        line = text.encode(errors="backslashreplace")
        if self.left_out:
            line = f"{self.left_out} lines before this one could not be written\n".encode() + line
        if self._rest and (not self._push() or self._rest):
            self.left_out += 1
            return len(text)
        self._rest = line
        if self._push():
            self.left_out = 0
        else:
            self._rest = b""
            self.left_out += 1
        return len(text)

    def _push(self) -> bool:
        """Whether the other end took any of what is left."""
        try:
            self._rest = self._rest[os.write(self.fd, self._rest) :]
        except OSError:
            return False
        return True

    def flush(self) -> None:
        """Nothing is held but the rest of a line, which goes with the next."""


def _ours(fd: int) -> bool:
    """A pipe or socket of its own. What others write to (a terminal, results with `2>&1`) has to stay as it is."""
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    try:
        return not os.path.sameopenfile(1, fd)
    except OSError:  # there is no stdout
        return True


FORMAT = "SYMS_LOGS"
"""In the environment: `json`, or `text`, which is meant without it."""


def configure_logs() -> None:
    """UTC first, `key=value` after; no colours in files. Raises typer.BadParameter for an unknown format."""
    wanted = os.environ.get(FORMAT, "text")
    if wanted not in ("text", "json"):
        raise typer.BadParameter(f"{FORMAT}={wanted}: there are json and text")
    structlog.configure(
        processors=[
            add,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
            if wanted == "json"
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, pad_level=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(Lines(sys.stderr.fileno())),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
