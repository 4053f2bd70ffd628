"""When somebody may be reached: windows, hard hours, off days, a customer's own times (rules 3 and 4, R76-R81).

Windows are open at their start and closed at their end. Which days are off is known by `flows/calendar.py`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from flows.calendar import Calendar, DayKind
from flows.offsets import DAY, resolve_local

FURTHEST_OPENING = 400  # days to search for a permitted one; more than any break, and a year of a weekly window


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
class OwnTimes:
    """When one customer wants to be reached, whatever the program says (R80); empty: nothing is said of it."""

    times: tuple[TimeWindow, ...] = ()
    days: frozenset[int] = frozenset()
    """The weekdays on which they may be reached, Monday is 0; weekends among them are no off days any more."""
    blocked: tuple[TimeWindow, ...] = ()


ANY_TIME = OwnTimes()


@dataclass(frozen=True)
class Permits:
    """On which days and in which hours one step may reach one customer.

    `advance` moves a step from an off day to the workday before it. `customer_windows` replace the program's
    windows inside its hard hours, `customer_days` its weekdays, and nothing falls into `blocked` times (R80). `soft`
    is false where the program forbids to leave the windows for a same-day step (R79).
    """

    windows: Windows
    weekend: OffDay
    holiday: OffDay
    advance: bool = False
    customer_windows: WeekTimes | None = None
    blocked: WeekTimes = ()
    soft: bool = True
    customer_days: frozenset[int] = frozenset()

    def of_customer(self, own: OwnTimes) -> "Permits":
        """The same for a customer who has times of their own."""
        if own == ANY_TIME:
            return self
        return replace(self, customer_windows=own.times or None, customer_days=own.days, blocked=own.blocked)

    def day_allowed(self, calendar: Calendar, day: date) -> bool:
        """Whether an ordinary step may go out that day: no barred off day, and a window to use."""
        return self.off_day_allowed(calendar, day) and bool(self.openings(day))

    def off_day_allowed(self, calendar: Calendar, day: date) -> bool:
        kind = calendar.kind(day)
        if kind is DayKind.HOLIDAY:
            return self.holiday is OffDay.SEND
        return kind is DayKind.WORKDAY or self.weekend is OffDay.SEND or day.weekday() in self.customer_days

    def openings(self, day: date) -> tuple[TimeWindow, ...]:
        """The windows of that weekday for this customer."""
        if self._not_their_day(day):
            return ()
        own = self.windows.on(day) if self.customer_windows is None else self._customer_hours(day)
        return _without(own, _on(self.blocked, day)) if self.blocked else own

    def reach(self, day: date) -> tuple[TimeWindow, ...]:
        """The times that a soft override or a fixed hour may use: the hard hours, or what the customer asked for."""
        if self._not_their_day(day):
            return ()
        own = (self.windows.hard,) if self.customer_windows is None else self._customer_hours(day)
        return _without(own, _on(self.blocked, day))

    def _not_their_day(self, day: date) -> bool:
        return bool(self.customer_days) and day.weekday() not in self.customer_days

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


def first_moment(windows: tuple[TimeWindow, ...], at: time, *, to_the_end: bool = False) -> time | None:
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
    found = opening_within_a_year(at, permits, calendar, zone)
    if found is None:
        raise ValueError(
            f"No permitted opening within {FURTHEST_OPENING} days of {at.isoformat()}; give this customer a window "
            "on a workday, or let the program send on off days"
        )
    return found


def opening_within_a_year(at: datetime, permits: Permits, calendar: Calendar, zone: ZoneInfo) -> datetime | None:
    """As `next_opening`; None if it is never open."""
    local = at.astimezone(zone)
    today, now = local.date(), local.time()
    if permits.day_allowed(calendar, today):
        moment = first_moment(permits.openings(today), now)
        if moment is not None:
            return at.astimezone(UTC) if moment == now else resolve_local(today, moment, zone)
    day = seek_day(today + DAY, today + FURTHEST_OPENING * DAY, permits, calendar)
    return None if day is None else resolve_local(day, permits.openings(day)[0].start, zone)


def next_moment(
    at: datetime, *, permits: Permits, calendar: Calendar, zone: ZoneInfo, exempt: bool = False
) -> datetime:
    """The instant itself if a step may go out then, else when it may; ValueError as in `next_opening`.

    `exempt`: of a step placed outside the windows on purpose, and of greetings: later that day is soon enough.
    """
    if exempt:
        if is_reachable(at, permits=permits, zone=zone):
            return at
        local = at.astimezone(zone)
        moment = first_moment(permits.reach(local.date()), local.time())
        if moment is not None:
            return resolve_local(local.date(), moment, zone)
    return next_opening(at, permits=permits, calendar=calendar, zone=zone)


def seek_day(start: date, stop: date, permits: Permits, calendar: Calendar) -> date | None:
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
    """When a step that is late or was held goes out: now, at the next opening (R77), or None: it is too late (R18).

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
    opening = opening_within_a_year(now, permits, calendar, zone)
    return opening if opening and (expires_at is None or opening < expires_at) else None
