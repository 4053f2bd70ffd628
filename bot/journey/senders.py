"""Step 4, before and after the call: which sender carries a message and when, and which senders are paused.

A rate belongs to a sender (a number, a pool, a bot). What a sender cannot carry within a second stays in our outbox,
where a STOP or a higher priority still reaches it, and never in the provider's queue. A sender that finds the provider
in trouble again and again pauses, lets one message try every minute, and goes on as soon as one gets through; one that
is set up wrongly waits for a person. Either way staff are told once. Next: limits.py.
"""

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import structlog
from sqlmodel import Session

from bot.channels.contract import Accepted, Channel, NotSent, Outcome, Refused, Sender, Sign, Unknown
from bot.errors import NotFound
from bot.journey.notices import tell_staff
from bot.phones import country_of
from bot.runtime import Runtime
from bot.store import messages, trail
from bot.store import senders as store
from bot.store.agenda import Agenda
from bot.store.tables import SenderRow

log = structlog.get_logger()
AHEAD = timedelta(seconds=1)
"""How far ahead of its rate a sender is loaded."""
PROBE = timedelta(seconds=60)
"""How often a paused sender lets one message try."""
MOST_TROUBLES = 10
"""Calls in a row that find the provider in trouble before its sender pauses."""
SET_ASIDE = timedelta(minutes=10)
"""How long a message waits whose way is paused until a person has mended it."""


class Sendable(Protocol):
    """What must be known of a message to find its sender."""

    @property
    def channel(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def segments(self) -> int: ...


class Slot(NamedTuple):
    """A message goes by this sender, and its call begins no earlier than `at`."""

    sender: str
    at: datetime


@dataclass
class _Lane:
    """One sender as far as this batch has got. `left`: how many more it may carry, None: as its rate allows."""

    sender: Sender
    row: SenderRow | None
    free_at: datetime
    left: int | None = None
    used: bool = False

    def room(self, now: datetime) -> int | None:
        """How many messages it can take now; None: any number."""
        if self.left is not None:
            return self.left
        if self.sender.per_second is None:
            return None if self.free_at <= now else 0
        ahead = (now + AHEAD - self.free_at).total_seconds()
        return max(0, math.ceil(ahead * self.sender.per_second))

    def take(self, message: Sendable, now: datetime) -> Slot:
        at, self.used = max(now, self.free_at), True
        if self.sender.per_second is not None:
            units = message.segments if self.sender.by_segments else 1
            self.free_at = at + timedelta(seconds=units / self.sender.per_second)
        if self.left is not None:
            self.left -= 1
        return Slot(self.sender.name, at)

    def opens_at(self) -> datetime:
        """When one that is full takes messages again."""
        return self.free_at if self.sender.per_second is None else self.free_at - AHEAD / 2


class Lanes:
    """The senders of every channel at one moment: opened in the claim's transaction, closed in it."""

    def __init__(self, session: Session, runtime: Runtime, now: datetime) -> None:
        """Lock what is known of the senders, so that two claims never give one slot twice."""
        self._session, self._now, self._channels = session, now, runtime.channels
        known = {(row.channel, row.name, row.country): row for row in _known(session, runtime.channels)}
        self._pauses = {
            name: timedelta(seconds=max(sender.per_address for sender in channel.senders))
            for name, channel in runtime.channels.items()
        }
        self._lanes = {
            name: [self._lane(sender, known.get((name, sender.name, ""))) for sender in channel.senders]
            for name, channel in runtime.channels.items()
        }
        self._shut = {(row.channel, row.country) for row in known.values() if row.country and row.paused_at}

    def _lane(self, sender: Sender, row: SenderRow | None) -> _Lane:
        free_at = row.next_free_at if row is not None and row.next_free_at else self._now
        if row is None or row.paused_at is None:
            return _Lane(sender, row, free_at)
        probes = row.probe_at is not None and row.probe_at <= self._now
        return _Lane(sender, row, self._now, left=1 if probes else 0)

    def rooms(self, limit: int, only: str = "") -> Iterator[tuple[tuple[str, ...], int]]:
        """(channels, how many messages they can take now), those without a limit together; `only`: of one channel."""
        wanted = [name for name in self._lanes if not only or name == only]
        free = tuple(name for name in wanted if self._room(name) is None)
        if free:
            yield free, limit
        for name in wanted:
            room = self._room(name)
            if room:
                yield (name,), min(room, limit)

    def _room(self, channel: str) -> int | None:
        rooms = [lane.room(self._now) for lane in self._lanes[channel]]
        return None if None in rooms else sum(room or 0 for room in rooms)

    def busy(self, rows: Sequence[Sendable]) -> set[tuple[str, str]]:
        """(channel, address) that were written to a moment ago, on channels that mind."""
        busy: set[tuple[str, str]] = set()
        for name in self._channels:
            if self._pauses[name]:
                since = self._now - self._pauses[name]
                addresses = [row.address for row in rows if row.channel == name]
                busy.update((name, each) for each in messages.busy_addresses(self._session, name, addresses, since))
        return busy

    def give(self, message: Sendable) -> Slot | datetime:
        """The message's slot; or when to ask again."""
        if self._shut and (message.channel, country_of(message.address) or "") in self._shut:
            return self._now + SET_ASIDE
        lane = self._choose(message)
        room = lane.room(self._now)
        if room is None or room > 0:
            return lane.take(message, self._now)
        if lane.left is None:
            return lane.opens_at()
        return (lane.row.probe_at if lane.row else None) or self._now + SET_ASIDE

    def _choose(self, message: Sendable) -> _Lane:
        """The sender that the person knows already, else always the same one for an address; another if it is paused.

        A paused one that may try whether the trouble is over tries with a message of its own.
        """
        lanes = self._lanes[message.channel]
        if len(lanes) == 1:
            return lanes[0]
        known = [lane for lane in lanes if lane.sender.name == message.sender]
        usual = _of_address(known or lanes, message.address)
        if usual.left != 0:
            return usual
        others = [lane for lane in lanes if lane.left is None] or [lane for lane in lanes if lane.left]
        return _of_address(others, message.address) if others else usual

    def free_from(self, channel: str, earliest: datetime | None) -> datetime | None:
        """When a message that waits since `earliest` can go; None: nothing waits, or only for a person."""
        if earliest is None:
            return None
        lanes = self._lanes[channel]
        times = [max(lane.free_at - AHEAD / 2, self._now) for lane in lanes if lane.room(self._now) != 0]
        times += [lane.free_at for lane in lanes if lane.left is None and lane.room(self._now) == 0]
        times += [lane.row.probe_at for lane in lanes if lane.left == 0 and lane.row and lane.row.probe_at]
        return max(earliest, min(times)) if times else None

    def pause_per_address(self, channel: str) -> timedelta:
        return self._pauses[channel]

    def close(self) -> None:
        """Write what the slots have used up."""
        for lane in (lane for lanes in self._lanes.values() for lane in lanes if lane.used):
            if lane.row is not None and lane.left is not None:
                store.change(self._session, lane.row.id, probe_at=self._now + PROBE)
            elif lane.row is not None and lane.sender.per_second is not None:
                store.change(self._session, lane.row.id, next_free_at=lane.free_at)


def _of_address(lanes: Sequence[_Lane], address: str) -> _Lane:
    return lanes[zlib.crc32(address.encode()) % len(lanes)] if len(lanes) > 1 else lanes[0]


def _known(session: Session, channels: Mapping[str, Channel]) -> Sequence[SenderRow]:
    """What is known of the senders, locked; those with a rate are known from now on."""
    limited = {(name, each.name) for name, channel in channels.items() for each in channel.senders if each.per_second}
    have = {(row.channel, row.name) for row in store.known(session) if not row.country} if limited else set()
    # before any lock, as in `note_outcomes`: who locks and then adds would wait for who adds and then locks
    for channel, name in sorted(limited - have):
        store.add(session, channel, name)
    return store.known(session, lock=True)


def next_dispatch(runtime: Runtime, agenda: Agenda) -> datetime | None:
    """When the outbox has something that a sender can carry; what simulated time looks at."""
    if agenda.outbox is None or not agenda.senders:
        return agenda.outbox
    now = runtime.clock.now()
    with runtime.db.write() as session:
        lanes = Lanes(session, runtime, now)
        dues = [lanes.free_from(name, messages.earliest(session, name)) for name in runtime.channels]
    return min((due for due in dues if due is not None), default=None)


# ----- what the calls say of the senders


class Told(NamedTuple):
    """What one call said of its sender."""

    channel: str
    sender: str
    address: str
    outcome: Outcome


def note_outcomes(runtime: Runtime, told: Sequence[Told]) -> None:
    """Rest, pause or resume the senders as their calls came out; staff are told once when one pauses."""
    now = runtime.clock.now()
    with runtime.db.read() as session:
        known = {(row.channel, row.name) for row in store.known(session) if row.troubles or row.paused_at}
    if not any(_sign(each.outcome) is not Sign.FINE or (each.channel, each.sender) in known for each in told):
        return
    with runtime.db.write() as session:
        for key in sorted({_key(each) for each in told if _sign(each.outcome) is not Sign.FINE}):
            store.add(session, *key)
        rows = {(row.channel, row.name, row.country): row for row in store.known(session, lock=True)}
        for each in told:
            _note(session, runtime, rows, each, now)


def _sign(outcome: Outcome) -> Sign:
    match outcome:
        case Accepted():
            return Sign.FINE
        case Unknown():
            return Sign.TROUBLE
        case NotSent(sign=sign) | Refused(sign=sign):
            return sign


def _key(told: Told) -> tuple[str, str, str]:
    """The row that this call speaks of: channel, sender, and the country where it is about that one alone."""
    about_country = _sign(told.outcome) is Sign.STOP_COUNTRY
    return told.channel, told.sender, (country_of(told.address) or "") if about_country else ""


def _note(
    session: Session, runtime: Runtime, rows: Mapping[tuple[str, str, str], SenderRow], told: Told, now: datetime
) -> None:
    row = rows.get(_key(told))
    if row is None:
        return
    match _sign(told.outcome):
        case Sign.REST:
            row.next_free_at = max(row.next_free_at or now, now + _rest_of(told.outcome))
            store.change(session, row.id, next_free_at=row.next_free_at)
        case Sign.TROUBLE:
            row.troubles += 1
            store.change(session, row.id, troubles=row.troubles)
            if row.troubles >= MOST_TROUBLES and row.paused_at is None:
                _pause(session, runtime, row, rows.values(), _because(told.outcome), now, probe_at=now + PROBE)
        case Sign.STOP | Sign.STOP_COUNTRY:
            if not _waits_for_person(row):
                _pause(session, runtime, row, rows.values(), _because(told.outcome), now, probe_at=None)
        case Sign.FINE if not isinstance(told.outcome, NotSent) and not _waits_for_person(row):
            if row.troubles or row.paused_at:
                _go_on(session, row, now, "a message got through")


def _waits_for_person(row: SenderRow) -> bool:
    return row.paused_at is not None and row.probe_at is None


def _rest_of(outcome: Outcome) -> timedelta:
    """How long a sender that was too fast rests."""
    match outcome:
        case NotSent(retry_after=seconds):
            return timedelta(seconds=seconds)
        case Refused(again_after=(seconds, *_)):
            return timedelta(seconds=seconds)
    return PROBE


def _because(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Accepted) else outcome.because


def _pause(
    session: Session,
    runtime: Runtime,
    row: SenderRow,
    known: Iterable[SenderRow],
    because: str,
    now: datetime,
    probe_at: datetime | None,
) -> None:
    """Pause. Staff hear of the first sender of a channel: what stops the others as well is the same trouble."""
    same = [each for each in known if each is not row and (each.channel, each.country) == (row.channel, row.country)]
    told = any(each.paused_at and (each.probe_at is None) == (probe_at is None) for each in same)
    row.paused_at, row.paused_because, row.probe_at = row.paused_at or now, because, probe_at
    store.change(session, row.id, paused_at=row.paused_at, paused_because=because, probe_at=probe_at)
    name = _name_of(row)
    trail.write(session, [trail.line(now, "paused", f"{name}: {because}")])
    log.warning("sender paused", sender=name, because=because, by_itself=probe_at is not None)
    if not told:
        variables = {"sender": name, "reason": because}
        key = f"paused:{row.id}:{now.isoformat()}"
        tell_staff(session, runtime, "staff/sender_paused", key, variables, now, not_by=row.channel)


def _go_on(session: Session, row: SenderRow, now: datetime, because: str) -> None:
    was_paused = row.paused_at is not None
    row.troubles, row.paused_at, row.paused_because, row.probe_at = 0, None, "", None
    store.change(session, row.id, troubles=0, paused_at=None, paused_because="", probe_at=None)
    if was_paused:
        trail.write(session, [trail.line(now, "resumed", f"{_name_of(row)}: {because}")])
        log.info("sender goes on", sender=_name_of(row), because=because)


def _name_of(row: SenderRow) -> str:
    return f"{row.channel} {row.name} to {row.country}" if row.country else f"{row.channel} {row.name}"


# ----- what a person sees and does


def paused(session: Session) -> list[SenderRow]:
    """Senders that do not send now, and why."""
    return [row for row in store.known(session) if row.paused_at is not None]


def resume(runtime: Runtime, channel: str, name: str, staff_name: str) -> None:
    """A person has mended it: the sender and its countries go on. NotFound: no such sender is paused."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = [row for row in store.known(session, lock=True) if row.paused_at and row.channel == channel]
        rows = [row for row in rows if not name or row.name == name]
        if not rows:
            raise NotFound(f"no sender {f'{channel} {name}'.strip()} is paused")
        for row in rows:
            _go_on(session, row, now, f"by {staff_name}")
        messages.wake(session, channel, now)
        for row in rows:
            store.forget_country(session, row.id)


def told_of(calls: Iterable[tuple[Sendable, str, Outcome]]) -> list[Told]:
    """What each call (message, sender, outcome) says of its sender."""
    return [Told(message.channel, sender, message.address, outcome) for message, sender, outcome in calls]
