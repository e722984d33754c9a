"""Synthetic grids: that their flow is solved, that they swing as their equations say, that labels and samples agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archive.scenarios import Folder
from benchmarks.grids import (
    ambient,
    damping,
    devices,
    events,
    faulty,
    flow,
    folder,
    machines,
    network,
    oscillations,
    running,
    windows,
)
from benchmarks.grids.ambient import Level
from benchmarks.grids.devices import MARGIN, Seen
from benchmarks.grids.events import Scene
from benchmarks.grids.machines import NOMINAL, Grid
from benchmarks.grids.network import Network
from benchmarks.grids.running import STEP, Course, Current, Drive, Swing


def grid_of(seed: int, buses: int) -> Grid:
    """Not damped yet."""
    rng = np.random.default_rng(seed)
    drawn = network.drawn(rng, buses)
    return machines.drawn(rng, drawn, flow.solved(drawn, rng))


@pytest.fixture(scope="module")
def scene() -> Scene:
    bare = grid_of(3, 40)
    alone = damping.swings(machines.slope(bare), bare.machines.inertia)
    grid = damping.damped(bare, np.full(len(alone.omega), 0.06))
    slope = machines.slope(grid)
    some = devices.placed(np.random.default_rng(1), grid, "T")
    return Scene(grid, some, Level(0.006, 0.008), damping.modes(slope, grid.machines.inertia),
                 damping.swings(slope, grid.machines.inertia))  # fmt: skip


@pytest.mark.parametrize(("seed", "buses"), [(1, 40), (2, 120), (3, 250)])
def test_power_is_balanced_at_every_bus(seed: int, buses: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = network.drawn(rng, buses)
    solved = flow.solved(drawn, rng)
    assert 0.85 * buses < len(drawn.kv) < 1.15 * buses
    assert network.pieces(len(drawn.kv), drawn.ends) == 1
    series = 1.0 / (drawn.resistance + 1j * drawn.reactance)
    out = np.zeros(len(drawn.kv), complex)
    for (a, b), y, charging in zip(drawn.ends, series, drawn.charging, strict=True):
        for one, other in ((a, b), (b, a)):
            current = (solved.voltage[one] - solved.voltage[other]) * y + 0.5j * charging * solved.voltage[one]
            out[one] += solved.voltage[one] * np.conj(current)
    given = np.zeros(len(drawn.kv), complex)
    given[drawn.plants] += solved.generated
    given[drawn.loads] -= solved.load
    given += 1j * solved.shunt * np.abs(solved.voltage) ** 2
    np.testing.assert_allclose(out, given, atol=1e-7)
    lost = solved.generated.real.sum() - drawn.load.sum()
    assert 0.0 < lost < 0.05 * drawn.load.sum()
    assert np.all(np.abs(np.abs(solved.voltage) - 1.0) < 0.08)


def test_a_line_of_two_buses_carries_what_is_known() -> None:
    """P = V1 V2 sin(angle) / X."""
    admittance = network.assembled(2, np.array([[0, 1]]), np.array([1 / 0.1j]), np.zeros(1))
    voltage = flow.newton(admittance, np.array([0.0, -2.0]), np.ones(2), 0, np.array([0, 1]))
    assert np.angle(voltage[0] / voltage[1]) == pytest.approx(np.arcsin(0.2))
    with pytest.raises(flow.NoFlow):
        flow.newton(admittance, np.array([0.0, -11.0]), np.ones(2), 0, np.array([0, 1]))


def test_a_grid_at_rest_stays(scene: Scene) -> None:
    ran = running.run(scene.grid, scene.buses, Course([scene.rest]), 0, 4000)
    np.testing.assert_allclose(
        ran.voltage, np.repeat(scene.grid.flow.voltage[scene.buses][:, None], 4000, 1), atol=1e-9
    )


def test_modes_are_damped_as_asked(scene: Scene) -> None:
    assert np.all(scene.modes.damping > 0.04)
    assert np.median(scene.modes.damping) == pytest.approx(0.06, rel=0.15)
    assert 0.2 < scene.modes.hertz.min() < scene.modes.hertz.max() < 2.5


def test_a_small_push_follows_the_linear_system(scene: Scene) -> None:
    grid, steps = scene.grid, 1600
    pushed = 1e-4 * np.eye(len(grid.network.plants))[0]
    course = np.zeros(steps)
    course[:20] = 1.0
    push = Drive(pushed * grid.rest.power, course)
    plants = grid.network.plants
    ran = running.run(grid, plants, Course([scene.rest], drive=push), 0, steps)
    slope, count = machines.slope(grid), len(plants)
    values, vectors = np.linalg.eig(slope)
    force = np.zeros(5 * count)
    force[count : 2 * count] = push.share / grid.machines.inertia
    parts = np.linalg.solve(vectors, force.astype(complex))
    safe = np.where(np.abs(values) < 1e-6, 1.0, values)

    def driven(seconds: float) -> np.ndarray:
        """Of a force that begins at nought."""
        grown = np.where(np.abs(values) < 1e-6, seconds, (np.exp(values * seconds) - 1.0) / safe)
        return (vectors @ (parts * grown)).real

    for step in (100, 400, 1599):
        # States are those at the end of a step, speeds of the middle those before it.
        want = driven(step * STEP) - driven((step - 20) * STEP)
        mean = grid.machines.inertia @ want[count : 2 * count] / grid.machines.inertia.sum()
        assert ran.middle[step] == pytest.approx(mean, rel=0.02, abs=2e-9)
    end = ran.state.ravel() - grid.rest.state.ravel()
    want = driven(steps * STEP) - driven((steps - 20) * STEP)
    np.testing.assert_allclose(end[:count], want[:count], atol=0.02 * np.abs(want[:count]).max())


@pytest.mark.parametrize("ratio", [-0.004, 0.02])
def test_an_inter_area_oscillation_has_the_damping_of_its_label(scene: Scene, ratio: float) -> None:
    omega, shape = 2 * np.pi * scene.modes.hertz[0], scene.swings.shape[0]
    at, steps = 200, 8200
    course = np.zeros(steps)
    course[at : at + 80] = 1e-4 / np.abs(shape).max()
    swing = Swing(at, shape, 2 * omega * (ratio - scene.modes.damping[0]))
    done = Course([scene.rest], drive=Drive(scene.grid.machines.inertia * shape, course), swing=swing)
    plants = scene.grid.network.plants
    ran = running.run(scene.grid, plants, done, 0, steps)
    angle = np.unwrap(np.angle(ran.voltage), axis=1)
    apart = angle[np.argmax(shape)] - angle[np.argmin(shape)]
    turns = np.diff(apart - apart[0])[400:]
    half = len(turns) // 2
    first, second = (np.sqrt(np.mean(some**2)) for some in (turns[:half], turns[half:]))
    assert np.log(first / second) / (half * STEP * omega) == pytest.approx(ratio, abs=0.004)


def test_what_loads_draw_turns_with_the_grid(scene: Scene) -> None:
    """The frequency stays where governors hold it, however far all angles have turned since."""
    grid, steps = scene.grid, 24000
    size = grid.network.load / grid.network.load.sum()
    quiet = ambient.drawn(grid, Level(0.0, 0.0), np.random.default_rng(0), steps, STEP, everyday=False)
    drawn = np.zeros_like(quiet.drawn)
    drawn[:, 100:] = 0.003 * grid.total * size[:, None]
    middle = running.run(grid, scene.buses, Course([scene.rest], replace(quiet, drawn=drawn)), 0, steps).middle
    assert STEP * NOMINAL * abs(middle.sum()) > 0.25  # turns
    assert middle[-1] == pytest.approx(middle[12000], rel=0.01)
    # Impedances draw less where voltages fall with it.
    assert middle[-1] == pytest.approx(-0.003 * grid.total / grid.machines.droop.sum(), rel=0.3)


def test_walks_have_unit_spread_and_the_time_constant_that_is_said() -> None:
    walk = ambient.walk(np.random.default_rng(5), 400, 4000, 2.0, 0.02)[:, 2500:]
    assert np.std(walk) == pytest.approx(1.0, abs=0.05)
    assert np.mean(walk[:, 100:] * walk[:, :-100]) == pytest.approx(np.exp(-1.0), abs=0.05)


@pytest.mark.parametrize("sharp", [False, True])
def test_filters_answer_as_their_weights_say(sharp: bool) -> None:
    """A swing of the angle is shown smaller by the window and by the turn over 40 ms, and not shifted."""
    hertz, steps = 4.0, 2000
    end = STEP * (np.arange(steps) + 1.0)
    shown = devices.filtered(np.exp(2j * np.pi * hertz * (end - STEP / 2)), sharp)[MARGIN:-MARGIN]
    weights = devices.window(sharp)
    at = STEP * (np.arange(len(weights)) - (len(weights) - 1) / 2)
    gain = weights @ np.cos(2 * np.pi * hertz * at)
    np.testing.assert_allclose(shown, gain * np.exp(2j * np.pi * hertz * end[MARGIN:-MARGIN]), atol=1e-9)
    turning = devices.turning(1e-3 * np.sin(2 * np.pi * hertz * end))[MARGIN:-MARGIN]
    want = 1e-3 * hertz * np.sinc(hertz * 0.04) * np.cos(2 * np.pi * hertz * end[MARGIN:-MARGIN])
    np.testing.assert_allclose(turning, want, atol=1e-12)


def test_devices_are_as_noisy_as_they_say(scene: Scene) -> None:
    some = [replace(device, resolution=1e-6) for device in scene.devices]
    steps = 200 * 60 + 2 * MARGIN
    still = np.repeat(scene.grid.flow.voltage[scene.buses][:, None], steps, axis=1)
    seen = devices.measured(still, some, np.random.default_rng(2), 0.02)
    assert seen.frequency.shape == (len(some), 3000)
    np.testing.assert_allclose(1e3 * seen.frequency.std(axis=1), [device.noise for device in some], rtol=0.1)
    np.testing.assert_allclose(seen.frequency.mean(axis=1), 0.02, atol=1e-4)
    gain = np.array([device.gain for device in some])
    np.testing.assert_allclose(seen.size.mean(axis=1), gain * np.abs(still[:, 0]), rtol=1e-4)


@pytest.mark.parametrize("sort", ["3ph", "2ph", "1ph-ground", "2ph-ground"])
def test_faults_are_those_of_the_phases(sort: str) -> None:
    """The sequence voltages at the fault make phase voltages and currents that such a fault has."""
    own, zero, before = 0.02 + 0.1j, 0.05 + 0.3j, 1.0 + 0j
    shunt, negative, nought = events.shunted(sort, own, zero, 0.0)
    current = before / (own + shunt)
    turn = np.exp(2j * np.pi / 3)
    phases = np.array([[1, 1, 1], [1, turn**2, turn], [1, turn, turn**2]])
    i = phases @ np.array([nought * current, current, negative * current])
    v = phases @ np.array([-zero * nought * current, before - own * current, -own * negative * current])
    if sort == "1ph-ground":
        assert np.allclose([v[0], i[1], i[2]], 0)
    elif sort == "2ph":
        assert np.allclose([i[0], v[1] - v[2], i[1] + i[2]], 0)
    elif sort == "2ph-ground":
        assert np.allclose([i[0], v[1], v[2]], 0)
    else:
        assert np.abs(v).max() < 2e-3


@pytest.mark.parametrize("sort", faulty.SORTS)
def test_bad_data_are_where_the_label_says(sort: str, scene: Scene) -> None:
    rng = np.random.default_rng(7)
    time = np.arange(9000) / 50
    angle = 0.2 * np.sin(time[None] / 9 + np.arange(len(scene.devices))[:, None])
    good = Seen(np.gradient(angle, 0.02, axis=1) / (2 * np.pi), np.ones_like(angle), angle)
    bad = Seen(good.frequency.copy(), good.size.copy(), good.angle.copy())
    label, gaps = faulty.spoilt(rng, bad, scene.devices[2], 2, None, sort)
    changed = np.any(
        [np.abs(getattr(good, x) - getattr(bad, x)) > 1e-9 for x in ("frequency", "size", "angle")], axis=0
    )
    for row, first, stop in gaps:
        changed[row, first:stop] = True
    assert label["device"] == scene.devices[2].id
    assert np.flatnonzero(changed.any(axis=1)).tolist() == [2]
    at = np.flatnonzero(changed[2])
    assert label["t_start"] <= at[0] / 50 + 1e-9
    assert (at[-1] + 1) / 50 <= label["t_end"] + 1e-9
    assert at[-1] - at[0] >= 0.5 * (50 * (label["t_end"] - label["t_start"]) - 2)


def test_a_plan_has_all_kinds_and_all_sorts_of_bad_data() -> None:
    plan = windows.plan(63, np.random.default_rng(1))
    assert {kind: sum(each.kind == kind for each in plan) for kind in windows.SHARES} == windows.SHARES
    assert {sort for each in plan for sort in each.sorts} == set(faulty.SORTS)
    assert all(each.sorts for each in plan if each.kind == "bad")
    assert not any(each.sorts for each in plan if each.kind == "clean")
    assert len(windows.plan(11, np.random.default_rng(1))) == 11


@pytest.mark.parametrize("kind", list(windows.WAYS))
def test_events_are_where_and_what_their_labels_say(kind: str, scene: Scene) -> None:
    rng, at = np.random.default_rng(11), 1000
    event = windows.WAYS[kind](scene, rng, at, 4000)
    course = Course([scene.rest, *event.stages], None, event.currents, event.drive, event.swing)
    every = np.arange(len(scene.grid.network.kv))
    ran = running.run(scene.grid, every, course, 0, 4000)
    change = np.abs(ran.voltage - ran.voltage[:, :1])
    assert change[:, : at - 1].max() < 1e-9
    assert change[:, at:].max() > 1e-5
    if event.stages:
        # Who is nearest to what happens moves first, and most.
        assert int(change[:, at].argmax()) in event.origins
    if kind == "gen_trip":
        missing = event.size_mw / network.BASE
        assert ran.middle[-1] < 0
        early = NOMINAL * np.diff(ran.middle)[at + 2] / STEP
        left = event.stages[0].machines.inertia.sum()
        assert early == pytest.approx(-NOMINAL * missing / left, rel=0.5)
    if kind == "load_loss":
        assert ran.middle[-1] > 0


def test_windows_are_the_same_for_the_same_seed_and_readable(tmp_path: Path, scene: Scene) -> None:
    plan = [windows.Planned("fault_ground", ("packet_loss",)), windows.Planned("clean", ())]
    told = [device.told for device in scene.devices]
    for name in ("one", "two"):
        made = [windows.made(scene, f"A-S{k}", "A", each, 40 + k) for k, each in enumerate(plan)]
        folder.written(tmp_path / name, "A", made, told, {})
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["A.npz", "devices.json", "grid.json", "labels.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    opened, (fault, quiet) = Folder(tmp_path / "one"), json.loads((tmp_path / "one" / "labels.json").read_text())
    seen, calm = (opened.observations(each) for each in opened.scenarios)
    assert seen.frequency.shape == calm.frequency.shape == (len(scene.devices), 9000)
    np.testing.assert_allclose(calm.frequency - 50.0, made[1].frequency, atol=5.1e-5)
    np.testing.assert_allclose(np.angle(np.exp(1j * (calm.angle - made[1].angle))), 0.0, atol=5e-5)
    onset = round(50 * fault["t_event"])
    assert np.nanmax(seen.negative[:, onset : onset + 12]) > 3 * np.nanmax(seen.negative[:, : onset - 20])
    dip = np.nanmin(seen.magnitude[:, onset - 2 : onset + 12], axis=1) - np.nanmedian(seen.magnitude, axis=1)
    assert -np.nanmin(dip) == pytest.approx(fault["detail"]["voltage_change_pu_largest"], rel=0.2)
    assert fault["nearest_geo"][0] in fault["devices"]
    assert set(fault["nearest_elec"]) == set(fault["devices"])
    assert not quiet["disturbance"]
    assert quiet["t_event"] is None
    assert np.isnan(seen.frequency[fault["devices"].index(fault["bad_data"][0]["device"])]).any()
    assert not np.isnan(calm.frequency).any()


def test_a_slow_ramp_goes_where_its_label_says(scene: Scene) -> None:
    ramp = oscillations.slow_ramp(scene, np.random.default_rng(4), 40000, 0)
    ran = running.run(scene.grid, scene.buses[:1], Course([scene.rest], drive=ramp.drive), 0, 40000)
    assert 1e3 * NOMINAL * ran.middle[-1] == pytest.approx(ramp.detail["slow_ramp_mhz"], rel=0.15)


def test_impedance_between_buses_is_that_of_series_and_parallel() -> None:
    """Two lines in a row, and a third beside them."""
    drawn = Network(
        np.full(3, 220.0), np.arange(3), np.zeros((3, 2)), np.zeros(3, int), np.array([[0, 1], [1, 2], [0, 2]]),
        np.zeros(3), np.array([0.1, 0.1, 0.2]), np.zeros(3), np.array([0]), np.ones(1), np.array([2]), np.ones(1),
    )  # fmt: skip
    assert drawn.distances()[0, 2] == pytest.approx(0.1)
    assert not drawn.islands(2)
    assert replace(drawn, ends=drawn.ends[:2], resistance=np.zeros(2), reactance=np.full(2, 0.1)).islands(0)


def test_the_same_current_in_two_stages_is_one_course(scene: Scene) -> None:
    """A stage that changes nothing changes nothing, whatever flows and however all angles have turned."""
    turn = 0.02 * np.exp(2j * np.pi * 0.5 * STEP * np.arange(3000))
    flows = (Current(int(scene.buses[0]), 100, turn),)
    loads = ambient.drawn(scene.grid, scene.level, np.random.default_rng(3), 3000, STEP)
    whole, parts = (running.run(scene.grid, scene.buses, Course(stages, loads, flows), 0, 3000)
                    for stages in ([scene.rest], [scene.rest, replace(scene.rest, first=1501)]))  # fmt: skip
    np.testing.assert_allclose(parts.voltage, whole.voltage, atol=1e-11)
