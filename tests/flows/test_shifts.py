"""Who is on duty at which hours: seasons and their borders, nights over midnight, days that nobody has (R163, R164)."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.calendar import Calendar
from flows.errors import ProgramError
from flows.events import Customer, Event
from flows.load import load_program, shipped_program_text
from flows.plan import plan_event
from flows.program import Program
from flows.shifts import empty_days, is_after_midnight, month_after, parse_days, parse_hours, shift_at

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("instant", "began_on"),
    [
        ("2026-09-30T18:29", None),
        ("2026-09-30T18:30", "2026-09-30"),
        ("2026-10-01T00:00", "2026-09-30"),
        ("2026-10-01T07:59", "2026-09-30"),
        ("2026-10-01T08:00", None),
        ("2026-10-01T16:59", None),
        ("2026-10-01T17:00", "2026-10-01"),
        ("2027-04-30T17:00", "2027-04-30"),
        ("2027-05-01T18:29", None),
        ("2027-05-01T18:30", "2027-05-01"),
    ],
)
def test_r164_the_night_of_two_seasons(auto_repair: Program, instant: str, began_on: str | None) -> None:
    found = shift_at(auto_repair.shifts.values(), "shop_leader", at(instant), SHANGHAI)
    assert (str(found[1]) if found else None) == began_on


def test_a_shift_takes_nothing_from_others(auto_repair: Program) -> None:
    assert shift_at(auto_repair.shifts.values(), "manager", at("2026-10-01T23:00"), SHANGHAI) is None


def test_midnight_itself_is_not_after_it() -> None:
    night = date(2026, 10, 17)
    assert not is_after_midnight(night, at("2026-10-18T00:00"), SHANGHAI)
    assert is_after_midnight(night, at("2026-10-18T00:01"), SHANGHAI)


def test_empty_days_of_the_month_after() -> None:
    first, last = month_after(date(2026, 12, 31))
    assert (str(first), str(last)) == ("2027-01-01", "2027-01-31")
    named = {*parse_days("2027-01-03..2027-01-09"), *parse_days("2027-01-11..2027-01-31")}
    runs = [(f"{begins:%m-%d}", f"{ends:%m-%d}") for begins, ends in empty_days(first, last, named)]
    assert runs == [("01-01", "01-02"), ("01-10", "01-10")]


@pytest.mark.parametrize("text", ["17:00", "08:00-08:00", "17:00-25:00", "5pm-8am"])
def test_hours_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="hours"):
        parse_hours(text)


def test_r143_what_is_at_once_waits_for_no_window_and_no_morning(auto_repair: Program, china: Calendar) -> None:
    called = Event(1, "rescue_called", at("2026-10-17T23:10"), {"place": "延安路"})
    customer = Customer(1, SHANGHAI)
    (decision,) = plan_event(auto_repair, called, customer, at("2026-10-17T23:12"), china)
    assert decision.slot.due_at == at("2026-10-17T23:12")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"flows.rescue.after": "1d"}, "opens with its event"),
        ({"flows.rescue.task.within": "0h"}, "no time to do it in"),
        ({"flows.rescue.task.at": "18:00"}, "2h after its event"),
        ({"flows.rescue.task.done_by": "rescue_called"}, "cannot also be its doing"),
        ({"flows.rescue.task.done_by": "towed"}, "unknown event 'towed'"),
        ({"flows.rescue.task.required": ["crew"]}, "brings what it brings"),
        ({"flows.half_year.message": None, "flows.half_year.task": {**{"kind": "call"}, "name": {"en": "Call"},
          "role": "caller", "within": "2h"}}, "only an event says"),
        ({"duties.roster.task.at_once": True}, "only an event says"),
        ({"shifts.night.role": "shop_leader"}, "stands in for itself"),
        ({"shifts.night.instead_of": ["caller"]}, "unknown role of a task that is `at_once` 'caller'"),
        ({"shifts.night.after_midnight.each_of": "plate"}, "unknown text field 'plate'"),
        ({"shifts.night.hours": "08:00-12:00", "shifts.night.seasons": []}, "ends before midnight"),
        ({"shifts.night.seasons": [{"from": "05-01", "to": "09-30", "hours": "18:30-08:00"},
                                   {"from": "09-30", "to": "10-31", "hours": "18:00-08:00"}]}, "in another season"),
        ({"duties.roster.on": {"weekly": ["mon"]}}, "goes with `monthly`"),
    ],
)  # fmt: skip
def test_a_program_that_cannot_be_is_told(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        load_program(shipped_program_text("auto_repair"), "auto_repair.yaml", change)
