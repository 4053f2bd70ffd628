"""May we contact this person now; if not, why not, and when again?"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.calendar import Calendar
from flows.consent import Answer, Later, No, Standing, Yes, may_contact, may_still_send
from flows.own_times import own_times
from flows.program import Cap, Program
from messages.catalog import Purpose

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = "2026-11-09T10:00"
AUTOMATIC = [Purpose.GREETING, Purpose.MARKETING, Purpose.SURVEY, Purpose.SERVICE]
INSIDE = [Purpose.REPLY, Purpose.STAFF]


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def asked(
    program: Program, purpose: Purpose, at: str = MONDAY, *, exempt: bool = False, step: str = "", **known: Any
) -> Answer:
    """The answer for a customer who consented to everything, but for what `known` says; `step`: what it tells of."""
    return may_contact(
        purpose,
        Standing(SHANGHAI, **{"marketing_consent": True, **known}),
        shanghai(at),
        permits=program.permits(),
        calendar=Calendar(),
        cap=Cap(messages=3, days=7),
        exempt_from_cap=exempt,
        exempt_from_windows=exempt,
        milestone=step == "milestone",
        by_hand=step == "by hand",
    )


def until(answer: Answer) -> str:
    assert isinstance(answer, Later), answer
    return f"{answer.at.astimezone(SHANGHAI):%m-%d %a %H:%M} {answer.because}"


# --- Who


@pytest.mark.parametrize("purpose", AUTOMATIC)
def test_in_a_window_and_with_consent_everything_may_go(retail: Program, purpose: Purpose) -> None:
    assert asked(retail, purpose) == Yes()


@pytest.mark.parametrize("purpose", AUTOMATIC)
def test_an_opt_out_stops_every_automatic_message(retail: Program, purpose: Purpose) -> None:
    assert asked(retail, purpose, opted_out=True) == No("opted out")


def test_an_answer_inside_a_conversation_survives_the_opt_out(retail: Program) -> None:
    assert may_still_send(Purpose.REPLY, True, None, shanghai(MONDAY)) == Yes()
    assert may_still_send(Purpose.SURVEY, True, None, shanghai(MONDAY)) == No("opted out")


def test_promotion_needs_consent_and_no_open_complaint(retail: Program) -> None:
    assert asked(retail, Purpose.MARKETING, marketing_consent=False) == No("no marketing consent")
    assert asked(retail, Purpose.MARKETING, open_ticket=True) == No("open complaint: no promotion")
    assert asked(retail, Purpose.SURVEY, marketing_consent=False, open_ticket=True) == Yes()


@pytest.mark.parametrize("purpose", AUTOMATIC)
def test_an_anonymous_customer_is_never_contacted(retail: Program, purpose: Purpose) -> None:
    assert isinstance(asked(retail, purpose, flags=frozenset({"anonymous"})), No)


@pytest.mark.parametrize(("flag", "step"), [("leader_introduced", "milestone"), ("vip_guest", "by hand")])
def test_a_flag_leaves_greetings_and_one_kind_of_step(retail: Program, flag: str, step: str) -> None:
    flags = frozenset({flag})
    allowed = [purpose for purpose in AUTOMATIC if asked(retail, purpose, flags=flags) == Yes()]
    assert allowed == [Purpose.GREETING]
    assert asked(retail, Purpose.SERVICE, flags=flags, step=step) == Yes()


def test_a_pause_is_waited_for(retail: Program) -> None:
    pause = shanghai("2026-11-16T11:00")
    assert until(asked(retail, Purpose.SURVEY, paused_until=pause)) == "11-16 Mon 11:00 paused"
    assert asked(retail, Purpose.SURVEY, paused_until=shanghai("2026-11-02T11:00")) == Yes()


# --- When


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-09T08:59", "11-09 Mon 09:00"),
        ("2026-11-09T12:00", "11-09 Mon 14:00"),
        ("2026-11-09T18:00", "11-10 Tue 09:00"),
        ("2026-11-14T10:00", "11-16 Mon 09:00"),
        ("2026-10-01T10:00", "10-08 Thu 09:00"),
    ],
)
def test_outside_the_window_the_next_opening_is_waited_for(retail: Program, at: str, opens: str) -> None:
    assert until(asked(retail, Purpose.SURVEY, at)) == f"{opens} outside window"


def test_a_customers_own_times_are_waited_for_and_named(retail: Program) -> None:
    evenings = own_times({"times": ["18:30-20:00"], "days": ["mon", "sat"]})
    named = "outside the times that the customer asked for"
    assert until(asked(retail, Purpose.SURVEY, own=evenings)) == f"11-09 Mon 18:30 {named}"
    assert asked(retail, Purpose.SURVEY, "2026-11-14T19:00", own=evenings) == Yes(), "a Saturday that they named"
    assert until(asked(retail, Purpose.SURVEY, "2026-11-10T10:00", own=evenings)) == f"11-14 Sat 18:30 {named}"
    assert until(asked(retail, Purpose.SURVEY, "2026-11-15T10:00", own=evenings)) == "11-16 Mon 18:30 outside window"


def test_a_greeting_waits_for_the_customers_own_times_of_the_same_day(retail: Program) -> None:
    evenings = own_times({"times": ["18:30-22:00"]})
    on_a_holiday = asked(retail, Purpose.GREETING, "2026-10-01T10:00", exempt=True, own=evenings)
    assert until(on_a_holiday).startswith("10-01 Thu 18:30")


def test_an_exempt_message_obeys_only_the_hard_hours(retail: Program) -> None:
    assert asked(retail, Purpose.GREETING, "2026-10-01T10:00", exempt=True) == Yes()
    assert asked(retail, Purpose.SERVICE, "2026-11-09T19:59", exempt=True) == Yes()
    assert isinstance(asked(retail, Purpose.GREETING, "2026-11-09T20:01", exempt=True), Later)
    assert isinstance(asked(retail, Purpose.GREETING, "2026-11-09T08:59", exempt=True), Later)


@pytest.mark.parametrize("purpose", INSIDE)
def test_an_answer_in_a_conversation_waits_for_nothing(retail: Program, purpose: Purpose) -> None:
    recent = sent("11-04", "11-05", "11-06")
    assert asked(retail, purpose, "2026-11-09T23:00", opted_out=True, recent=recent) == Yes()


# --- How often


def sent(*days: str) -> tuple[datetime, ...]:
    return tuple(shanghai(f"2026-{day}T10:00") for day in days)


def test_a_fourth_message_waits_until_the_first_of_three_is_seven_days_old(retail: Program) -> None:
    recent = sent("11-03", "11-04", "11-06")
    assert until(asked(retail, Purpose.SURVEY, recent=recent)) == "11-10 Tue 10:00 weekly cap"
    assert asked(retail, Purpose.SURVEY, recent=recent[1:]) == Yes()
    assert asked(retail, Purpose.SURVEY, "2026-11-10T10:00", recent=recent) == Yes()


def test_after_the_cap_the_message_waits_for_a_window(retail: Program) -> None:
    recent = sent("11-07", "11-08", "11-08")
    assert until(asked(retail, Purpose.SURVEY, "2026-11-10T10:00", recent=recent)) == "11-16 Mon 09:00 weekly cap"


def test_the_order_in_which_messages_are_remembered_does_not_matter(retail: Program) -> None:
    recent = sent("11-06", "11-03", "11-04")
    assert until(asked(retail, Purpose.SURVEY, recent=recent)) == "11-10 Tue 10:00 weekly cap"


def test_what_is_exempt_does_not_wait_for_the_cap(retail: Program) -> None:
    recent = sent("11-04", "11-05", "11-06")
    assert asked(retail, Purpose.SERVICE, recent=recent, exempt=True) == Yes()


# --- Just before the call


def test_what_has_expired_is_not_sent() -> None:
    now = datetime(2026, 11, 9, 2, tzinfo=UTC)
    assert may_still_send(Purpose.SURVEY, False, now, now) == No("expired")
    assert may_still_send(Purpose.SURVEY, False, now + timedelta(seconds=1), now) == Yes()
    assert may_still_send(Purpose.REPLY, False, now, now) == No("expired")
