"""`syms draw`: the graph of a pipeline as Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from commands._output import AsJson, PipelineFile, print_json
from nodes._kinds import KINDS
from nodes._pipeline import Pipeline, load
from nodes._wiring import NodeSpec


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
    wires = [
        (source, node.name, _carried(nodes[source].kind, node.kind))
        for node in nodes.values()
        for source in node.sources
    ]
    balancers = [node for node in nodes.values() if node.kind == "balancer"]
    feeds = [
        (node.name, balancer.name, "frames")
        for node in nodes.values()
        if KINDS[node.kind].source
        for balancer in balancers
        if _dials(node, balancer)
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


def _carried(source: str, reader: str) -> str:
    """What a kind tells another."""
    special = {("trigger", "detector"): "windows", ("concentrator", "archiver"): "statistics"}
    if (source, reader) in special:
        return special[source, reader]
    return {"balancer": "connections", "receiver": "rows", "concentrator": "slots"}.get(source, "verdicts")


def _dials(node: NodeSpec, balancer: NodeSpec) -> bool:
    theirs, ours = getattr(node.settings, "to", None), getattr(balancer.settings, "listen", None)
    return theirs is not None and ours is not None and theirs.port == ours.port


def _entry(node: NodeSpec) -> dict[str, object]:
    entry: dict[str, object] = {"name": node.name, "kind": node.kind, "copies": node.copies}
    return entry | ({"host": node.host} if node.host else {})
