"""Who a device is: the site file's entry, or a number of the registry if the site admits unknown devices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nodes._registry import Registry
from nodes._site import Device, Site, recognise

_SAID = {"number", "name", "region", "latitude", "longitude", "elevation", "analogs", "protocol"}
"""What a receiver is told of a device."""

ADDRESSES_AT_MOST = 4096
"""Callers' addresses whose devices are remembered, since a look through the whole site takes long."""


class Unknown(LookupError):
    """Nobody we know; the text says who asked and why it is refused."""


class Identities:
    """Answers by (address, IDCODE of the stream)."""

    def __init__(self, site: Site, registry: Registry) -> None:
        self.site, self.registry = site, registry
        self.names = {device.number: device.name for device in site.devices}
        self._by_stream: dict[int | None, list[Device]] = {}
        for device in site.devices:
            if device.link.how == "dials_in":
                self._by_stream.setdefault(device.stream, []).append(device)
        self._streams = lru_cache(ADDRESSES_AT_MOST)(self._streams_from)

    def _streams_from(self, address: str) -> frozenset[int | None]:
        """IDCODEs (None: any) of the listed devices that can dial in from this address."""
        return frozenset(stream for stream, devices in self._by_stream.items() if recognise(devices, address, stream))

    def may_call(self, address: str) -> bool:
        """Whether any device could dial in from this address."""
        return self.site.unknown == "admit" or bool(self._streams(address))

    def only_stream(self, address: str) -> int | None:
        """IDCODE of the one device that can dial in from this address; None if several can."""
        streams = self._streams(address)
        return next(iter(streams)) if self.site.unknown != "admit" and len(streams) == 1 else None

    def name(self, number: int) -> str | None:
        """What the device of this number is called; None if neither the site nor the registry has it."""
        if number in self.names:
            return self.names[number]
        known = self.registry.identity(number) if self.site.unknown == "admit" else None
        return _admitted_name(*known) if known else None

    def of_caller(self, address: str, stream: int) -> dict[str, Any]:
        """A device that dialled us. Raises Unknown. A number of the registry is to be saved before it is told."""
        candidates = self._by_stream.get(stream, []) + self._by_stream.get(None, [])
        return self._said(recognise(candidates, address, stream)) or self._admitted(address, stream)

    def of_dialled(self, device: Device, address: str, stream: int) -> dict[str, Any]:
        """A device that we reached where the site file says it is. Raises Unknown if it says another IDCODE."""
        if device.stream not in (None, stream):
            raise Unknown(f"{device.name} at {address}: says stream {stream}, the site file {device.stream}")
        return self._said(device) or {}

    def of_sender(self, devices: Sequence[Device], address: str, stream: int) -> dict[str, Any]:
        """One of the devices that send to one port unasked. Raises Unknown."""
        heard = [each for each in devices if each.link.source is None or str(each.link.source) == address]
        exact = [each for each in heard if each.stream == stream] + [each for each in heard if each.stream is None]
        return self._said(exact[0] if exact else None) or self._admitted(address, stream)

    def _said(self, device: Device | None) -> dict[str, Any] | None:
        return device.model_dump(mode="json", include=_SAID) if device else None

    def _admitted(self, address: str, stream: int) -> dict[str, Any]:
        if self.site.unknown != "admit":
            raise Unknown(f"stream {stream} from {address}: not in the site file")
        number = self.registry.number(address, stream, self.names)
        if number is None:
            raise Unknown(f"stream {stream} from {address}: the registry has no number left")
        return {"number": number, "name": _admitted_name(address, stream)}


def _admitted_name(address: str, stream: int) -> str:
    return f"{address}/{stream}"
