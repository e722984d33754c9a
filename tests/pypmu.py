"""pyPMU, an implementation of others (distribution `synchrophasor`), in a process of its own.

    python -m tests.pypmu device PORT           a PMU that listens and sends each client the same frames
    python -m tests.pypmu client PORT FRAMES    a PDC that dials a device; prints what it read as JSON

It handles each client in a child that spins, and never notices that a peer closed: end it by SIGTERM.
"""

from __future__ import annotations

import collections
import collections.abc
import json
import os
import signal
import sys
import time
from typing import Any, NoReturn

collections.Sequence = collections.abc.Sequence  # pyPMU still looks for it here; gone since Python 3.10

STREAM = 7734
RATE = 50
FIRST = 1_750_000_000
"""SOC of the first frame."""
FRAMES = 100
TIME_BASE = 1_000_000
BREAKERS = [f"BREAKER {number:X} STATUS" for number in range(16)]


def values(number: int) -> dict[str, Any]:
    """What frame `number` of the device says: rectangular phasors [V, A], FREQ [mHz], ROCOF [cHz/s]."""
    return {
        "phasors": [(1000.5 + number, -250.25), (-3.0, 0.5 * number)],
        "freq": number - 50,
        "dfreq": 2 * number - 100,
        "analog": [0.25 * number],
        "digital": [0x3C00 | number],
    }


def device(port: int) -> NoReturn:
    """Each client that comes gets all frames, from the first on."""
    from synchrophasor.frame import ConfigFrame2, DataFrame
    from synchrophasor.pmu import Pmu

    def stamp(number: int) -> dict[str, Any]:
        second, place = divmod(number, RATE)
        return {"soc": FIRST + second, "frasec": (place * TIME_BASE // RATE, "+", False, False, 0)}

    form = (False, True, True, False)  # rectangular, float phasors, float analogs, integer frequency
    names = ["VA", "I1", "POWER", *BREAKERS]
    units = [(915527, "v"), (45776, "i")], [(1, "pow")], [(0, 0xFFFF)]
    layout = (1, "pyPMU station", STREAM, form, 2, 1, 1, names, *units, 50, 22, RATE)
    configuration = ConfigFrame2(STREAM, TIME_BASE, *layout, **stamp(0))
    pmu = Pmu(pmu_id=STREAM, data_rate=RATE, port=port, ip="127.0.0.1", set_timestamp=False)
    pmu.set_configuration(configuration)
    frames = [
        DataFrame(STREAM, 0, cfg=configuration, **values(number), **stamp(number)).convert2bytes()
        for number in range(FRAMES)
    ]

    def leave(*_: object) -> None:
        for child in pmu.clients:
            child.kill()
            child.join(5)
        os._exit(0)  # its queues would wait for clients that are gone

    signal.signal(signal.SIGTERM, leave)
    pmu.run()
    served = 0
    while True:
        for buffer in pmu.client_buffers[served:]:
            served += 1
            for frame in frames:
                buffer.put(frame)
        time.sleep(0.02)


def client(port: int, count: int) -> None:
    """Header, CFG-2, then so many DATA frames."""
    from synchrophasor.frame import CommonFrame
    from synchrophasor.pdc import Pdc

    Pdc.logger.handlers.clear()
    understand = CommonFrame.convert2frame
    received: list[bytes] = []

    def remember(frame: bytes, *known: Any) -> Any:
        received.append(frame)
        return understand(frame, *known)

    CommonFrame.convert2frame = staticmethod(remember)
    pdc = Pdc(pdc_id=1, pmu_ip="127.0.0.1", pmu_port=port)
    pdc.run()
    header, configuration = pdc.get_header(), pdc.get_config()
    pdc.start()
    data: list[Any] = []
    while len(data) < count:
        frame = pdc.get()
        if frame is not None:  # it gives up what came glued together
            data.append({"bytes": received[-1].hex(), **frame.get_measurements()})
    pdc.stop()
    pdc.quit()
    said = {
        "header": header.get_header(),
        "configuration": received[1].hex(),
        "station": configuration.get_station_name(),
        "channels": configuration.get_channel_names(),
        "rate": configuration.get_data_rate(),
        "data": data,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    if sys.argv[1] == "device":
        device(int(sys.argv[2]))
    client(int(sys.argv[2]), int(sys.argv[3]))
