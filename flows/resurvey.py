"""Once the handling is recorded: tell the result and ask again, until it is right (R146-R148, rule 13).

By message, or by a call or a visit, whose record says what the customer answered.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.actions import TaskAction
from flows.audience import holds
from flows.calendar import Calendar
from flows.decisions import PlanFollowUp
from flows.offsets import add, add_to_instant, parse_offset
from flows.plan import with_expiry
from flows.program import Program, Question
from flows.timing import place_day, place_instant
from messages.catalog import Purpose
from messages.reading import Scale

FLOW = "resurvey"
"""The flow name of follow-ups that ask again; no program may call a flow so."""
SCORE = "score"
"""The field in which a call or a visit notes how satisfied the customer is now."""


def plan_resurvey(
    program: Program, ticket_id: int, round_: int, resolved_at: datetime, zone: ZoneInfo, calendar: Calendar
) -> PlanFollowUp:
    """The follow-up that tells the result and asks again: date-based +1 d unless the program says otherwise."""
    rule = program.callback.resurvey
    permits = program.permits(off_days=rule.off_days)
    resolved_on = resolved_at.astimezone(zone).date()
    if rule.after.is_time:
        at = add_to_instant(resolved_at, rule.after, zone)
        slot = place_instant(at, deadline=None, permits=permits, calendar=calendar, zone=zone)
    else:
        day = add(resolved_on, rule.after)
        slot = place_day(day, event_on=resolved_on, deadline=None, permits=permits, calendar=calendar, zone=zone)
    return PlanFollowUp(
        flow=FLOW,
        occasion=f"ticket:{ticket_id}:round:{round_}",
        slot=with_expiry(slot, parse_offset("30d"), zone),
        purpose=Purpose.SURVEY,
        because=f"handling recorded on {resolved_on}, round {round_}",
        ticket_id=ticket_id,
    )


def task_that_asks(program: Program, facts: Mapping[str, Any]) -> TaskAction | None:
    """What staff do to ask again about a ticket of these facts; None: a message asks."""
    return next((rule.task for rule in program.callback.resurvey.by if holds(rule.where, facts)), None)


def question_asked_again(program: Program) -> Question:
    """The question whose answer decides: the first of the survey with a scale that measures."""
    asked = program.surveys[program.callback.resurvey.survey].questions
    return next(question for question in asked if question.scale is not Scale.TEXT)
