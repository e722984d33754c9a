"""Who a device is: the site file's entry, or a number of the registry if the site admits unknown devices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from nodes._registry import Registry
from nodes._site import Device, Site, recognise
from nodes._sitechange import DESCRIPTIVE

_SAID = {"number", "protocol", *DESCRIPTIVE}
"""What a receiver is told of a device; and `site`, the version of the site file that says so."""

ADDRESSES_AT_MOST = 4096
"""Callers' addresses whose devices are remembered, since a look through the whole site takes long."""


class Unknown(LookupError):
    """Nobody we know; the text says who asked and why it is refused."""


class Identities:
    """Answers by (address, IDCODE of the stream)."""

    def __init__(self, site: Site, registry: Registry) -> None:
        self.registry = registry
        self.take(site)

    def take(self, site: Site) -> None:
        """This is who they are from now on."""
        self.site, self.version = site, site.version
        self.names = {device.number: device.name for device in site.devices}
        self._by_stream: dict[int | None, list[Device]] = {}
        for device in site.devices:
            if device.link.how == "dials_in":
                self._by_stream.setdefault(device.stream, []).append(device)
        self._certificates = {each.number: _folded(each.certificate) for each in site.devices if each.certificate}
        self._bound = set(self._certificates.values())
        self._streams = lru_cache(ADDRESSES_AT_MOST)(self._streams_from)

    def _streams_from(self, address: str, secure: bool) -> frozenset[int | None]:
        """IDCODEs (None: any) of the listed devices that can dial in from this address, under TLS or not."""
        can = {
            stream: [device for device in devices if secure or not device.certificate]
            for stream, devices in self._by_stream.items()
        }
        return frozenset(stream for stream, devices in can.items() if recognise(devices, address, stream))

    def may_call(self, address: str, secure: bool = False) -> bool:
        """Whether any device could dial in from this address."""
        return self.site.admits(address) or bool(self._streams(address, secure))

    def only_stream(self, address: str, secure: bool = False) -> int | None:
        """IDCODE of the one device that can dial in from this address; None if several can."""
        streams = self._streams(address, secure)
        return next(iter(streams)) if not self.site.admits(address) and len(streams) == 1 else None

    def name(self, number: int) -> str | None:
        """What the device of this number is called; None if neither the site nor the registry has it."""
        if number in self.names:
            return self.names[number]
        known = self.registry.identity(number) if self.site.unknown == "admit" else None
        return _admitted_name(*known) if known and self.site.admits(known[0]) else None

    def entitled(self, number: int, certificate: Collection[str]) -> bool:
        """Whether who shows a certificate of these names may be this device."""
        named = self._certificates.get(number)
        return named is None or named in map(_folded, certificate)

    def of_caller(self, address: str, stream: int, certificate: Collection[str] = ()) -> dict[str, Any]:
        """A device that dialled us, with a certificate of these names. Raises Unknown.

        Whose certificate an entry names is that entry's device and no other. A number of the registry is to be saved
        before it is told.
        """
        candidates = self._by_stream.get(stream, []) + self._by_stream.get(None, [])
        bound = not self._bound.isdisjoint(map(_folded, certificate))
        mine = [each for each in candidates if bool(each.certificate) == bound]
        found = recognise((each for each in mine if self.entitled(each.number, certificate)), address, stream)
        claimed = (each for each in candidates if (each.stream, each.address) != (None, None))
        if found is None and (bound or recognise(claimed, address, stream)):
            shown = f"its certificate is of {' or '.join(certificate)}" if certificate else "it shows no certificate"
            raise Unknown(f"stream {stream} from {address}: {shown}, the site file wants another")
        return self._said(found) or self._admitted(address, stream)

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
        return device.model_dump(mode="json", include=_SAID) | {"site": self.version} if device else None

    def _admitted(self, address: str, stream: int) -> dict[str, Any]:
        if not self.site.admits(address):
            raise Unknown(f"stream {stream} from {address}: not in the site file")
        number = self.registry.number(address, stream, self.names)
        if number is None:
            raise Unknown(f"stream {stream} from {address}: the registry has no number left")
        return {"number": number, "name": _admitted_name(address, stream), "site": self.version}


def _folded(name: str) -> str:
    return name.casefold()


def _admitted_name(address: str, stream: int) -> str:
    return f"{address}/{stream}"
