"""A changed site file, taken up by a balancer and by receivers that are driven by hand."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from nodes._site import load
from nodes.balancer import Balancer
from tests.benches import Bench, Receiver, bench, is_open, receive

__all__ = ["bench", "receive"]


def entry(number: int, **settings: Any) -> dict[str, Any]:
    return {"name": f"D{number}", "number": number, "stream": number} | settings


class Edited:
    """A balancer that watches a site file."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.file = bench, bench.folder / "site.yaml"

    def write(self, *devices: dict[str, Any], **settings: Any) -> str:
        """Returns its version."""
        self.file.write_text(yaml.safe_dump({"station": "T", "devices": list(devices)} | settings))
        return load(self.file).version

    def start(self, *devices: dict[str, Any], **settings: Any) -> Balancer:
        self.write(*devices, **settings)
        site = load(self.file).model_dump(mode="json")
        node = self.bench.start(site, site_file=self.file)
        self.bench.turn(1)
        return node

    def edit(self, *devices: dict[str, Any], **settings: Any) -> str:
        version = self.write(*devices, **settings)
        for _ in range(3):
            self.bench.turn(1.1)
        return version


@pytest.fixture
def edited(bench: Bench) -> Edited:
    return Edited(bench)


def said(notes: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [note for note in notes if note["say"] == what]


def test_receivers_are_told_the_version_and_answered_by_the_new_file(
    edited: Edited, receive: Callable[..., Any]
) -> None:
    node = edited.start(entry(7, region="north"))
    receiver = receive("r.1")
    device = edited.bench.dial()
    [link] = receiver.hear()
    [answer] = receiver.identify(link["connection"], 7)
    first = answer["device"]["site"]
    assert (answer["device"]["name"], first) == ("D7", node.watch.site.version)
    version = edited.edit(entry(7, region="south") | {"name": "Renamed"})
    assert said(receiver.hear(), "site") == [{"say": "site", "version": version}]
    [answer] = receiver.identify(link["connection"], 7)
    assert (answer["device"]["name"], answer["device"]["region"]) == ("Renamed", "south")
    assert answer["device"]["site"] == version != first
    assert node.health(edited.bench.now)["labels"] == ["Renamed"]
    assert is_open(device)
    assert node.health(edited.bench.now)["site"] == version


def test_a_welcome_tells_the_version(edited: Edited) -> None:
    edited.start(entry(7))
    version = edited.edit(entry(8))
    receiver = Receiver(edited.bench, "r.1")
    edited.bench.turn()
    [welcome] = receiver.hear()
    assert (welcome["say"], welcome["site"]) == ("welcome", version)
    receiver.die()


def test_who_may_call_follows_the_file(edited: Edited, receive: Callable[..., Any]) -> None:
    edited.start(entry(7, address="127.0.0.7"))
    receive("r.1")
    assert not is_open(edited.bench.dial())
    edited.edit(entry(7, address="127.0.0.1"))
    assert is_open(edited.bench.dial())


def test_who_is_not_in_the_file_any_more_is_refused_when_asked_about(
    edited: Edited, receive: Callable[..., Any]
) -> None:
    edited.start(entry(7), entry(8))
    receiver = receive("r.1")
    edited.bench.dial()
    [link] = receiver.hear()
    receiver.identify(link["connection"], 7)
    edited.edit(entry(8))
    receiver.hear()
    [answer] = receiver.identify(link["connection"], 7)
    assert answer["say"] == "refused"
    assert answer["reason"] == "stream 7 from 127.0.0.1: not in the site file"
    assert edited.bench.node.health(edited.bench.now)["labels"] == ["D8"]


def test_an_admitted_device_is_asked_to_leave_with_the_setting(edited: Edited, receive: Callable[..., Any]) -> None:
    edited.start(unknown="admit")
    receiver = receive("r.1")
    edited.bench.dial()
    [link] = receiver.hear()
    [answer] = receiver.identify(link["connection"], 7)
    assert answer["device"]["name"] == "127.0.0.1/7"
    edited.edit(entry(8))
    receiver.hear()
    assert receiver.identify(link["connection"], 7)[0]["say"] == "refused"


class Listener:
    """A device that is dialled."""

    def __init__(self) -> None:
        self.end = socket.create_server(("127.0.0.1", 0))
        self.end.setblocking(False)
        self.port = self.end.getsockname()[1]

    @property
    def link(self) -> dict[str, Any]:
        return {"tcp": f"127.0.0.1:{self.port}"}

    def calls(self) -> int:
        """How often it was called since."""
        count = 0
        while True:
            try:
                self.end.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def listeners(bench: Bench) -> list[Listener]:
    made = [Listener(), Listener()]
    bench.open += [each.end for each in made]
    return made


def test_a_dialled_device_that_is_added_is_dialled(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start()
    receive("r.1")
    edited.edit(entry(1, link=listeners[0].link))
    edited.bench.turn(1)
    assert listeners[0].calls() == 1


def test_a_dialled_device_that_is_renamed_stays(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start(entry(1, link=listeners[0].link))
    receiver = receive("r.1")
    edited.bench.turn(0.1)
    edited.bench.turn(0.1)
    [link] = receiver.hear()
    receiver.identify(link["connection"], 1)
    edited.edit(entry(1, link=listeners[0].link) | {"name": "Renamed"})
    assert said(receiver.hear(), "end") == []
    assert listeners[0].calls() == 1
    [answer] = receiver.identify(link["connection"], 1)
    assert answer["device"]["name"] == "Renamed"


def test_a_dialled_device_that_is_moved_is_ended_and_reached_anew(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start(entry(1, link=listeners[0].link))
    receiver = receive("r.1")
    edited.bench.turn(0.1)
    edited.bench.turn(0.1)
    [link] = receiver.hear()
    receiver.identify(link["connection"], 1)
    edited.edit(entry(1, link=listeners[1].link))
    [end] = said(receiver.hear(), "end")
    assert (end["connection"], end["reason"]) == (
        link["connection"],
        "the site file says no more that a device is there",
    )
    assert receiver.identify(link["connection"], 1)[0]["say"] == "refused"
    receiver.end(link["connection"])
    edited.bench.turn(1)
    edited.bench.turn(1)
    assert (listeners[0].calls(), listeners[1].calls()) == (1, 1)


def test_a_receiver_that_was_away_hears_of_the_end_when_it_is_back(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start(entry(1, link=listeners[0].link))
    receiver = receive("r.1")
    edited.bench.turn(0.1)
    edited.bench.turn(0.1)
    [link] = receiver.hear()
    receiver.die()
    edited.edit()
    successor = Receiver(edited.bench, "r.1")
    edited.bench.turn()
    notes = successor.hear()
    assert [note["say"] for note in notes] == ["welcome", "link", "end"]
    assert notes[-1]["connection"] == link["connection"]
    successor.die()


def test_a_dial_under_way_is_given_up(edited: Edited, receive: Callable[..., Any]) -> None:
    node = edited.start(entry(1, link={"tcp": "192.0.2.1:4712"}))
    receive("r.1")
    edited.bench.turn(0.1)
    trying = [fd for fd in edited.bench.watched if fd in node.reach]
    edited.edit()
    assert not [fd for fd in trying if fd in edited.bench.watched]
    assert node.reach.alarms([]) == []


def test_a_port_that_stays_knows_its_new_devices(edited: Edited, receive: Callable[..., Any]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    way = {"spontaneous": f"127.0.0.1:{port}"}
    edited.start(entry(1, link=way))
    receiver = receive("r.1")
    [link] = receiver.links.values()
    assert receiver.identify(link["connection"], 2)[0]["say"] == "refused"
    edited.edit(entry(1, link=way), entry(2, link=dict(way)))
    notes = receiver.hear()
    assert not said(notes, "end")
    assert not said(notes, "link")
    assert receiver.identify(link["connection"], 2)[0]["device"]["name"] == "D2"
    edited.edit()
    assert [note["connection"] for note in said(receiver.hear(), "end")] == [link["connection"]]


def test_a_file_that_wants_tls_which_we_lack_is_refused(edited: Edited, receive: Callable[..., Any]) -> None:
    node = edited.start(entry(1))
    receiver = receive("r.1")
    receiver.hear()
    edited.edit(entry(1, link={"tcp": "127.0.0.1:4712", "tls": {}}))
    assert said(receiver.hear(), "site") == []
    assert node.watch.site.devices[0].link.how == "dials_in"
    assert "the changed site file is not taken up: D1 is to be dialled under TLS; add tls: to the balancer" in (
        edited.bench.alarms()
    )
