"""Steps that come again: chains from nominal dates, and seasons (rule 8, R25, R28)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flows.offsets import DAY, Offset, add
from flows.triggers import AfterEvent, Every


def following(trigger: AfterEvent | Every, last_on: date, *, annoyed: bool = False) -> date:
    """The next nominal date after one of a chain's own, by the interval that holds then (rule 8, R28).

    It counts from the nominal date of the step before, never from the day that it was moved to. Who showed annoyance
    hears half as often (R83).
    """
    assert trigger.every is not None
    times = 2 if annoyed else 1
    if not trigger.seasons:
        return add(last_on, trigger.every * times)
    seasons = [(Season(rule.from_, rule.to), rule.every * times) for rule in trigger.seasons]
    return seasonal_due(last_on, seasons, trigger.every * times)


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
