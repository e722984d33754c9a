"""`syms schema`: JSON schema of pipeline and site files, so that editors complete and check them.

syms schema > pipelines/schema.json
syms schema --site > config/schema.json
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from nodes._hosts import HostSettings
from nodes._kinds import KINDS, settings_of
from nodes._pipeline import MAX_COPIES, Common
from nodes._settings import NAME, Settings
from nodes._site import Site

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(schema)


def schema(site: Annotated[bool, typer.Option("--site", help="Of site files.")] = False) -> None:
    """Print the JSON schema of pipeline files (or of site files) for editors."""
    print(text(site_schema() if site else pipeline_schema()), end="")


def text(document: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def pipeline_schema() -> dict[str, Any]:
    """Schema of a pipeline file: what an entry may hold follows from its `kind`."""
    kinds: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for kind in KINDS:
        own = _model(settings_of(kind), f"{kind}.")
        nested |= own.pop("$defs", {})
        kinds[kind] = _entry(kind, own)
    choice = [{"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{kind}"}} for kind in KINDS]
    words = {"enum": list(KINDS), "description": "\n".join(f"{name}: {kind.what}" for name, kind in KINDS.items())}
    entry = {"type": "object", "required": ["kind"], "properties": {"kind": words}, "allOf": choice}
    return {
        "$schema": DRAFT,
        "title": "SYMS pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["site", "nodes"],
        "properties": {
            "site": {"type": "string", "description": "Site file, relative to this file."},
            "journal": {
                "type": "string",
                "description": "Folder of the processes' journals, relative to this file; by default "
                "../data/journal/<name of this file>.",
            },
            "hosts": {
                "type": "object",
                "description": "The hosts of a pipeline that has several.",
                "propertyNames": {"pattern": f"^{NAME.pattern}$"},
                "minProperties": 1,
                "additionalProperties": _model(HostSettings, "host."),
            },
            "keys": {
                "type": "string",
                "description": "Folder of the keys of hosts, relative to this file; by default ../config/keys.",
            },
            "nodes": {
                "type": "object",
                "description": "Nodes in the order of the data.",
                "propertyNames": {"pattern": f"^{NAME.pattern}$"},
                "minProperties": 1,
                "additionalProperties": entry,
            },
        },
        "$defs": kinds | nested,
    }


def _entry(kind: str, own: dict[str, Any]) -> dict[str, Any]:
    """Schema of one entry: the kind's own settings and the common ones that it may have."""
    facts = KINDS[kind]
    common = _model(Common, "")["properties"]
    properties: dict[str, Any] = {"kind": {"const": kind, "description": facts.what}}
    if facts.reads:
        properties["from"] = common["from"] | {"description": f"Names of nodes it reads: {', '.join(facts.reads)}."}
    if facts.copies:
        properties["copies"] = common["copies"] | {"maximum": MAX_COPIES}
    properties |= {name: common[name] for name in ("host", "nice")}
    required = ["kind", *(["from"] if facts.needs else []), *own.get("required", [])]
    return own | {"properties": properties | own.get("properties", {}), "required": required}


def site_schema() -> dict[str, Any]:
    """Schema of a site file."""
    document = _model(Site, "")
    del document["properties"]["text"]
    return {"$schema": DRAFT} | document | {"title": "SYMS site"}


def _model(model: type[Settings], prefix: str) -> dict[str, Any]:
    """Schema of a settings model as people write it: with aliases, defaults with their units."""
    document = model.model_json_schema(mode="serialization", ref_template=f"#/$defs/{prefix}{{model}}")
    if "$defs" in document:
        document["$defs"] = {f"{prefix}{name}": part for name, part in document["$defs"].items()}
    plain: dict[str, Any] = _plain(document)
    return plain


def _plain(part: Any) -> Any:
    """Without the titles that pydantic makes of names (they tell an editor nothing), documentation on one line."""
    if isinstance(part, dict):
        kept = {key: _plain(value) for key, value in part.items() if key != "title" or not isinstance(value, str)}
        if isinstance(text := kept.get("description"), str):
            kept["description"] = " ".join(text.split())
        return kept
    return [_plain(item) for item in part] if isinstance(part, list) else part
