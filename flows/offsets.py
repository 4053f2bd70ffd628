"""How far from a day: offsets with month arithmetic, and a local time that becomes an instant (rule 1, R23, DESIGN 5).

Days and local times are decided first and become UTC only in `resolve_local`.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.calendar import Calendar

DAY = timedelta(days=1)


class Unit(StrEnum):
    MINUTE = "min"
    HOUR = "h"
    DAY = "d"
    WORKDAY = "wd"
    WEEK = "w"
    MONTH = "mo"
    QUARTER = "q"
    HALF_YEAR = "hy"
    YEAR = "y"


_MINUTES = {Unit.MINUTE: 1, Unit.HOUR: 60}
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}
_OFFSET = re.compile(r"(-?)([0-9]{1,4}) ?(min|h|d|wd|w|mo|q|hy|y)")


@dataclass(frozen=True)
class Offset:
    """A length such as 2h, 7d, 3wd or 1mo; negative lies before the day it is added to."""

    amount: int
    unit: Unit

    @property
    def is_time(self) -> bool:
        """Whether it keeps the time of day (minutes, hours) and not the date."""
        return self.unit in _MINUTES

    @property
    def is_workdays(self) -> bool:
        """Whether it counts workdays, so that only a calendar knows how far it reaches."""
        return self.unit is Unit.WORKDAY

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
    """Read 30min, 2h, 7d, 3wd, 2w, 1mo, 1q, 1hy or 1y, with a minus for 'before'."""
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"Cannot read the offset {text!r}; write a number and one of min, h, d, wd (workday), w, mo (month), "
            "q (quarter), hy (half-year), y, such as '7d' or '1mo'"
        )
    sign, amount, unit = found.groups()
    return Offset(int(sign + amount), Unit(unit))


def add(day: date, offset: Offset, calendar: Calendar | None = None) -> date:
    """The day that lies an offset away; months clip to the month's end (29 February to 28).

    Workdays are those of the calendar, and the day itself does not count.
    """
    if offset.is_workdays:
        if calendar is None:
            raise ValueError(f"{offset} counts workdays, and only a calendar knows them")
        return calendar.add_workdays(day, offset.amount)
    if offset.unit in _DAYS:
        return day + offset.amount * _DAYS[offset.unit] * DAY
    if offset.unit in _MONTHS:
        return add_months(day, offset.amount * _MONTHS[offset.unit])
    raise ValueError(f"{offset} is a time, not a number of days; use add_to_instant")


def add_to_instant(at: datetime, offset: Offset, zone: ZoneInfo) -> datetime:
    """Hours and minutes run on the clock of the world; days and months keep the local time of day."""
    if offset.is_time:
        return at.astimezone(UTC) + offset.delta
    local = at.astimezone(zone)
    return resolve_local(add(local.date(), offset), local.time(), zone)


def until(at: datetime, offset: Offset, zone: ZoneInfo) -> datetime:
    """When a time allowed runs out: one in days or longer ends that local day at 24:00 (rules 2 and 6)."""
    if offset.is_time:
        return at.astimezone(UTC) + offset.delta
    return end_of_day(add(at.astimezone(zone).date(), offset), zone)


def last_day(ends_at: datetime, zone: ZoneInfo) -> date:
    """The day on which a time runs out; one that ends at 00:00 ends on the day before."""
    return (ends_at.astimezone(UTC) - timedelta(microseconds=1)).astimezone(zone).date()


def add_months(day: date, months: int) -> date:
    """Clipped to the end of the month (rule 1)."""
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
