"""Signals of a power grid as its devices would measure them: an ambient walk, noise, and a disturbance.

Deterministic: the same seed gives the same samples, however many are asked for at a time.

The grid's common frequency is an Ornstein-Uhlenbeck walk about nominal (mean reversion stands for frequency
control; [Schaefer2018], "Non-Gaussian power grid frequency fluctuations", Nature Energy 3, fits such a model to
measured ambient data). Every point adds a walk of its own, of the loads near it, and white noise. Angles are the
integral of the frequency, so that phasors and frequency of a device agree. Voltages and angles step at once
everywhere, as a network of impedances has it; what the rotors do reaches a point after distance / speed
([Thorp1998], IEEE Trans. Circuits Syst. I 45(6); 100..1000 km/s are observed).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]

EXTENT = 1000.0
"""km; the points lie in a square of this side."""
SPEED = 500.0
"""km/s at which a disturbance spreads."""
CLEARED = 0.1
"""s that a fault lasts."""
REACH = 400.0
"""km over which what is local to a disturbance falls to 1/e."""
WALK_RETURN = 20.0
"""s; time constant of the walk's return to nominal."""
WALK_SPREAD = 0.008
"""Hz; standard deviation of the walk."""
FREQUENCY_NOISE = 0.0005
"""Hz, standard deviation, of each measured value; a class M device does about as well."""
ROCOF_NOISE = 0.01
"""Hz/s."""
ANGLE_NOISE = 0.01
"""Degrees."""
MAGNITUDE_NOISE = 0.0003
"""Per unit."""
LOCAL_RETURN = 2.5
"""s; time constant of what loads near a point do on their own."""
LOCAL_SPREAD = 0.0005
"""Hz; standard deviation of it, in frequency."""
LOCAL_VOLTAGE = 0.6
"""Per unit of voltage for each Hz of it: a load that grows pulls both down."""
NOISES = 5
"""Random numbers a point takes per sample."""


class Kind(StrEnum):
    """What happens."""

    NONE = "none"
    GENERATION_TRIP = "generation_trip"
    """The frequency falls by `size` [Hz] within seconds, first near the plant; negative = a load is lost."""
    FAULT = "fault"
    """Voltage dips by `size` [per unit] for 100 ms, angles jump, the frequency swings and recovers."""
    OSCILLATION = "oscillation"
    """0.4 Hz between the west and the east, amplitude `size` [Hz], dying out over a minute."""


DEFAULT_SIZE = {Kind.NONE: 0.0, Kind.GENERATION_TRIP: 0.1, Kind.FAULT: 0.4, Kind.OSCILLATION: 0.02}


@dataclass(frozen=True)
class Scenario:
    """One disturbance."""

    kind: Kind = Kind.NONE
    at: float = 30.0
    """Seconds after the first sample."""
    size: float | None = None
    """In the unit that the kind says; None = its usual size."""
    origin: int = 0
    """The point where it happens (of part 0)."""

    @property
    def magnitude(self) -> float:
        """The size, or the usual one."""
        return DEFAULT_SIZE[self.kind] if self.size is None else self.size


@dataclass(frozen=True)
class Samples:
    """What the points measure at n instants; m points."""

    frequency: F8
    """[n, m] Hz"""
    rocof: F8
    """[n, m] Hz/s"""
    angle: F8
    """[n, m] degrees against a cosine of nominal frequency, not wrapped; of phase A."""
    voltage: F8
    """[n, m] per unit"""
    current: F8
    """[n, m] per unit"""


class Simulation:
    """An endless stream of samples of a grid."""

    def __init__(
        self, points: int, interval: float, nominal: float, seed: int, scenario: Scenario, part: int = 0
    ) -> None:
        """`interval` [s] lies between two samples. `part` numbers simulations of one grid, each with its own points."""
        self._interval, self._nominal, self._scenario = interval, nominal, scenario
        layout = np.random.default_rng([seed, 1, part])
        self.position: F8 = layout.uniform(0.0, EXTENT, (points, 2))
        """[m, 2] km east and north."""
        self._origin: F8 = np.random.default_rng([seed, 1, 0]).uniform(0.0, EXTENT, (scenario.origin + 1, 2))[-1]
        self._walk_noise = np.random.default_rng([seed, 2])
        self._noise = np.random.default_rng([seed, 3, part])
        self._walk = float(self._walk_noise.normal(0.0, WALK_SPREAD))
        self._angle: F8 = layout.uniform(-60.0, 60.0, points)
        self._before = np.full(points, self._walk)
        self._local: F8 = np.zeros(points)
        self._count = 0
        self._points = points

    def next(self, count: int) -> Samples:
        """The next so many samples of all points."""
        seconds = np.arange(self._count, self._count + count, dtype=np.float64) * self._interval
        self._count += count
        effect = disturbance(self._scenario, seconds, self.position, self._origin)
        noise = self._noise.standard_normal((count, self._points, NOISES))
        local = self._locally(noise[..., 4])
        true = self._ambient(count)[:, None] + local + effect.frequency
        shifted = np.vstack((self._before, true[:-1])) if count else true
        steps = 180.0 * (true + shifted) * self._interval
        angle = self._angle + np.cumsum(steps, axis=0)
        voltage = effect.voltage + LOCAL_VOLTAGE * local
        if count:
            self._before, self._angle = true[-1], angle[-1]
        turning = self._turning(seconds)
        return Samples(
            self._nominal + true + turning + FREQUENCY_NOISE * noise[..., 0],
            (true - shifted) / self._interval + ROCOF_NOISE * noise[..., 1],
            angle + effect.angle + ANGLE_NOISE * noise[..., 2],
            voltage * (1.0 + MAGNITUDE_NOISE * noise[..., 3]),
            (2.0 - voltage) * (1.0 - MAGNITUDE_NOISE * noise[..., 3]),
        )

    def _turning(self, seconds: F8) -> F8:
        """[n, m] Hz that a device tells where its angle jumps: the difference of the angles beside a sample, as
        [IEC/IEEE 60255-118-1:2018], D.4, has it."""
        since = seconds - self._scenario.at
        if not np.any((since > -2.0 * self._interval) & (since < CLEARED + 2.0 * self._interval)):
            return np.zeros((seconds.size, self._points))
        ahead, behind = (
            disturbance(self._scenario, seconds + step, self.position, self._origin).angle
            for step in (self._interval, -self._interval)
        )
        return (ahead - behind) / (720.0 * self._interval)

    def _locally(self, shocks: F8) -> F8:
        """[n, m] Hz that each point is off what all share, of unit shocks [n, m]."""
        keep = np.exp(-self._interval / LOCAL_RETURN)
        grown = LOCAL_SPREAD * np.sqrt(1.0 - keep * keep) * shocks
        walk: F8 = np.empty_like(grown)
        for k, shock in enumerate(grown):  # scipy's lfilter takes a second to import, for a sample or two at a time
            self._local = keep * self._local + shock
            walk[k] = self._local
        return walk

    def _ambient(self, count: int) -> F8:
        """[n] Hz off nominal that all points share: the exact discretisation of the walk."""
        keep = np.exp(-self._interval / WALK_RETURN)
        shocks = self._walk_noise.normal(0.0, WALK_SPREAD * np.sqrt(1.0 - keep * keep), count)
        walk = np.empty(count)
        for k, shock in enumerate(shocks):
            self._walk = keep * self._walk + shock
            walk[k] = self._walk
        return walk


@dataclass(frozen=True)
class Effect:
    """What a disturbance adds, [n, m] each."""

    frequency: F8
    """Hz"""
    angle: F8
    """Degrees, beyond the integral of the frequency."""
    voltage: F8
    """Per unit; 1 = undisturbed."""


def disturbance(scenario: Scenario, seconds: F8, position: F8, origin: F8) -> Effect:
    """The effect of a scenario at `origin` [2] km, at n instants [s after the first sample], on m points [m, 2]."""
    distance = np.linalg.norm(position - origin, axis=1)
    # A mode swings everywhere at once; what the rotors do at a place spreads.
    delay = 0.0 if scenario.kind is Kind.OSCILLATION else distance / SPEED
    after = np.where(seconds >= scenario.at, 1.0, 0.0)[:, None] * np.ones_like(distance)
    since = seconds[:, None] - scenario.at - delay * np.ones_like(distance)
    moving = np.where(since >= 0.0, 1.0, 0.0)
    since = np.maximum(since, 0.0)
    near = np.exp(-distance / REACH)
    size = scenario.magnitude
    if scenario.kind is Kind.GENERATION_TRIP:
        return _generation_trip(size, moving, since, after, near)
    if scenario.kind is Kind.FAULT:
        return _fault(size, moving, since, after * (seconds < scenario.at + CLEARED)[:, None], near)
    if scenario.kind is Kind.OSCILLATION:
        return _oscillation(size, moving, since, position[:, 0])
    return Effect(np.zeros_like(since), np.zeros_like(since), np.ones_like(since))


def _generation_trip(size: float, moving: F8, since: F8, after: F8, near: F8) -> Effect:
    """A fall with inertia, an undershoot that governors catch, and a swing of the near machines."""
    fall = 1.0 - np.exp(-since / 3.0) * (np.cos(0.5 * since) - 0.4 * np.sin(0.5 * since))
    swing = 0.5 * near * np.exp(-since / 2.0) * np.sin(2.0 * np.pi * 0.8 * since)
    frequency = -size * moving * (fall + swing)
    return Effect(frequency, -30.0 * size * near * after, 1.0 - 0.2 * abs(size) * near * after)


def _fault(size: float, moving: F8, since: F8, during: F8, near: F8) -> Effect:
    """A dip until it is cleared, with a jump of the angles, then a damped swing."""
    swing = 0.1 * size * near * np.exp(-since / 1.5) * np.sin(2.0 * np.pi * 1.1 * since)
    return Effect(moving * swing, -40.0 * size * near * during, 1.0 - size * (0.2 + 0.8 * near) * during)


def _oscillation(size: float, moving: F8, since: F8, east: F8) -> Effect:
    """One inter-area mode; its shape is a slope from west to east."""
    shape = 2.0 * east / EXTENT - 1.0
    envelope = np.minimum(since / 5.0, 1.0) * np.exp(-since / 20.0)
    frequency = moving * size * shape * envelope * np.sin(2.0 * np.pi * 0.4 * since)
    return Effect(frequency, np.zeros_like(since), np.ones_like(since))
