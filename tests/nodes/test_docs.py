"""What the pages tell people to write has no faults."""

from __future__ import annotations

import re
from pathlib import Path

from nodes import _site
from nodes._pipeline import load

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


def test_the_example_of_several_hosts(tmp_path: Path) -> None:
    for folder in ("config", "pipelines"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "site.yaml").write_text(example("connect-a-device.md"))
    path = tmp_path / "pipelines" / "two_hosts.yaml"
    path.write_text(example("two-hosts.md"))
    assert set(load(path).hosts) == {"a", "b"}


def test_the_pipeline_example(tmp_path: Path) -> None:
    for folder in ("config", "pipelines"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "site.yaml").write_text(example("connect-a-device.md"))
    path = tmp_path / "pipelines" / "station.yaml"
    path.write_text(example("edit-a-pipeline.md"))
    assert list(load(path).nodes) == ["front", "receivers", "archive", "align", "windows", "prejudge"]
