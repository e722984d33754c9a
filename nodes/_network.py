"""Where the processes of a pipeline are, when it spans several hosts.

Every process has two ports of its host, one for its inbox and one for its news, counted from the first of the host's
`ports` in the order of the file: all hosts come to the same numbers from the same file. Processes of one host go on
talking over ipc.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PORTS_EACH = 2
"""Inbox and news."""


@dataclass(frozen=True)
class Host:
    """One machine of a pipeline."""

    name: str
    address: str
    """IPv4 or IPv6 address that the other hosts reach it by, and that its processes listen on."""
    first: int
    last: int
    """Ports that its processes may use, both included."""

    def endpoint(self, port: int) -> str:
        """As ZeroMQ writes it."""
        return f"tcp://[{self.address}]:{port}" if ":" in self.address else f"tcp://{self.address}:{port}"


@dataclass(frozen=True)
class Network:
    """What a process must know to talk to those on other hosts."""

    here: str
    """Name of this host."""
    hosts: Mapping[str, Host]
    host_of: Mapping[str, str]
    """Process -> name of its host."""
    keys: Path
    """Folder with this host's secret key and the list of keys that are allowed."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Process -> its first port."""

    def inbox(self, process: str) -> str:
        """Endpoint of a process's inbox for other hosts."""
        return self.hosts[self.host_of[process]].endpoint(self.ports[process])

    def news(self, process: str) -> str:
        """Endpoint of what a process tells, for other hosts."""
        return self.hosts[self.host_of[process]].endpoint(self.ports[process] + 1)

    def is_here(self, process: str) -> bool:
        """Whether a process is on this host (one that nobody knows is looked for here, in vain)."""
        return self.host_of.get(process, self.here) == self.here


def assign(hosts: Mapping[str, Host], host_of: Mapping[str, str]) -> dict[str, int]:
    """Process -> its first port, each host's counted from its first one in the order of `host_of`."""
    following = {name: host.first for name, host in hosts.items()}
    ports = {}
    for process, host in host_of.items():
        ports[process] = following[host]
        following[host] += PORTS_EACH
    return ports
