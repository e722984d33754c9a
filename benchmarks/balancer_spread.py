"""How evenly do devices spread over three receivers? Real balancer, real receivers, simulated devices.

    python -m benchmarks.balancer_spread [--quick]

For 30, 60, 100 and 300 devices that dial in: connections of each receiver when all are there, and the largest
difference between two receivers in any second on the way.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks._report import goal, goals, progress, section, table
from commands._station import PrivateStation, free_port
from console.board import Board

RECEIVERS = 3
PATIENCE = 60.0


def spread(board: Board) -> list[int]:
    """Connections of each receiver, as the balancer counts them."""
    voice = board.voices.get("front")
    return [int(voice.last.counters.get(f"connections.receivers.{k + 1}", 0)) if voice else 0 for k in range(RECEIVERS)]


def measure(devices: int) -> tuple[list[int], int]:
    """(connections of each receiver at the end, largest difference seen)."""
    with tempfile.TemporaryDirectory() as folder:
        nodes = {
            "devices": {"kind": "simulator", "to": "front", "devices": devices, "rate": "10/s"},
            "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
            "receivers": {"kind": "receiver", "from": "front", "copies": RECEIVERS},
            "archive": {"kind": "archiver", "from": "receivers", "path": str(Path(folder) / "data")},
        }
        worst = 0

        def look(board: Board) -> None:
            nonlocal worst
            worst = max(worst, max(spread(board)) - min(spread(board)))

        with PrivateStation(nodes, {"station": "benchmark", "unknown": "admit"}) as station:
            complete = station.wait(lambda board: sum(spread(board)) >= devices, PATIENCE, look)
            if not complete:
                raise SystemExit(f"only {sum(spread(station.board))} of {devices} devices came in {PATIENCE:.0f} s")
            return spread(station.board), worst


def main() -> int:
    """The command."""
    rows, even = [], True
    for devices in (30,) if "--quick" in sys.argv else (30, 60, 100, 300):
        progress(f"{devices} devices")
        counts, worst = measure(devices)
        rows.append((devices, ", ".join(map(str, counts)), worst))
        even = even and worst <= 1 and max(counts) - min(counts) <= 1
    section(
        "Spread over three receivers",
        "benchmarks.balancer_spread",
        table(("devices", "connections of each receiver", "largest difference on the way"), rows),
        goals(goal("two receivers never differ by more than one connection", even)),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
