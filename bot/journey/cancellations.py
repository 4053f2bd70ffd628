"""What a cancelled event had done beside its own steps: what it counted for, the silence it broke, the class it brought
(R19, rule 8).

Everything stands as if it had never come. Called by intake.py, which takes back its steps; what it had set: said.py.
"""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.journey.apply import not_gone_out, set_class, take_back
from bot.journey.subject import Subject, note
from bot.store import agenda, events, follow_ups, trail
from bot.store.tables import EventRow
from flows.program import Program
from flows.triggers import OnSilence


def undo(session: Session, subject: Subject, event: EventRow, because: str) -> None:
    """Let an event that has just been cancelled count for nothing in the subject's program; its line stays there."""
    if subject.enrolment is None:
        return
    activity = subject.in_force.program.activity
    if activity is not None and activity.event == event.type:
        _count_anew(session, subject, event.type, because)
    _give_back_class(session, subject, event, because)


def amount_of(program: Program, data: Any) -> float:
    """What an event adds to the sum of its customer."""
    value = data.get(program.activity.amount or "", 0) if program.activity else 0
    return float(value) if isinstance(value, int | float) else 0.0


def _count_anew(session: Session, subject: Subject, type_: str, because: str) -> None:
    """Measure the customer by the events that stand; a silence counts from the last of them again."""
    enrolment, zone = subject.enrolment, ZoneInfo(subject.customer.zone)
    assert enrolment is not None
    standing = events.standing(session, subject.customer.id, type_)
    before = enrolment.activity_on
    enrolment.activity_on = max((each.occurred_at.astimezone(zone).date() for each in standing), default=None)
    enrolment.activity_count = len(standing)
    enrolment.activity_total = sum(amount_of(subject.in_force.program, each.data) for each in standing)
    session.add(enrolment)
    if enrolment.activity_on != before:
        _break_no_silence(session, subject, before, enrolment.activity_on, because)


def _break_no_silence(session: Session, subject: Subject, before: date | None, on: date | None, because: str) -> None:
    """Take back what was planned for a silence since the cancelled event; what it had put off may be planned again."""
    program = subject.in_force.program
    flows = [flow.id for flow in program.flows if isinstance(flow.on, OnSilence)]
    waiting = [
        row
        for row in not_gone_out(session, subject.runtime, subject.customer.id)
        if row.program_id == program.id and row.flow in flows and row.occasion == f"silent:{before}"
    ]
    for row in take_back(session, waiting, because):
        note(session, subject, "cancelled", because, flow=row.flow, follow_up_id=row.id)
    follow_ups.free(session, program.id, flows, subject.customer.id, f"silent:{on}")
    agenda.replan(session)


def _give_back_class(session: Session, subject: Subject, event: EventRow, because: str) -> None:
    """The class that stood before, where this event brought the present one."""
    lines = [
        line
        for line in trail.of_kind(session, subject.customer.id, "class")
        if line.program_id == subject.in_force.program.id
    ]
    if lines and lines[-1].data.get("event") == event.id and lines[-1].data["before"]:
        set_class(session, subject, lines[-1].data["before"], because)
