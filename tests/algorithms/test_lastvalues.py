from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.alignment import Released
from algorithms.lastvalues import HELD, FlatLines, LastRows

SAMPLES = st.lists(
    st.lists(st.sampled_from([1.0, 2.0, float("nan")]), min_size=2, max_size=2), min_size=1, max_size=24
)  # fmt: skip
STEP = 20


def flat_of(samples: list[float]) -> list[int]:
    """For how many ns a channel has stood still, sample by sample."""
    last, since, told = float("nan"), 0, []
    for at, value in enumerate(samples):
        if value != value:
            told.append(0)
            continue
        if value != last:
            last, since = value, at * STEP
        told.append(at * STEP - since)
    return told


@given(SAMPLES, st.integers(1, 7))
def test_flat_lines_are_found_sample_by_sample_however_they_come(samples, piece):
    device = np.array([7, 3], np.uint32)
    values = np.array(samples, "f4")[:, :, None, None]
    flat, found = FlatLines(1, 1), []
    for at in range(0, len(samples), piece):
        some = values[at : at + piece]
        found.append(flat.push(device, np.arange(at, at + len(some)) * STEP, some)[..., 0])
    told = np.concatenate(found)
    for column in range(2):
        assert told[:, column].tolist() == flat_of([row[column] for row in samples])


def test_a_pair_stands_still_only_as_a_whole():
    flat = FlatLines(1, 2)
    values = np.array([[1, 10], [1, 11], [1, 11], [1, 11]], "f4").reshape(4, 1, 1, 2)
    assert flat.push(np.array([1], "u4"), np.arange(4), values).ravel().tolist() == [0, 0, 1, 2]


def released(values: list[float], device: int = 1) -> Released:
    """Slots of one device; NaN: it is missing."""
    there = [value == value for value in values]
    k = len(values)
    return Released(
        slot=np.arange(k),
        device=np.array([device], "u4"),
        present=np.array(there, "u1")[:, None],
        quality=np.array(there, "u1")[:, None] * 3,
        status=np.zeros((k, 1), "u2"),
        values=np.array(values, "f4").reshape(k, 1, 1),
        digital=np.array(there, "u2").reshape(k, 1, 1) * 5,
        arrival=np.zeros(k, "i8"),
    )


@given(st.lists(st.sampled_from([1.0, 2.0, float("nan")]), min_size=1, max_size=24), st.integers(1, 7))
def test_a_missing_row_has_the_last_values_as_long_as_they_hold(samples, piece):
    rows, most = LastRows(1, 1), 3 * STEP
    told, counted = [], 0
    for at in range(0, len(samples), piece):
        part = released(samples[at : at + piece])
        counted += int(rows.hold(part, np.arange(at, at + len(part.slot)) * STEP, most, 0x8200).sum())
        told += zip(*(getattr(part, name).ravel().tolist() for name in ("present", "status", "values", "digital",
                                                                         "quality")), strict=True)  # fmt: skip
    last, when, held = 0.0, None, 0
    for at, (value, (present, status, said, digital, quality)) in enumerate(zip(samples, told, strict=True)):
        if value == value:
            last, when = value, at
            assert (present, status, said, digital, quality) == (1, 0, value, 5, 3)
        elif when is not None and at - when <= 3:
            held += 1
            assert (present, status, said, digital, quality) == (HELD, 0x8200, last, 5, 3)
        else:
            assert (present, status) == (0, 0)
            assert said != said
    assert counted == held
