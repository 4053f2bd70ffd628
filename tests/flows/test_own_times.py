"""A customer's own times: how they are told, and where a planned step lands because of them (R80)."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from flows.calendar import Calendar
from flows.own_times import into_own_times, leaves_nothing, own_times
from flows.timing import SOFT_OVERRIDE, Slot, place_day
from flows.windows import ANY_TIME, OffDay, Permits, Windows, parse_windows

SHANGHAI = ZoneInfo("Asia/Shanghai")
AFTERNOONS = Permits(Windows(parse_windows(["14:00-18:00"])), weekend=OffDay.DEFER, holiday=OffDay.DEFER)
CHINA = Calendar()


def lands(told: dict[str, list[str]], on: str, now: str = "2026-11-02T12:00", deadline: str = "") -> str:
    """Where a step of a day lands that the program sends at 14:00, for a customer with these times."""
    last = date.fromisoformat(deadline) if deadline else None
    slot = place_day(
        date.fromisoformat(on), event_on=None, deadline=last, permits=AFTERNOONS, calendar=CHINA, zone=SHANGHAI
    )
    found = into_own_times(slot, own_times(told), shanghai(now), permits=AFTERNOONS, calendar=CHINA, zone=SHANGHAI)
    assert found.nominal_on == slot.nominal_on
    return f"{found.due_at.astimezone(SHANGHAI):%m-%d %a %H:%M}"


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("told", "on", "due"),
    [
        ({"times": ["18:00-20:00"]}, "2026-11-09", "11-09 Mon 18:00"),
        ({"times": ["09:00-10:00"]}, "2026-11-09", "11-09 Mon 09:00"),
        ({"times": ["06:00-10:00"]}, "2026-11-09", "11-09 Mon 09:00"),
        ({"not": ["13:00-15:30"]}, "2026-11-09", "11-09 Mon 15:30"),
        ({"days": ["sat"]}, "2026-11-09", "11-14 Sat 14:00"),
        ({"days": ["wed", "sun"], "times": ["10:00-11:00"]}, "2026-11-09", "11-11 Wed 10:00"),
        ({}, "2026-11-09", "11-09 Mon 14:00"),
    ],
)
def test_a_step_lands_when_the_customer_can_be_reached(told: dict[str, list[str]], on: str, due: str) -> None:
    assert lands(told, on) == due


def test_a_deadline_is_kept_on_an_earlier_day() -> None:
    assert lands({"days": ["thu"]}, "2026-11-10", deadline="2026-11-11") == "11-05 Thu 14:00"
    unreachable = lands({"days": ["thu"]}, "2026-11-10", now="2026-11-06T12:00", deadline="2026-11-11")
    assert unreachable == "11-10 Tue 14:00", "it waits, and expires"


def test_a_step_that_moves_earlier_from_an_off_day_does_so_from_the_customers_own() -> None:
    slot = place_day(
        date(2026, 11, 10), event_on=None, deadline=None, permits=AFTERNOONS, calendar=CHINA, zone=SHANGHAI
    )
    where = {"permits": replace(AFTERNOONS, advance=True), "calendar": CHINA, "zone": SHANGHAI}
    on_thursdays = into_own_times(slot, own_times({"days": ["thu"]}), shanghai("2026-11-02T12:00"), **where)
    assert on_thursdays.due_at == shanghai("2026-11-05T14:00")
    too_late = into_own_times(slot, own_times({"days": ["thu"]}), shanghai("2026-11-06T12:00"), **where)
    assert too_late.due_at == shanghai("2026-11-12T14:00")


def test_nothing_lands_before_now() -> None:
    assert lands({"times": ["09:00-10:00"]}, "2026-11-02") == "11-03 Tue 09:00"


def test_a_step_outside_the_windows_on_purpose_stays_inside_the_customers_own() -> None:
    at = shanghai("2026-11-07T19:00")
    slot = Slot(at.date(), at.date(), at.time(), at, None, (SOFT_OVERRIDE,))
    where = {"permits": AFTERNOONS, "calendar": CHINA, "zone": SHANGHAI}
    assert into_own_times(slot, own_times({"times": ["18:00-20:00"]}), at, **where) is slot
    late = into_own_times(slot, own_times({"times": ["19:30-20:00"]}), at, **where)
    assert late.due_at == shanghai("2026-11-07T19:30")


def test_nothing_told_is_any_time() -> None:
    assert own_times(None) == own_times({}) == ANY_TIME


@pytest.mark.parametrize(
    ("told", "because"),
    [
        ({"times": ["six"]}, "Cannot read the window"),
        ({"times": ["10:00-12:00", "11:00-13:00"]}, "overlap"),
        ({"days": ["someday"]}, "unknown weekday 'someday'"),
        ({"not": "12:00-14:00"}, "is no list of texts"),
        ({"hours": ["10:00-12:00"]}, "unknown field 'hours'"),
    ],
)
def test_what_cannot_be_read_says_why(told: dict[str, list[str]], because: str) -> None:
    with pytest.raises(ValueError, match=because):
        own_times(told)


def test_times_outside_the_hard_hours_leave_nothing() -> None:
    assert leaves_nothing(AFTERNOONS.of_customer(own_times({"times": ["20:30-22:00"]})))
    assert leaves_nothing(AFTERNOONS.of_customer(own_times({"not": ["00:00-24:00"]})))
    assert not leaves_nothing(AFTERNOONS.of_customer(own_times({"times": ["19:30-22:00"]})))
