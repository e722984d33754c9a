"""supervisord's files: what we write and what stands in the checkout."""

from __future__ import annotations

import configparser
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from commands import _supervise, _wirings
from commands._supervise import last_line
from nodes._node import StartError
from nodes._pipeline import Pipeline, load

ROOT = Path(__file__).parents[2]


def ini(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(text)
    return parser


@pytest.fixture
def station() -> Pipeline:
    return load(ROOT / "pipelines" / "station.yaml")


def test_one_program_per_process(station: Pipeline) -> None:
    programs = ini("\n".join(_supervise.programs(station).values()))
    assert {name.removeprefix("program:") for name in programs.sections()} == set(station.processes)
    for process in station.processes:
        program = programs[f"program:{process}"]
        wiring = _wirings.name_of(station.text)
        assert shlex.split(program["command"])[-5:] == ["run", "--wiring", wiring, str(station.path), process]
        assert program.getint("priority") == station.order(process)
        assert (program["autorestart"], program["exitcodes"], program["stopsignal"]) == ("unexpected", "0,2", "TERM")
        assert int(program["stdout_logfile_backups"]) > 0
        assert program["stdout_logfile_maxbytes"] == "10MB"


def test_what_feeds_stops_before_what_reads(station: Pipeline) -> None:
    """supervisord stops the highest priority number first."""
    programs = ini("\n".join(_supervise.programs(station).values()))
    for process, node in station.processes.items():
        mine = programs[f"program:{process}"].getint("priority")
        for source in node.sources:
            theirs = [programs[f"program:{name}"].getint("priority") for name in station.nodes[source].processes]
            assert min(theirs) > mine


def test_percent_signs_in_paths_are_no_expansions(station: Pipeline) -> None:
    odd = replace(station, path=Path("/srv/50 %/pipeline.yaml"), run="/run/50%")
    program = ini("\n".join(_supervise.programs(odd).values()))["program:front"]
    assert shlex.split(program["command"])[-2] == "/srv/50 %%/pipeline.yaml"
    assert 'SYMS_RUN="/run/50%%"' in program["environment"]
    with pytest.raises(StartError, match="has a quote in it"):
        _supervise.programs(replace(station, run='/run/"'))


def test_the_checkouts_configuration_is_the_one_we_write(station: Pipeline) -> None:
    """`supervisord -c supervisord.conf` and `syms up` do the same; only places differ."""
    written = ini(_supervise.configuration(replace(station, run="RUN")))
    shipped = ini((ROOT / "supervisord.conf").read_text())
    assert shipped.sections() == written.sections()
    for section in written.sections():
        assert shipped[section].keys() == written[section].keys()
        for key, value in written[section].items():
            if key in ("command", "directory"):
                continue
            assert shipped[section][key].replace("%(here)s/run", "RUN") == value
    words = shipped["program:wiring"]["command"].replace("%(here)s", "").split()
    assert words[-4:] == ["up", "/pipelines/station.yaml", "--inside", "/run/programs.conf"]


def test_it_names_no_node() -> None:
    shipped = ini((ROOT / "supervisord.conf").read_text())
    assert [name for name in shipped.sections() if name.startswith("program:")] == [
        "program:wiring",
        "program:pulse",
    ]
    assert shipped["unix_http_server"]["chmod"] == "0700"
    assert "inet_http_server" not in shipped


def test_a_dead_server_is_none(run_folder: Path) -> None:
    assert _supervise.supervisor_of(str(run_folder)) is None
    (run_folder / _supervise.SERVER).write_text(f"unix://{run_folder}/supervisor.sock")
    assert _supervise.supervisor_of(str(run_folder)) is None


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert last_line(log) == "no log yet"
    log.write_text("")
    assert last_line(log) == "nothing logged"
    log.write_text("one\ntwo\n\n")
    assert last_line(log) == "two"
