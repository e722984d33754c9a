from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.passthrough import PassThrough
from algorithms.slotring import Rows
from protocol.clock import Now

NOW = Now(1, 2)
BATCHES = st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30)), max_size=6), max_size=12)


def rows(batch: list[tuple[int, int]], first: int) -> Rows:
    """(device, slot) each; the value tells which row it is."""
    n = len(batch)
    device = np.array([device for device, _ in batch], np.uint32)
    slot = np.array([slot for _, slot in batch], np.int64)
    values = np.arange(first, first + n, dtype=np.float32).reshape(n, 1)
    nothing = np.zeros(n, np.int64)
    return Rows(device, slot, nothing, nothing.astype("u1"), nothing.astype("u2"), values, np.zeros((n, 0), "u2"))


@given(BATCHES)
def test_every_row_goes_on_once_and_no_slot_is_released_twice(batches):
    through = PassThrough(1, 0)
    told: dict[tuple[int, int], float] = {}
    released: list[int] = []
    first, number = {}, 0
    for batch in batches:
        for device, slot in batch:
            first.setdefault((device, slot), float(number))
            number += 1
        through.push(rows(batch, number - len(batch)), NOW)
        done = through.release(NOW)
        assert through.waiting == 0
        assert all(part.slot.size == 1 and part.present.all() for part in done)
        released += [int(part.slot[0]) for part in done]
        late = through.take_late(10**9)
        for part in [*done, *([late] if late else [])]:
            for k, m in np.argwhere(part.present == 1).tolist():
                key = int(part.device[m]), int(part.slot[k])
                assert key not in told
                told[key] = float(part.values[k, m, 0])
    assert told == first
    assert released == sorted(set(released))
    came = Counter(device for batch in batches for device, _ in batch)
    for at, device in enumerate(through.devices.tolist()):
        counts = {name: int(count[at]) for name, count in through.counts.items()}
        once = sum(each == device for each, _ in first)
        assert counts == {"received": came[device], "duplicate": came[device] - once, "late": 0, "missing": 0}
