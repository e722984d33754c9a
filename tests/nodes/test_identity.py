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
    with pytest.raises(Unknown, match=r"C at 10\.0\.0\.3: says stream 5, the site file stream 9"):
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
    assert first == {"number": FIRST, "name": "192.0.2.1/5", "site": who.site.version}
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


BOUND = {
    "station": "T",
    "unknown": "admit",
    "devices": [
        {"name": "A", "number": 1, "stream": 7, "certificate": "A.example"},
        {"name": "A2", "number": 2, "stream": 9, "certificate": "a.example"},
        {"name": "B", "number": 3, "stream": 8},
        {"name": "C", "number": 4, "certificate": "c.example"},
    ],
}


@pytest.fixture
def bound(tmp_path):
    return Identities(Site.model_validate(BOUND), Registry(tmp_path / "registry.json"))


def test_a_certificate_makes_a_device_whatever_it_says(bound):
    assert bound.of_caller("10.0.0.1", 7, ["a.example"])["name"] == "A"
    assert bound.of_caller("10.0.0.1", 9, ["other", "a.example"])["name"] == "A2"
    assert bound.of_caller("10.0.0.1", 55, ["c.example"])["name"] == "C"
    assert bound.of_caller("10.0.0.1", 7, ["c.example"])["name"] == "C"  # any stream is C's


@pytest.mark.parametrize(
    ("stream", "certificate", "shown"),
    [
        (7, [], "it shows no certificate"),
        (7, ["rogue.example"], "its certificate is of rogue.example"),
        (8, ["a.example", "10.0.0.1"], "its certificate is of a.example or 10.0.0.1"),
    ],
)
def test_nobody_is_a_device_without_its_certificate(bound, stream, certificate, shown):
    """Not even admitted as somebody unknown; and who has a device's certificate is no other one."""
    with pytest.raises(Unknown, match=f"stream {stream} from 10.0.0.1: {shown}, the site file wants another"):
        bound.of_caller("10.0.0.1", stream, certificate)


def test_a_certificate_that_no_entry_names_is_as_good_as_none(bound):
    assert bound.of_caller("10.0.0.1", 8, ["any.example"])["name"] == "B"
    assert bound.of_caller("10.0.0.1", 77, ["any.example"])["number"] >= FIRST


def test_who_comes_in_the_clear_can_only_be_who_needs_no_certificate(tmp_path):
    who = Identities(Site.model_validate(BOUND | {"unknown": "refuse", "devices": BOUND["devices"][:1]}),
                     Registry(tmp_path / "registry.json"))  # fmt: skip
    assert (who.may_call("10.0.0.1"), who.may_call("10.0.0.1", secure=True)) == (False, True)
    assert (who.only_stream("10.0.0.1"), who.only_stream("10.0.0.1", secure=True)) == (None, 7)


def test_unknown_devices_are_admitted_from_their_networks_only(tmp_path):
    site = Site.model_validate(SITE | {"unknown": "admit", "admit_from": ["10.1.0.0/16", "fd00::/8"]})
    who = Identities(site, Registry(tmp_path / "registry.json"))
    number = who.of_caller("10.1.2.3", 55)["number"]
    assert who.name(number) == "10.1.2.3/55"
    assert who.of_caller("::ffff:10.1.2.3", 56)["number"] != number
    with pytest.raises(Unknown, match=r"stream 55 from 10\.2\.0\.1: not in the site file"):
        who.of_caller("10.2.0.1", 55)
    closed = Identities(site.model_copy(update={"devices": []}), who.registry)
    assert closed.may_call("10.1.0.1")
    assert not closed.may_call("10.2.0.1")
    elsewhere = Identities(site.model_copy(update={"admit_from": site.admit_from[1:]}), who.registry)
    assert elsewhere.name(number) is None
