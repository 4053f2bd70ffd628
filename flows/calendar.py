"""Which days are worked, which are off, and on which day a festival falls.

Answers come from the user's overrides, then a table of years (`flows/data/calendar_cn.yaml`), then the package
`holidays`; a Chinese year without an official arrangement is provisional (PROGRAMS 3.0 rule 14, R38). No times of
day here: for windows, deadlines and instants read `flows/timing.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import holidays
import yaml
from borax.calendars.lunardate import LunarDate, TermUtils
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

CHINA = "CN"
MONDAY_TO_FRIDAY = frozenset(range(5))
FURTHEST_WORKDAY = 400  # days to search before a calendar is called empty; the longest real break is about ten
DAY = timedelta(days=1)


class DayKind(StrEnum):
    """What a day is: a day of the off table is a holiday also on Sat/Sun, other days outside the workweek a weekend."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


class Festival(StrEnum):
    """Festivals that programs may greet on."""

    NEW_YEAR = "new_year"
    SPRING_FESTIVAL_EVE = "spring_festival_eve"
    SPRING_FESTIVAL = "spring_festival"
    LANTERN = "lantern"
    QINGMING = "qingming"
    LABOUR_DAY = "labour_day"
    DRAGON_BOAT = "dragon_boat"
    MID_AUTUMN = "mid_autumn"
    DOUBLE_NINTH = "double_ninth"
    NATIONAL_DAY = "national_day"


class CalendarYear(BaseModel):
    """The arrangement of one year: breaks as first and last day, and the Sat/Sun worked in exchange."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["official", "estimate"]
    source: str
    breaks: dict[str, tuple[date, date]]
    workdays: tuple[date, ...]

    @model_validator(mode="after")
    def _check_breaks(self) -> "CalendarYear":
        for name, (first, last) in self.breaks.items():
            if first > last:
                raise ValueError(f"{name}: the first day {first} is after the last day {last}; swap them")
        return self

    def days(self) -> dict[date, DayKind]:
        """Only the days that differ from the plain week."""
        off = {first + n * DAY for first, last in self.breaks.values() for n in range((last - first).days + 1)}
        return dict.fromkeys(off, DayKind.HOLIDAY) | dict.fromkeys(self.workdays, DayKind.WORKDAY)


@dataclass(frozen=True, eq=False)
class Calendar:
    """Workdays, days off and festivals of one region; immutable, lookups are remembered.

    `region` is an ISO country, with a subdivision if wanted ("CN", "DE-BY"). `overrides` are the user's own days
    and win over everything. `workweek` holds the weekdays worked (Monday is 0). `years` replaces years of the
    shipped table, as `parse_years` reads them from an official yearly file.
    """

    region: str = CHINA
    overrides: Mapping[date, DayKind] | None = None
    workweek: frozenset[int] = MONDAY_TO_FRIDAY
    years: Mapping[int, CalendarYear] | None = None
    _known: dict[int, Mapping[date, DayKind]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.workweek or not self.workweek <= frozenset(range(7)):
            raise ValueError("A workweek needs at least one weekday from 0 (Monday) to 6 (Sunday)")
        _check_region(self.region)
        object.__setattr__(self, "overrides", dict(self.overrides or {}))  # later changes by the caller do not reach us

    def kind(self, day: date) -> DayKind:
        """Overrides first, then the year's arrangement, then the plain week (rule 14)."""
        marked = self._year(day.year).get(day)
        if marked is not None:
            return marked
        return DayKind.WORKDAY if day.weekday() in self.workweek else DayKind.WEEKEND

    def is_provisional(self, year: int) -> bool:
        """Whether no official arrangement of this Chinese year is known yet (R38); other regions never are."""
        if self.region != CHINA:
            return False
        table = self._table()
        if year in table:
            return table[year].status != "official"
        return year > min(table)  # `holidays` knows the arrangements of the years before the table

    def is_workday(self, day: date) -> bool:
        return self.kind(day) is DayKind.WORKDAY

    def next_workday(self, day: date) -> date:
        """The first workday strictly after the day."""
        return self.add_workdays(day, 1)

    def previous_workday(self, day: date) -> date:
        """The last workday strictly before the day."""
        return self.add_workdays(day, -1)

    def add_workdays(self, day: date, n: int) -> date:
        """The nth workday after the day, or before it when n is negative; the day itself does not count."""
        step = DAY if n > 0 else -DAY
        for _ in range(abs(n)):
            day = self._workday_from(day + step, step)
        return day

    def first_workdays(self, year: int, month: int, n: int, weekday: int | None = None) -> tuple[date, ...]:
        """The first n workdays of a month from its first on, or from its first such weekday (Monday: 0), make-up
        workdays included (R33, R196)."""
        found: list[date] = []
        before = date(year, month, 1) - DAY
        if weekday is not None:
            before += (weekday - date(year, month, 1).weekday()) % 7 * DAY
        while len(found) < n:
            before = self.next_workday(before)
            found.append(before)
        return tuple(found)

    def festival(self, name: str, year: int) -> date:
        """The day of a festival; `spring_festival` is the first day of the lunar year."""
        try:
            find = _FESTIVALS[Festival(name)]
        except ValueError:
            raise ValueError(f"Unknown festival {name!r}; choose one of: {', '.join(Festival)}") from None
        return find(year)

    def festivals(self, start: date, end: date) -> tuple[tuple[str, date], ...]:
        """All festivals from start to end, both included, by date."""
        years = range(start.year, end.year + 1)
        dated = [(str(name), self.festival(name, year)) for year in years for name in Festival]
        return tuple(sorted((one for one in dated if start <= one[1] <= end), key=lambda one: one[1]))

    def _workday_from(self, day: date, step: timedelta) -> date:
        for _ in range(FURTHEST_WORKDAY):
            if self.is_workday(day):
                return day
            day += step
        raise ValueError(f"No workday within {FURTHEST_WORKDAY} days of {day}; remove some of the calendar's overrides")

    def _year(self, year: int) -> Mapping[date, DayKind]:
        if year not in self._known:
            table = self._table() if self.region == CHINA else {}
            days = table[year].days() if year in table else _package_days(self.region, year)
            own = {day: kind for day, kind in (self.overrides or {}).items() if day.year == year}
            self._known[year] = {**days, **own}
        return self._known[year]

    def _table(self) -> Mapping[int, CalendarYear]:
        return {**shipped_years(), **(self.years or {})}


def parse_years(text: str) -> dict[int, CalendarYear]:
    """Read yearly arrangements in the form of `calendar_cn.yaml`; ValueError says which year is wrong and why."""
    parsed = yaml.safe_load(text)
    if not isinstance(parsed, dict) or not all(isinstance(year, int) for year in parsed):
        raise ValueError("A calendar file maps years to their arrangement, as in '2027: {status: official, ...}'")
    return {year: _parse_year(year, entry) for year, entry in parsed.items()}


def _parse_year(year: int, entry: object) -> CalendarYear:
    try:
        return CalendarYear.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"Calendar year {year}, {where or 'entry'}: {first['msg']}") from error


@lru_cache(maxsize=1)
def shipped_years() -> Mapping[int, CalendarYear]:
    """The table that comes with the package."""
    return parse_years((files("flows") / "data" / "calendar_cn.yaml").read_text(encoding="utf-8"))


def _check_region(region: str) -> None:
    country, _, part = region.partition("-")
    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known or (part and part not in known[country]):
        raise ValueError(f"Unknown region {region!r}; use an ISO code such as 'CN', 'DE' or 'US-CA'")


@lru_cache(maxsize=256)
def _package_days(region: str, year: int) -> Mapping[date, DayKind]:
    """Days off and make-up workdays as the package `holidays` knows or expects them."""
    country, _, part = region.partition("-")
    found = holidays.country_holidays(country, subdiv=part or None, years=year)
    off = {day for day in found if day.year == year}
    if region == CHINA:
        off |= _weekends_between(off)
    worked = {day for day in found.weekend_workdays if day.year == year}
    return dict.fromkeys(off, DayKind.HOLIDAY) | dict.fromkeys(worked, DayKind.WORKDAY)


def _weekends_between(off: set[date]) -> set[date]:
    """The Sat/Sun inside a Chinese break, which the package leaves out (2028: 1 and 3 January are off, so is 2)."""
    saturdays = {day for day in off if day.weekday() == 4 and day + 3 * DAY in off}
    inside = {day + n * DAY for day in saturdays for n in (1, 2)}
    return inside | {day + DAY for day in off if day.weekday() == 5 and day + 2 * DAY in off}


def _lunar(month: int, day: int) -> Callable[[int], date]:
    def find(year: int) -> date:
        found: date = LunarDate(year, month, day).to_solar_date()
        return found

    return find


def _solar(month: int, day: int) -> Callable[[int], date]:
    return lambda year: date(year, month, day)


def _qingming(year: int) -> date:
    found: date = TermUtils.day_start_from_term(year, "清明")
    return found


_FESTIVALS: Mapping[Festival, Callable[[int], date]] = {
    Festival.NEW_YEAR: _solar(1, 1),
    Festival.SPRING_FESTIVAL_EVE: lambda year: _lunar(1, 1)(year) - DAY,
    Festival.SPRING_FESTIVAL: _lunar(1, 1),
    Festival.LANTERN: _lunar(1, 15),
    Festival.QINGMING: _qingming,
    Festival.LABOUR_DAY: _solar(5, 1),
    Festival.DRAGON_BOAT: _lunar(5, 5),
    Festival.MID_AUTUMN: _lunar(8, 15),
    Festival.DOUBLE_NINTH: _lunar(9, 9),
    Festival.NATIONAL_DAY: _solar(10, 1),
}
