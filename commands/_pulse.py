"""Keeps supervisord awake: a byte to its standard output ten times a second.

supervisord looks at its children when one of them says something, and once a second otherwise; it sees that a process
died at once, and starts it anew at the next look. So a killed process is back about a second sooner. It is run as a
file, without any package, and ends when nobody reads it any more.
"""

import contextlib
import os
import signal
import sys
import time

EVERY = 0.1
"""Seconds."""

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        while True:
            os.write(sys.stdout.fileno(), b".")
            time.sleep(EVERY)
