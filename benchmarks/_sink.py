"""The least that a receiver can do for its balancer: takes connections, sends one command on each, reads nothing.

    python -m benchmarks._sink RUN PROCESS BALANCER

With it the balancer is measured, and not what a receiver does with a connection.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress

from nodes._handover import Balancers
from nodes._process import raise_open_files
from protocol.c37118 import Command, CommandCode, encode_command
from protocol.clock import Now

PATIENCE = 0.001
"""Seconds between two looks."""
AT_ONCE = 100
"""Notes heard in a look."""


def main(run: str, process: str, balancer: str) -> None:
    """Until SIGTERM."""
    raise_open_files()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    balancers = Balancers(run, process, [balancer])
    stop = encode_command(Command(stream=1, command=CommandCode.DATA_OFF))
    while True:
        for _, note, descriptors in balancers.hear(Now(time.monotonic_ns(), time.time_ns()), AT_ONCE):
            for each in descriptors:
                with suppress(OSError):  # its end has come already
                    os.write(each, stop)
                os.close(each)  # the balancer holds its duplicate: the connection stays
            if note["say"] == "gone":
                return
        select.select([], [], [], PATIENCE)


if __name__ == "__main__":
    main(*sys.argv[1:])
