"""What a period must have reached: shares compared exactly, what is missing, what it costs (R63-R65, rules 11 and 12).

Only sums; what is counted is said in bot/journey/quotas.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from fractions import Fraction
from math import ceil, floor
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.offsets import DAY, resolve_local
from flows.promises import Period, period_of, quota_report_on

REPORTED = time(9)
"""When a period that is over is looked at, on the first workday after it."""
COUNTED = time(6)
"""When classes are computed anew, before anything of that day is sent."""


@dataclass(frozen=True)
class Reached:
    """So many of so many; of nothing, everything is reached."""

    numerator: int
    denominator: int

    @property
    def share(self) -> Fraction:
        return Fraction(self.numerator, self.denominator) if self.denominator else Fraction(1)

    def meets(self, target: Fraction) -> bool:
        """At least the target, without rounding (R64)."""
        return self.share >= target

    def missing(self, target: Fraction) -> int:
        """How many more would have met it."""
        return max(0, ceil(target * self.denominator) - self.numerator)

    def penalty(self, target: Fraction, per: Fraction) -> int:
        """One point for each full `per` below the target."""
        return max(0, floor((target - self.share) / per))

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


@dataclass(frozen=True)
class Closing:
    """A period that is over, and when that is looked at."""

    first: date
    last: date
    at: datetime


def closings(period: Period, since: date, until: date, calendar: Calendar, zone: ZoneInfo) -> Iterator[Closing]:
    """The periods that are looked at between two days, both included."""
    first, last = period_of(period, calendar.previous_workday(period_of(period, since)[0]))
    while (on := quota_report_on(period, last, calendar)) <= until:
        if on >= since:
            yield Closing(first, last, resolve_local(on, REPORTED, zone).astimezone(UTC))
        first, last = period_of(period, last + DAY)


def recounts(period: Period, since: date, until: date, calendar: Calendar, zone: ZoneInfo) -> Iterator[Closing]:
    """When classes are computed anew: the first workday of each period; the period is the one before."""
    for closing in closings(period, since, until, calendar, zone):
        on = closing.at.astimezone(zone).date()
        yield Closing(closing.first, closing.last, resolve_local(on, COUNTED, zone).astimezone(UTC))
