"""The API over a small archive and a model fed by hand: answers, faults with remedies, regions, its own description."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from archive.finish import finish_all
from archive.retention import DAY, Rules, plan, remove
from archive.writer import Archive
from console.access.permissions import demand
from console.access.users import Role, User
from console.api.models import text_of
from console.api.router import api
from console.app import Console
from console.board import Board
from console.model import Station
from console.stepping import in_steps
from protocol import clock
from protocol.clock import SECOND, Now
from protocol.messages import Snapshots
from tests.archives import NONE, SMALL, T0, configuration, event, grid, measurements

ROWS = 5000
SPAN = {"from": text_of(T0), "to": text_of(T0 + 100 * SECOND)}


def slots(links: list[int], count: int = 4) -> Snapshots:
    """Slots from T0 on, in each of which all have the same values."""
    told, shape = measurements(links, [T0] * len(links)), (count, len(links))
    return Snapshots(
        table=SMALL.key, slot=clock.slot_of(T0, SMALL.rate) + np.arange(count), device=told.device,
        present=np.ones(shape, np.uint8), quality=np.zeros(shape, np.uint8), status=np.zeros(shape, np.uint16),
        values=np.repeat(told.values[None], count, 0), digital=np.repeat(told.digital[None], count, 0),
        latency=np.zeros(count, np.int64),
    )  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two devices of two regions, a hundred seconds, and an event that both saw."""
    root = tmp_path_factory.mktemp("archive")
    archive = Archive(root, "station: North\n", judged={"suspects"})
    for link, region in ((1, "north"), (2, "south")):
        archive.take(replace(configuration(link), region=region))
        archive.take(measurements([link] * ROWS, grid(0, ROWS)))
    archive.take(event(T0 + 20 * SECOND, answer=1))
    archive.commit(NONE)
    archive.write_events(Now(0, 0), 0, SECOND, SECOND, True)
    archive.commit(NONE)
    archive.close()
    return root


@pytest.fixture(scope="module")
def console(root: Path) -> Console:
    station = Station("North", Board(["align"]), 10 * SECOND, 1 << 20)
    for link, region in ((1, "north"), (2, "south")):
        station.take(replace(configuration(link), region=region), 0.0)
    station.take(slots([1, 2]), 0.0)
    return Console(station, {}, root / "pipeline.yaml", "", lambda: Now(0, T0 + 100 * SECOND), root)


@pytest.fixture
def client(console: Console) -> Iterator[TestClient]:
    with TestClient(api(console, lambda request, action: None)) as client:
        yield client


@pytest.fixture
def southern(console: Console) -> Iterator[TestClient]:
    """What somebody is told who may see one region."""
    with TestClient(api(console, lambda request, action: {"south"})) as client:
        yield client


def test_devices_have_names_for_all_channels(client: TestClient) -> None:
    first, second = client.get("/devices").json()
    assert (first["name"], first["region"], second["region"]) == ("站 1", "north", "south")
    assert {each["quantity"] for each in first["channels"]} == {"frequency", "rocof", "magnitude", "angle", "analog"}
    assert first["rate"] == SMALL.rate


def test_the_newest_row_by_name_or_number(client: TestClient, console: Console) -> None:
    [row] = client.get("/latest", params={"device": "站 1"}).json()
    assert row["time"] == text_of(console.station.newest())
    assert [each["quantity"] for each in row["values"]][:2] == ["frequency", "rocof"]
    assert client.get("/latest", params={"device": str(row["device"])}).json() == [row]
    assert len(client.get("/latest").json()) == 2


def history(client: TestClient, **more: Any) -> Any:
    return client.get("/history", params={"device": "站 1", "quantity": "frequency", **SPAN, **more})


def test_history_is_as_measured_where_it_fits(client: TestClient) -> None:
    found = history(client).json()
    assert found["step_s"] is None
    assert len(found["time"]) == len(found["value"]) == ROWS
    assert found["unit"] == "Hz"


def test_a_longer_history_comes_in_steps_that_hold_every_row(client: TestClient) -> None:
    whole, steps = history(client).json(), history(client, points=20).json()
    assert steps["step_s"] == 5
    assert len(steps["time"]) == 20
    valid = [value for value in whole["value"] if value is not None]
    assert min(steps["minimum"]) == min(valid)
    assert max(steps["maximum"]) == max(valid)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30, unique=True), st.integers(1, 20))
def test_steps_by_a_direct_computation(seconds: list[int], step: int) -> None:
    time = np.array(sorted(seconds)) * SECOND
    low, count = np.sin(time / SECOND).astype(np.float32), np.arange(1, len(time) + 1)
    begin, least, mean, most, counts = in_steps(time, low, low + 1, low + 2, count, step)
    for at, start in enumerate(begin):
        mine = (time >= start) & (time < start + step * SECOND)
        assert mine.any()
        assert start % (step * SECOND) == 0
        assert (least[at], most[at]) == (low[mine].min(), (low + 2)[mine].max())
        assert counts[at] == count[mine].sum()
        assert mean[at] == pytest.approx(np.average((low + 1)[mine], weights=count[mine]), rel=1e-6)
    assert len(begin) == len(set((time // (step * SECOND)).tolist()))


def test_history_as_a_table(client: TestClient) -> None:
    answer = history(client, format="csv", points=20)
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = answer.text.splitlines()
    assert head == "time,minimum [Hz],mean [Hz],maximum [Hz]"
    assert len(rows) == 20


def test_events_and_one_of_them(client: TestClient) -> None:
    [found] = client.get("/events").json()["events"]
    assert found["kind"] == event(T0).kind
    record = client.get(f"/events/{found['id']}").json()
    assert record["answers"][0]["kind"] == found["kind"]
    assert client.get("/events", params={"kind": "nothing"}).json() == {"events": [], "next": None}


@pytest.mark.parametrize(("asked", "found"), [
    ({"device": "站 1"}, 1), ({"device": ["nobody", "站 2"]}, 1), ({"device": "nobody"}, 0), ({"region": "north"}, 1),
    ({"region": ["west", "south"]}, 1), ({"region": "west"}, 0), ({"region": "north", "device": "站 2"}, 0),
    ({"least_mhz": 41}, 1), ({"least_mhz": 41.1}, 0), ({"least_mw": 1}, 0), ({"kind": "gen_trip", "least_mhz": 1}, 1),
])  # fmt: skip
def test_events_by_device_region_and_size(client: TestClient, asked: dict[str, Any], found: int) -> None:
    assert len(client.get("/events", params=asked).json()["events"]) == found


def test_who_may_see_one_region_does_not_find_events_by_devices_of_others(southern: TestClient) -> None:
    for asked, found in (({"device": "站 2"}, 1), ({"device": "站 1"}, 0), ({"region": "north"}, 0), ({}, 1)):
        assert len(southern.get("/events", params=asked).json()["events"]) == found


@pytest.mark.parametrize(
    ("path", "params", "status", "said"),
    [
        ("/history", {"device": "nobody", "quantity": "frequency"}, 404, "there are: 站 1, 站 2"),
        ("/history", {"device": "站 1", "quantity": "colour"}, 422, "quantity: Input should be 'frequency'"),
        ("/history", {"device": "站 1", "quantity": "magnitude", "channel": "VX"}, 404, "name one of its magnitude"),
        ("/history", {"device": "站 1", "quantity": "status", "points": "10"}, 422, "ask for a shorter span"),
        ("/history", {"device": "站 1", "quantity": "frequency", "from": "yesterday"}, 422, "from: "),
        ("/latest", {"device": "nobody"}, 404, "no device is called 'nobody'"),
        ("/events/19700101T000000", {}, 404, "no event '19700101T000000'"),
        ("/nothing", {}, 404, "Not Found"),
    ],
)
def test_faults_say_what_is_wrong(client: TestClient, path: str, params: Any, status: int, said: str) -> None:
    answer = client.get(path, params=(SPAN if path == "/history" else {}) | params)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_who_may_see_one_region_is_told_of_no_other(southern: TestClient) -> None:
    assert [each["name"] for each in southern.get("/devices").json()] == ["站 2"]
    assert [each["name"] for each in southern.get("/latest").json()] == ["站 2"]
    assert southern.get("/latest", params={"device": "站 1"}).status_code == 404
    assert history(southern).status_code == 403
    assert history(southern, device="站 2").status_code == 200


def test_who_may_see_one_region_is_told_no_other_names(southern: TestClient, client: TestClient) -> None:
    assert "站 1" not in history(southern, device="nobody").text
    [whole], [part] = (each.get("/events").json()["events"] for each in (client, southern))
    assert {*whole["devices"], *part["devices"]} == {"站 1", "站 2"}
    assert part["devices"] == ["站 2"]
    record = southern.get(f"/events/{part['id']}").text
    assert "站 2" in record
    assert "站 1" not in record


def test_a_table_is_an_export(console: Console) -> None:
    """Whoever may see may read what pages show; to take it home as a file needs more, here as everywhere."""
    for role, status in ((Role.VIEWER, 403), (Role.OPERATOR, 200)):
        user = User(name="vera", role=role)
        with TestClient(api(console, lambda request, action, user=user: demand(user, action))) as client:
            assert history(client, points=20).status_code == 200
            answer = history(client, points=20, format="csv")
            assert answer.status_code == status
    assert answer.text.startswith("time,minimum [Hz]")


def test_history_of_hours_whose_rows_are_gone(root: Path, console: Console, tmp_path: Path) -> None:
    kept = tmp_path / "archive"
    shutil.copytree(root, kept)
    finish_all(kept)
    with TestClient(api(replace(console, archive=kept), lambda request, action: None)) as client:
        before, rows = history(client, points=100).json(), history(client).json()
        now = T0 + 90 * DAY
        remove(kept, plan(kept, Rules(age=DAY, overviews=365 * DAY), now), now)
        after, short, angle = (history(client, **more).json() for more in
                               ({"points": 100}, {}, {"quantity": "angle"}))  # fmt: skip
    assert (rows["seconds_only"], before["seconds_only"], after["seconds_only"]) == (False, False, True)
    assert (after["minimum"], after["maximum"]) == (before["minimum"], before["maximum"])
    assert (short["step_s"], len(short["mean"]), short["value"]) == (1, 100, [])
    assert (angle["value"], angle["seconds_only"]) == ([], True)


def test_who_may_see_one_region_sees_no_processes(console: Console) -> None:
    user = User(name="vera", role=Role.VIEWER, regions=["south"])

    def regions_of(request: Any, action: str) -> list[str] | None:
        demand(user, action)
        return user.regions

    with TestClient(api(console, regions_of)) as client:
        assert client.get("/devices").status_code == 200
        answer = client.get("/nodes")
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/history", {"from": "1970-01-01T00:00:00Z", "quantity": "frequency"}),
        ("/history", {"to": text_of(T0 + 2 * 86400 * SECOND), "quantity": "angle", "channel": "V0"}),
        ("/flags", {"from": "1970-01-01T00:00:00Z"}),
    ],
)
def test_nobody_asks_for_more_than_a_server_has_memory_for(client: TestClient, path: str, params: Any) -> None:
    answer = client.get(path, params={"device": "站 1", **SPAN, **params})
    assert answer.status_code == 422
    assert "days at most" in answer.json()["detail"]


def test_nothing_is_changed_over_it(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) >= 7
    assert {method for path in paths.values() for method in path} == {"get"}
    assert client.post("/devices").status_code == 405


@pytest.fixture(scope="module")
def described(console: Console) -> Any:
    import schemathesis  # takes a second, which no other worker has to wait for

    return schemathesis.openapi.from_asgi("/openapi.json", api(console, lambda request, action: None))


PATHS = ["/devices", "/latest", "/history", "/events", "/events/{id}", "/flags", "/nodes"]


@pytest.mark.parametrize("path", PATHS)
def test_it_does_what_its_description_says(described: Any, path: str) -> None:
    """Made-up requests: no answer but those that the description names, each in the form that it gives."""
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    @given(case=described[path]["GET"].as_strategy())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance])  # what is valid may not be there

    check()


def test_every_path_is_tried(described: Any) -> None:
    assert [each.ok().path for each in described.get_all_operations()] == PATHS
