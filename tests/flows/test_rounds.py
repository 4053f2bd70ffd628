"""Days that come round: waves of a week, rounds, samples of a period, and when somebody looks whether it is enough."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.calendar import Calendar
from flows.fields import WEEKDAYS
from flows.load import load_program, shipped_program_text
from flows.offsets import parse_offset
from flows.program import Program
from flows.rounds import (
    counted_days,
    draws,
    exempt_week,
    least_of,
    look_slot,
    looks,
    round_days,
    sample_draw,
    sample_period,
    wave_days,
)
from flows.triggers import AtLeast, Sample
from tests.flows.test_plan import said


@pytest.mark.parametrize(
    ("every", "today", "first", "last"),
    [
        ("1mo", date(2027, 2, 14), date(2027, 2, 1), date(2027, 2, 28)),
        ("1q", date(2026, 11, 30), date(2026, 10, 1), date(2026, 12, 31)),
        ("1hy", date(2027, 6, 30), date(2027, 1, 1), date(2027, 6, 30)),
        ("1y", date(2027, 6, 30), date(2027, 1, 1), date(2027, 12, 31)),
    ],
)
def test_a_sample_belongs_to_a_calendar_period(every: str, today: date, first: date, last: date) -> None:
    assert sample_period(parse_offset(every), today) == (first, last)


def test_the_half_yearly_sample_goes_out_in_june_and_in_december(auto_repair: Program, china: Calendar) -> None:
    flow = auto_repair.flow("half_year")
    assert isinstance(flow.on, Sample)
    assert flow.on.sample == 10
    draw = sample_draw(auto_repair, flow, flow.on, date(2027, 1, 15), china)
    assert (draw.occasion, said(draw.slot.due_at)) == ("period:2027-01-01", "2027-06-01 Tue 09:00")
    draw = sample_draw(auto_repair, flow, flow.on, date(2026, 11, 15), china)
    assert (draw.occasion, said(draw.slot.due_at)) == ("period:2026-07-01", "2026-12-01 Tue 09:00")


# --- Waves (R34, scenario 7.2)


@pytest.mark.parametrize(
    ("monday", "days"),
    [
        (date(2026, 9, 21), ["09-21", "09-23"]),
        (date(2026, 9, 28), ["09-28", "09-30"]),
        (date(2026, 10, 5), ["10-08", "10-09"]),
        (date(2026, 2, 16), []),
        (date(2026, 11, 23), ["11-23", "11-25", "11-27"]),
    ],
)
def test_7_2_waves_fall_away_on_off_days_and_the_earliest_free_workdays_fill_up(
    china: Calendar, monday: date, days: list[str]
) -> None:
    found = wave_days(monday, ("mon", "wed", "fri"), 2, china)
    assert [f"{day:%m-%d}" for day in found] == days


@given(
    monday=st.dates(date(2024, 1, 1), date(2027, 12, 31)).map(lambda day: day - timedelta(days=day.weekday())),
    waves=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    at_least=st.integers(0, 7),
)
def test_waves_are_workdays_of_their_week_and_as_many_as_there_can_be(
    monday: date, waves: set[str], at_least: int
) -> None:
    calendar = Calendar()
    days = wave_days(monday, sorted(waves), at_least, calendar)
    worked = [monday + timedelta(days=n) for n in range(7) if calendar.is_workday(monday + timedelta(days=n))]
    listed = [day for day in worked if WEEKDAYS[day.weekday()] in waves]
    assert set(listed) <= set(days) <= set(worked)
    assert len(days) == max(len(listed), min(at_least, len(worked)))
    assert list(days) == sorted(set(days))


@pytest.fixture
def express() -> Program:
    flow = {
        "id": "wave",
        "on": {"waves": ["mon", "wed", "fri"], "at_least": 2, "event": "purchase", "sample": 200},
        "message": {"template": "care_ordinary", "survey": "care"},
    }
    return load_program(shipped_program_text("retail_aftersales"), "retail_aftersales.yaml", {"flows": [flow]})


def test_a_wave_is_over_at_the_end_of_its_day(express: Program, china: Calendar) -> None:
    found = draws(express, express.flow("wave"), date(2026, 10, 7), china)
    shown = [(draw.occasion, said(draw.slot.due_at), said(draw.slot.expires_at)) for draw in found[-2:]]
    assert shown == [
        ("wave:2026-10-08", "2026-10-08 Thu 09:00", "2026-10-09 Fri 00:00"),
        ("wave:2026-10-09", "2026-10-09 Fri 09:00", "2026-10-10 Sat 00:00"),
    ]


def test_a_week_without_a_workday_is_exempt(express: Program, china: Calendar) -> None:
    flow = express.flow("wave")
    assert exempt_week(flow, date(2026, 2, 18), china) == date(2026, 2, 16)
    assert exempt_week(flow, date(2026, 2, 24), china) is None


# --- Rounds and looks


def test_a_round_counts_from_the_clipped_day_of_the_one_before() -> None:
    days = list(round_days(date(2026, 8, 31), parse_offset("1hy"), date(2026, 9, 1), date(2028, 2, 28)))
    assert days == [date(2027, 2, 28), date(2027, 8, 28), date(2028, 2, 28)]


def look_days(retail: Program, china: Calendar, first: date, last: date, **fields: object) -> list[str]:
    trigger = AtLeast.model_validate({"at_least": 1, "of": ["call"], **fields})
    return [look.occasion for look in looks(trigger, first, last, retail.permits(), china)]


def test_a_reminder_on_an_off_day_comes_on_the_workday_before(retail: Program, china: Calendar) -> None:
    found = look_days(retail, china, date(2026, 9, 1), date(2026, 9, 30), per="month")
    assert found == ["least:2026-08-01:close", "least:2026-09-01:remind:2026-09-24"]


def test_25_3_a_daily_report_is_asked_for_at_its_hour_and_the_reminder_is_over_when_it_is_due(
    retail: Program, china: Calendar
) -> None:
    times = {"remind_at": "20:30", "due_at": "21:00"}
    trigger = AtLeast.model_validate({"at_least": 1, "of": ["call"], "per": "day", **times})
    monday = date(2026, 11, 30)
    found = looks(trigger, monday, monday, retail.permits(), china)
    slots = {look.occasion: look_slot(trigger, look, retail.time_zone) for look in found}
    assert {occasion: (said(slot.due_at), said(slot.expires_at)) for occasion, slot in slots.items()} == {
        "least:2026-11-27:close": ("2026-11-30 Mon 09:00", None),
        "least:2026-11-30:remind:2026-11-30": ("2026-11-30 Mon 20:30", "2026-11-30 Mon 21:00"),
    }


@pytest.mark.parametrize(
    ("per", "first", "there_by"),
    [
        ("day", date(2026, 11, 30), date(2026, 11, 29)),
        ("week", date(2026, 10, 5), date(2026, 10, 9)),
        ("month", date(2026, 10, 1), date(2026, 10, 23)),  # the 25th is off
        ("quarter", date(2027, 1, 1), date(2027, 3, 17)),
    ],
)
def test_a_period_judges_only_who_was_there_to_be_reminded(
    retail: Program, china: Calendar, per: str, first: date, there_by: date
) -> None:
    trigger = AtLeast.model_validate({"at_least": 1, "of": ["call"], "per": per})
    found = looks(trigger, first, first + timedelta(days=100), retail.permits(), china)
    assert next(look.there_by for look in found if look.closes and look.first == first) == there_by


def test_two_reminders_that_fall_on_one_day_are_one(retail: Program, china: Calendar) -> None:
    found = look_days(retail, china, date(2026, 11, 24), date(2026, 11, 30), per="week", remind_on=["fri", "sat"])
    assert found == ["least:2026-11-23:remind:2026-11-27", "least:2026-11-23:close"]


def test_a_week_whose_reminder_would_come_before_it_has_none(retail: Program, china: Calendar) -> None:
    found = look_days(retail, china, date(2026, 10, 1), date(2026, 10, 8), per="week", remind_on=["mon"])
    assert found == ["least:2026-09-28:close"]


def test_a_month_that_is_short_is_reminded_of_on_its_last_day(retail: Program, china: Calendar) -> None:
    found = look_days(retail, china, date(2026, 11, 26), date(2026, 11, 30), per="month", remind_day=31)
    assert found == ["least:2026-11-01:remind:2026-11-30"]


def test_a_day_is_looked_at_on_the_next_workday_and_an_off_day_never(retail: Program, china: Calendar) -> None:
    found = look_days(retail, china, date(2026, 10, 8), date(2026, 10, 9), per="day")
    assert found == ["least:2026-09-30:close", "least:2026-10-08:close"]


@pytest.mark.parametrize(
    ("began", "asked"),
    [
        (None, 18),
        (date(2026, 11, 23), 18),
        (date(2026, 11, 24), 15),  # four of five workdays: 14.4
        (date(2026, 11, 27), 4),
        (date(2026, 11, 28), 0),  # Saturday
        (date(2026, 12, 1), 0),
    ],
)
def test_whoever_began_in_a_week_is_asked_for_its_share_by_workdays(
    china: Calendar, retail: Program, began: date | None, asked: int
) -> None:
    trigger = AtLeast.model_validate({"at_least": 18, "of": ["call"], "per": "week", "each": "staff"})
    monday, sunday = date(2026, 11, 23), date(2026, 11, 29)
    assert least_of(trigger, began, monday, sunday, retail.permits(), china) == asked


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (date(2026, 11, 23), "2026-11-27 Fri 17:00"),  # Saturday is off here: the workday before
        (date(2026, 9, 28), "2026-09-30 Wed 17:00"),
        (date(2026, 10, 5), "2026-10-10 Sat 17:00"),  # a make-up Saturday
        (date(2026, 2, 16), "2026-02-24 Tue 09:00"),  # nobody works in that week
    ],
)
def test_14_3_a_week_is_closed_at_its_hour(retail: Program, china: Calendar, first: date, told: str) -> None:
    known = {"at_least": 1, "of": ["call"], "per": "week", "closes_on": "sat", "due_at": "17:00"}
    trigger = AtLeast.model_validate(known)
    found = looks(trigger, first, first + timedelta(days=14), retail.permits(), china)
    close = next(look for look in found if look.closes and look.first == first)
    assert said(look_slot(trigger, close, retail.time_zone).due_at) == told
    assert counted_days(trigger, first, retail.permits(), china) == (first, close.last)
