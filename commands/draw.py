"""`syms draw`: the graph of a pipeline as Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from commands._output import AsJson, PipelineFile, print_json
from nodes._kinds import KINDS
from nodes._pipeline import Pipeline, load
from nodes._wiring import NodeSpec, listens


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(draw)


def draw(pipeline: PipelineFile, as_json: AsJson = False) -> None:
    """Draw a pipeline: Mermaid text, as GitHub and mermaid.live show it."""
    checked = load(pipeline)
    if as_json:
        print_json({"nodes": [_entry(node) for node in checked.nodes.values()], "edges": edges(checked)})
    else:
        print(mermaid(checked))


def edges(pipeline: Pipeline) -> list[tuple[str, str, str]]:
    """(from, to, what goes there) of every wire, in the order of the file."""
    nodes = pipeline.nodes
    wires = [(source, node.name, _carried(nodes[source], node)) for node in nodes.values() for source in node.sources]
    balancers = [node for node in nodes.values() if node.kind == "balancer"]
    feeds = [
        (node.name, balancer.name, "frames")
        for node in nodes.values()
        if KINDS[node.kind].source
        for balancer in balancers
        if _dials(node, balancer) or _is_dialled(node, pipeline)
    ]
    return feeds + wires


def mermaid(pipeline: Pipeline) -> str:
    """The graph as Mermaid flowchart text, left to right."""
    return "\n".join(["flowchart LR", *_lines(pipeline)])


def _lines(pipeline: Pipeline) -> Iterator[str]:
    for host in ["", *pipeline.hosts]:
        if host:
            yield f'    subgraph {_id(host)}host["{host}: {pipeline.hosts[host].address}"]'
        for node in (node for node in pipeline.nodes.values() if node.host == host):
            copies = f" x{node.copies}" if node.copies > 1 else ""
            yield f'    {_id(node.name)}["{node.name}{copies}<br/><i>{node.kind}</i>"]'
        if host:
            yield "    end"
    for source, reader, what in edges(pipeline):
        yield f"    {_id(source)} -->|{what}| {_id(reader)}"
        if what == "windows":
            yield f"    {_id(reader)} -.->|verdicts| {_id(source)}"


def _id(name: str) -> str:
    """`end` and the like are words of Mermaid's own; a trailing underscore is not."""
    return f"{name}_"


def _carried(source: NodeSpec, reader: NodeSpec) -> str:
    """What a node tells another."""
    kept = [name for name in ("statistics", "flags") if getattr(source.settings, name, False)]
    special = {("trigger", "detector"): "windows", ("concentrator", "archiver"): ", ".join(kept)}
    if (source.kind, reader.kind) in special:
        return special[source.kind, reader.kind]
    if source.kind == "alarms":
        return "alarms"
    if getattr(source.settings, "on", "") == "suspicion":
        return "events"
    rows = "frames" if reader.raw else "rows"
    return {"balancer": "connections", "receiver": rows, "concentrator": "slots"}.get(source.kind, "verdicts")


def _dials(node: NodeSpec, balancer: NodeSpec) -> bool:
    to = getattr(node.settings, "to", None)
    return to is not None and any(listen.port == to.port for _, listen in listens(balancer))


def _is_dialled(node: NodeSpec, pipeline: Pipeline) -> bool:
    """Whether the site file has a device where the first one of a node listens."""
    listen = getattr(node.settings, "listen", None)
    return listen is not None and any(device.link.tcp == listen for device in pipeline.site.devices)


def _entry(node: NodeSpec) -> dict[str, object]:
    entry: dict[str, object] = {"name": node.name, "kind": node.kind, "copies": node.copies}
    return entry | ({"host": node.host} if node.host else {})
