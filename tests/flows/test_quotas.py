"""Shares compared exactly, what is missing, points off, and the days on which a period is looked at."""

from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.calendar import Calendar
from flows.promises import Period
from flows.quotas import Reached, closings, recounts

SHANGHAI = ZoneInfo("Asia/Shanghai")
CN = Calendar("CN")


def share(text: str) -> Fraction:
    return Fraction(text.removesuffix("%")) / 100


@pytest.mark.parametrize(
    ("numerator", "denominator", "target", "met", "missing"),
    [
        (368, 460, "80%", True, 0),
        (368, 461, "80%", False, 1),
        (368, 408, "90%", True, 0),
        (368, 409, "90%", False, 1),
        (80, 100, "80%", True, 0),
        (79, 100, "80%", False, 1),
        (19, 40, "50%", False, 1),
        (36, 37, "100%", False, 1),
        (9, 95, "10%", False, 1),
        (0, 0, "100%", True, 0),
    ],
)
def test_a_share_is_compared_without_rounding(
    numerator: int, denominator: int, target: str, met: bool, missing: int
) -> None:
    reached = Reached(numerator, denominator)
    assert reached.meets(share(target)) is met
    assert reached.missing(share(target)) == missing


@pytest.mark.parametrize(("reached", "points"), [(188, 1), (190, 1), (191, 0), (178, 2), (200, 0)])
def test_one_point_off_for_each_full_five_percent_below(reached: int, points: int) -> None:
    assert Reached(reached, 200).penalty(share("100%"), share("5%")) == points


@given(st.integers(0, 500), st.integers(1, 500), st.fractions(Fraction(1, 100), 1))
def test_what_is_missing_is_just_enough(numerator: int, denominator: int, target: Fraction) -> None:
    numerator = min(numerator, denominator)
    missing = Reached(numerator, denominator).missing(target)
    assert Reached(numerator + missing, denominator).meets(target)
    assert missing == 0 or not Reached(numerator + missing - 1, denominator).meets(target)


def test_a_month_is_looked_at_on_the_first_workday_after_it() -> None:
    found = list(closings(Period.MONTH, date(2026, 12, 30), date(2027, 1, 10), CN, SHANGHAI))
    assert [(each.first, each.last, each.at.astimezone(SHANGHAI)) for each in found] == [
        (date(2026, 12, 1), date(2026, 12, 31), datetime(2027, 1, 4, 9, tzinfo=SHANGHAI))
    ]


def test_classes_are_counted_before_anything_of_that_day_is_sent() -> None:
    (found,) = recounts(Period.WEEK, date(2026, 11, 30), date(2026, 12, 1), CN, SHANGHAI)
    assert found.at.astimezone(SHANGHAI) == datetime(2026, 11, 30, 6, tzinfo=SHANGHAI)
    assert (found.first, found.last) == (date(2026, 11, 23), date(2026, 11, 29))
