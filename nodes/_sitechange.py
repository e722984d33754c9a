"""What a changed site file changes, as data: devices are told apart by their numbers, which never change."""

from __future__ import annotations

from dataclasses import dataclass

from nodes._site import Site
from nodes._sitedevice import Device

DESCRIPTIVE = frozenset(("name", "region", "latitude", "longitude", "elevation", "analogs", "bus"))
"""Settings of a device that say what its rows mean and are called. All others say how it is reached and recognised."""
NAMES_AT_MOST = 5


@dataclass(frozen=True)
class Change:
    """From one site file to another; devices as the new one has them, each in the order of its file."""

    added: tuple[Device, ...] = ()
    removed: tuple[Device, ...] = ()
    """As the old one had them."""
    moved: tuple[Device, ...] = ()
    """Reached or recognised otherwise."""
    described: tuple[Device, ...] = ()
    """Called or described otherwise; how they are reached stays."""
    settings: tuple[str, ...] = ()
    """Of the site itself."""

    def __str__(self) -> str:
        told = (("added", self.added), ("removed", self.removed), ("reached otherwise", self.moved),
                ("described otherwise", self.described))  # fmt: skip
        parts = [f"{len(devices)} {what} ({_names(devices)})" for what, devices in told if devices]
        parts += [f"{', '.join(self.settings)} changed"] if self.settings else []
        return "; ".join(parts) or "nothing but comments"


def _names(devices: tuple[Device, ...]) -> str:
    names = [device.name for device in devices[:NAMES_AT_MOST]]
    return ", ".join(names) + (", …" if len(devices) > NAMES_AT_MOST else "")


def same_way(old: Device, new: Device) -> bool:
    """Whether a device is reached and recognised as before."""
    return all(getattr(old, name) == getattr(new, name) for name in Device.model_fields if name not in DESCRIPTIVE)


def difference(old: Site, new: Site) -> Change:
    """What is to be done to get from one to the other."""
    before = {device.number: device for device in old.devices}
    after = {device.number for device in new.devices}
    known = [(before[device.number], device) for device in new.devices if device.number in before]
    others = [name for name in Site.model_fields if name not in ("devices", "text")]
    return Change(
        added=tuple(device for device in new.devices if device.number not in before),
        removed=tuple(device for device in old.devices if device.number not in after),
        moved=tuple(now for was, now in known if not same_way(was, now)),
        described=tuple(now for was, now in known if same_way(was, now) and was != now),
        settings=tuple(name for name in others if getattr(old, name) != getattr(new, name)),
    )
