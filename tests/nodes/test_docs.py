"""What the pages tell people to write has no faults."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from nodes import _grid, _site, concentrator, publisher
from nodes._pipeline import load
from nodes._site import Site
from nodes._tls import Session, Tls, make_context
from protocol.messages import device_number

DOCS = Path(__file__).parents[2] / "docs"


def example(page: str) -> str:
    """The first YAML block of a page."""
    found = re.search(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_site_example(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(example("connect-a-device.md"))
    ways = [device.link.how for device in _site.load(path).devices]
    assert ways == ["dials_in", "tcp", "tcp_udp", "udp", "spontaneous"]


def test_the_example_of_a_grid(tmp_path: Path) -> None:
    page = "describe-the-grid.md"
    (tmp_path / "site.yaml").write_text(example(page))
    tables = re.findall(r"((?:^    [^\n$]+,[^\n]*\n)+)", (DOCS / page).read_text(), re.MULTILINE)
    for name, table in zip(("buses.csv", "lines.csv"), tables, strict=False):
        (tmp_path / name).write_text(re.sub(r"^ {4}", "", table, flags=re.MULTILINE))
    site = _site.load(tmp_path / "site.yaml")
    assert site.network is not None
    network = _grid.load(site.network, site.devices).of([device_number(2, 0)])
    assert network.devices.tolist() == [2]
    assert network.line(2) == "transformer LAKE-220 - 1042 (Lake T1)"


def test_the_example_of_several_hosts(tmp_path: Path) -> None:
    for folder in ("config", "pipelines"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "site.yaml").write_text(example("connect-a-device.md"))
    path = tmp_path / "pipelines" / "two_hosts.yaml"
    path.write_text(example("two-hosts.md"))
    assert set(load(path).hosts) == {"a", "b"}


def test_the_example_of_a_caretaker(tmp_path: Path) -> None:
    for folder in ("config", "pipelines"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "site.yaml").write_text(example("connect-a-device.md"))
    path = tmp_path / "pipelines" / "station.yaml"
    path.write_text(example("keep-it-safe.md"))
    assert set(load(path).nodes) == {"front", "receivers", "archive", "care"}


def test_the_pipeline_example(tmp_path: Path) -> None:
    for folder in ("config", "pipelines"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "site.yaml").write_text(example("connect-a-device.md"))
    path = tmp_path / "pipelines" / "station.yaml"
    path.write_text(example("edit-a-pipeline.md"))
    assert list(load(path).nodes) == ["front", "receivers", "archive", "align", "windows", "prejudge", "watch"]


def test_what_a_concentrator_is_told_to_do() -> None:
    """The example of the page, and every setting in its table."""
    page = "concentrate.md"
    told = yaml.safe_load(example(page))["align"]
    assert concentrator.Settings.model_validate({k: v for k, v in told.items() if k not in ("kind", "from")}).treats
    text = re.sub(r"```.*?```", "", (DOCS / page).read_text(), flags=re.DOTALL)
    spans = [span for span in re.findall(r"`([^`]+)`", text) if re.match(r"[a-z]+: ", span) and "…" not in span]
    wanted = {**concentrator.Settings.model_fields, "validate": None}
    settings = [yaml.safe_load(span) for span in spans if span.partition(":")[0] in wanted]
    assert len(settings) > 15
    for each in settings:
        more = {"derive": ["sequences"]} if "sets" in each else {}
        concentrator.Settings.model_validate(each | more)


def test_the_certificates_of_the_page_can_be_used(tmp_path: Path) -> None:
    """Its commands are run as they stand there."""
    commands = re.search(r"```sh\n(.*?)```", (DOCS / "connect-a-device.md").read_text(), re.DOTALL)
    assert commands is not None
    subprocess.run(["sh", "-ec", commands[1]], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    text = (DOCS / "connect-a-device.md").read_text()
    told = re.search(r"    tls: (\{.*\})\n", text)
    assert told is not None
    (tmp_path / "pipelines").mkdir()
    tls = Tls.model_validate(yaml.safe_load(told[1]), context={"base": tmp_path / "pipelines"})
    tls.check()
    entries = re.search(r"whose certificate is whose:\n\n```yaml\n(.*?)```", text, re.DOTALL)
    assert entries is not None
    site = Site.model_validate({"station": "x", "devices": yaml.safe_load(entries[1])})
    device, dialled = site.devices
    assert (device.certificate, dialled.link.tls and dialled.link.tls.name) == ("wind-a.example", "sub-b.example")
    theirs = tls.model_copy(update={key: tmp_path / f"config/tls/wind-a.example.{end}"
                                    for key, end in (("certificate", "crt"), ("key", "key"))})  # fmt: skip
    here = Session(make_context(tls.terms(dialled=False)), dialled=False)
    there = Session(make_context(theirs.terms(dialled=True)), dialled=True, name="station.example")
    for _ in range(4):
        here.feed(there.outgoing())
        there.feed(here.outgoing())
    assert here.names == ("wind-a.example",)
    assert there.fault == ""


def test_the_example_of_an_output_stream() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / "forward-a-stream.md").read_text(), re.DOTALL)
    entries = [entry for block in blocks for entry in yaml.safe_load(block).values()]
    one, other = (
        publisher.Settings.model_validate({key: each for key, each in entry.items() if key not in ("kind", "from")})
        for entry in entries
    )
    assert (one.rate, other.raw) == (25, "Hub A")


def test_what_is_said_to_be_there_has_its_test() -> None:
    """Each line of the checklist of a PDC names a test that there is; only what is not there names none."""
    page = (DOCS / "c37244.md").read_text()
    lines = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 30
    for function, setting, test, _ in lines:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", test)
        assert named or setting.strip() == "none", function
        for file, name in named:
            assert f"\ndef {name}(" in (DOCS.parent / "tests" / file).read_text(), f"{function}: {file}::{name}"
