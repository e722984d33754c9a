"""What each keeper of the clock says, as its program prints it, and what becomes of it."""

from __future__ import annotations

import pytest

from nodes import _timesource
from nodes._timesource import ClockState, both, duration, of_kernel
from protocol.clock import MILLISECOND, SECOND

CHRONY = "{},{},{},1795357563.869119114,{},0.000000428,0.000000290,-0.038,0.017,0.237,0.000006873,0.000001971,1.0,{}\n"
UNSYNCHRONISED = (
    "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,"
    "Not synchronised\n"
)


def test_chrony_says_ahead_with_a_minus() -> None:
    """chronyc's own text for this line: 0.000001436 seconds fast of NTP time."""
    told = _timesource.chrony(CHRONY.format("7F000001", "127.0.0.1", 9, "-0.000001436", "Normal"))
    error = 6873 // 2 + 1971 + 1436
    assert told == ClockState("chrony by 127.0.0.1", True, 1436, error, 9, 1_795_357_563_869_119_114)


@pytest.mark.parametrize(
    ("line", "source", "synchronised", "leap"),
    [
        (CHRONY.format("47505300", "", 1, "0.010000000", "Normal"), "chrony by GPS", True, 0),
        (CHRONY.format("C0A80001", "192.168.0.1", 3, "0.0", "Insert second"), "chrony by 192.168.0.1", True, 1),
        (CHRONY.format("C0A80001", "192.168.0.1", 3, "0.0", "Delete second"), "chrony by 192.168.0.1", True, -1),
        (UNSYNCHRONISED, "chrony", False, 0),
        (CHRONY.format("7F7F0101", "", 8, "0.0", "Normal"), "chrony by this machine's own clock", False, 0),
    ],
)
def test_chrony_by_whom(line: str, source: str, synchronised: bool, leap: int) -> None:
    told = _timesource.chrony(line)
    assert told is not None
    assert (told.source, told.synchronised, told.leap) == (source, synchronised, leap)


NONSENSE = ["", "506 Cannot talk to daemon\n", "a,b\n", *(CHRONY.format("", "", x, "nan", "Normal") for x in "x1")]


@pytest.mark.parametrize("line", NONSENSE)
def test_what_is_no_answer_of_chrony(line: str) -> None:
    assert _timesource.chrony(line) is None


CLASSIC = """associd=0 status=0615 leap_none, sync_ntp, 1 event, clock_sync,
version="ntpd 4.2.8p15@1.3728-o Wed Feb 16 17:13:02 UTC 2022 (1)",
processor="x86_64", system="Linux/5.15.0-91-generic", leap=00, stratum=3,
precision=-24, rootdelay=23.185, rootdisp=37.417, refid=192.0.2.10,
reftime=e93c1b80.80000000  Fri, Jan  5 2024 10:00:00.500,
clock=e93c1d00.00000000  Fri, Jan  5 2024 10:06:24.000, peer=48233, tc=10,
mintc=3, offset=-0.345214, frequency=-12.307, sys_jitter=0.205117,
clk_jitter=0.098, clk_wander=0.012
"""
NTPSEC = """associd=0 status=c016 leap_alarm, sync_unspec, 1 event, restart,
leap=11, stratum=16, precision=-23, rootdelay=0.0, rootdisp=0.195, refid=INIT,
reftime=00000000.00000000 2036-02-07T06:28:16.000Z, tc=3, peer=0,
offset=0.0, frequency=0.0, sys_jitter=0.0, clk_jitter=0.000119,
clock=ea5f0c35.1e2b3c4d 2024-08-08T09:51:01.117Z, processor="x86_64",
system="Linux/6.1.0", version="ntpd ntpsec-1.2.2", clk_wander=0.0,
tai=37, leapsec="2017-01-01T00:00Z", expire="2024-12-28T00:00Z", mintc=0
"""


def test_ntpd_says_ahead_with_a_minus_in_ms() -> None:
    told = _timesource.ntpd(CLASSIC)
    error = round((23.185 / 2 + 37.417) * MILLISECOND) + 345_214
    when = (0xE93C1B80 - 2_208_988_800) * SECOND + SECOND // 2
    assert told == ClockState("ntpd by 192.0.2.10", True, 345_214, error, 3, when)


def test_ntpd_without_a_server() -> None:
    assert _timesource.ntpd(NTPSEC) == ClockState("ntpd", False, stratum=16)
    local = CLASSIC.replace("refid=192.0.2.10", "refid=LOCAL(0)")
    assert _timesource.ntpd(local) == ClockState("ntpd by this machine's own clock", False, stratum=3)
    assert _timesource.ntpd("***Request timed out\n\n") is None
    for leap, wanted in (("01", 1), ("10", -1)):
        told = _timesource.ntpd(CLASSIC.replace("leap=00", f"leap={leap}"))
        assert told is not None
        assert told.leap == wanted


def test_ntp_time_goes_on_in_2036() -> None:
    told = _timesource.ntpd(CLASSIC.replace("e93c1b80.8", "00000010.8"))
    assert told is not None
    assert told.updated == ((1 << 32) + 16 - 2_208_988_800) * SECOND + SECOND // 2


PMC = """sending: GET TIME_STATUS_NP
sending: GET TIME_PROPERTIES_DATA_SET
\t02f916.fffe.4a8f6b-0 seq 0 RESPONSE MANAGEMENT TIME_STATUS_NP\x20
\t\tmaster_offset              560
\t\tingress_time               1795357728382819775
\t\tcumulativeScaledRateOffset +0.000000000
\t\tscaledLastGmPhaseChange    0
\t\tgmTimeBaseIndicator        0
\t\tlastGmPhaseChange          0x0000'0000000000000000.0000
\t\tgmPresent                  true
\t\tgmIdentity                 ee5bc2.fffe.967dfa
\t02f916.fffe.4a8f6b-0 seq 3 RESPONSE MANAGEMENT TIME_PROPERTIES_DATA_SET\x20
\t\tcurrentUtcOffset      37
\t\tleap61                0
\t\tleap59                0
"""


def test_ptp4l_says_ahead_with_a_plus() -> None:
    assert _timesource.ptp(PMC) == ClockState("ptp4l by ee5bc2.fffe.967dfa", True, 560)
    coming = _timesource.ptp(PMC.replace("leap61                0", "leap61                1"))
    assert coming is not None
    assert coming.leap == 1
    alone = PMC.replace("gmPresent                  true", "gmPresent                  false")
    assert _timesource.ptp(alone) == ClockState("ptp4l without a grandmaster", False)
    assert _timesource.ptp(PMC.replace("560", "?")) is None
    assert _timesource.ptp("sending: GET TIME_STATUS_NP\n") is None


TIMESYNC = """       Server: 192.0.2.20 (ntp.example)
Poll interval: 34min 8s (min: 32s; max 34min 8s)
         Leap: normal
      Version: 4
      Stratum: 2
    Reference: C944586A
    Precision: 1us (-24)
Root distance: 28.434ms (max: 5s)
       Offset: -1.123ms
        Delay: 23.3ms
       Jitter: 1.2ms
 Packet count: 7
    Frequency: -4.123ppm
"""


def test_timesyncd_says_ahead_with_a_minus() -> None:
    error = 28_434_000 + 1_123_000
    told = ClockState("systemd-timesyncd by 192.0.2.20", True, 1_123_000, error, 2)
    assert _timesource.timesyncd(TIMESYNC) == told
    waiting = "       Server: 192.0.2.20 (ntp.example)\nPoll interval: 0 (min: 32s; max 34min 8s)\n Packet count: 0\n"
    assert _timesource.timesyncd(waiting) == ClockState("systemd-timesyncd, no answer of 192.0.2.20 yet", False)
    assert _timesource.timesyncd("Failed to connect to bus: Host is down\n") is None
    assert _timesource.timesyncd(TIMESYNC.replace("-1.123ms", "soon")) is None


def test_time_spans_of_systemd() -> None:
    spans = {"0": 0, "+3us": 3_000, "-1.5ms": -1_500_000, "1min 2.5s": 62_500_000_000, "-2h": -7_200_000_000_000}
    assert {text: duration(text) for text in spans} == spans
    for text in ("3", "3parsec", "soon"):
        with pytest.raises(ValueError, match="no time span"):
            duration(text)


def test_the_kernel() -> None:
    pll, nano, insert, delete, unsync = 0x0001, 0x2000, 0x0010, 0x0020, 0x0040
    assert of_kernel(0, 0, 0, 500) == ClockState("the kernel", True, None, 500_000)
    assert of_kernel(0, pll, 7, 500).offset == -7_000
    assert of_kernel(1, pll | nano | insert, 7, 500) == ClockState("the kernel", True, -7, 500_000, leap=1)
    assert of_kernel(2, delete, 0, 500).leap == -1
    assert of_kernel(5, unsync, 7, 16_000_000) == ClockState("the kernel", False)


def test_the_kernel_of_this_machine_answers() -> None:
    told = _timesource.kernel()
    assert told is not None
    assert told.source == "the kernel"
    assert told.synchronised == (told.error is not None)


def test_who_measures_but_does_not_set_the_clock_needs_the_kernel() -> None:
    loose, kept = of_kernel(5, 0x0040, 0, 0), of_kernel(1, 0x0010, 0, 2_000)
    ptp, chrony = ClockState("ptp4l by x", True, 3), ClockState("chrony by x", True, 3, 9, 1, 5)
    assert both(ptp, loose) == ClockState("ptp4l by x", False, 3)
    assert both(ptp, kept) == ClockState("ptp4l by x", True, 3, 2_000_000, leap=1)
    assert both(chrony, loose) == chrony
    assert both(None, kept) == kept
    assert both(chrony, None) == chrony
    assert both(None, None) is None
