"""Pipeline files: golden cases, bad ones included, and where a process stands.

A case is a folder of tests/pipelines; `faults.txt` holds what `syms check` says of its pipeline.yaml.
"""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nodes._faults import Faulty
from nodes._node import StartError
from nodes._pipeline import Pipeline, load
from nodes._runfolder import make_run_folder, run_folder
from nodes._sitewatch import keep
from nodes.archiver import judged

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "pipelines"


def faults_of(path: Path) -> str:
    try:
        load(path)
    except Faulty as faulty:
        return "".join(f"{fault}\n" for fault in faulty.faults)
    return ""


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_says_every_fault_with_line_and_remedy(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / case)
    assert faults_of(Path("pipeline.yaml")) == Path("faults.txt").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_pipelines_we_ship_have_no_faults(path: Path) -> None:
    assert faults_of(path) == ""


@pytest.fixture
def good() -> Pipeline:
    return load(CASES / "good" / "pipeline.yaml")


def test_a_place_names_the_neighbours(good: Pipeline) -> None:
    place = good.place("receivers.2")
    assert (place.node, place.copy) == ("receivers", 2)
    assert place.sources == {"balancer": ["front"]}
    assert place.readers_of == {"archiver": ["archive"], "concentrator": ["align"]}
    assert place.site["station"] == "North Hub"
    assert good.place("windows").readers_of == {"archiver": ["archive"], "detector": ["prejudge.1", "prejudge.2"]}


def test_a_place_has_the_nice_value_of_its_node(tmp_path: Path) -> None:
    case, text = CASES / "good", (CASES / "good" / "pipeline.yaml").read_text()
    (tmp_path / "site.yaml").write_text((case / "site.yaml").read_text())
    (tmp_path / "pipeline.yaml").write_text(text.replace("kind: receiver,", "kind: receiver, nice: -5,"))
    pipeline = load(tmp_path / "pipeline.yaml")
    assert (pipeline.place("receivers.2").nice, pipeline.place("align").nice) == (-5, None)


def test_a_place_tells_which_triggers_an_event_trigger_reads(tmp_path: Path) -> None:
    """Of those in our `from`; what the archiver makes of it: `nodes.archiver.judged`."""
    (tmp_path / "site.yaml").write_text("station: North\n")
    wires = {
        "front": {"kind": "balancer", "listen": "127.0.0.1:4712"}, "receivers": {"kind": "receiver", "from": "front"},
        "align": {"kind": "concentrator", "from": "receivers"},
        "windows": {"kind": "trigger", "from": "align"}, "others": {"kind": "trigger", "from": "align"},
        "judge": {"kind": "detector", "from": ["windows", "others"]},
        "suspects": {"kind": "trigger", "on": "suspicion", "from": ["align", "windows"]},
        "identify": {"kind": "detector", "from": "suspects", "algorithm": "disturbance"},
        "archive": {"kind": "archiver", "from": ["receivers", "windows", "others", "suspects"], "path": "all"},
        "part": {"kind": "archiver", "from": ["receivers", "windows"], "path": "part"},
    }  # fmt: skip
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"site": "site.yaml", "nodes": wires}))
    pipeline = load(tmp_path / "p.yaml")
    assert pipeline.place("archive").triggers_of == {"suspects": ["windows"]}
    assert judged(pipeline.place("archive")) == {"suspects", "windows"}
    assert judged(pipeline.place("part")) == set()  # it never hears what came of it


def test_readers_start_first_and_stop_last(good: Pipeline) -> None:
    order = good.starting_order
    for process, node in good.processes.items():
        for source in node.sources:
            assert all(order.index(process) < order.index(name) for name in good.nodes[source].processes)
    assert [name for level in good.stopping_order for name in sorted(level)] != order
    assert good.stopping_order[0] == ["front"]
    assert good.stopping_order[-1] == ["archive"]


def test_one_process_imports_only_its_own_kind() -> None:
    """A receiver's process holds neither HDF5 nor an algorithm's libraries."""
    program = (
        "import sys; from pathlib import Path; from nodes._pipeline import load; from nodes._kinds import node_of\n"
        f"pipeline = load(Path({str(CASES / 'good' / 'pipeline.yaml')!r}), only='receivers.1')\n"
        "node_of('receiver')\n"
        "assert pipeline.nodes['receivers'].settings is not None\n"
        "assert pipeline.nodes['archive'].settings is None\n"
        "print(sorted({'h5py', 'scipy', 'PyEMD', 'nodes.archiver', 'nodes.detector'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[]"


def test_the_run_folder_follows_from_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SYMS_RUN", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    first, other = run_folder(Path("a.yaml")), run_folder(Path("b.yaml"))
    assert first == run_folder(Path("./x/../a.yaml"))
    assert first != other
    assert first.parent.parent == tmp_path
    monkeypatch.setenv("SYMS_RUN", str(tmp_path / "mine"))
    assert run_folder(Path("a.yaml")) == tmp_path / "mine"


def test_the_run_folder_is_ours_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("SYMS_RUN", raising=False)
    folder = run_folder(Path("a.yaml"))
    make_run_folder(folder)
    make_run_folder(folder)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (folder, folder.parent)] == [0o700, 0o700]
    folder.parent.chmod(0o755)
    with pytest.raises(StartError, match="open to others"):
        make_run_folder(folder)


def test_a_run_folder_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(StartError, match="can't be made"):
        make_run_folder(tmp_path / "file")
    with pytest.raises(StartError, match="not a folder of ours"):
        make_run_folder(tmp_path / "link")


def test_sockets_must_fit_into_their_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMS_RUN", "/" + "x" * 86)
    said = faults_of(CASES / "good" / "pipeline.yaml")
    assert "receivers: the path of its socket has 112 bytes, 107 fit" in said
    assert "front" not in said


def test_receivers_know_whose_frames_are_wanted(tmp_path: Path) -> None:
    text = (CASES / "raw" / "pipeline.yaml").read_text()
    wrong = ("aligned", "unaligned", "strange", "foreign", "shaped")
    lines = [line for line in text.splitlines() if not line.strip().startswith(wrong)]
    (tmp_path / "pipeline.yaml").write_text("\n".join(lines))
    (tmp_path / "site.yaml").write_text((CASES / "raw" / "site.yaml").read_text())
    wired = load(tmp_path / "pipeline.yaml", only="receivers.2")
    assert wired.place("receivers.2").raw == ("Hub A",)
    assert wired.place("align").raw == wired.place("good").raw == ()


def test_a_process_starts_again_with_the_site_that_was_in_force(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SYMS_RUN", str(tmp_path))
    pipeline, site = tmp_path / "p.yaml", tmp_path / "config.yaml"
    nodes = "nodes:\n  front: {kind: balancer, listen: 0.0.0.0:4712}\n  receivers: {kind: receiver, from: front}\n"
    pipeline.write_text(f"site: config.yaml\n{nodes}")
    site.write_text("station: A\n")
    place = load(pipeline, only="front").place("front")
    assert place.site_file == site
    site.write_text("station: A\nunknown: maybe\n")
    with pytest.raises(Faulty, match="unknown is 'maybe'"):
        load(pipeline, only="front")
    keep(str(tmp_path), "station: A\n", "front")
    again = load(pipeline, only="front")
    assert (again.site.station, again.site.text, again.site_file) == ("A", "station: A\n", site)
    with pytest.raises(Faulty, match="unknown is 'maybe'"):
        load(pipeline)  # nothing is begun with it
    assert load(pipeline, standing=True).site.station == "A"  # but who looks at what runs sees it
    site.write_text("station: B\n")
    assert load(pipeline, only="front").site.station == "B"
    site.unlink()
    assert load(pipeline, only="front").site.station == "A"
