"""Host names looked up beside the main thread."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Event

import pytest

from nodes import _dialing
from nodes._names import AT_MOST, LookingUp, Names, Place
from nodes._settings import Address
from nodes._sitedevice import Device
from protocol.clock import SECOND, Now
from tests.fronts import until

FOUND: Place = (socket.AF_INET, ("127.0.0.1", 4712))


def known(names: Names, address: Address) -> Callable[[], bool]:
    """Whether it is known by now."""

    def ask() -> bool:
        try:
            names.resolve(address, keep=True)
        except LookingUp:
            return False
        except OSError:
            return True
        return True

    return ask


def test_an_address_is_its_own_answer() -> None:
    names = Names(lambda address: pytest.fail("nobody is to be asked"))
    assert names.resolve(Address("10.0.0.1", 1)) == (socket.AF_INET, ("10.0.0.1", 1))
    assert names.resolve(Address("::1", 2)) == (socket.AF_INET6, ("::1", 2))


def test_a_silent_name_server_holds_up_nobody() -> None:
    answer, asked = Event(), []

    def look_up(address: Address) -> Place:
        asked.append(address.host)
        answer.wait(10.0)
        return FOUND

    names, farm = Names(look_up), Address("farm.example", 4712)
    try:
        for _ in range(3):
            with pytest.raises(LookingUp, match=r"farm\.example is being looked up"):
                names.resolve(farm)
        for number in range(2 * AT_MOST):
            with pytest.raises(LookingUp):
                names.resolve(Address(f"farm{number}.example", 4712))
        until(lambda: len(asked) == AT_MOST)
    finally:
        answer.set()
    until(known(names, farm))
    assert asked.count("farm.example") == 1
    assert names.resolve(farm) == FOUND
    with pytest.raises(LookingUp):  # the next one asks anew: it may have moved
        names.resolve(farm)


@pytest.mark.parametrize("fault", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_nobody_has(fault: Exception) -> None:
    def look_up(address: Address) -> Place:
        raise fault

    names, farm = Names(look_up), Address("farm.example", 4712)
    until(known(names, farm))
    with pytest.raises(OSError, match=r"not known|too long"):
        names.resolve(farm)


def test_a_dial_waits_for_its_name_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Event()
    with socket.create_server(("127.0.0.1", 0)) as door:
        place = (socket.AF_INET, ("127.0.0.1", door.getsockname()[1]))

        def look_up(address: Address) -> Place:
            answer.wait(10.0)
            return place

        names = Names(look_up)
        monkeypatch.setattr(_dialing, "NAMES", names)
        device = Device.model_validate({"name": "Farm", "number": 1, "link": {"tcp": "farm.example:4712"}})
        dial, now = _dialing.Dial(device), Now(SECOND, SECOND)
        assert dial.begin(now) is None
        assert (dial.failures, dial.due) == (0, now.monotonic + _dialing.ASK_AGAIN)
        assert dial.fault == "the name farm.example is being looked up"
        answer.set()
        until(known(names, dial.target))
        attempt = dial.begin(now)
        assert attempt is not None
        attempt.close()
