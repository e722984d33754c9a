"""The web server in a thread of its own: the node's loop goes on beside it."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import uvicorn
from starlette.types import ASGIApp

from protocol.clock import Now

PATIENCE = 10.0
"""Seconds that open requests have when the server is to end."""


def clock() -> Now:
    """What time it is for the threads of the web server, which run beside the loop: only here it is read."""
    return Now(time.monotonic_ns(), time.time_ns())


class WebServer:
    """Serves an application on a socket that listens already, until it is stopped."""

    def __init__(self, app: ASGIApp, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Under `tls`, if there is any."""
        self._socket = listening
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            proxy_headers=False,  # whoever comes from this machine could claim any address
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        config.load()
        config.ssl = tls  # ours, so that a renewed certificate counts at once
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self.fault: BaseException | None = None
        """What ended it unasked."""

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as fault:  # told by the node, which ends with it
            self.fault = fault

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Hang up, and wait until all is closed."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()
