"""Limits of a site: which values of which devices are watched, and from where on they are an alarm.

    limits:
      - {name: Frequency, quantity: frequency, low: 49.8 Hz, high: 50.2 Hz, deadband: 20 mHz, each: site}
      - {name: Voltage, quantity: voltage, nominal: 127 kV, low: 0.9 p.u., high: 1.1 p.u., regions: [north]}

A fault names the line of the setting that it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_serializer, field_validator, model_validator

from nodes._faults import Lines, suggestion
from nodes._patterns import matches
from nodes._settings import FREQUENCIES, Duration, Settings, fault, quantity, show
from protocol.clock import SECOND
from protocol.messages import Severity

Quantity = Literal[
    "frequency", "rocof", "voltage", "current", "active power", "reactive power", "apparent power",
    "angle difference", "unbalance", "thd", "analog",
]  # fmt: skip
Units = Mapping[str, Decimal | int]
UNITS: dict[str, Units] = {
    "frequency": FREQUENCIES,
    "rocof": {"mHz/s": Decimal("0.001"), "Hz/s": 1},
    "voltage": {"V": 1, "kV": 1000},
    "current": {"A": 1, "kA": 1000},
    "active power": {"kW": Decimal("0.001"), "MW": 1, "GW": 1000},
    "reactive power": {"kvar": Decimal("0.001"), "Mvar": 1, "Gvar": 1000},
    "apparent power": {"kVA": Decimal("0.001"), "MVA": 1, "GVA": 1000},
    "angle difference": {"deg": 1},
    "unbalance": {"%": 1},
    "thd": {"%": 1},
}
"""Quantity -> unit -> how many of the unit that it is compared in; analogs have none."""
COMPARED = {name: next(unit for unit, size in units.items() if size == 1) for name, units in UNITS.items()}
"""Quantity -> the unit that it is compared in."""
RELATIVE = ("voltage", "current", "active power", "reactive power", "apparent power")
"""Quantities that may be told in p.u. of `nominal`."""
ONE_SIDED = ("angle difference", "unbalance", "thd", "apparent power")
"""Quantities that are never below 0: a limit below makes no sense, or says no more than that a line is out."""
PER_UNIT = ("p.u.", "pu")
AT = ("low_low", "low", "high", "high_high")
LONGEST = 24 * 3600 * SECOND

_VALUE = WithJsonSchema({"type": ["string", "number"], "examples": ["50.2 Hz", "1.1 p.u.", "90 MW", 4.5]})
Value = Annotated[float, _VALUE]


def _value(value: Any, info: ValidationInfo) -> float:
    """A limit in the unit that its quantity is compared in."""
    what = info.data.get("quantity")
    if what is None:
        return 0.0  # that is the fault; one is enough
    if what == "analog":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise fault(f"{value!r} is not a plain number", "analogs have the unit that the device says: write 4.5")
        return float(value)
    units, nominal = dict(UNITS[what]), info.data.get("nominal")
    if isinstance(value, str) and value.strip().endswith(PER_UNIT):
        if what not in RELATIVE:
            raise fault(f"{what} is not told in p.u.", f"write it in {', '.join(units)}")
        if nominal is None:
            raise fault(f"{value!r} of what is not said", f"add nominal: …, what 1 p.u. is, in {', '.join(units)}")
        units["pu"] = Decimal(str(nominal))
        value = value.replace("p.u.", "pu")
    return float(quantity(units, f'"1.1 {COMPARED[what]}"')(value))


class Limit(Settings):
    """One limit, or several on the same value, of all devices that it is for."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """Unique in the site: alarms are called so."""
    quantity: Quantity
    """frequency, rocof; voltage, current (each phase, or the positive sequence); active, reactive, apparent power;
    angle difference (of two devices, without sign); unbalance (of three voltages); thd (of SMD-L); analog."""
    nominal: Annotated[Value | None, Field(default=None)]
    """What 1 p.u. is, as the device tells the quantity: voltages of phases are those to ground."""
    low_low: Value | None = None
    """An alarm of severity `severe` at or below it."""
    low: Value | None = None
    """An alarm of severity `severity` at or below it."""
    high: Value | None = None
    """An alarm of severity `severity` at or above it."""
    high_high: Value | None = None
    """An alarm of severity `severe` at or above it."""
    deadband: Value = 0.0
    """So far the value must be back within the limit before that is over."""
    delay: Duration = SECOND
    """The value must be beyond the limit for so long."""
    hold: Duration = 5 * SECOND
    """The value must be back for so long before that is over."""
    stale: Duration = 60 * SECOND
    """An alarm whose values are missing for so long is marked as stale."""
    severity: Severity = Severity.WARNING
    """notice, warning, serious or critical."""
    severe: Severity = Severity.SERIOUS
    """Of `low_low` and `high_high`."""
    devices: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Names of devices or their stations; `*` and `?` as in file names."""
    regions: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Regions whose devices it is for; `*` and `?` as in file names."""
    channels: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Of voltages, currents, analogs, spectra: names of channels; `*` and `?` as in file names."""
    between: Annotated[list[str], Field(min_length=2, max_length=2)] | None = None
    """The two devices of an angle difference."""
    each: Literal["device", "region", "site"] = "device"
    """One alarm for each device, or one for all devices of a region or of the site that are beyond it at once."""

    _in_units = field_validator("nominal", *AT, "deadband", mode="before")(
        lambda value, info: None if value is None else _value(value, info)
    )

    @field_serializer("nominal", *AT, "deadband", when_used="json")
    def _with_unit(self, value: float | None) -> str | float | None:
        if value is None or self.quantity == "analog":
            return value
        return show(value, UNITS[self.quantity], COMPARED[self.quantity])

    @property
    def unit(self) -> str:
        """That it is compared in."""
        return COMPARED.get(self.quantity, "")

    @property
    def at(self) -> list[float]:
        """low_low, low, high, high_high; NaN = there is none."""
        told = (getattr(self, name) for name in AT)
        return [float("nan") if each is None else each for each in told]

    def concerns(self, names: list[str], region: str) -> bool:
        """Whether it is for a device."""
        return matches(names, self.devices) and matches([region], self.regions)

    @model_validator(mode="after")
    def _makes_sense(self) -> Limit:
        told = {name: getattr(self, name) for name in AT if getattr(self, name) is not None}
        if not told:
            raise fault("it has no limit", "add one of low_low, low, high, high_high")
        for (one, low), (other, high) in zip(list(told.items())[:-1], list(told.items())[1:], strict=True):
            room = self.deadband if one == "low" and other == "high" else 0
            if low >= high:
                raise fault(f"{one} is not below {other}", "they ascend: low_low, low, high, high_high")
            if room and high - low <= 2 * self.deadband:
                raise fault("deadband leaves nothing between low and high", "make it smaller")
        if self.deadband < 0:
            raise fault("deadband is below 0", "write how far the value must be back, as a positive number")
        below = [name for name in ("low_low", "low") if name in told]
        if self.quantity in ONE_SIDED and below:
            raise fault(f"{below[0]}: {self.quantity} is never below 0", "leave it out")
        return self

    @model_validator(mode="after")
    def _possible(self) -> Limit:
        told = [each for each in self.at if each == each]
        if self.quantity == "frequency" and not all(10 <= each <= 100 for each in told):
            raise fault("no grid has such a frequency", "write the frequency itself, as 49.8 Hz or 50.2 Hz")
        if self.quantity in ("voltage", "current") and min(told) <= 0:
            raise fault(f"{self.quantity} is never 0 or below", "write its magnitude, as 200 kV")
        if self.quantity == "angle difference" and max(told) >= 180:
            raise fault("no two angles are 180 deg or more apart", "write less than 180 deg")
        if self.nominal is not None and (self.nominal <= 0 or self.quantity not in RELATIVE):
            raise fault("nominal is what 1 p.u. is, of voltage, current or power", "write what it is, or leave it out")
        if (self.between is not None) != (self.quantity == "angle difference"):
            raise fault("between is for angle difference, which needs it", "write between: [A, B], or leave it out")
        if self.between and self.between[0] == self.between[1]:
            raise fault(f"between names {self.between[0]!r} twice", "name two devices")
        if max(self.delay, self.hold, self.stale) > LONGEST:
            raise fault("delay, hold or stale is longer than a day", "write less")
        return self


def check(limits: Any, devices: list[Any], admits: bool, lines: Lines) -> None:
    """What one limit alone can't tell: names given twice, and regions that no device of a closed site is in."""
    seen: dict[str, int] = {}
    regions = {str(each.get("region", "")) for each in devices if isinstance(each, dict)}
    for position, limit in enumerate(limits if isinstance(limits, list) else ()):
        if not isinstance(limit, dict):
            continue
        name, path = limit.get("name"), ("limits", position, "name")
        if isinstance(name, str):
            line = seen.setdefault(name, lines.line(path))
            if line != lines.line(path):
                lines.fault(path, f"limit {name!r} is given already in line {line}", "give each a name of its own")
        wanted = limit.get("regions")
        for pattern in wanted if isinstance(wanted, list) else ():
            if not admits and isinstance(pattern, str) and not matches(regions, [pattern]):
                lines.fault(("limits", position, "regions"), f"no device is in a region {pattern!r}",
                            suggestion(pattern, regions - {""}))  # fmt: skip
