"""Steps that come again: chains from nominal dates, and seasons (rule 8, R25, R28)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from flows.offsets import DAY, Offset, add
from flows.triggers import AfterEvent, Every


def following(trigger: AfterEvent | Every, last_on: date, *, annoyed: bool = False) -> date:
    """The next nominal date after one of a chain's own, by the interval that holds then (rule 8, R28).

    Who showed annoyance hears half as often (R83).
    """
    assert trigger.every is not None
    times = 2 if annoyed else 1
    if not trigger.seasons:
        return next_nominal(last_on, trigger.every * times)
    seasons = [(Season(rule.from_, rule.to), rule.every * times) for rule in trigger.seasons]
    return seasonal_due(last_on, seasons, trigger.every * times)


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
