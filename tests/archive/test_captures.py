"""Every real capture through the archive: the export is what decoding prints, line by line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from archive import longrows
from archive.finish import finish_all
from archive.reading import open_archive
from archive.writer import Archive
from protocol.c37118 import configurations
from protocol.c37118.offline import examine
from protocol.capture import read
from protocol.messages import Measurements
from tests.archives import NONE


def lines(blocks: object) -> list[str]:
    out = io.StringIO()
    longrows.write_rows(out, blocks)  # type: ignore[arg-type]
    return sorted(out.getvalue().splitlines())


def exported(path: Path) -> list[str]:
    with open_archive(path) as found:
        return lines(found.rows())


CAPTURES = (
    "C37.118_1PMU_TCP.pcap", "C37.118_1PMU_UDP.pcap", "c37_1100_clean_tcp.pcap", "nDPI_ieee_c37118.pcap",
    "GSF_generated_f32_rect_cfg2.pcap", "GSF_generated_i16_polar_cfg3.pcap", "RTPA_annexD.pcap",
)  # fmt: skip


@pytest.mark.parametrize("name", CAPTURES)
def test_export_equals_decode(shared: Path, tmp_path: Path, name: str) -> None:
    study = examine(read(shared / "data" / "captures" / name))
    archive, decoded = Archive(tmp_path), []
    senders: list[int] = []
    for part in study.decode():
        if id(part.sender) not in senders:
            senders.append(id(part.sender))
        link = senders.index(id(part.sender)) + 1
        for told, configuration in zip(
            part.batch.stations, configurations(part.configuration, link, "x", 1), strict=True
        ):
            n = len(part.batch.time)
            archive.take(configuration)
            archive.take(
                Measurements(
                    table=configuration.table, device=np.full(n, configuration.device, np.uint32), time=part.batch.time,
                    arrival=part.batch.time, snapped=part.batch.snapped, quality=part.batch.quality, status=told.status,
                    aside=np.zeros(n, np.uint8), values=told.values, digital=told.digital,
                )
            )  # fmt: skip
            decoded.append(longrows.Rows(configuration, part.batch.time, told.status, told.values, told.digital))
        archive.commit(NONE)
    totals = archive.books.totals()
    archive.close()
    assert totals["received"] == totals["archived"] == sum(len(rows.time) for rows in decoded) > 0
    assert exported(tmp_path) == lines(decoded)
    finish_all(tmp_path)
    assert exported(tmp_path) == lines(decoded)
