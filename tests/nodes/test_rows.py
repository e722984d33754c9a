"""A receiver's rows and books, without sockets."""

import numpy as np
import pytest

from algorithms.plausibility import Plausible
from nodes._rows import CORRUPT, RECEIVED, REFUSED, Books, Rows
from nodes._state import SOURCES
from protocol import smd
from protocol.c37118 import Analog, ConfigurationFrame, Phasor, Station, StationRows, compile_codec, encode_data
from protocol.clock import SECOND, Now
from protocol.messages import Aside, Spectrum, Table, device_number, spectrum_number
from tests.protocol.smd.strategies import configuration as smd_configuration

NOW = Now(5 * SECOND, 1_000_000 * SECOND)


def configuration(stream: int, stations: int = 1, analogs: int = 0, scale: float = 1.0) -> ConfigurationFrame:
    each = [
        Station(
            name=f"S{k}",
            idcode=stream + k,
            format=0,
            phasors=(Phasor("VA", scale=scale),),
            analogs=tuple(Analog(f"A{a}", scale=1.0) for a in range(analogs if k else 0)),
        )
        for k in range(stations)
    ]
    return ConfigurationFrame(stream=stream, kind=2, time_base=1_000_000, rate=50, stations=tuple(each))


def frames(cfg: ConfigurationFrame, slots: list[int], volts: float) -> list[bytes]:
    codec, n = compile_codec(cfg), len(slots)
    rows = [
        StationRows(
            np.zeros(n, np.uint16),
            np.tile(np.array([50.01, 0, volts, 30.0] + [7.0] * len(station.analogs), np.float32), (n, 1)),
            np.zeros((n, 0), np.uint16),
        )
        for station in cfg.stations
    ]
    slot = np.array(slots)
    return encode_data(codec, rows, 1000 + slot // 50, slot % 50 * 20_000)


def collector() -> tuple[Rows, Books]:
    books = Books()
    return Rows(books, Plausible()), books


def test_devices_of_one_layout_share_a_message_each_with_its_own_scale():
    rows, books = collector()
    for link, scale in ((3, 1.0), (7, 10.0)):
        cfg = configuration(link, scale=scale)
        rows.configure(link, compile_codec(cfg))
        rows.add(link, frames(cfg, [0, 1], volts=100.0))
    [(message, links)] = list(rows.columns(NOW))
    assert message.table == Table(50, 1, 0, 0).key
    np.testing.assert_array_equal(links, [3, 3, 7, 7])
    np.testing.assert_array_equal(message.device, [device_number(link, 0) for link in (3, 3, 7, 7)])
    np.testing.assert_allclose(message.values[:, 2], 100.0, rtol=0.1)
    np.testing.assert_allclose(message.values[:, 0], 50.01, atol=1e-5)
    np.testing.assert_array_equal(message.time, np.array([0, 20_000_000, 0, 20_000_000]) + 1000 * SECOND)
    assert (message.arrival == NOW.utc).all()
    np.testing.assert_array_equal(books.counts[:, RECEIVED], [2, 2])
    assert not rows.waiting


def test_stations_of_different_shape_go_to_their_own_tables():
    rows, books = collector()
    cfg = configuration(9, stations=3, analogs=2)
    rows.configure(9, compile_codec(cfg))
    rows.add(9, frames(cfg, [5], volts=20.0))
    told = {message.table: message for message, _ in rows.columns(NOW)}
    assert set(told) == {Table(50, 1, 0, 0).key, Table(50, 1, 2, 0).key}
    np.testing.assert_array_equal(told[Table(50, 1, 2, 0).key].device, [device_number(9, 1), device_number(9, 2)])
    np.testing.assert_array_equal(told[Table(50, 1, 2, 0).key].values[:, 4:], np.full((2, 2), 7.0))
    assert books.devices.size == 3


def test_a_link_that_leaves_does_not_disturb_its_neighbours():
    rows, _ = collector()
    for link in (1, 2):
        rows.configure(link, compile_codec(configuration(link)))
    rows.forget(1)
    rows.forget(1)
    rows.add(2, frames(configuration(2), [0], volts=5.0))
    [(message, _)] = list(rows.columns(NOW))
    np.testing.assert_array_equal(message.device, [device_number(2, 0)])


def test_a_stale_frame_inside_a_live_stream_is_marked():
    rows, _ = collector()
    cfg = configuration(4)
    rows.configure(4, compile_codec(cfg))
    live, stale = frames(cfg, [0, 1, 2], 1.0), encode_stale(cfg)
    rows.add(4, [live[0], live[1], stale, live[2]])
    [(message, _)] = list(rows.columns(NOW))
    np.testing.assert_array_equal(message.aside, [0, 0, Aside.IMPLAUSIBLE_TIME, 0])


def encode_stale(cfg: ConfigurationFrame) -> bytes:
    row = StationRows(np.zeros(1, np.uint16), np.ones((1, 4), np.float32), np.zeros((1, 0), np.uint16))
    return encode_data(compile_codec(cfg), [row], np.array([2_000_000]), np.array([0]))[0]


def test_frames_that_became_no_rows_count_once_per_station():
    books = Books()
    books.add(5, stations=2, column=CORRUPT, frames=3)
    books.add(6, stations=0, column=REFUSED, frames=1)
    books.add(6, stations=0, column=REFUSED, frames=0)
    tally = books.changed()
    np.testing.assert_array_equal(tally.device, [device_number(5, 0), device_number(5, 1), device_number(6, 0)])
    np.testing.assert_array_equal(tally.received, [3, 3, 1])
    np.testing.assert_array_equal(tally.corrupt, [3, 3, 0])
    np.testing.assert_array_equal(tally.refused, [0, 0, 1])


def test_a_tally_tells_only_what_changed():
    books = Books()
    books.receive(np.array([1, 2, 2], np.uint32))
    np.testing.assert_array_equal(books.changed().received, [1, 2])
    assert books.changed() is None
    books.receive(np.array([2], np.uint32))
    tally = books.changed()
    np.testing.assert_array_equal((tally.device[0], tally.received[0]), (2, 3))


def test_frames_of_an_unconfigured_link_are_a_bug_of_the_caller():
    rows, _ = collector()
    with pytest.raises(KeyError):
        rows.add(1, [b""])


def test_spectra_go_to_tables_of_their_own_with_numbers_of_their_own():
    rows, books = collector()
    cfg = smd_configuration()
    codec = smd.compile_codecs(cfg, smd.Kind.L, smd.load())[Spectrum.HARMONICS]
    values = np.full((2, codec.tables[0].channels), 20.0, np.float32)
    sent = codec.bank().encode(
        [StationRows(np.zeros(2, np.uint16), values, np.zeros((2, 0), np.uint16))], [1000, 1001], [0, 0]
    )
    source = 4 + Spectrum.HARMONICS * SOURCES
    rows.configure(source, codec)
    rows.add(source, sent)
    [(message, links)] = list(rows.columns(NOW))
    assert message.table == Table(1, 4, 0, 0, orders=49).key
    np.testing.assert_array_equal(links, [source, source])
    np.testing.assert_array_equal(message.device, [spectrum_number(device_number(4, 0), Spectrum.HARMONICS)] * 2)
    np.testing.assert_allclose(message.values[:, 2], 20.0, atol=2.0)
    np.testing.assert_array_equal(books.counts[:, RECEIVED], [2])
