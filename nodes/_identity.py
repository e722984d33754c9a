"""Who a device is: the site file's entry, or a number of the registry if the site admits unknown devices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from nodes._registry import Registry
from nodes._site import Site, recognise
from nodes._sitechange import DESCRIPTIVE
from nodes._sitedevice import Device
from nodes._siteforms import is_address, plain
from protocol.gbt26865.common import IDENTITY, identity_text

_SAID = {"number", "protocol", "kind", *DESCRIPTIVE}
"""What a receiver is told of a device; and `site`, the version of the site file that says so."""

ADDRESSES_AT_MOST = 4096
"""Callers' addresses whose devices are remembered, since a look through the whole site takes long."""


class Unknown(LookupError):
    """Nobody we know; the text says who asked and why it is refused."""


class Identities:
    """Answers by (address, IDCODE of the stream); `family` is that of protocols which may call at one port."""

    def __init__(self, site: Site, registry: Registry) -> None:
        self.registry = registry
        self.take(site)

    def take(self, site: Site) -> None:
        """This is who they are from now on."""
        self.site, self.version = site, site.version
        self.names = {device.number: device.name for device in site.devices}
        self._by_stream: dict[tuple[str, int | None], list[Device]] = {}
        for device in site.devices:
            if device.link.how == "dials_in":
                self._by_stream.setdefault((device.family, device.code), []).append(device)
        piped = (each.link.tcp.host for each in site.devices if each.link.tcp and each.link.data == "dials_in")
        self._piped = {plain(host) if is_address(host) else None for host in piped}
        """Addresses that data pipes come from; None: any, since it is a host name."""
        self._certificates = {each.number: _folded(each.certificate) for each in site.devices if each.certificate}
        self._bound = set(self._certificates.values())
        self._streams = lru_cache(ADDRESSES_AT_MOST)(self._streams_from)
        self.spoken = lru_cache(ADDRESSES_AT_MOST)(self._spoken_from)

    def _streams_from(self, address: str, secure: bool, family: str) -> frozenset[int | None]:
        """IDCODEs (None: any) of the listed devices that can dial in from this address, under TLS or not."""
        can = {
            stream: [device for device in devices if secure or not device.certificate]
            for (theirs, stream), devices in self._by_stream.items()
            if theirs == family
        }
        return frozenset(stream for stream, devices in can.items() if recognise(devices, address, stream))

    def _spoken_from(self, address: str) -> str:
        """What is spoken with whoever dials in from this address where devices of GB/T 26865.2 do. To one of Q/GDW 131
        the first command must be of that edition; of all others, the protocol that has their frames."""
        of_family = (each for each in self.site.devices if each.family == "gbt26865" and each.link.how == "dials_in")
        here = {each.protocol for each in of_family if each.address is None or plain(address) in each.address}
        return "qgdw131" if here == {"qgdw131"} and not self.site.admits(address) else "smd"

    def may_call(self, address: str, secure: bool = False, family: str = "c37118") -> bool:
        """Whether any device could dial in from this address: of those with several pipes, also one that we dial."""
        pipes = family != "c37118" and not self._piped.isdisjoint((plain(address), None))
        return pipes or self.site.admits(address) or bool(self._streams(address, secure, family))

    def only_stream(self, address: str, secure: bool = False, family: str = "c37118") -> int | None:
        """IDCODE of the one device that can dial in from this address; None if several can."""
        streams = self._streams(address, secure, family)
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

    def of_caller(
        self, address: str, stream: int, certificate: Collection[str] = (), family: str = "c37118"
    ) -> dict[str, Any]:
        """A device that dialled us, with a certificate of these names. Raises Unknown.

        Whose certificate an entry names is that entry's device and no other. A number of the registry is to be saved
        before it is told.
        """
        candidates = self._by_stream.get((family, stream), []) + self._by_stream.get((family, None), [])
        bound = not self._bound.isdisjoint(map(_folded, certificate))
        mine = [each for each in candidates if bool(each.certificate) == bound]
        found = recognise((each for each in mine if self.entitled(each.number, certificate)), address, stream)
        claimed = (each for each in candidates if (each.code, each.address) != (None, None))
        if found is None and (bound or recognise(claimed, address, stream)):
            shown = f"its certificate is of {' or '.join(certificate)}" if certificate else "it shows no certificate"
            raise Unknown(f"{named(stream)} from {address}: {shown}, the site file wants another")
        return self._said(found) or self._admitted(address, stream)

    def of_dialled(self, device: Device, address: str, stream: int) -> dict[str, Any]:
        """A device that we reached where the site file says it is. Raises Unknown if it says another IDCODE."""
        told = device.protocol != "qgdw131"  # its configurations may name a label instead of its IDCODE
        if told and device.code not in (None, stream):
            wanted = named(device.code or 0)
            raise Unknown(f"{device.name} at {address}: says {named(stream)}, the site file {wanted}")
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
            raise Unknown(f"{named(stream)} from {address}: not in the site file")
        number = self.registry.number(address, stream, self.names)
        if number is None:
            raise Unknown(f"{named(stream)} from {address}: the registry has no number left")
        return {"number": number, "name": _admitted_name(address, stream), "site": self.version}


def _folded(name: str) -> str:
    return name.casefold()


def named(stream: int) -> str:
    """Whose stream it is, for people: an IDCODE of 16 bits, or of 8 bytes."""
    return f"stream {stream}" if stream <= 0xFFFF else _text(stream)


def _text(stream: int) -> str:
    return identity_text(stream.to_bytes(IDENTITY, "big"))


def _admitted_name(address: str, stream: int) -> str:
    return f"{address}/{stream if stream <= 0xFFFF else _text(stream)}"
