"""Classes computed anew from what was measured: spend, frequency, the last activity, attributes (R4, R5).

The first rule that holds decides; where none does, the class stays. Each change is a line of the trail with the old
class, the new one and the measures that decided; pending steps that no longer fit are cancelled by `apply`.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.journey.apply import set_class
from bot.journey.subject import Subject, facts_of
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import classes, customers, selections
from flows.audience import fields_of
from flows.program import Program

BATCH = 500
"""Customers that one transaction moves: whoever else writes waits no longer than that takes."""


def recount(session: Session, runtime: Runtime, in_force: InForce, now: datetime) -> bool:
    """Move some of those whom the rules find in another class; whether that were all."""
    program = in_force.program
    for anchor in selections.zones(session):
        today = now.astimezone(ZoneInfo(anchor.zone)).date()
        moving = dict(classes.misplaced(session, program.id, program.classes.rules, anchor.zone, today)[:BATCH])
        _move(session, runtime, in_force, now, today, moving)
        if len(moving) == BATCH:
            return False
    return True


def _move(
    session: Session, runtime: Runtime, in_force: InForce, now: datetime, today: date, moving: dict[int, str]
) -> None:
    """`moving`: enrolment -> new class."""
    rows = customers.enrolments_by_ids(session, moving)
    people = customers.by_ids(session, (row.customer_id for row in rows))
    for row in rows:
        customer = people[row.customer_id]
        facts = facts_of(customer, row).facts(today)
        subject = Subject(runtime, in_force, customer, row, now)
        set_class(session, subject, moving[row.id], _why(in_force.program, moving[row.id], facts))


def _why(program: Program, class_: str, facts: dict[str, object]) -> str:
    rule = next(rule for rule in program.classes.rules if rule.class_ == class_)
    asked = sorted(fields_of(rule.where))
    measures = ", ".join(f"{name} {facts.get(name)}" for name in asked)
    return f"computed: {measures}"
