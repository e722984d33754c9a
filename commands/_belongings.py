"""What a station keeps on its disk, by its pipeline: what a backup takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from archive.backup.snapshots import Role
from archive.backup.taking import Item
from console.access.audit import Audit
from nodes._pipeline import Pipeline
from nodes.console import Settings as Console

SETTINGS = (".yaml", ".yml", ".csv", ".json", ".xlsx", ".geojson")
"""Files beside the pipeline and the site file that are settings."""
SECRET = (".pem", ".key", ".crt")
LARGEST = 64 << 20
"""Bytes of a file that still passes for settings."""


def belongings(pipeline: Pipeline, with_keys: bool) -> list[Item]:
    """Archives, journals (who reads before who is read), settings; keys and certificates only if they are asked for."""
    found = [Item(Role.ARCHIVE, path) for path in archives(pipeline)]
    found += [Item(Role.JOURNAL, pipeline.journal / name) for name in pipeline.starting_order
              if (pipeline.journal / name).is_dir()]  # fmt: skip
    settings = {pipeline.path, *_settings(pipeline)}
    found += [Item(Role.CONFIG, path) for path in sorted(settings)]
    found += [Item(Role.CONFIG, path) for path in _audit_logs(pipeline)]
    if with_keys:
        found += [Item(Role.KEYS, path) for path in sorted(_keys(pipeline) - settings)]
    return found


def archives(pipeline: Pipeline) -> list[Path]:
    """Folders of the archives on this host."""
    nodes = {node.name: node for node in pipeline.local.values() if node.kind == "archiver"}
    return [Path(getattr(node.settings, "path")).resolve() for node in nodes.values()]  # noqa: B009


def _settings(pipeline: Pipeline) -> Iterator[Path]:
    """What lies beside the pipeline and the site file, and what processes keep in files of their own."""
    folders = {pipeline.path.parent, *([pipeline.site_file.parent] if pipeline.site_file else [])}
    for folder in folders:
        for path in folder.iterdir():
            if path.is_file() and path.suffix in SETTINGS and path.stat().st_size < LARGEST:
                yield path.resolve()
    for console in _consoles(pipeline):
        if (users := console.users_file(pipeline.path)).is_file():
            yield users.resolve()
    for node in pipeline.local.values():
        registry = getattr(node.settings, "registry", None)
        if isinstance(registry, Path) and registry.is_file():
            yield registry.resolve()


def _consoles(pipeline: Pipeline) -> Iterator[Console]:
    yield from (node.settings for node in pipeline.local.values() if isinstance(node.settings, Console))


def _audit_logs(pipeline: Pipeline) -> Iterator[Path]:
    for console in _consoles(pipeline):
        yield from (path.resolve() for path in Audit(console.audit_folder(pipeline.path)).to_copy())


def _keys(pipeline: Pipeline) -> set[Path]:
    """The keys of hosts, and what lies beside the settings and is secret."""
    folders = {pipeline.path.parent, *([pipeline.site_file.parent] if pipeline.site_file else [])}
    beside = (path for folder in folders for path in folder.iterdir() if path.suffix in SECRET)
    return {path.resolve() for path in (*pipeline.keys.rglob("*"), *beside) if path.is_file()}
