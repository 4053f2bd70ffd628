"""Who is on duty at which hours: a night shift takes what must be done at once, in place of others (R143, R164).

Here are its shape in a program, its hours by season, and the months that a roster leaves empty. Who is named for which
day stands in `bot/journey/rosters.py`; who is told, in `bot/journey/tasks.py`.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from flows.fields import MonthDayField, Part, read_as
from flows.offsets import DAY, add_months, end_of_day, resolve_local
from flows.recurrence import Season


@dataclass(frozen=True)
class Hours:
    """Local hours from `start` up to but not including `end`, which lies on the next day where it is not later."""

    start: time
    end: time

    def of(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The instants at which these hours begin and end that begin on a day."""
        ends_on = day if self.end > self.start else day + DAY
        return resolve_local(day, self.start, zone), resolve_local(ends_on, self.end, zone)


def parse_hours(text: str) -> Hours:
    """Read hours such as "17:00-08:00"; ValueError says how to write them."""
    start, _, end = text.partition("-")
    try:
        hours = Hours(time.fromisoformat(start.strip()), time.fromisoformat(end.strip()))
    except ValueError as error:
        raise ValueError(f"cannot read the hours {text!r}; write them like '17:00-08:00'") from error
    if hours.start == hours.end:
        raise ValueError(f"the hours {text!r} end when they begin; who has all hours needs no shift")
    return hours


HoursField = Annotated[Hours, read_as(parse_hours, "17:00-08:00")]


class ShiftSeason(Part):
    """A part of every year in which a shift has hours of its own; it may run over New Year."""

    from_: MonthDayField = Field(alias="from", description="first day: 05-01; a night counts for the day it begins on")
    to: MonthDayField = Field(description="last day: 09-30")
    hours: HoursField = Field(description="hours of the shift in it: 18:30-08:00")


class AfterMidnight(Part):
    """What each of a crew gets whose work in a shift ends after its midnight (R171)."""

    amount: float = Field(gt=0, description="for each person, in the money of the house")
    each_of: str = Field(description="field of the task that names the crew: names with commas or blanks between them")


class Shift(Part):
    """Hours of every day at which one role does what must be done `at_once` in place of others."""

    role: str = Field(
        min_length=1, description="is told: who of it is named for the day (`huifang staff duty`), else all of it"
    )
    instead_of: tuple[str, ...] = Field(min_length=1, description="roles whose tasks it takes")
    hours: HoursField = Field(description="its first and last hour; over midnight where the last comes first")
    seasons: tuple[ShiftSeason, ...] = Field((), description="hours of parts of the year; elsewhere `hours` hold")
    after_midnight: AfterMidnight | None = Field(None, description="what its crew gets for work after 24:00")

    def hours_on(self, day: date) -> Hours:
        """The hours of the shift that begins on a day."""
        held = (season.hours for season in self.seasons if Season(season.from_, season.to).holds(day))
        return next(held, self.hours)

    def began_on(self, at: datetime, zone: ZoneInfo) -> date | None:
        """The day on which the shift began that runs at an instant; None: none does."""
        today = at.astimezone(zone).date()
        for day in (today, today - DAY):
            begins, ends = self.hours_on(day).of(day, zone)
            if begins <= at < ends:
                return day
        return None


def shift_at(shifts: Iterable[Shift], role: str, at: datetime, zone: ZoneInfo) -> tuple[Shift, date] | None:
    """The first shift that has the tasks of a role at an instant, and the day it began on; None: the role has them."""
    for shift in shifts:
        began_on = shift.began_on(at, zone) if role in shift.instead_of else None
        if began_on is not None:
            return shift, began_on
    return None


def is_after_midnight(began_on: date, done_at: datetime, zone: ZoneInfo) -> bool:
    """Was a task of a shift that began on a day done after the 24:00 of that day?"""
    return done_at > end_of_day(began_on, zone)


# ----- rosters


LONGEST_RUN = 366
"""Days that one text may name."""


def parse_days(text: str) -> list[date]:
    """A day, or each from the first to the last of two: 2026-10-01..2026-10-03. ValueError says what is wrong."""
    first, _, last = text.partition("..")
    try:
        begins, ends = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day") from error
    if not 0 <= (ends - begins).days <= LONGEST_RUN:
        raise ValueError(f"{text} ends before it begins, or is longer than a year")
    return list(_days(begins, ends))


def month_after(day: date) -> tuple[date, date]:
    """The first and last day of the month after the one that holds a day."""
    first = add_months(day.replace(day=1), 1)
    return first, add_months(first, 1) - DAY


def empty_days(first: date, last: date, named: Container[date]) -> tuple[tuple[date, date], ...]:
    """The runs of days between two for which nobody is named, each by its first and last day."""
    return tuple(_runs(day for day in _days(first, last) if day not in named))


def _days(first: date, last: date) -> Iterator[date]:
    yield from (first + n * DAY for n in range((last - first).days + 1))


def _runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    run: tuple[date, date] | None = None
    for day in days:
        if run and day == run[1] + DAY:
            run = run[0], day
            continue
        if run:
            yield run
        run = day, day
    if run:
        yield run
