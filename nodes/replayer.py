"""replayer: plays the devices of a capture. Each dials the station from a loopback address of its own, answers
its questions with what was captured, and after "data on" plays its bytes as they were, garbage included.

A connection that ended in the capture ends here and is dialled again. Nothing is dropped: what the station does
not take waits, and a connection is only left when the station has read it to its end. When everything is played
the work is over.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from nodes import _dialing, _settings, _tape
from nodes._devicelink import STOP_PATIENCE
from nodes._devicestream import Dialled
from nodes._node import Actions, Done, Node, Place, StartError
from nodes._player import PlayedAnswers, Player
from nodes._settings import Address, Duration, FilePath
from nodes._tape import Item, Lane
from protocol.c37118 import CommandCode
from protocol.c37118.device import Device
from protocol.c37118.offline import examine
from protocol.capture import CaptureError, read
from protocol.capture.recognise import recognise
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import device_number

OUTBOX = 128 * 1024
"""Bytes of a device that wait for the station."""
SETTLE = 300 * MILLISECOND
"""At full speed: how long after "data on" a device sends no more than it would at a high rate …"""
SETTLE_ITEMS = 1000
"""… so many frames, because a station finds out who it is only now."""
QUESTIONS = (
    CommandCode.SEND_CONFIGURATION_1,
    CommandCode.SEND_CONFIGURATION_2,
    CommandCode.SEND_CONFIGURATION_3,
)


class Settings(_settings.Settings):
    """What is played, where and how fast."""

    capture: FilePath
    """pcap, pcapng, raw stream or hex text."""
    to: Address
    """The station: a balancer's name in a pipeline, else HOST:PORT."""
    speed: Literal["max"] | Annotated[float, Field(gt=0)] = 1.0
    """A factor on the capture's own timing, or max: as fast as the station takes it."""
    linger: Duration = 10 * SECOND
    """How long the station may take to read the end of a connection."""
    stay: bool = False
    """Go on, idle, when everything is played."""


class Replayer(Node):
    """See the module."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.players: list[Player] = []
        self.unplayed = 0
        """DATA frames that nothing in the capture explains."""
        self._by_fd: dict[int, Player] = {}
        self._speed = 0.0 if settings.speed == "max" else float(settings.speed)
        self._zero: tuple[int, int] | None = None
        """(capture time, monotonic time) that belong together, from the first "data on" on."""
        self._due: int | None = None

    # ── start and stop ──────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """Read the capture. Raises StartError if it can't be, or if there is nothing to play in it."""
        path = self.settings.capture
        try:
            capture = read(path)
            study = examine(capture)
            _, to = _dialing.resolve(self.settings.to)
        except (CaptureError, OSError) as fault:
            raise StartError(f"{path}: {fault}") from fault
        if not study.senders:
            raise StartError(f"{path}: no frame of IEEE C37.118 in it; it looks like {recognise(capture)}")
        found, self.unplayed = _tape.lanes(study)
        if not found:
            raise StartError(f"{path}: no DATA frames with a configuration in it: nothing to play")
        self._earliest = min(tape.items[0].time for lane in found for tape in lane.tapes)
        for lane in found:
            self.players.append(self._player(lane, to))
        self._due = now.monotonic
        return ()

    def _player(self, lane: Lane, to: tuple[str, int]) -> Player:
        first = next(item.needs for tape in lane.tapes for item in tape.items if item.needs)
        answers = PlayedAnswers(Device(first))
        # From a loopback address only a loopback address can be reached.
        link = Dialled(answers, to, lane.address if to[0].startswith("127.") else "")
        link.limit(OUTBOX)
        player = Player(lane, answers, link)
        self._face(player)
        return player

    def stop(self, now: Now) -> Actions:
        """Finish frames that are half sent; nothing after them."""
        for player in self.players:
            player.link.stop(now, STOP_PATIENCE / len(self.players))
        return ()

    # ── what comes ──────────────────────────────────────────────────────────────────────────────────────────

    def ready(self, fd: int, now: Now) -> Actions:
        """A device's socket."""
        player = self._by_fd.get(fd)
        if player is not None:
            yield from self._tracked(player, player.link.ready(fd, now))
            yield from self._play(player, now)

    def wake_at(self) -> int | None:
        return self._due

    def wake(self, now: Now) -> Actions:
        """Dial who is due, play what is due. Raises Done when everything is played."""
        for player in self.players:
            link = player.link
            if link.due is not None and link.due <= now.monotonic and not player.over:
                yield from self._tracked(player, link.wake(now))
            yield from self._play(player, now)
        waiting = [due for due in map(self._next, self.players) if due is not None]
        self._due = min(waiting, default=None)
        if self.over and not self.settings.stay:
            raise Done(f"{sum(player.sent for player in self.players)} DATA frames played")

    @property
    def over(self) -> bool:
        """Everything is played."""
        return all(player.over for player in self.players)

    def _tracked(self, player: Player, actions: Actions) -> Actions:
        yield from actions
        fds = set(player.link.fds())
        for gone in player.fds - fds:
            if self._by_fd.get(gone) is player:
                del self._by_fd[gone]
        for fd in fds:
            self._by_fd[fd] = player
        player.fds = fds

    # ── what goes ───────────────────────────────────────────────────────────────────────────────────────────

    def _play(self, player: Player, now: Now) -> Actions:
        """Go on as far as time and room allow."""
        if player.over:
            return
        if not player.link.connected:
            self._disconnected(player, now)
            return
        if player.connection != player.link.connects:
            player.connection, player.began = player.link.connects, None
        if not player.link.wants_data or player.closes is not None:
            yield from self._leave_late(player, now)
            return
        if player.began is None:
            player.began = now.monotonic
            self._zero = self._zero or (self._earliest, now.monotonic)
        self._fill(player, now)
        yield from self._tracked(player, player.link.flush(now))
        if player.cursor == len(player.current.items) and player.link.idle and player.link.connected:
            player.link.half_close()
            player.closes = now.monotonic + self.settings.linger
        self._due = _sooner(self._due, self._next(player))

    def _fill(self, player: Player, now: Now) -> None:
        """Put what is due."""
        items = player.current.items
        last = self._last(player, now)
        while player.cursor < last and player.link.room and self._time(items[player.cursor]) <= now.monotonic:
            item = items[player.cursor]
            self._explain(player, item)
            player.link.put(item.data, 1)
            player.cursor += 1
            if item.tells and item.tells.kind != 1:
                player.answers.known = item.tells
        self._face(player)

    def _last(self, player: Player, now: Now) -> int:
        """How far the tape may be played now."""
        assert player.began is not None
        settling = not self._speed and now.monotonic < player.began + SETTLE
        return min(len(player.current.items), player.taken + SETTLE_ITEMS) if settling else len(player.current.items)

    def _explain(self, player: Player, item: Item) -> None:
        """Tell the configuration that an item needs, if the station was told another (the capture asked elsewhere)."""
        known, needs = player.answers.known, item.needs
        if needs is None or (known is not None and (known is needs or known.says_the_same(needs))):
            return
        for frame in player.lane.spoken[id(needs)]:
            player.link.put(frame, 0)
        player.answers.known = needs

    def _face(self, player: Player) -> None:
        """What the device answers where the tape stands: the configuration of the DATA to come."""
        device = player.answers.device
        device.cfg = player.current.ahead[player.cursor] or device.cfg
        frames = player.lane.spoken[id(device.cfg)]
        device.spoken = {**dict.fromkeys(QUESTIONS, frames), CommandCode.SEND_HEADER: player.lane.header}

    def _time(self, item: Item) -> int:
        """When an item is due, monotonic."""
        if not self._speed or self._zero is None:
            return 0
        start, began = self._zero
        return began + int((item.time - start) / self._speed)

    # ── ends of connections ─────────────────────────────────────────────────────────────────────────────────

    def _disconnected(self, player: Player, now: Now) -> None:
        """Before the first connection, after a broken one, or after one that was played to its end."""
        if player.closes is not None:
            self._next_tape(player, now)
        elif player.connection:
            player.taken = player.cursor = player.done
            player.sent_before, player.connection = player.link.sent, 0
            self._face(player)
        self._due = _sooner(self._due, self._next(player))

    def _next_tape(self, player: Player, now: Now) -> None:
        player.frames += player.current.frames[-1]
        player.rows += player.current.rows[-1]
        player.tape += 1
        player.cursor = player.taken = player.connection = 0
        player.sent_before, player.closes = player.link.sent, None
        player.link.due = None
        if not player.over:
            self._face(player)
            player.link.due = max(now.monotonic, self._time(player.current.items[0]))

    def _leave_late(self, player: Player, now: Now) -> Actions:
        """A station that does not close a connection that is played to its end is left after a while."""
        if player.closes is not None and now.monotonic >= player.closes:
            yield from self._tracked(player, player.link.end(now))
            self._next_tape(player, now)

    def _next(self, player: Player) -> int | None:
        """When a player wants to be woken; None = something will come."""
        if player.over:
            return 0 if self.over and not self.settings.stay else None
        if not player.link.connected:
            return player.link.due
        if player.closes is not None:
            return player.closes
        if player.began is None or not player.link.wants_data or not player.link.room:
            return None
        if player.cursor >= len(player.current.items):
            return None
        settled = player.began + SETTLE if not self._speed else 0
        return max(settled, self._time(player.current.items[player.cursor]))

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """Frames played, and who is connected."""
        players = self.players
        away = [player for player in players if not player.link.connected and not player.over]
        alarms = []
        if away:
            why = next((player.link.fault for player in away if player.link.fault), "not yet")
            alarms.append(f"{len(away)} of {len(players)} devices are not connected ({why})")
        if self.unplayed:
            alarms.append(f"{self.unplayed} DATA frames are not played: no configuration in the capture fits them")
        return {
            "counters": {
                "devices": len(players),
                "connected": sum(player.link.connected for player in players),
                "sent": sum(player.sent for player in players),
                "sent_rows": sum(player.sent_rows for player in players),
                "to_send": sum(player.lane.frames for player in players),
                "to_send_rows": sum(player.lane.rows for player in players),
                "unplayed": self.unplayed,
                "connects": sum(player.link.connects for player in players),
                "done": int(bool(players) and self.over),
            },
            "columns": ["sent", "connected"],
            "devices": [device_number(player.lane.stream, 0) for player in players],
            "labels": [f"{player.lane.source or 'file'} as {player.lane.address}" for player in players],
            "counts": [[player.sent, player.link.connected] for player in players],
            "alarms": alarms,
        }


def _sooner(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
