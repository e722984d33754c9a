"""A small NiceGUI console behind the gate, as a process: `python -m tests.consoleapp FOLDER PORT [PROXY]`."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import Client, core, ui
from nicegui.client import templates

from console.access.audit import Audit
from console.access.book import Book
from console.access.forwarded import Proxies
from console.access.gate import Gate
from console.access.headers import prepare_pages
from console.access.kept import Kept
from console.access.permissions import Forbidden
from console.access.sockets import own_pages_only
from console.access.who import Access, Policy, acting, current
from console.server import clock
from nodes import _users


def make(folder: Path, *proxies: str) -> Gate:
    """The app, which believes some proxies."""
    policy = Policy(proxies=Proxies([ipaddress.ip_network(each) for each in proxies]))
    kept = Kept(folder / "console.sessions")
    access = Access(Book(folder / "users.yaml", _users.load), Audit(folder / "audit"), policy, clock, kept=kept)

    @ui.page("/")
    def page(client: Client) -> None:
        ui.label(f"signed in as {current(client.request).name}")
        ui.add_body_html(f"<script>window.smuggled = 1</script><i>{client.id}</i>")

        def acknowledge() -> None:
            try:
                with acting(client.request, "acknowledge", "alarm 7"):
                    said.text = "acknowledged"
            except Forbidden as why:
                said.text = f"refused: {why}"

        ui.button("Acknowledge", on_click=acknowledge)
        said = ui.label("nothing yet")
        ui.echart({"xAxis": {"type": "category"}, "yAxis": {}, "series": [{"type": "line", "data": [1, 3, 2]}]})
        ui.leaflet(center=(30.0, 114.0)).clear_layers()
        ui.table(rows=[{"a": 1}], columns=[{"name": "a", "label": "a", "field": "a"}]).add_slot(
            "body-cell-a", '<q-td :props="props">cell {{ props.value }}</q-td>'
        )
        ui.plotly({"data": [{"y": [1, 2]}], "layout": {}})
        ui.input("span").props(":rules=\"[value => value.length < 3 || 'too long']\"")

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(app, title="console")
    prepare_pages(templates.env)
    own_pages_only(core.sio, lambda client: found.request if (found := Client.instances.get(client)) else None)
    return Gate(app, access)


if __name__ == "__main__":
    folder, port, *proxies = sys.argv[1:]
    uvicorn.run(make(Path(folder), *proxies), host="127.0.0.1", port=int(port), log_level="warning", lifespan="on")
