"""Where the processes of a pipeline on several hosts are, and which host this is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes import _keys, _sockets
from nodes._faults import Faulty
from nodes._pipeline import load

ROOT = Path(__file__).parents[2]
TWO = ROOT / "pipelines" / "two_hosts.yaml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "config").mkdir()
    copy = tmp_path / "pipelines" / "two.yaml"
    copy.write_text(TWO.read_text())
    (tmp_path / "config" / "site.yaml").write_text((ROOT / "config" / "site.yaml").read_text())
    return copy


def keys_of(path: Path) -> Path:
    return path.parents[1] / "config" / "keys"


def test_all_hosts_come_to_the_same_ports(path: Path) -> None:
    for name in ("a", "b"):
        _keys.create(keys_of(path), name, _sockets.new_pair())
    seen = [load(path, here=here).network for here in ("a", "b")]
    assert seen[0]
    assert seen[1]
    assert seen[0].ports == seen[1].ports
    assert seen[0].inbox("front") == "tcp://10.77.0.1:5600"
    assert seen[0].news("receivers.1") == "tcp://10.77.0.1:5603"
    assert seen[0].inbox("archive") == "tcp://10.77.0.2:5600"
    assert (seen[0].is_here("front"), seen[1].is_here("front")) == (True, False)


def test_each_host_starts_its_own(path: Path) -> None:
    for name in ("a", "b"):
        _keys.create(keys_of(path), name, _sockets.new_pair())
    a, b = load(path, here="a"), load(path, here="b")
    assert set(a.local) == {"front", "receivers.1", "receivers.2"}
    assert set(a.local) | set(b.local) == set(a.processes) == set(load(path).processes)
    assert set(a.starting_order) == set(a.local)
    assert a.run != b.run
    assert a.place("front").network == a.network


def test_the_host_whose_key_lies_here_is_this_one(path: Path) -> None:
    _keys.create(keys_of(path), "b", _sockets.new_pair())
    assert load(path, here="").here == "b"
    assert load(path, only="archive").here == "b"
    _keys.create(keys_of(path), "a", _sockets.new_pair())
    with pytest.raises(Faulty, match="which host is this, a or b"):
        load(path, here="")


def test_without_a_key_nothing_starts(path: Path) -> None:
    with pytest.raises(Faulty, match=r"two.yaml:5: host a has no key here .*; syms keys new a --keys"):
        load(path, here="a")
    with pytest.raises(Faulty, match="syms keys new a"):
        load(path, only="front")
    with pytest.raises(Faulty, match="there is no host 'z'"):
        load(path, here="z")


def test_one_host_knows_no_network() -> None:
    pipeline = load(ROOT / "pipelines" / "station.yaml", here="")
    assert pipeline.network is None
    assert pipeline.local == pipeline.processes


def test_an_address_of_ipv6_is_written_as_zeromq_wants_it(path: Path) -> None:
    path.write_text(path.read_text().replace("10.77.0.1", "fd00::1"))
    _keys.create(keys_of(path), "a", _sockets.new_pair())
    network = load(path, here="a").network
    assert network
    assert network.inbox("front") == "tcp://[fd00::1]:5600"


def test_new_pairs_are_new() -> None:
    one, other = _sockets.new_pair(), _sockets.new_pair()
    assert {len(key) for key in (*one, *other)} == {32}
    assert len({*one, *other}) == 4
