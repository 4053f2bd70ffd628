"""Work of staff that comes round by itself and is about no customer: papers, tables, preparations (R48, R183, R196).

Here are its shape in a program and its days; who is told, and what is done, stands in `bot/journey/duties.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Literal

from pydantic import Field, model_validator

from flows.actions import TaskAction
from flows.calendar import Calendar
from flows.fields import WEEKDAYS, Part, StepOffsetField, TimeField
from flows.offsets import DAY, add, add_months
from flows.triggers import TELLS_DUTIES, Daily, DutyTrigger, FirstWorkdays, Monthly, OnFestival, Weekly

LONGEST_BREAK = 21 * DAY
"""No run of off days is longer; so far a day can move."""


class Duty(Part):
    """One paper, table or preparation that is due again and again (rule 7)."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="name of the duty; no flow has the same")
    on: DutyTrigger = Field(
        discriminator=TELLS_DUTIES, description="daily, weekly, monthly, first_workdays or festivals"
    )
    before: StepOffsetField | None = Field(None, description="so long before each festival: 5wd (workdays), 14d")
    each: Literal["role", "staff"] = Field(
        "role", description="role: one task for the whole role; staff: one for each who has it"
    )
    opens_at: TimeField = Field(time(9), description="when it opens and its role is told")
    unless_approved: str | None = Field(
        None, description="id of a flow: asked of nobody where a person has approved what that flow sends (R48)"
    )
    unless_rostered: tuple[str, ...] = Field(
        (),
        description="of a `monthly` duty: roles; asked of nobody where somebody of each is named for every day of the "
        "next month (R163)",
    )
    task: TaskAction

    @model_validator(mode="after")
    def _check(self) -> "Duty":
        if (self.before is not None) != isinstance(self.on, OnFestival):
            raise ValueError("`before` goes with `festivals`, and says how long before them it opens")
        if self.before is not None and (self.before.is_time or self.before.amount < 1):
            raise ValueError(f"before: {self.before} is no number of days; write 5wd or 14d")
        if self.unless_rostered and (self.each == "staff" or not isinstance(self.on, Monthly)):
            raise ValueError("a roster is of a month: `unless_rostered` goes with `monthly`, and not with `each`")
        if self.task.counts_as:
            raise ValueError("a duty is about no customer: it counts as no contact")
        if unknown := [name for name in self.task.required if name not in self.task.fields]:
            raise ValueError(f"it requires {', '.join(unknown)}, and has no such field")
        later = (self.task.within, self.task.workdays, isinstance(self.on, FirstWorkdays))
        if not any(later) and self.task.at <= self.opens_at:
            raise ValueError(f"it is due at {self.task.at:%H:%M}, and opens at {self.opens_at:%H:%M}")
        return self


@dataclass(frozen=True)
class Occurrence:
    """One time that a duty comes: its day by the calendar, the day it opens on, and where its deadline counts from.

    `festival`: the one that it prepares, or nothing.
    """

    nominal_on: date
    opens_on: date
    due_on: date
    because: str
    festival: str = ""


def occurrences(
    duty: Duty, days: Mapping[str, tuple[int, int]], first: date, last: date, calendar: Calendar
) -> tuple[Occurrence, ...]:
    """Each time that a duty opens between two days, both included. `days`: the program's own, used like festivals."""
    until = last + LONGEST_BREAK
    if duty.before is not None:
        until = max(until, add(until, duty.before, calendar))
    found = (
        _placed(duty, *nominal, calendar) for nominal in _nominals(duty, days, first - LONGEST_BREAK, until, calendar)
    )
    return tuple(sorted((each for each in found if first <= each.opens_on <= last), key=lambda each: each.opens_on))


def _nominals(
    duty: Duty, days: Mapping[str, tuple[int, int]], first: date, last: date, calendar: Calendar
) -> Iterator[tuple[date, str, str]]:
    """The days between two on which it comes by the calendar alone, why, and the festival that it prepares."""
    match duty.on:
        case Daily():
            yield from ((day, "each workday", "") for day in _days(first, last) if calendar.is_workday(day))
        case Weekly(weekly=weekdays):
            named = (day for day in _days(first, last) if WEEKDAYS[day.weekday()] in weekdays)
            yield from ((day, f"each {WEEKDAYS[day.weekday()]}", "") for day in named)
        case Monthly(monthly=number):
            because = f"day {number} of the month" if number < 31 else "last day of the month"
            yield from ((_day_of(month, number), because, "") for month in _months(first, last))
        case FirstWorkdays(first_workdays=n, from_=weekday):
            because = f"first {n} workdays of the month" + (f", from its first {weekday} on" if weekday else "")
            yield from ((month, because, "") for month in _months(first, last))
        case OnFestival(festivals=names):
            for name, day in _festivals(days, first, last, calendar):
                if name in names:
                    yield day, f"{duty.before} before {name}", name


def _placed(duty: Duty, nominal_on: date, because: str, festival: str, calendar: Calendar) -> Occurrence:
    """Staff work on workdays: an off day moves it to the next one, or back where it is a paper of the month's end."""
    if isinstance(duty.on, FirstWorkdays):
        weekday = WEEKDAYS.index(duty.on.from_) if duty.on.from_ else None
        worked = calendar.first_workdays(nominal_on.year, nominal_on.month, duty.on.first_workdays, weekday)
        return Occurrence(nominal_on, worked[0], worked[-1], because)
    day = nominal_on if duty.before is None else add(nominal_on, -duty.before, calendar)
    if calendar.is_workday(day):
        return Occurrence(nominal_on, day, day, because, festival)
    worked_on = calendar.previous_workday(day) if duty.task.month_end else calendar.next_workday(day)
    return Occurrence(nominal_on, worked_on, worked_on, f"{because}; {day} is off", festival)


def _festivals(
    days: Mapping[str, tuple[int, int]], first: date, last: date, calendar: Calendar
) -> Iterator[tuple[str, date]]:
    """Festivals of the calendar between two days, then the program's own."""
    yield from calendar.festivals(first, last)
    for name, (month, number) in days.items():
        own = (_day_of(date(year, month, 1), number) for year in range(first.year, last.year + 1))
        yield from ((name, day) for day in own if first <= day <= last)


def _day_of(month: date, number: int) -> date:
    """That day of the month that begins on `month`, or its last one."""
    return min(month + (number - 1) * DAY, add_months(month, 1) - DAY)


def _days(first: date, last: date) -> Iterator[date]:
    yield from (first + n * DAY for n in range((last - first).days + 1))


def _months(first: date, last: date) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = add_months(month, 1)
