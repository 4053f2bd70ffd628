"""Chains: the dates of PROGRAMS 3.2 that come again after an event, and what a contact does to a step (rule 8)."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.calendar import Calendar
from flows.chains import Effect, Step, counts_contacts, effect, first_late, is_chain, next_step
from flows.decisions import PlanFollowUp
from flows.events import Customer, Event
from flows.plan import plan_event
from flows.program import Program
from flows.recurrence import following
from flows.source import read_yaml
from flows.triggers import AfterEvent

SHANGHAI = ZoneInfo("Asia/Shanghai")
WORDS = {"zh": "回访"}
QUESTION = {"id": "overall", "scale": "1-5", "weight": 100, "text": WORDS}
RESURVEY = {"template": "resurvey", "survey": "handled"}


def program_of(flow: str, **known: Any) -> Program:
    """A program of one flow, written as YAML writes it."""
    return Program.model_validate(
        {
            "id": "chains",
            "name": WORDS,
            "company": WORDS,
            "events": {"happened": {"name": WORDS}},
            "surveys": {"handled": {"questions": [QUESTION]}},
            "flows": [{"id": "again", "message": {"template": "handled"}, **read_yaml(flow, "flow.yaml").data}],
            "callback": {"owner": "service", "ladder": [{"at": "0%", "role": "service"}], "resurvey": RESURVEY},
            **known,
        }
    )


def happened(at: str) -> Event:
    return Event(7, "happened", datetime.fromisoformat(at).replace(tzinfo=SHANGHAI))


def said(planned: PlanFollowUp) -> str:
    return f"{planned.slot.due_at.astimezone(SHANGHAI):%Y-%m-%d %a %H:%M}"


def steps_of(
    program: Program, event: Event, calendar: Calendar, *, ends_on: date | None = None, annoyed: bool = False
) -> Iterator[PlanFollowUp]:
    """The steps of a chain, each planned when the one before is settled on its own day."""
    (first,) = plan_event(program, event, Customer(1, SHANGHAI), event.occurred_at, calendar)
    assert isinstance(first, PlanFollowUp)
    step: PlanFollowUp | None = first
    while step is not None:
        yield step
        last = Step(event.id, step.slot.nominal_on, step.slot.intended_on)
        step = next_step(
            program,
            program.flows[0],
            last,
            today=step.slot.intended_on,
            ends_on=ends_on,
            zone=SHANGHAI,
            calendar=calendar,
            annoyed=annoyed,
        )


def dues(flow: str, at: str, calendar: Calendar, count: int, ends_on: date | None = None, **known: Any) -> list[str]:
    """When the first `count` steps are due, or all when there are fewer."""
    steps = steps_of(program_of(flow, **known), happened(at), calendar, ends_on=ends_on)
    return [said(step) for step, _ in zip(steps, range(count), strict=False)]


# ----- the dates of the scenarios


def test_6_2_an_invitation_is_repeated_weekly_from_its_nominal_date(china: Calendar) -> None:
    flow = """
        {on: {event: happened, every: 1w}, after: 2d, deadline: 3d, off_days: {weekend: send, holiday: defer}}
        """
    found = dues(flow, "2026-11-20T16:40", china, 3, windows=["10:00-11:30", "15:30-17:00"])
    assert found == ["2026-11-22 Sun 10:00", "2026-11-29 Sun 10:00", "2026-12-06 Sun 10:00"]


def test_6_4_half_a_month_is_fifteen_days(china: Calendar) -> None:
    flow = "{on: {event: happened, every: 15d}, after: 15d, off_days: {weekend: send, holiday: defer}}"
    found = dues(flow, "2026-12-31T14:00", china, 2, windows=["10:00-11:30", "15:30-17:00"])
    assert found == ["2027-01-15 Fri 10:00", "2027-01-30 Sat 10:00"]


def test_10_2_a_month_clips_and_the_half_year_counts_from_the_clipped_date(china: Calendar) -> None:
    found = dues("{on: {event: happened, every: 1hy}, after: 1mo}", "2026-08-31T10:00", china, 2)
    assert found == ["2026-09-30 Wed 09:00", "2027-03-30 Tue 09:00"]


def test_12_1_quarters_count_from_the_nominal_date_and_not_from_the_day_after_the_holiday(china: Calendar) -> None:
    found = dues("{on: {event: happened, every: 1q}, after: 1mo}", "2026-09-07T10:00", china, 4)
    assert found == ["2026-10-08 Thu 09:00", "2027-01-07 Thu 09:00", "2027-04-07 Wed 09:00", "2027-07-07 Wed 09:00"]


def test_17_1_what_falls_due_on_an_off_day_comes_earlier_and_ends_with_the_warranty(china: Calendar) -> None:
    flow = """
        on: {event: happened, every: 1hy, until: warranty_until}
        after: 1mo
        off_days: {weekend: defer, holiday: defer, advance: true}
        """
    found = dues(flow, "2026-09-03T10:00", china, 9, ends_on=date(2027, 9, 3))
    assert found == ["2026-09-30 Wed 09:00", "2027-04-02 Fri 09:00"]


# ----- how a chain goes on


def test_a_later_step_has_an_occasion_of_its_own_and_no_deadline_of_the_event(china: Calendar) -> None:
    program = program_of("{on: {event: happened, every: 1w}, after: 2d, deadline: 3d}")
    first, second = (
        step for step, _ in zip(steps_of(program, happened("2026-11-02T10:00"), china), "ab", strict=False)
    )
    assert (first.occasion, second.occasion) == ("event:7", "event:7:2026-11-11")
    assert second.slot.expires_at == second.slot.due_at + timedelta(days=7)
    assert second.because == "again after happened, counted from 2026-11-04"


def test_a_house_that_stood_still_passes_over_what_has_gone_by(china: Calendar) -> None:
    program = program_of("{on: {event: happened, every: 1w}, after: 1w}")
    last = Step(7, date(2026, 11, 2), date(2026, 11, 2))
    planned = next_step(
        program, program.flows[0], last, today=date(2026, 11, 24), ends_on=None, zone=SHANGHAI, calendar=china
    )
    assert planned is not None
    assert said(planned) == "2026-11-30 Mon 09:00"
    assert planned.because == "again after happened, counted from 2026-11-02 (3 had passed by)"


def test_two_steps_never_go_out_on_one_day(china: Calendar) -> None:
    # the step of 1 October waited for the end of the holiday, and so would those of every day until the 8th
    program = program_of("{on: {event: happened, every: 1d}, after: 0d}")
    last = Step(7, date(2026, 10, 1), date(2026, 10, 8))
    planned = next_step(
        program, program.flows[0], last, today=date(2026, 10, 8), ends_on=None, zone=SHANGHAI, calendar=china
    )
    assert planned is not None
    assert (planned.slot.nominal_on, said(planned)) == (date(2026, 10, 9), "2026-10-09 Fri 09:00")


def test_a_chain_whose_event_came_late_begins_at_its_next_date(china: Calendar) -> None:
    program = program_of("{on: {event: happened, every: 1q}, after: 1mo}")
    event = happened("2025-09-07T10:00")
    planned = first_late(
        program, program.flows[0], event, today=date(2026, 11, 2), ends_on=None, zone=SHANGHAI, calendar=china
    )
    assert planned is not None
    assert said(planned) == "2027-01-07 Thu 09:00"


def test_a_step_that_opens_ahead_keeps_the_day_on_which_it_is_due(china: Calendar) -> None:
    program = program_of("{on: {event: happened, every: 1y}, before: 60d}")
    last = Step(7, date(2026, 8, 31), date(2026, 8, 31))
    planned = next_step(
        program, program.flows[0], last, today=date(2026, 8, 31), ends_on=None, zone=SHANGHAI, calendar=china
    )
    assert planned is not None
    assert (planned.slot.nominal_on, said(planned)) == (date(2027, 8, 31), "2027-07-02 Fri 09:00")
    assert planned.slot.expires_at is not None
    assert planned.slot.expires_at.date() == date(2027, 9, 7)


def test_the_first_step_opens_ahead_as_well(china: Calendar) -> None:
    program = program_of("{on: {event: happened, every: 1y}, after: 1y, before: 60d}")
    first, second = (
        step for step, _ in zip(steps_of(program, happened("2026-08-31T10:00"), china), "ab", strict=False)
    )
    assert (first.slot.nominal_on, said(first)) == (date(2027, 8, 31), "2027-07-02 Fri 09:00")
    assert (second.slot.nominal_on, said(second)) == (date(2028, 8, 31), "2028-07-03 Mon 09:00")


def test_who_is_annoyed_hears_half_as_often(china: Calendar) -> None:
    program = program_of("{on: {event: happened, every: 1w}, after: 1w}")
    steps = steps_of(program, happened("2026-11-02T10:00"), china, annoyed=True)
    found = [step.slot.nominal_on for step, _ in zip(steps, range(3), strict=False)]
    assert found == [date(2026, 11, 9), date(2026, 11, 23), date(2026, 12, 7)]


# ----- seasons


PEAK = """
    on: {event: happened, every: 15d, contacts: [call], seasons: [{from: 04-01, to: 10-31, every: 7d}]}
    """


@pytest.mark.parametrize(
    ("last", "annoyed", "due"),
    [
        pytest.param("2027-03-25", False, "2027-04-01", id="13.2: the peak began, and seven days have passed"),
        pytest.param("2026-06-12", False, "2026-06-19", id="13.3: in the peak"),
        pytest.param("2026-10-28", False, "2026-11-12", id="the off season holds where the peak's day lies outside"),
        pytest.param("2026-12-03", False, "2026-12-18", id="in the off season"),
        pytest.param("2026-06-12", True, "2026-06-26", id="annoyed: the interval of the season is doubled"),
    ],
)
def test_the_season_of_the_day_itself_decides(last: str, annoyed: bool, due: str) -> None:
    trigger = program_of(PEAK).flows[0].on
    assert isinstance(trigger, AfterEvent)
    assert following(trigger, date.fromisoformat(last), annoyed=annoyed) == date.fromisoformat(due)


# ----- contacts


WEEKLY = "{on: {event: happened, every: 1w, contacts: [call]}, after: 1w}"
OPENS_AHEAD = "{on: {event: happened, every: 1q, contacts: [call]}, before: 7d}"
ON_19_JUNE = Step(7, date(2026, 6, 19), date(2026, 6, 22))
"""Due on Dragon Boat day, moved to Monday."""
ON_3_OCTOBER = Step(7, date(2026, 10, 3), date(2026, 9, 30))
"""Due in the holiday, moved back to the workday before."""
ON_15_DECEMBER = Step(7, date(2026, 12, 15), date(2026, 12, 8))
"""Opens a week ahead."""


@pytest.mark.parametrize(
    ("flow", "step", "contact_on", "does"),
    [
        pytest.param(WEEKLY, ON_19_JUNE, "2026-06-18", Effect.RESTARTS, id="the day before"),
        pytest.param(WEEKLY, ON_19_JUNE, "2026-06-19", Effect.FULFILS, id="on its nominal day, before it goes out"),
        pytest.param(WEEKLY, ON_19_JUNE, "2026-06-23", Effect.FULFILS, id="after it"),
        pytest.param(WEEKLY, ON_19_JUNE, "2026-06-12", Effect.NOTHING, id="on the day that it counts from"),
        pytest.param(WEEKLY, ON_19_JUNE, "2026-06-01", Effect.NOTHING, id="long before"),
        pytest.param(WEEKLY, ON_3_OCTOBER, "2026-09-30", Effect.FULFILS, id="on the day it was moved back to"),
        pytest.param(OPENS_AHEAD, ON_15_DECEMBER, "2026-12-10", Effect.RESTARTS, id="it is open, and not due yet"),
        pytest.param(OPENS_AHEAD, ON_15_DECEMBER, "2026-12-15", Effect.FULFILS, id="it is due"),
    ],
)
def test_a_contact_before_a_step_restarts_the_interval_and_later_fulfils_it(
    flow: str, step: Step, contact_on: str, does: Effect
) -> None:
    rule = program_of(flow).flows[0]
    assert effect(rule, step, date.fromisoformat(contact_on), date(2026, 6, 12)) is does


def test_only_the_named_kinds_of_contacts_count() -> None:
    rule = program_of(WEEKLY).flows[0]
    assert is_chain(rule)
    assert counts_contacts(rule, "call")
    assert not counts_contacts(rule, "visit")
    assert not is_chain(program_of("{on: {event: happened}, after: 1w}").flows[0])
