"""Who a device is: the site file first, then the registry, else refused by name."""

import json

import pytest

from nodes._identity import Identities, Unknown
from nodes._registry import FIRST, PER_ADDRESS_AT_MOST, Registry, RegistryError
from nodes._site import Site

SITE = {
    "station": "T",
    "devices": [
        {"name": "A", "number": 1, "stream": 7, "address": "10.0.0.1", "region": "north", "latitude": 50.0},
        {"name": "B", "number": 2, "stream": 8},
        {"name": "C", "number": 3, "stream": 9, "link": {"tcp": "10.0.0.3:4712"}},
        {"name": "D", "number": 4, "link": {"spontaneous": 4713, "source": "10.0.0.4"}},
    ],
}


def identities(tmp_path, unknown="refuse"):
    return Identities(Site.model_validate(SITE | {"unknown": unknown}), Registry(tmp_path / "registry.json"))


def test_a_caller_is_recognised_by_address_and_stream(tmp_path):
    who = identities(tmp_path)
    assert who.of_caller("10.0.0.1", 7)["name"] == "A"
    assert who.of_caller("10.0.0.1", 7)["region"] == "north"
    assert who.of_caller("10.9.9.9", 8)["number"] == 2
    with pytest.raises(Unknown, match=r"stream 7 from 10\.0\.0\.2: not in the site file"):
        who.of_caller("10.0.0.2", 7)


def test_who_may_call_and_what_to_address_commands_to(tmp_path):
    strict = Identities(
        Site.model_validate({"station": "T", "devices": SITE["devices"][:1]}), Registry(tmp_path / "registry.json")
    )
    assert strict.may_call("10.0.0.1")
    assert not strict.may_call("10.0.0.2")
    assert strict.only_stream("10.0.0.1") == 7
    assert strict.only_stream("10.0.0.2") is None
    assert identities(tmp_path).only_stream("10.0.0.1") is None  # B may call from anywhere
    assert identities(tmp_path, "admit").may_call("192.0.2.1")


def test_a_dialled_device_must_be_the_one_that_the_site_says(tmp_path):
    who = identities(tmp_path)
    device = who.site.devices[2]
    assert who.of_dialled(device, "10.0.0.3", 9)["number"] == 3
    with pytest.raises(Unknown, match=r"C at 10\.0\.0\.3: says stream 5, the site file 9"):
        who.of_dialled(device, "10.0.0.3", 5)


def test_a_sender_is_recognised_by_its_source(tmp_path):
    who = identities(tmp_path)
    assert who.of_sender([who.site.devices[3]], "10.0.0.4", 77)["name"] == "D"
    with pytest.raises(Unknown):
        who.of_sender([who.site.devices[3]], "10.0.0.5", 77)


def test_admitted_devices_keep_their_number_for_ever(tmp_path):
    who = identities(tmp_path, "admit")
    first = who.of_caller("192.0.2.1", 5)
    assert not who.registry.is_saved(FIRST)
    assert who.of_caller("192.0.2.1", 5) == first
    who.registry.save()
    assert who.registry.is_saved(FIRST)
    assert first == {"number": FIRST, "name": "192.0.2.1/5"}
    later = identities(tmp_path, "admit")
    assert later.of_caller("192.0.2.2", 5)["number"] == FIRST + 1
    assert later.of_caller("192.0.2.1", 5) == first


def test_numbers_of_the_site_file_are_not_given_again(tmp_path):
    assert Registry(tmp_path / "r.json").number("a", 1, taken={FIRST, FIRST + 1}) == FIRST + 2


def test_a_full_registry_says_so(tmp_path):
    path = tmp_path / "registry.json"
    devices = [{"address": "x", "stream": n, "number": n} for n in range(FIRST, 65_536)]
    path.write_text(json.dumps({"format": 1, "devices": devices}))
    with pytest.raises(Unknown, match="no number left"):
        identities(tmp_path, "admit").of_caller("192.0.2.1", 1)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2, "devices": []}', '{"format": 1, "devices": [{}]}'])
def test_a_damaged_registry_is_named_with_a_remedy(tmp_path, content):
    path = tmp_path / "registry.json"
    path.write_text(content)
    with pytest.raises(RegistryError, match=r"registry\.json"):
        Registry(path)


def test_a_number_that_could_not_be_saved_is_nobodys(tmp_path):
    registry = Registry(tmp_path / "gone" / "r.json")
    (tmp_path / "gone").write_text("a file where the folder should be")
    assert registry.number("a", 1, set()) == FIRST
    with pytest.raises(RegistryError, match=r"r\.json: "):
        registry.save()
    (tmp_path / "gone").unlink()
    assert registry.number("b", 2, set()) == FIRST
    registry.save()
    assert Registry(tmp_path / "gone" / "r.json").numbers == {("b", 2): FIRST}


def test_one_address_can_not_use_up_all_numbers(tmp_path):
    registry = Registry(tmp_path / "r.json")
    given = [registry.number("a", stream, set()) for stream in range(1, 6000)]
    assert given.count(None) == len(given) - PER_ADDRESS_AT_MOST
    assert registry.number("b", 1, set()) == FIRST + PER_ADDRESS_AT_MOST


def test_names_of_numbers_brought_back(tmp_path):
    who = identities(tmp_path, "admit")
    number = who.of_caller("192.0.2.1", 5)["number"]
    assert (who.name(1), who.name(number), who.name(number + 1)) == ("A", "192.0.2.1/5", None)
    who.registry.save()
    assert identities(tmp_path).name(number) is None  # the site admits nobody any more
