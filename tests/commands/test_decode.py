"""`syms decode` from the command line: rows, JSON lines, refusals."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from commands.app import make_app
from commands.decode import open_capture
from protocol.gbt26865 import encode_configuration
from protocol.smd import SHIPPED, Kind, load
from tests import scenes, tshark
from tests.captures import Talk, pcap
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make
from tests.protocol.smd import strategies as smd_make
from tests.protocol.smd.test_dialect import capture_of, frames_of


def decode(path: Path, form: str = "csv") -> Result:
    return CliRunner().invoke(make_app(("decode", "check")), ["decode", str(path), "--format", form])


def rows(path: Path) -> list[dict[str, str]]:
    result = decode(path)
    assert result.exit_code == 0
    return list(csv.DictReader(io.StringIO(result.stdout)))


def lines(path: Path) -> list[dict[str, Any]]:
    result = decode(path, "json")
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    path = tmp_path / "busy.pcap"
    path.write_bytes(pcap(scenes.busy()[0]))
    return path


def test_rows_of_a_capture(busy: Path) -> None:
    counts = scenes.busy()[1]
    found = rows(busy)
    quantities = Counter(row["quantity"] for row in found)
    stations = sum(counts.values()) + 2 * counts["10.0.0.1"]
    with_three_phasors = 20
    assert quantities["status"] == quantities["rocof"] == quantities["digital"] == stations
    assert quantities["magnitude"] == quantities["angle"] == 2 * stations + with_three_phasors
    assert {row["station"] for row in found if row["stream"] == "40"} == {"Twin A", "Brother A"}


def test_every_frame_as_json(busy: Path) -> None:
    found = lines(busy)
    summary = found.pop()["summary"]
    kinds = Counter(line["frame"] for line in found)
    assert dict(kinds) == {name: count for name, count in summary["frames"].items() if count}
    assert summary["foreign_flows"] == 2
    assert summary["skipped_bytes"] == summary["corrupt_frames"] == 0
    captured = [line["captured_ns"] for line in found]
    assert captured == sorted(captured)
    data = next(line for line in found if line["frame"] == "data")
    assert data["stations"][0]["status"]["data"] == "data valid"
    assert data["time_quality"]["time"].startswith("locked")


def test_both_forms_say_the_same(busy: Path) -> None:
    told = {
        (str(line["time_ns"]), str(line["stream"]), station["station"], phasor["name"], phasor["magnitude"])
        for line in lines(busy)
        if line.get("frame") == "data"
        for station in line["stations"]
        for phasor in station["phasors"]
    }
    written = {
        (row["time_ns"], row["stream"], row["station"], row["name"], float(row["value"]))
        for row in rows(busy)
        if row["quantity"] == "magnitude"
    }
    assert told == written


def test_data_without_configuration_is_said(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"".join(scenes.data(scenes.configuration(), 3)))
    result = decode(path)
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert "3 DATA frames have no configuration" in result.stderr
    assert "no configuration of stream 7" in lines(path)[0]["error"]


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "a PNG image"),
        (b"just some words\n", "plain text"),
        (bytes(1000), "bytes of no known protocol"),
        (b"", "the file is empty"),
    ],
    ids=["image", "text", "zeros", "empty"],
)
def test_what_is_no_capture_of_ours_is_refused(content: bytes, seen: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    result = decode(path)
    assert result.exit_code == 1
    assert seen in result.stderr
    assert not result.stdout


def test_foreign_traffic_alone_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "web.pcap"
    web = [record for record in scenes.busy()[0] if b"HTTP" in record[1]]
    path.write_bytes(pcap(web))
    result = decode(path)
    assert result.exit_code == 1
    assert "HTTP" in result.stderr


EXPECTED = {
    "C37.118_1PMU_TCP.pcap": (252, 12 - 1),
    "C37.118_1PMU_UDP.pcap": (356, 10),
    "C37.118_1PMU_UDP_minimal.pcap": (1, 10),
    "C37.118_1PMU_UDP_minimal_otherport.pcap": (1, 10),
    "GSF_generated_f32_rect_cfg2.pcap": (1, 9),
    "GSF_generated_f32_rect_cfg3.pcap": (1, 9),
    "GSF_generated_i16_polar_cfg2.pcap": (1, 9),
    "GSF_generated_i16_polar_cfg3.pcap": (1, 9),
    "RTPA_annexD.pcap": (1, 15),
    "c37_1100_clean_tcp.pcap": (422, 26),
    "c37_1100_fullclean.pcap": (422, 26),
    "nDPI_ieee_c37118.pcap": (608, 0),
}
"""DATA frames, and rows of each (0: they differ)."""


@pytest.mark.parametrize("name", EXPECTED)
def test_captures_of_the_field(name: str, shared: Path) -> None:
    path = shared / "data" / "captures" / name
    frames, per_frame = EXPECTED[name]
    found = rows(path)
    assert sum(row["quantity"] == "status" for row in found) == frames
    if per_frame:
        assert len(found) == frames * per_frame


CHINESE = Path(__file__).parents[1] / "protocol" / "gbt26865" / "golden.hex"


def test_frames_of_the_chinese_protocols_are_rows(tmp_path: Path) -> None:
    found = rows(CHINESE)
    assert Counter((row["stream"], row["station_id"], row["station"]) for row in found) == {
        ("0", "0GX00PM1", "场站一 PMU"): 5 * 8,
        ("0GX00GP1", "0GX00PM1", "场站一 PMU"): 5 * 8,
    }
    values = {(row["quantity"], row["name"]): row["value"] for row in found[8:16]}
    assert values["status", ""] == str(0x8000)
    assert (values["frequency", ""], values["rocof", ""]) == ("50.021", "-0.05")
    assert (values["magnitude", "IA"], values["analog", "有功功率"]) == ("228.88", "3085.0")
    assert [int(row["time_ns"]) for row in found[::8]] == [1_700_000_002_000_000_000 + k % 5 * 10**7 for k in range(10)]


def test_every_frame_of_the_chinese_protocols_as_json() -> None:
    found = lines(CHINESE)
    summary = found.pop()["summary"]
    assert summary["rows"] == summary["data_frames"] == 10
    assert summary["without_configuration"] == summary["corrupt_frames"] == summary["skipped_bytes"] == 0
    assert [sender["protocol"] for sender in summary["senders"]] == ["gbt26865"]
    labels = [line.split("\t")[0] for line in CHINESE.read_text("utf-8").splitlines() if not line.startswith("#")]
    by_label = dict(zip(labels, found, strict=True))
    assert len(by_label) == len(found)
    assert by_label["V3 CMD NACK"]["meaning"] == "nack"
    assert by_label["V2 CMD network trigger"]["meaning"] == "network_trigger"
    assert by_label["V2 HDR"]["text"] == by_label["V3 HDR"]["text"] == "场站说明 PMU"
    cfg = by_label["V3 CFG-1"]
    assert [(each["station_id"], each["name"], each["rate"]) for each in cfg["stations"]] == [
        ("0GX00PM1", "场站一 PMU", 50),
        ("你凉0002", "二号机组", 50),
    ]
    assert by_label["V3 CFG-2"]["rate"] == 100
    unlocked = by_label["V2 DATA unsynchronised"]
    assert not unlocked["stations"][0]["status"]["synchronised"]
    assert unlocked["time_quality"]["time"].startswith("clock failure")
    assert by_label["V3 DATA triggered by oscillation"]["stations"][0]["status"]["trigger_reason"] == (
        "low-frequency oscillation"
    )


@pytest.mark.parametrize(("protocol", "code", "rows"), [("gbt26865", 0, 81), ("c37118", 1, 0)])
def test_the_protocol_can_be_forced(protocol: str, code: int, rows: int) -> None:
    result = CliRunner().invoke(make_app(("decode", "check")), ["decode", str(CHINESE), "--protocol", protocol])
    assert (result.exit_code, result.stdout.count("\n")) == (code, rows)
    assert code == 0 or "it looks like GB/T 26865.2 or Q/GDW 131" in " ".join(result.stderr.split())


@pytest.fixture
def smds(tmp_path: Path) -> Path:
    """A capture of an SMD-L, three frames of each kind."""
    cfg = smd_make.configuration()
    talk = capture_of(cfg, frames_of(cfg, Kind.L, load()))
    path = tmp_path / "smd.pcap"
    path.write_bytes(pcap(talk.records))
    return path


def decode_smds(path: Path, *more: str) -> Result:
    return CliRunner().invoke(make_app(("decode", "check")), ["decode", str(path), "--protocol", "smd", *more])


@pytest.mark.parametrize("more", [(), ("--smd", "L"), ("--smd-table", str(SHIPPED))], ids=["", "kind", "table"])
def test_spectra_of_smds(smds: Path, more: tuple[str, ...]) -> None:
    result = decode_smds(smds, *more)
    assert (result.exit_code, result.stderr) == (0, "")
    found = list(csv.DictReader(io.StringIO(result.stdout)))
    names = Counter(row["name"] for row in found if row["quantity"] == "magnitude")
    assert (names["Ua"], names["Ua h5"], names["Ia 37 Hz"], len(names)) == (3, 3, 3, 4 * (1 + 49 + 92))
    assert {row["station"] for row in found} == {"负荷一", "负荷一 harmonics", "负荷一 inter-harmonics"}


def test_frames_of_smds_as_json(smds: Path) -> None:
    result = decode_smds(smds, "--format", "json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    summary = told.pop()["summary"]
    assert [summary["frames"][kind] for kind in ("data", "harmonics", "interharmonics")] == [3, 3, 3]
    assert (summary["data_frames"], summary["without_configuration"]) == (9, 0)
    line = next(line for line in told if line["frame"] == "harmonics")
    assert (line["protocol"], line["stations"][0]["phasors"][3]["name"]) == ("smd", "Ua h5")
    without = decode_smds(smds, "--format", "json", "--smd", "C").stdout.splitlines()
    assert json.loads(without[-1])["summary"]["without_configuration"] == 6


def test_faults_of_the_table_and_options_of_smds(smds: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    table.write_text(SHIPPED.read_text(encoding="utf-8").replace("mask: 0x70", "mask: 0x170"), encoding="utf-8")
    result = decode_smds(smds, "--smd-table", str(table))
    assert (result.exit_code, f"{table}:" in " ".join(result.stderr.split())) == (1, True)
    plain = CliRunner().invoke(make_app(("decode", "check")), ["decode", str(smds), "--smd", "L"])
    assert plain.exit_code == 2
    assert "add --protocol smd" in " ".join(plain.stderr.replace("│", " ").split())


def test_who_plays_captures_refuses_what_it_cannot_play(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        open_capture(CHINESE)
    assert "no frame of IEEE C37.118 in it; it looks like GB/T 26865.2 or Q/GDW 131" in capsys.readouterr().err


def test_a_capture_of_both_protocols(tmp_path: Path) -> None:
    scene = scenes.Scene()
    cfg = scenes.configuration()
    scene.session(cfg, scenes.data(cfg, 3), Talk("10.0.0.1"))
    told, data = make.configuration(3), make.data_frames(make.configuration(3), 3, scenes.BEGIN)
    talk = Talk("10.0.0.2", device_port=8000).opened(scenes.BEGIN * 10**9)
    talk.says(scenes.BEGIN * 10**9 + 1, byhand.command(5, 3)).sends(
        scenes.BEGIN * 10**9 + 2, encode_configuration(told)
    )
    pipe = Talk("10.0.0.2", device_port=8001).opened(scenes.BEGIN * 10**9 + 3)
    pipe.sends(scenes.BEGIN * 10**9 + 4, b"".join(data))
    path = tmp_path / "both.pcap"
    path.write_bytes(pcap(sorted([*scene.ordered(), *talk.records, *pipe.records], key=lambda record: record[0])))
    found = rows(path)
    counts = Counter(row["stream"] for row in found if row["quantity"] == "status")
    assert counts == {str(cfg.stream): 3, "0GX00GP1": 3}
    protocols = Counter(sender["protocol"] for sender in lines(path)[-1]["summary"]["senders"])
    assert protocols == {"c37118": 2, "gbt26865": 3}


def test_the_chinese_frames_of_a_vendors_manual(shared: Path) -> None:
    found = lines(shared / "data" / "captures" / "GBT_PmuSim_examples.hex")
    assert found.pop()["summary"]["frames"] == {
        "data": 2, "header": 0, "configuration_1": 0, "configuration_2": 0, "command": 10, "configuration_3": 0,
    }  # fmt: skip
    meanings = [line["meaning"] for line in found if line["frame"] == "command"]
    assert meanings[:5] == ["send_configuration_1", "heartbeat", "ack", "data_on", "download_configuration_2"]
    assert {line["stream"] for line in found if line["frame"] == "command"} == {"0GX00GP1"}


@pytest.mark.parametrize("name", ["C37.118_1PMU_TCP.pcap", "C37.118_1PMU_UDP.pcap", "nDPI_ieee_c37118.pcap"])
def test_json_tells_each_frame_that_tshark_tells(name: str, shared: Path) -> None:
    path = shared / "data" / "captures" / name
    said = Counter((frame.size, frame.stream) for frame in tshark.read(tshark.run(path)))
    assert Counter((line["size"], line["stream"]) for line in lines(path)[:-1]) == said


def test_the_known_inputs_of_a_made_capture(shared: Path) -> None:
    found = rows(shared / "data" / "captures" / "GSF_generated_i16_polar_cfg3.pcap")
    assert {row["station"] for row in found} == {"变电站 Station GSF"}
    values = {(row["quantity"], row["name"]): float(row["value"]) for row in found}
    assert values["angle", "I1"] == pytest.approx(143.239 - 30, abs=1e-3)
    assert values["analog", "AN"] == -7 * 2.5 - 1.25
    assert values["rocof", ""] == -0.25
    assert {(row["time_ns"], row["stream"], row["station_id"]) for row in found} == {
        ("1714979289120000000", "77", "101")
    }


@pytest.mark.system
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_reader_that_has_seen_enough_is_no_fault(form: str, tmp_path: Path) -> None:
    path = tmp_path / "long.bin"
    cfg = scenes.configuration()
    path.write_bytes(scenes.told(cfg) + b"".join(scenes.data(cfg, 5000)))
    decoder = [sys.executable, "-m", "commands.app", "decode", str(path), "--format", form]
    with subprocess.Popen(decoder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_what_a_device_says_twice_is_one_row(tmp_path: Path) -> None:
    scene = scenes.Scene()
    cfg = scenes.configuration(7, stations=2)
    frames = scenes.data(cfg, 3)
    scene.datagrams("10.0.0.8", [scenes.told(cfg), *frames, *frames[1:]])
    scene.datagrams("10.0.0.9", [scenes.told(cfg), *frames], start=0.1)
    path = tmp_path / "twice.pcap"
    path.write_bytes(pcap(scene.ordered()))
    assert len([row for row in rows(path) if row["quantity"] == "status"]) == 2 * (3 + 3)
    assert "4 rows repeat" in " ".join(decode(path).stderr.split())
    found = lines(path)
    assert found.pop()["summary"]["repeated_rows"] == 4
    repeats = [station.get("repeat", False) for line in found for station in line.get("stations", []) if "time" in line]
    assert repeats.count(True) == 4
