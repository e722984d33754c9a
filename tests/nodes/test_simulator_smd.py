"""Simulated SMDs: harmonics and inter-harmonics beside the fundamental, on one connection or on four."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from algorithms.spectra import Spectra
from nodes.simulator import Settings, Simulator
from protocol.clock import MILLISECOND, SECOND
from protocol.gbt26865 import Batch, ConfigurationFrame, MasterSettings, Phasor, Station, choose
from protocol.gbt26865.settings import Select
from protocol.smd import SHIPPED, Kind, Spectrum, compile_codecs, load, spectrum_of
from tests.stations import PLACE, Loop
from tests.substations import MainStation, Session

BEGIN = 1_700_000_001 * SECOND
"""The first frame: the next whole second of the station's clock."""
SPECTRA = {"R": [Spectrum.INTERHARMONICS], "C": [], "L": [Spectrum.HARMONICS, Spectrum.INTERHARMONICS]}


class Scene:
    """Simulated SMDs and their main station."""

    def __init__(self, select: Select | None = None, channels: int = 1, devices: int = 2, **options: Any) -> None:
        self.layouts = load(options.get("table"))
        master = MasterSettings(
            select=select, wait=SECOND // 4, pairing=SECOND // 4, behind_fracsec=self.layouts.head.behind_fracsec
        )
        self.station = MainStation(master, channels == 1, self.layouts, devices)
        self.settings = Settings.model_validate(
            {
                "protocol": "smd",
                "to": f"127.0.0.1:{self.station.port}",
                "devices": devices,
                "channels": channels,
                **options,
            }
        )
        self.node = Simulator(self.settings, PLACE)
        self.loop = Loop(self.node, self.station)  # type: ignore[arg-type]

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *error: object) -> None:
        self.station.__exit__(None, None, None)

    @property
    def kind(self) -> Kind:
        return self.settings.kind

    @property
    def sessions(self) -> list[Session]:
        return self.station.sessions

    @property
    def health(self) -> dict[str, Any]:
        return self.node.health(self.station.now)

    def until(self, reached: Callable[[], bool]) -> None:
        self.loop.until(reached)

    def until_seconds(self, count: int) -> None:
        """Until every session has DATA of so many seconds."""
        frames = count * self.settings.pace
        self.until(
            lambda: len(self.sessions) == self.settings.devices and all(len(s.frames) > frames for s in self.sessions)
        )

    def stop(self) -> None:
        self.loop.stop()

    def decoded(self, session: Session, spectrum: Spectrum) -> Batch:
        codec = compile_codecs(session.told[-1], self.kind, self.layouts)[spectrum]
        return codec.decode(session.spectra[spectrum] if spectrum else session.frames)

    def columns(self, name: str) -> list[int]:
        health = self.health
        column = health["columns"].index(name)
        return [int(counts[column]) for counts in health["counts"]]


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("smd", ["R", "C", "L"])
def test_every_kind_sends_its_frames_at_their_rates(smd: str, channels: int) -> None:
    with Scene(smd=smd, channels=channels, stations=2) as scene:
        scene.until_seconds(3)
        scene.stop()
        pace = {"R": 50, "C": 100, "L": 50}[smd]
        for session in scene.sessions:
            assert sorted(session.spectra) == SPECTRA[smd]
            assert set(np.diff(scene.decoded(session, Spectrum.NONE).time)) == {1000 // pace * MILLISECOND}
            for spectrum in SPECTRA[smd]:
                times = scene.decoded(session, spectrum).time
                assert len(times) >= 3
                assert set(np.diff(times)) == {SECOND}
                assert int(times[0]) % SECOND == 0
        assert len(scene.station.talks) == scene.settings.devices * (1 if channels == 1 else 2 + len(SPECTRA[smd]))
        counters = scene.health["counters"]
        assert counters["sent"] == len(scene.station.frames)
        assert counters["sent_rows"] == 2 * (
            counters["sent"] + sum(len(each) for session in scene.sessions for each in session.spectra.values())
        )
        for spectrum in SPECTRA[smd]:
            name = f"sent_{spectrum.name.lower()}"
            came = sorted(len(session.spectra[spectrum]) for session in scene.sessions)
            assert counters[name] == sum(came)
            assert sorted(scene.columns(name)) == came
        assert len([name for name in counters if name.startswith("sent_")]) == 1 + len(SPECTRA[smd])


def test_each_channel_carries_one_kind_of_frames() -> None:
    with Scene(channels=4, devices=1) as scene:
        carried: dict[int, set[Spectrum | None]] = {}
        take = scene.station._take

        def noted(pipe: Any, frames: list[bytes]) -> None:
            carried.setdefault(id(pipe), set()).update(spectrum_of(frame, scene.layouts) for frame in frames)
            take(pipe, frames)

        scene.station._take = noted  # type: ignore[method-assign]
        scene.until_seconds(2)
        scene.stop()
        assert sorted(map(str, carried.values())) == sorted(
            str({kind}) for kind in (None, Spectrum.NONE, Spectrum.HARMONICS, Spectrum.INTERHARMONICS)
        )


def test_spectra_are_those_of_the_fundamental() -> None:
    with Scene(devices=2, stations=2, phasors=3, seed=7) as scene:
        scene.until_seconds(2)
        scene.stop()
        spectra = Spectra(4, 7)
        sessions = sorted(scene.sessions, key=lambda each: each.master.identity or b"")
        plain = [scene.decoded(each, Spectrum.NONE) for each in sessions]
        for spectrum in SPECTRA["L"]:
            batches = [scene.decoded(each, spectrum) for each in sessions]
            time = max(int(batch.time[0]) for batch in batches)
            rows, theirs = [], []
            for batch, whole in zip(batches, plain, strict=True):
                (at,), (then,) = np.nonzero(whole.time == time)[0], np.nonzero(batch.time == time)[0]
                rows += [station.values[at].astype(np.float64) for station in whole.stations]
                theirs += [station.values[then] for station in batch.stations]
            points, second = np.stack(rows), (time - BEGIN) // SECOND
            magnitude, angle = points[:, 2:8:2], points[:, 3:8:2]
            components = np.array(scene.layouts.kinds[Kind.L].spectra[spectrum].components)
            if spectrum is Spectrum.HARMONICS:
                size, turn = spectra.harmonics(second, magnitude, angle, components)
            else:
                size, turn = spectra.interharmonics(second, points[:, 0], magnitude, angle, components)
            found = np.stack(theirs)
            np.testing.assert_allclose(found[:, :2], points[:, :2], rtol=1e-6)
            np.testing.assert_allclose(found[:, 2::2], size.reshape(4, -1), rtol=1e-5)
            off = found[:, 3::2] - turn.reshape(4, -1)
            assert np.abs((off + 180) % 360 - 180).max() < 0.01  # the 50th harmonic of float32 angles


def test_spectra_follow_the_cfg_2_that_was_downloaded() -> None:
    def chosen(cfg: ConfigurationFrame) -> ConfigurationFrame | None:
        def keep(station: Station, channel: Any) -> bool:
            return station.name.endswith("2") and isinstance(channel, Phasor) and channel.name in ("VB", "IC")

        return choose(cfg, keep, period=200)

    with Scene(chosen, stations=2, devices=1) as scene, Scene(stations=2, devices=1) as whole:
        for each in (scene, whole):
            each.until_seconds(2 if each is whole else 1)
            each.stop()
        for spectrum, width in ((Spectrum.HARMONICS, 49), (Spectrum.INTERHARMONICS, 92)):
            some, all_ = scene.decoded(scene.sessions[0], spectrum), whole.decoded(whole.sessions[0], spectrum)
            _, mine, theirs = np.intersect1d(some.time, all_.time, return_indices=True)
            (station,) = some.stations
            parts = all_.stations[1].values[:, 2:].reshape(len(all_.time), 6, 2 * width)[theirs][:, [1, 5]]
            np.testing.assert_array_equal(station.values[mine, 2:].reshape(len(mine), 2, 2 * width), parts)
            assert len(mine) > 0
        spectral = sum(len(each) for each in scene.sessions[0].spectra.values())
        assert scene.health["counters"]["sent_rows"] == len(scene.sessions[0].frames) + spectral
        assert scene.health["counters"]["sent_harmonics"] == len(scene.sessions[0].spectra[Spectrum.HARMONICS])


def test_a_subsynchronous_component_is_seen_at_its_frequency() -> None:
    with Scene(smd="R", devices=1, subsynchronous="7 Hz", at="1 s") as scene:
        scene.until_seconds(4)
        scene.stop()
        batch = scene.decoded(scene.sessions[0], Spectrum.INTERHARMONICS)
        frequencies = scene.layouts.kinds[Kind.R].spectra[Spectrum.INTERHARMONICS].components
        magnitudes = batch.stations[0].values[:, 2 : 2 + 2 * len(frequencies) : 2]
        shown = magnitudes[batch.time >= BEGIN + SECOND]
        assert len(shown) >= 2
        assert {frequencies[k] for k in shown.argmax(axis=1)} == {7.0}
        assert (shown.max(axis=1) > 100).all()


@pytest.mark.parametrize("kind", ["bad_crc", "garbage", "duplicate", "stale", "gap"])
def test_faults_concern_all_frames(kind: str) -> None:
    more = {"every": "2 s", "length": "1500 ms"} if kind == "gap" else {"every": "1 s"}
    with Scene(devices=1, faults=[{"kind": kind, **more}]) as scene:
        scene.until(lambda: scene.station.now.utc > BEGIN + 6 * SECOND)
        scene.stop()
        (session,), counters = scene.sessions, scene.health["counters"]
        harmonics = session.spectra[Spectrum.HARMONICS]
        splitter = session.management.splitter
        sent = counters["sent"] + counters["sent_harmonics"] + counters["sent_interharmonics"]
        assert len(session.frames) + 2 * len(harmonics) + splitter.corrupt_data == sent
        assert counters["damaged"] == splitter.corrupt_data
        # Of the seconds 0 to 6; nothing happens in the first one.
        assert len(harmonics) == {"bad_crc": 1, "garbage": 7, "duplicate": 13, "stale": 13, "gap": 2}[kind]


def test_a_site_s_own_table_needs_no_code(tmp_path: Path) -> None:
    table = yaml.safe_load(SHIPPED.read_text())
    table["head"]["behind_fracsec"] = 4
    table["flag"] = {"byte": 21, "mask": 0xF0, "fundamental": 0x10, "harmonics": 0x20, "interharmonics": 0x30}
    table["kinds"]["SMD-L"]["harmonics"] |= {"rate": -2, "phasors": "voltages", "orders": [[3, 13]], "step": 2}
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(table))
    with Scene(table=path, devices=1) as scene:
        scene.until_seconds(4)
        scene.stop()
        batch = scene.decoded(scene.sessions[0], Spectrum.HARMONICS)
        assert set(np.diff(batch.time)) == {2 * SECOND}
        assert batch.stations[0].values.shape[1] == 2 + 2 * 3 * 6
        assert scene.decoded(scene.sessions[0], Spectrum.NONE).stations[0].values[:, 2] == pytest.approx(
            127_000, rel=1e-2
        )


def test_channels_are_dialled_again_together() -> None:
    with Scene(channels=4, devices=1, faults=[{"kind": "reconnect", "every": "2 s", "length": "100 ms"}]) as scene:
        scene.until_seconds(1)
        first = scene.sessions[0]
        scene.until(lambda: not first.management.open)
        scene.station.callers += 1
        scene.until(lambda: len(scene.sessions) > 1 and len(scene.sessions[1].spectra[Spectrum.HARMONICS]) > 0)
        scene.stop()
        assert len(scene.station.talks) == 8
        assert scene.health["counters"]["connects"] == 8


def faulty(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> str:
    table = yaml.safe_load(SHIPPED.read_text())
    change(table)
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(table))
    return str(path)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"mode": "listens", "listen": "127.0.0.1:1"}, "SMDs dial the station"),
        ({"smd": "C", "rate": "50/s"}, "SMD-C sends 100/s"),
        ({"smd": "X"}, "R"),
        ({"channels": 3}, "4"),
        ({"phasors": 100, "stations": 9}, "choose fewer phasors"),
        ({"identity": "x"}, "8 ASCII"),
        ({"table": "/nowhere.yaml"}, "cannot be read"),
        ({"protocol": "gbt26865", "smd": "L"}, "smd is not of gbt26865"),
        ({"protocol": "c37118", "channels": 4}, "channels is not of c37118"),
    ],
)
def test_faulty_settings(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Settings.model_validate({"protocol": "smd", "to": "127.0.0.1:1", **options})


def test_tables_that_a_simulator_can_t_follow(tmp_path: Path) -> None:
    def hasty(table: dict[str, Any]) -> None:
        table["kinds"]["SMD-L"]["harmonics"]["rate"] = 10

    def picky(table: dict[str, Any]) -> None:
        table["kinds"]["SMD-L"]["harmonics"]["phasors"] = [9]

    for change, fault in ((hasty, "spectra at most"), (picky, "phasor 9")):
        with pytest.raises(ValidationError, match=fault):
            Settings.model_validate({"protocol": "smd", "to": "127.0.0.1:1", "table": faulty(tmp_path, change)})
