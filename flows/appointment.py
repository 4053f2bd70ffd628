"""The customer names a time: when to call them, and when to ask them again (R36, R80).

A time that customers name themselves may lie outside the windows and on an off day, never outside the hard hours.
Which words name a time: messages/reading/moments.py.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from flows import callback
from flows.calendar import Calendar
from flows.decisions import OpenTicket, PlannedPing
from flows.offsets import DAY, resolve_local
from flows.program import Program
from flows.promises import ping_time
from flows.timing import SOFT_OVERRIDE, Slot, place_day
from flows.windows import ANY_TIME, OwnTimes, is_open
from messages.reading.moments import Moment, moment_in

WISH = "wished time"
"""How the step of the ladder begins that falls on the time at which the customer wants to be called."""


@dataclass(frozen=True)
class Wish:
    """When the customer wants the call: from `at`, and not after `before`; None where nothing is said of it."""

    at: datetime | None
    before: datetime | None
    words: str


def wish_in(text: str, since: datetime, program: Program, zone: ZoneInfo) -> Wish | None:
    """The wish that a text names, in instants; None: it names none that can be kept within the hard hours."""
    moment = moment_in(text, since.astimezone(zone))
    if moment is None:
        return None
    at, before = _begins(moment, since, program, zone), None
    if moment.end is not None and moment.end != moment.start:
        before = resolve_local(moment.day, min(moment.end, program.hard_hours.end), zone)
    if at is None and (before is None or before <= since):
        return None
    return Wish(at, before, moment.words)


def _begins(moment: Moment, since: datetime, program: Program, zone: ZoneInfo) -> datetime | None:
    """The first instant of a moment: its own time, or the opening of a later day."""
    start = moment.start
    if start is None:
        if moment.day == since.astimezone(zone).date():
            return None
        openings = program.permits().openings(moment.day)
        start = openings[0].start if openings else program.hard_hours.start
    at = resolve_local(moment.day, start, zone)
    return at if at > since and program.hard_hours.holds(start) else None


def at_wish(opened: OpenTicket, wish: Wish | None, program: Program, since: datetime, zone: ZoneInfo) -> OpenTicket:
    """The ticket with the time that the customer named: a ping then, and no promise that runs out before it (R36)."""
    if wish is None:
        return opened
    due = max(opened.due_at, wish.at or opened.due_at)
    before = max(opened.call_before, wish.at or opened.call_before)
    if wish.before is not None:
        before = min(before, wish.before) if wish.at is None else max(wish.before, wish.at)
        due = max(due, before)
    pings = opened.pings if due == opened.due_at else callback.ladder(program, since, due, zone)
    if wish.at is not None:
        pings = (*pings, wished_ping(opened.owner_role, wish.at, zone))
    return replace(opened, due_at=due, call_before=before, pings=pings, wished_at=wish.at)


def wished_ping(role: str, at: datetime, zone: ZoneInfo) -> PlannedPing:
    """The notice that the time has come."""
    return PlannedPing(f"{WISH} {at.astimezone(zone):%m-%d %H:%M}", role, ping_time(at, zone))


def later_slot(
    text: str,
    since: datetime,
    closes_at: datetime,
    program: Program,
    zone: ZoneInfo,
    calendar: Calendar,
    own: OwnTimes = ANY_TIME,
) -> tuple[Slot, bool] | None:
    """When to ask somebody again who has no time now, and whether they named that time.

    At the time that they name, else at the opening of the next permitted day. None: the survey closes before.
    """
    moment = moment_in(text, since.astimezone(zone))
    at = _begins(moment, since, program, zone) if moment and moment.start else None
    slot = _exactly(at, program, zone, calendar) if at else _on_day(moment, since, program, zone, calendar, own)
    return (replace(slot, expires_at=closes_at), at is not None) if slot.due_at < closes_at else None


def _exactly(at: datetime, program: Program, zone: ZoneInfo, calendar: Calendar) -> Slot:
    local = at.astimezone(zone)
    inside = is_open(at, permits=program.permits(), calendar=calendar, zone=zone)
    reasons = () if inside else (SOFT_OVERRIDE,)
    return Slot(local.date(), local.date(), local.time(), at, None, reasons)


def _on_day(
    moment: Moment | None, since: datetime, program: Program, zone: ZoneInfo, calendar: Calendar, own: OwnTimes
) -> Slot:
    permits = program.permits().of_customer(own)
    today = since.astimezone(zone).date()
    day = max(moment.day, today + DAY) if moment else today + DAY
    return place_day(day, event_on=today, deadline=None, permits=permits, calendar=calendar, zone=zone)
