"""Key files: made once, secret, changed as a whole."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nodes import _keys
from nodes._keys import KeyFault

ONE, TWO = bytes(range(32)), bytes(range(32, 64))


def test_a_new_pair_is_ours_alone_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    path = _keys.create(folder, "a", (ONE, TWO))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert _keys.read_pair(folder, "a") == (ONE, TWO)
    assert _keys.own_names(folder) == ["a"]
    assert [each.name for each in folder.iterdir()] == ["a.secret"]


def test_a_pair_is_never_written_over(tmp_path: Path) -> None:
    _keys.create(tmp_path, "a", (ONE, TWO))
    with pytest.raises(KeyFault, match="is there already"):
        _keys.create(tmp_path, "a", (TWO, ONE))
    assert _keys.read_pair(tmp_path, "a") == (ONE, TWO)


def test_a_secret_that_others_can_read_is_not_taken(tmp_path: Path) -> None:
    path = _keys.create(tmp_path, "a", (ONE, TWO))
    path.chmod(0o640)
    with pytest.raises(KeyFault, match="chmod 600"):
        _keys.read_pair(tmp_path, "a")


def test_a_link_is_no_secret(tmp_path: Path) -> None:
    _keys.create(tmp_path / "there", "a", (ONE, TWO))
    (tmp_path / "a.secret").symlink_to(tmp_path / "there" / "a.secret")
    with pytest.raises(KeyFault, match="can't be read"):
        _keys.read_pair(tmp_path, "a")


@pytest.mark.parametrize("text", ["", "public", "public 12\nsecret 34\n", f"public {'00' * 32}\nsecret {'0g' * 32}\n"])
def test_what_is_no_key_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.secret"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(KeyFault):
        _keys.read_pair(tmp_path, "a")


def test_a_key_that_is_missing_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(KeyFault, match="syms keys new a --keys"):
        _keys.read_pair(tmp_path, "a")


def test_the_list_is_kept_by_name(tmp_path: Path) -> None:
    assert _keys.read_list(tmp_path) == {}
    _keys.allow(tmp_path, "b", ONE)
    _keys.allow(tmp_path, "c", TWO)
    assert _keys.read_list(tmp_path) == {"b": ONE, "c": TWO}
    assert stat.S_IMODE((tmp_path / "allowed").stat().st_mode) == 0o600
    assert _keys.revoke(tmp_path, "b")
    assert not _keys.revoke(tmp_path, "b")
    _keys.allow(tmp_path, "c", ONE)
    assert _keys.read_list(tmp_path) == {"c": ONE}


def test_two_hosts_do_not_share_a_key(tmp_path: Path) -> None:
    _keys.allow(tmp_path, "b", ONE)
    with pytest.raises(KeyFault, match="is b's"):
        _keys.allow(tmp_path, "c", ONE)


@pytest.mark.parametrize("name", ["", "../b", "b c", "b/c", "9b", "b\nc"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyFault, match="can't be a host's name"):
        _keys.allow(tmp_path, name, ONE)
    with pytest.raises(KeyFault, match="can't be a host's name"):
        _keys.create(tmp_path, name, (ONE, TWO))


@pytest.mark.parametrize("line", ["b", "b 12", "b c d", "../b " + "00" * 32, "\x00"])
def test_a_faulty_line_has_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "allowed").write_text(f"# list\n\n{line}\n")
    with pytest.raises(KeyFault, match="allowed:3:"):
        _keys.read_list(tmp_path)


@pytest.mark.parametrize("text", ["", "12", "zz" * 32, "00" * 33])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyFault, match="64 hexadecimal"):
        _keys.parse(text)
