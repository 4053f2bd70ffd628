"""The days of staff's own work: weeks, months, first workdays, festivals, and what off days do to them (rule 7)."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from flows.calendar import Calendar
from flows.duties import Duty, occurrences
from flows.errors import ProgramError
from flows.load import load_program, shipped_program_text, warnings_of

SIX_DAYS = frozenset(range(6))


def duty(on: dict[str, Any], **known: Any) -> Duty:
    task = {"kind": "form", "name": {"en": "Hand it in"}, "role": "clerk", **known.pop("task", {})}
    return Duty.model_validate({"id": "paper", "on": on, "task": task, **known})


def opened(one: Duty, first: str, last: str, calendar: Calendar) -> list[str]:
    days = {"anniversary": (10, 18)}
    found = occurrences(one, days, date.fromisoformat(first), date.fromisoformat(last), calendar)
    return [f"{each.opens_on:%m-%d}" for each in found]


def test_a_weekly_paper_moves_to_the_next_workday() -> None:
    six_days = Calendar(workweek=SIX_DAYS)
    saturdays = duty({"weekly": ["sat"]})
    assert opened(saturdays, "2026-09-19", "2026-10-18", six_days) == ["09-19", "09-28", "10-08", "10-10", "10-17"]


def test_a_monthly_paper_moves_on_and_one_of_the_months_end_back(china: Calendar) -> None:
    span = ("2026-10-01", "2027-02-28", china)
    assert opened(duty({"monthly": 28}), *span) == ["10-28", "11-30", "12-28", "01-28"]
    ends = duty({"monthly": 31}, task={"month_end": True})
    assert opened(ends, *span) == ["10-30", "11-30", "12-31", "01-29", "02-26"]


def test_a_daily_paper_is_asked_for_on_workdays_only(china: Calendar) -> None:
    assert opened(duty({"daily": True}), "2026-09-24", "2026-10-09", china) == [
        "09-24", "09-28", "09-29", "09-30", "10-08", "10-09",
    ]  # fmt: skip


def test_r196_the_first_monday_after_the_holiday(china: Calendar) -> None:
    mondays = duty({"first_workdays": 1, "from": "mon"})
    assert opened(mondays, "2026-10-01", "2027-01-31", china) == ["10-08", "11-02", "12-07", "01-04"]


def test_first_workdays_open_on_the_first_and_are_due_on_the_last(china: Calendar) -> None:
    (found,) = occurrences(duty({"first_workdays": 3}), {}, date(2026, 10, 1), date(2026, 10, 31), china)
    assert (found.opens_on, found.due_on) == (date(2026, 10, 8), date(2026, 10, 10))  # a Thursday, a make-up Saturday


def test_r48_a_preparation_opens_five_workdays_before_the_festival(china: Calendar) -> None:
    greetings = duty({"festivals": ["mid_autumn", "spring_festival", "anniversary"]}, before="5wd")
    assert opened(greetings, "2026-09-01", "2027-02-28", china) == ["09-20", "10-12", "01-29"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"on": {"festivals": ["mid_autumn"]}}, "`before` goes with `festivals`"),
        ({"on": {"weekly": ["fri"]}, "before": "5wd"}, "`before` goes with `festivals`"),
        ({"on": {"festivals": ["mid_autumn"]}, "before": "2h"}, "no number of days"),
        ({"on": {"weekly": ["fri"]}, "task": {"counts_as": "call"}}, "counts as no contact"),
        ({"on": {"weekly": ["fri"]}, "task": {"required": ["visits"]}}, "no such field"),
        ({"on": {"weekly": ["fri"]}, "opens_at": "18:30"}, "due at 18:00, and opens at 18:30"),
        ({"on": {"yearly": 3}}, "a duty comes by one of daily, weekly"),
        ({"on": {"monthly": 32}}, "less than or equal to 31"),
        ({"on": {"weekly": []}}, "at least 1 item"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        duty(**given)


DEALER = shipped_program_text("machinery_dealer")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("id: weekly_forms", "id: daily_log", "duties.0.id: 'daily_log' is the name of a flow"),
        ("id: month_summary", "id: weekly_forms", "duties.1.id: two duties are called 'weekly_forms'"),
        ("role: branch_manager, superior", "role: '', superior", "duties.1.task.role: nobody does it"),
        (
            "{weekly: [sat]}",
            "{first_workdays: 2, spread: true}",
            "duties.0.on.spread: a duty has no customers",
        ),
        ("{monthly: 31}", "{festivals: [midsummer]}\n    before: 3wd", "duties.1.on.festivals: unknown festival"),
    ],
)
def test_what_the_program_as_a_whole_forbids(right: str, wrong: str, said: str) -> None:
    assert DEALER.count(right) == 1
    with pytest.raises(ProgramError) as caught:
        load_program(DEALER.replace(right, wrong), "dealer.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("[sat]}", "[sat, sun]}", "sun is off as a rule"),
        ("{monthly: 31}", "{monthly: 31}\n    opens_at: '06:00'", "staff are told from 08:00-22:00 only"),
    ],
)
def test_what_is_doubtful_is_told(right: str, wrong: str, said: str) -> None:
    assert DEALER.count(right) == 1
    (warning,) = warnings_of(DEALER.replace(right, wrong), "dealer.yaml", date(2026, 11, 23), ["sms", "telegram"])
    assert said in str(warning)
