"""From the day a program means to the instant a message goes out (PROGRAMS 3.0, rules 2 to 5 and 9).

Nothing here reads the clock; what falls due is decided by `flows/plan.py`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.offsets import DAY, Offset, Unit, end_of_day, resolve_local
from flows.windows import (
    FURTHEST_OPENING,
    OffDay,
    Permits,
    TimeWindow,
    Windows,
    first_moment,
    in_hard_hours,
    next_opening,
    opening_within_a_year,
    seek_day,
)

# Reasons that other code asks for; the rest are texts for the trail.
SOFT_OVERRIDE = "soft override"
LATE = "late"
ON_OFF_DAY = "same day, off day or not"
NO_PERMITTED_DAY = "no permitted day before the deadline -> nominal day in hard hours"


@dataclass(frozen=True)
class Slot:
    """Where a step landed, and why there.

    `nominal_on` is the day that recurring steps count from (R25), `intended_on` and `local_time` what the customer's
    clock shall say, `due_at` that instant in UTC and `expires_at` the first UTC instant at which it is too late.
    """

    nominal_on: date
    intended_on: date
    local_time: time
    due_at: datetime
    expires_at: datetime | None
    reasons: tuple[str, ...] = ()

    @property
    def exempt(self) -> bool:
        """Whether it was placed outside the windows on purpose, so that only the hard hours hold for it."""
        return not {SOFT_OVERRIDE, ON_OFF_DAY, NO_PERMITTED_DAY}.isdisjoint(self.reasons)


def place_day(
    nominal: date,
    *,
    event_on: date | None,
    deadline: date | None,
    permits: Permits,
    calendar: Calendar,
    zone: ZoneInfo,
    at: time | None = None,
) -> Slot:
    """Place a step of days: at the opening of the first window, or exactly `at` (greetings, rule 9).

    A barred day moves forward; past the deadline (its last day) back, but not to the event's day or before; if no
    day is left, the nominal day inside the hard hours, flagged (rule 2, R24). With `permits.advance` it moves to
    the workday before (rule 4). A step before its date (`nominal < event_on`) may move back freely.
    """
    after = event_on if event_on is not None and event_on <= nominal else None
    day, reasons = _choose_day(nominal, after, deadline, permits, calendar, fixed=at is not None)
    clock = _time_of_day(day, permits, at)
    return Slot(
        nominal_on=nominal,
        intended_on=day,
        local_time=clock,
        due_at=resolve_local(day, clock, zone),
        expires_at=None if deadline is None else end_of_day(deadline, zone),
        reasons=reasons,
    )


def _choose_day(
    nominal: date, event_on: date | None, deadline: date | None, permits: Permits, calendar: Calendar, *, fixed: bool
) -> tuple[date, tuple[str, ...]]:
    last = deadline or nominal + FURTHEST_OPENING * DAY
    if nominal > last:
        return _day_back(last, event_on, last, permits, calendar)
    if permits.off_day_allowed(calendar, nominal) if fixed else permits.day_allowed(calendar, nominal):
        return nominal, ()
    why = _why_barred(nominal, permits, calendar)
    earlier = _workday_before(nominal, event_on, permits, calendar) if permits.advance else None
    if earlier is not None:
        return earlier, (f"{why} -> moved earlier to {earlier}",)
    later = seek_day(nominal, last, permits, calendar)
    if later is not None:
        return later, (f"{why} -> moved to {later}",)
    return _day_back(nominal, event_on, last, permits, calendar)


def _day_back(
    start: date, event_on: date | None, deadline: date, permits: Permits, calendar: Calendar
) -> tuple[date, tuple[str, ...]]:
    """The last permitted day up to `start` and after the event; if there is none, `start` itself, flagged."""
    stop = event_on + DAY if event_on is not None else start - FURTHEST_OPENING * DAY
    earlier = seek_day(start, stop, permits, calendar) if start >= stop else None
    if earlier is None:
        return start, (NO_PERMITTED_DAY,)
    return earlier, (f"deadline {deadline} -> moved back to {earlier}",)


def _workday_before(day: date, event_on: date | None, permits: Permits, calendar: Calendar) -> date | None:
    """The last workday with a window before the day and after the event."""
    for _ in range(FURTHEST_OPENING):
        day = calendar.previous_workday(day)
        if event_on is not None and day <= event_on:
            return None
        if permits.openings(day):
            return day
    return None


def _why_barred(day: date, permits: Permits, calendar: Calendar) -> str:
    return "no window that day" if permits.off_day_allowed(calendar, day) else str(calendar.kind(day))


def _time_of_day(day: date, permits: Permits, at: time | None) -> time:
    """The opening of the day, or `at` moved only for the hard hours and the customer's own times."""
    reach = permits.reach(day)
    if at is None:
        return next((window.start for window in permits.openings(day) or reach), permits.windows.hard.start)
    moment = first_moment(reach, at)
    if moment is not None:
        return moment
    return reach[-1].start if reach else permits.windows.hard.start


def place_instant(
    at: datetime,
    *,
    deadline: datetime | None,
    permits: Permits,
    calendar: Calendar,
    zone: ZoneInfo,
    event_at: datetime | None = None,
) -> Slot:
    """Place a step of hours: it keeps its time or waits for the next opening (rule 3).

    Where that opening is not before the deadline, the last window between event and deadline is taken, at its
    opening or at the event itself; if there is none, the instant inside the hard hours, flagged (rule 2). Without
    `event_at` a step never moves back.
    """
    if deadline is None:
        opening = next_opening(at, permits=permits, calendar=calendar, zone=zone)
        return _slot_at(at, opening, None, zone, _waits(at, opening, permits, calendar, zone))
    in_time = opening_within_a_year(at, permits, calendar, zone)
    if in_time is not None and in_time < deadline:
        return _slot_at(at, in_time, deadline, zone, _waits(at, in_time, permits, calendar, zone))
    earlier = _last_opening(min(at, deadline), event_at, permits, calendar, zone)
    if earlier is not None:
        moved_to = f"{earlier.astimezone(zone):%Y-%m-%d %H:%M}"
        return _slot_at(at, earlier, deadline, zone, (f"deadline -> moved back to {moved_to}",))
    return _slot_at(at, _into_hard_hours(at, permits.windows, zone), deadline, zone, (NO_PERMITTED_DAY,))


def _slot_at(
    nominal: datetime, due_at: datetime, expires_at: datetime | None, zone: ZoneInfo, reasons: tuple[str, ...]
) -> Slot:
    local = due_at.astimezone(zone)
    return Slot(
        nominal_on=nominal.astimezone(zone).date(),
        intended_on=local.date(),
        local_time=local.time(),
        due_at=due_at.astimezone(UTC),
        expires_at=None if expires_at is None else expires_at.astimezone(UTC),
        reasons=reasons,
    )


def _waits(at: datetime, opening: datetime, permits: Permits, calendar: Calendar, zone: ZoneInfo) -> tuple[str, ...]:
    if opening == at:
        return ()
    day = at.astimezone(zone).date()
    why = "outside window" if permits.off_day_allowed(calendar, day) else str(calendar.kind(day))
    return (f"{why} -> waits for the next opening {opening.astimezone(zone):%Y-%m-%d %H:%M}",)


def _last_opening(
    before: datetime, event_at: datetime | None, permits: Permits, calendar: Calendar, zone: ZoneInfo
) -> datetime | None:
    """The opening of the last window before an instant, not earlier than the event; None without an event."""
    if event_at is None:
        return None
    day, first = before.astimezone(zone).date(), event_at.astimezone(zone).date()
    while day >= first:
        for window in reversed(permits.openings(day)) if permits.day_allowed(calendar, day) else ():
            start = max(resolve_local(day, window.start, zone), event_at.astimezone(UTC))
            if start < before and start < instant_of_end(day, window, zone):
                return start
        day -= DAY
    return None


def instant_of_end(day: date, window: TimeWindow, zone: ZoneInfo) -> datetime:
    return end_of_day(day, zone) if window.end == time.max else resolve_local(day, window.end, zone)


def _into_hard_hours(at: datetime, windows: Windows, zone: ZoneInfo) -> datetime:
    if in_hard_hours(at, windows, zone):
        return at
    local = at.astimezone(zone)
    day = local.date() if local.time() < windows.hard.start else local.date() + DAY
    return resolve_local(day, windows.hard.start, zone)


SAME_DAY_AFTER = Offset(2, Unit.HOUR)  # (A) of rule 5
SAME_DAY_HURRY = Offset(5, Unit.MINUTE)


def place_same_day(
    event_at: datetime,
    *,
    permits: Permits,
    calendar: Calendar,
    zone: ZoneInfo,
    after: Offset = SAME_DAY_AFTER,
    hurry: Offset = SAME_DAY_HURRY,
) -> Slot:
    """Place a step on the very day of its event, off day or not (rule 5, R31).

    1. event + 2 h, or the next window of that day
    2. that instant up to the end of the hard hours, as a soft override
    3. event + 5 min before the end of the hard hours, as a soft override
    4. the next opening, off day or not, flagged late
    Every step but the last stays inside the customer's own times.
    """
    event_at = event_at.astimezone(UTC)  # adding hours to a local time would ignore clock changes
    day = event_at.astimezone(zone).date()
    moments = (
        _on_that_day(event_at + after.delta, day, permits.openings(day), zone),
        _on_that_day(event_at + after.delta, day, permits.reach(day), zone, to_the_end=True) if permits.soft else None,
        _on_that_day(event_at + hurry.delta, day, permits.reach(day) if permits.soft else permits.openings(day), zone),
    )
    due_at = next((moment for moment in moments if moment is not None), None)
    if due_at is None:
        any_day = replace(permits, weekend=OffDay.SEND, holiday=OffDay.SEND)
        due_at = next_opening(event_at, permits=any_day, calendar=calendar, zone=zone)
    goes_on = due_at.astimezone(zone).date()
    inside = any(window.holds(due_at.astimezone(zone).time()) for window in permits.openings(goes_on))
    said = (
        (goes_on != day, LATE),
        (not inside, SOFT_OVERRIDE),
        (not permits.off_day_allowed(calendar, goes_on), ON_OFF_DAY),
    )
    reasons = tuple(reason for holds, reason in said if holds)
    return _slot_at(event_at, due_at, end_of_day(goes_on, zone), zone, reasons)


def _on_that_day(
    at: datetime, day: date, windows: tuple[TimeWindow, ...], zone: ZoneInfo, *, to_the_end: bool = False
) -> datetime | None:
    local = at.astimezone(zone)
    if local.date() != day:
        return None
    moment = first_moment(windows, local.time(), to_the_end=to_the_end)
    if moment is None:
        return None
    return at.astimezone(UTC) if moment == local.time() else resolve_local(day, moment, zone)
