"""What a balancer can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from nodes import _settings
from nodes._certificates import TlsFault
from nodes._settings import Address, Duration, FilePath, Rate
from nodes._site import Site
from nodes._tls import Tls
from protocol.clock import SECOND


class Settings(_settings.Settings):
    """Where devices find us, and how many may."""

    listen: Address
    """Where devices dial in."""
    listen_tls: Address | None = None
    """Where devices dial in under TLS, if any do."""
    listen_gbt26865: Address | None = None
    """Where devices of GB/T 26865.2 and Q/GDW 131 dial in, with any of their pipes, and SMDs."""
    tls: Tls | None = None
    """Certificates, for devices that dial in or are dialled under TLS."""
    registry: Annotated[FilePath, Field(validate_default=True)] = Path("../data/registry.json")
    """Numbers given to devices that the site admits without listing them."""
    held: Annotated[int, Field(ge=0, le=20000)] = 1000
    """Connections kept while no receiver is there; more are closed."""
    gather: Duration = 10 * SECOND
    """After a start, devices wait so long for every receiver to join: the first one there would get them all."""
    reclaim: Duration = 60 * SECOND
    """How long connections wait for their receiver when it has died; then they are closed, and devices dial anew."""
    connections: Annotated[int, Field(ge=1, le=20000)] = 10000
    """Devices may have so many connections to us at once; more are closed at once."""
    per_address: Annotated[int, Field(ge=1, le=20000)] = 4000
    """Of these, so many from one address (IPv6: from one /64 network)."""
    calls: Annotated[Rate, Field(ge=1)] = 100
    """Calls taken from one address in the long run, beyond a first `per_address` of them; more are closed at once."""
    keepalive: Duration = 180 * SECOND
    """A TCP connection is given up when its device has not answered for so long (0 s: never). A line that is down
    for less costs nothing."""

    @model_validator(mode="after")
    def _certified(self) -> Settings:
        if self.listen_tls and not self.tls:
            raise _settings.fault("listen_tls without certificates", "add tls: {certificate, key, authorities}")
        return self


class Unfit(Exception):
    """What the site wants, a balancer of these settings can't do; says what to add."""


def check_site(settings: Settings, site: Site) -> None:
    """Whether all devices of the site can be reached, and can reach us. Raises Unfit."""
    try:
        if settings.tls:
            settings.tls.check()
    except TlsFault as fault:
        raise Unfit(str(fault)) from fault
    for device in site.devices:
        if device.link.tls and not settings.tls:
            raise Unfit(f"{device.name} is to be dialled under TLS; add tls: to the balancer")
        if device.certificate and not settings.listen_tls:
            raise Unfit(f"{device.name} dials in under TLS; add listen_tls: to the balancer")
        dials_in = device.link.how == "dials_in" or device.link.data == "dials_in"
        if device.family != "c37118" and dials_in and not settings.listen_gbt26865:
            raise Unfit(f"{device.name} ({device.protocol}) dials in; add listen_gbt26865: to the balancer")
