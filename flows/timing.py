"""From the day a program means to the instant a message goes out.

Offsets, contact windows, off days, deadlines, same-day steps, SLA clocks, staff hours and recurring steps, as in
PROGRAMS 3.0 (rules 1 to 9 and 12). Days and local times are decided first and become UTC only in `resolve_local`.
Windows are open at their start and closed at their end. Nothing here reads the clock; which days are off is known
by `flows/calendar.py`, what falls due by `flows/plan.py`.
"""

import re
from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from flows.calendar import Calendar, DayKind

DAY = timedelta(days=1)
FURTHEST_OPENING = 400  # days to search for a permitted one; more than any break, and a year of a weekly window

# Reasons that other code asks for; the rest are texts for the trail.
SOFT_OVERRIDE = "soft override"
LATE = "late"
NO_PERMITTED_DAY = "no permitted day before the deadline -> nominal day in hard hours"


# --- Offsets: how far from a day (rule 1, R23) ---------------------------------------------------------------------


class Unit(StrEnum):
    MINUTE = "min"
    HOUR = "h"
    DAY = "d"
    WEEK = "w"
    MONTH = "mo"
    QUARTER = "q"
    HALF_YEAR = "hy"
    YEAR = "y"


_MINUTES = {Unit.MINUTE: 1, Unit.HOUR: 60}
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}
_OFFSET = re.compile(r"(-?)([0-9]{1,4}) ?(min|h|d|w|mo|q|hy|y)")


@dataclass(frozen=True)
class Offset:
    """A length such as 2h, 7d or 1mo; negative lies before the day it is added to."""

    amount: int
    unit: Unit

    @property
    def is_time(self) -> bool:
        """Whether it keeps the time of day (minutes, hours) and not the date."""
        return self.unit in _MINUTES

    @property
    def delta(self) -> timedelta:
        """The length of a time offset; ValueError for one of days or months."""
        if not self.is_time:
            raise ValueError(f"{self} has no fixed length in hours; add it to a date instead")
        return timedelta(minutes=self.amount * _MINUTES[self.unit])

    def __neg__(self) -> "Offset":
        return Offset(-self.amount, self.unit)

    def __mul__(self, times: int) -> "Offset":
        """An interval stretched, as for a customer who shows annoyance (R83)."""
        return Offset(self.amount * times, self.unit)

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


def parse_offset(text: str) -> Offset:
    """Read 30min, 2h, 7d, 2w, 1mo, 1q, 1hy or 1y, with a minus for 'before'."""
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"Cannot read the offset {text!r}; write a number and one of min, h, d, w, mo (month), q (quarter), "
            "hy (half-year), y, such as '7d' or '1mo'"
        )
    sign, amount, unit = found.groups()
    return Offset(int(sign + amount), Unit(unit))


def add(day: date, offset: Offset) -> date:
    """The day that lies an offset away; months clip to the month's end (29 February to 28)."""
    if offset.unit in _DAYS:
        return day + offset.amount * _DAYS[offset.unit] * DAY
    if offset.unit in _MONTHS:
        return _add_months(day, offset.amount * _MONTHS[offset.unit])
    raise ValueError(f"{offset} is a time, not a number of days; use add_to_instant")


def add_to_instant(at: datetime, offset: Offset, zone: ZoneInfo) -> datetime:
    """Hours and minutes run on the clock of the world; days and months keep the local time of day."""
    if offset.is_time:
        return at.astimezone(UTC) + offset.delta
    local = at.astimezone(zone)
    return resolve_local(add(local.date(), offset), local.time(), zone)


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


# --- Local time (DESIGN 5) -----------------------------------------------------------------------------------------


def resolve_local(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a local time: in a gap the first valid instant after it, in a fold the earlier one."""
    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))
    late = wall.replace(tzinfo=zone).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == wall:
        return late
    return _end_of_gap(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), late, zone)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the zone's offset jumps, between an instant before the jump and one after it."""
    old = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """24:00 of a local day."""
    return resolve_local(day + DAY, time(0), zone)


# --- Windows and permits (rule 4, R76 to R81) ----------------------------------------------------------------------


class OffDay(StrEnum):
    """What a step does on an off day (R40)."""

    SEND = "send"
    DEFER = "defer"


@dataclass(frozen=True, order=True)
class TimeWindow:
    """Local times from `start` up to but not including `end`; an end of `time.max` is 24:00."""

    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"The window {self} ends before it starts; split a window over midnight in two")

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{'24:00' if self.end == time.max else f'{self.end:%H:%M}'}"

    def holds(self, at: time) -> bool:
        return self.start <= at < self.end


WeekTimes = tuple[TimeWindow, ...] | Mapping[int, tuple[TimeWindow, ...]]
"""The same windows every day, or windows by weekday (Monday is 0; a missing weekday has none)."""

DEFAULT_HARD_HOURS = TimeWindow(time(9), time(20))  # (A) of R78; a program may say otherwise
_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2}) ?[-–] ?([0-9]{1,2}):([0-9]{2})")


def parse_windows(texts: Iterable[str]) -> tuple[TimeWindow, ...]:
    """Read windows like "09:00-12:00" into their order in the day; ValueError if one is malformed or two overlap."""
    windows = tuple(sorted(parse_window(text) for text in texts))
    _check_apart(windows)
    return windows


def parse_window(text: str) -> TimeWindow:
    """Read one window like "09:00-12:00"; 24:00 is allowed as an end."""
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"Cannot read the window {text!r}; write it like '09:00-12:00'")
    start_hour, start_minute, end_hour, end_minute = (int(part) for part in found.groups())
    if (end_hour, end_minute) == (24, 0):
        return TimeWindow(_clock(start_hour, start_minute, text), time.max)
    return TimeWindow(_clock(start_hour, start_minute, text), _clock(end_hour, end_minute, text))


def _clock(hour: int, minute: int, text: str) -> time:
    if hour > 23 or minute > 59:
        raise ValueError(f"No such time of day in the window {text!r}; hours go to 23, minutes to 59")
    return time(hour, minute)


def _check_apart(windows: Sequence[TimeWindow]) -> None:
    for first, second in pairwise(windows):
        if second.start < first.end:
            raise ValueError(f"The windows {first} and {second} overlap or are out of order; join or sort them")


@dataclass(frozen=True)
class Windows:
    """When a step prefers to go out (`times`) and the hours that no automatic message breaks (`hard`)."""

    times: WeekTimes
    hard: TimeWindow = DEFAULT_HARD_HOURS

    def __post_init__(self) -> None:
        days = self.times.values() if isinstance(self.times, Mapping) else [self.times]
        for windows in days:
            _check_apart(windows)
            for window in windows:
                if window.start < self.hard.start or window.end > self.hard.end:
                    raise ValueError(f"The window {window} leaves the hard hours {self.hard}; shorten it")

    def on(self, day: date) -> tuple[TimeWindow, ...]:
        return _on(self.times, day)


@dataclass(frozen=True)
class Permits:
    """On which days and in which hours one step may reach one customer.

    `advance` moves a step from an off day to the workday before it. `customer_windows` replace the program's
    windows inside its hard hours, and nothing falls into `blocked` times (R80). `soft` is false where the program
    forbids to leave the windows for a same-day step (R79).
    """

    windows: Windows
    weekend: OffDay
    holiday: OffDay
    advance: bool = False
    customer_windows: WeekTimes | None = None
    blocked: WeekTimes = ()
    soft: bool = True

    def day_allowed(self, calendar: Calendar, day: date) -> bool:
        """Whether an ordinary step may go out that day: no barred off day, and a window to use."""
        return self.off_day_allowed(calendar, day) and bool(self.openings(day))

    def off_day_allowed(self, calendar: Calendar, day: date) -> bool:
        kind = calendar.kind(day)
        if kind is DayKind.HOLIDAY:
            return self.holiday is OffDay.SEND
        return kind is DayKind.WORKDAY or self.weekend is OffDay.SEND

    def openings(self, day: date) -> tuple[TimeWindow, ...]:
        """The windows of that weekday for this customer."""
        own = self.windows.on(day) if self.customer_windows is None else self._customer_hours(day)
        return _without(own, _on(self.blocked, day)) if self.blocked else own

    def reach(self, day: date) -> tuple[TimeWindow, ...]:
        """The times that a soft override or a fixed hour may use: the hard hours, or what the customer asked for."""
        own = (self.windows.hard,) if self.customer_windows is None else self._customer_hours(day)
        return _without(own, _on(self.blocked, day))

    def _customer_hours(self, day: date) -> tuple[TimeWindow, ...]:
        hard = self.windows.hard
        asked = _on(self.customer_windows or (), day)
        clipped = ((max(one.start, hard.start), min(one.end, hard.end)) for one in asked)
        return tuple(sorted(TimeWindow(start, end) for start, end in clipped if start < end))


def _on(times: WeekTimes, day: date) -> tuple[TimeWindow, ...]:
    return times.get(day.weekday(), ()) if isinstance(times, Mapping) else times


def _without(windows: tuple[TimeWindow, ...], blocked: tuple[TimeWindow, ...]) -> tuple[TimeWindow, ...]:
    for block in blocked:
        pieces = [
            piece
            for one in windows
            for piece in ((one.start, min(one.end, block.start)), (max(one.start, block.end), one.end))
        ]
        windows = tuple(TimeWindow(start, end) for start, end in pieces if start < end)
    return windows


def _first_moment(windows: tuple[TimeWindow, ...], at: time, *, to_the_end: bool = False) -> time | None:
    """The first time in the windows that is not before `at`; with `to_the_end` a closing time counts, too."""
    for window in windows:
        if at < window.end or (to_the_end and at == window.end):
            return max(at, window.start)
    return None


# --- Is it open, and when next (rule 3) ----------------------------------------------------------------------------


def is_open(at: datetime, *, permits: Permits, calendar: Calendar, zone: ZoneInfo) -> bool:
    """Whether the instant lies in a window of a permitted day."""
    local = at.astimezone(zone)
    day, now = local.date(), local.time()
    return permits.day_allowed(calendar, day) and any(window.holds(now) for window in permits.openings(day))


def in_hard_hours(at: datetime, windows: Windows, zone: ZoneInfo) -> bool:
    """Whether an automatic message may go out at all (R78).

    The closing minute still counts, so that a same-day step placed at 20:00 sharp (rule 5, "up to 20:00") is not
    lost to the second that a tick takes.
    """
    return _in_one_of((windows.hard,), at.astimezone(zone).time())


def is_reachable(at: datetime, *, permits: Permits, zone: ZoneInfo) -> bool:
    """Whether even an exempt step may go out: hard hours, and what the customer asked for (R78, R80)."""
    local = at.astimezone(zone)
    return _in_one_of(permits.reach(local.date()), local.time())


def _in_one_of(windows: tuple[TimeWindow, ...], at: time) -> bool:
    minute = at.replace(second=0, microsecond=0)
    return any(window.start <= minute <= window.end for window in windows)


def next_opening(at: datetime, *, permits: Permits, calendar: Calendar, zone: ZoneInfo) -> datetime:
    """The instant itself if it is open, else the next opening; ValueError if there is none within a year."""
    found = _next_opening(at, permits, calendar, zone)
    if found is None:
        raise ValueError(
            f"No permitted opening within {FURTHEST_OPENING} days of {at.isoformat()}; give this customer a window "
            "on a workday, or let the program send on off days"
        )
    return found


def _next_opening(at: datetime, permits: Permits, calendar: Calendar, zone: ZoneInfo) -> datetime | None:
    local = at.astimezone(zone)
    today, now = local.date(), local.time()
    if permits.day_allowed(calendar, today):
        moment = _first_moment(permits.openings(today), now)
        if moment is not None:
            return at.astimezone(UTC) if moment == now else resolve_local(today, moment, zone)
    day = _seek_day(today + DAY, today + FURTHEST_OPENING * DAY, permits, calendar)
    return None if day is None else resolve_local(day, permits.openings(day)[0].start, zone)


def _seek_day(start: date, stop: date, permits: Permits, calendar: Calendar) -> date | None:
    """The first permitted day from start to stop, both included, forward or backward."""
    step = 1 if start <= stop else -1
    for n in range(abs((stop - start).days) + 1):
        day = start + step * n * DAY
        if permits.day_allowed(calendar, day):
            return day
    return None


def release(
    now: datetime,
    due_at: datetime,
    expires_at: datetime | None,
    *,
    permits: Permits,
    calendar: Calendar,
    zone: ZoneInfo,
    exempt: bool = False,
) -> datetime | None:
    """When a step that is late or was held goes out: now, at the next opening, or None when it is too late (R18).

    `exempt` is for steps placed outside the windows on purpose (`Slot.exempt`, greetings): on their own day they
    go at once while the customer is reachable.
    """
    when = max(now, due_at)
    if expires_at is not None and when >= expires_at:
        return None
    if now <= due_at:
        return due_at
    same_day = now.astimezone(zone).date() == due_at.astimezone(zone).date()
    if exempt and same_day and is_reachable(now, permits=permits, zone=zone):
        return now
    opening = _next_opening(now, permits, calendar, zone)
    return opening if opening and (expires_at is None or opening < expires_at) else None


# --- Placing a step (rules 2 to 5 and 9) ---------------------------------------------------------------------------


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
        return SOFT_OVERRIDE in self.reasons or NO_PERMITTED_DAY in self.reasons


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
    later = _seek_day(nominal, last, permits, calendar)
    if later is not None:
        return later, (f"{why} -> moved to {later}",)
    return _day_back(nominal, event_on, last, permits, calendar)


def _day_back(
    start: date, event_on: date | None, deadline: date, permits: Permits, calendar: Calendar
) -> tuple[date, tuple[str, ...]]:
    """The last permitted day up to `start` and after the event; if there is none, `start` itself, flagged."""
    stop = event_on + DAY if event_on is not None else start - FURTHEST_OPENING * DAY
    earlier = _seek_day(start, stop, permits, calendar) if start >= stop else None
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
    moment = _first_moment(reach, at)
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
    in_time = _next_opening(at, permits, calendar, zone)
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
            if start < before and start < _instant_of_end(day, window, zone):
                return start
        day -= DAY
    return None


def _instant_of_end(day: date, window: TimeWindow, zone: ZoneInfo) -> datetime:
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
    4. the next opening on another day, flagged late
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
        opening = next_opening(event_at, permits=permits, calendar=calendar, zone=zone)
        late = opening.astimezone(zone).date() != day
        until = end_of_day(opening.astimezone(zone).date(), zone)
        return _slot_at(event_at, opening, until, zone, (LATE,) if late else ())
    inside = any(window.holds(due_at.astimezone(zone).time()) for window in permits.openings(day))
    return _slot_at(event_at, due_at, end_of_day(day, zone), zone, () if inside else (SOFT_OVERRIDE,))


def _on_that_day(
    at: datetime, day: date, windows: tuple[TimeWindow, ...], zone: ZoneInfo, *, to_the_end: bool = False
) -> datetime | None:
    local = at.astimezone(zone)
    if local.date() != day:
        return None
    moment = _first_moment(windows, local.time(), to_the_end=to_the_end)
    if moment is None:
        return None
    return at.astimezone(UTC) if moment == local.time() else resolve_local(day, moment, zone)


# --- Promises: SLA clock and "call before" (rule 6) ----------------------------------------------------------------


def sla_due(
    start: datetime, sla: Offset, clock: Literal["calendar", "business"], zone: ZoneInfo, calendar: Calendar
) -> datetime:
    """When a promise runs out; one in days or longer ends that local day at 24:00.

    The calendar clock runs through nights and holidays. The business clock stands still on off days, whole days
    long: 24 business hours are one workday from the same time on.
    """
    day = start.astimezone(zone).date()
    if clock == "calendar":
        return start.astimezone(UTC) + sla.delta if sla.is_time else end_of_day(add(day, sla), zone)
    if sla.is_time:
        return _run_on_workdays(start.astimezone(UTC), sla.delta, zone, calendar)
    if sla.unit is Unit.DAY:
        return end_of_day(calendar.add_workdays(day, sla.amount), zone)
    return end_of_day(_workday_on_or_after(add(day, sla), calendar), zone)


def _run_on_workdays(at: datetime, left: timedelta, zone: ZoneInfo, calendar: Calendar) -> datetime:
    while True:
        day = at.astimezone(zone).date()
        midnight = end_of_day(day, zone)
        if calendar.is_workday(day):
            if at + left <= midnight:
                return at + left
            left -= midnight - at
        at = midnight


def call_before(
    reply_at: datetime, due_at: datetime, *, permits: Permits, calendar: Calendar, zone: ZoneInfo
) -> datetime | None:
    """The last moment to call: not after the due time, in a window of a permitted day, and after the reply.

    None if there is none; then the due time itself holds, kept by the staff on duty.
    """
    day, first = due_at.astimezone(zone).date(), reply_at.astimezone(zone).date()
    while day >= first:
        for window in reversed(permits.openings(day)) if permits.day_allowed(calendar, day) else ():
            moment = min(_instant_of_end(day, window, zone), due_at.astimezone(UTC))
            if moment >= resolve_local(day, window.start, zone) and moment > reply_at:
                return moment
        day -= DAY
    return None


# --- Staff (rules 6, 7 and 12) -------------------------------------------------------------------------------------


def ping_time(at: datetime, zone: ZoneInfo, *, opens: time = time(8), closes: time = time(22)) -> datetime:
    """When a staff member may be pinged: at once in staff hours, else when they next open."""
    local = at.astimezone(zone)
    if TimeWindow(opens, closes).holds(local.time()):
        return at.astimezone(UTC)
    day = local.date() if local.time() < opens else local.date() + DAY
    return resolve_local(day, opens, zone)


def staff_deadline(
    day: date, calendar: Calendar, month_end: bool = False, at: time = time(18), *, zone: ZoneInfo
) -> datetime:
    """When staff paperwork is due: off days move it to the next workday, month-end papers to the one before."""
    if month_end and not calendar.is_workday(day):
        return resolve_local(calendar.previous_workday(day), at, zone)
    return resolve_local(_workday_on_or_after(day, calendar), at, zone)


def missing_ping(due_at: datetime, calendar: Calendar, *, zone: ZoneInfo, at: time = time(9)) -> datetime:
    """When the superior hears that paperwork is missing: the next workday at 09:00 (rule 7)."""
    return resolve_local(calendar.next_workday(due_at.astimezone(zone).date()), at, zone)


def _workday_on_or_after(day: date, calendar: Calendar) -> date:
    return day if calendar.is_workday(day) else calendar.next_workday(day)


class Period(StrEnum):
    """A calendar period that a minimum number of contacts is counted in; weeks run from Monday to Sunday."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


_PERIOD_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.HALF_YEAR: 6, Period.YEAR: 12}


def period_of(period: Period, day: date) -> tuple[date, date]:
    """The first and last day of the calendar period that holds the day."""
    if period is Period.WEEK:
        monday = day - day.weekday() * DAY
        return monday, monday + 6 * DAY
    months = _PERIOD_MONTHS[period]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    return first, _add_months(first, months) - DAY


def quota_ping_on(
    period: Period, day: date, calendar: Calendar, *, weekday: int = 4, month_day: int = 25, days_before_end: int = 14
) -> date:
    """The day on which an unmet minimum of the day's period is pinged: Friday, the 25th or 14 d before the end.

    On an off day it is the workday before (rule 12).
    """
    first, last = period_of(period, day)
    nominal = {Period.WEEK: first + weekday * DAY, Period.MONTH: first.replace(day=month_day)}.get(
        period, last - days_before_end * DAY
    )
    return nominal if calendar.is_workday(nominal) else calendar.previous_workday(nominal)


def quota_report_on(period: Period, day: date, calendar: Calendar) -> date:
    """The first workday after the day's period, whose report shows what was missed (rule 12)."""
    return calendar.next_workday(period_of(period, day)[1])


def first_weekday(year: int, month: int, weekday: int) -> date:
    """The first Monday (0) to Sunday (6) of a month."""
    first = date(year, month, 1)
    return first + (weekday - first.weekday()) % 7 * DAY


# --- Recurring steps (rule 8, R25, R28) ----------------------------------------------------------------------------


def next_nominal(last_nominal: date, every: Offset, contact_on: date | None = None) -> date:
    """The nominal date of the next step of a chain.

    It counts from the nominal date of the step before, never from the day it was moved to. A contact logged after
    that step and before the next one restarts the interval at its own date; one on or after the next date fulfils
    it, and the chain keeps its dates. Pass no contact that already fulfilled the last step.
    """
    nominal = add(last_nominal, every)
    if contact_on is None or contact_on <= last_nominal:
        return nominal
    if contact_on < nominal:
        return add(contact_on, every)
    while nominal <= contact_on:
        nominal = add(nominal, every)
    return nominal


def recurrences(nominal_start: date, every: Offset, *, until: date, contacts: Iterable[date] = ()) -> tuple[date, ...]:
    """The nominal dates of a chain from its first one up to `until`, restarted by contacts between two of them."""
    if add(nominal_start, every) <= nominal_start:
        raise ValueError(f"A chain cannot recur every {every}; the interval must be at least one day")
    logged = sorted(contacts)
    dates: list[date] = []
    nominal = nominal_start
    while nominal <= until:
        between = [day for day in logged if day < nominal and (not dates or day > dates[-1])]
        if between:
            logged = [day for day in logged if day > between[-1]]
            nominal = add(between[-1], every)
            continue
        dates.append(nominal)
        nominal = add(nominal, every)
    return tuple(dates)


@dataclass(frozen=True)
class Season:
    """A part of every year from one (month, day) to another, both included; it may run over New Year."""

    start: tuple[int, int]
    end: tuple[int, int]

    def __post_init__(self) -> None:
        for month, day in (self.start, self.end):
            date(2024, month, day)

    def holds(self, day: date) -> bool:
        at = (day.month, day.day)
        if self.start <= self.end:
            return self.start <= at <= self.end
        return at >= self.start or at <= self.end


def seasonal_due(last_on: date, seasons: Sequence[tuple[Season, Offset]], otherwise: Offset) -> date:
    """The first day whose distance from the chain's last date reaches the interval of that day's own season."""
    day = last_on
    while True:
        day += DAY
        every = next((interval for season, interval in seasons if season.holds(day)), otherwise)
        if add(last_on, every) <= day:
            return day
