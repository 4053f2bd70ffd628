"""Classes computed anew from what was measured: spend, frequency, the last activity, attributes (R4, R5).

The first rule that holds decides; where none does, the class stays. Each change is a line of the trail with the old
class, the new one and the measures that decided; pending steps that no longer fit are cancelled by `apply`.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.journey.apply import set_class
from bot.journey.subject import Subject, facts_of
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers
from flows.audience import fields_of, holds
from flows.program import Program

BATCH = 500


def recount(session: Session, runtime: Runtime, in_force: InForce, now: datetime) -> int:
    """Look at every enrolment of a program; how many are in another class now."""
    changed, last = 0, 0
    while rows := customers.enrolments_after(session, in_force.program.id, last, BATCH):
        people = customers.by_ids(session, (row.customer_id for row in rows))
        for row in rows:
            customer = people[row.customer_id]
            subject = Subject(runtime, in_force, customer, row, now)
            today = now.astimezone(ZoneInfo(customer.zone)).date()
            facts = facts_of(customer, row).facts(today)
            found = class_by_rules(in_force.program, facts)
            if found is not None and found != row.class_:
                set_class(session, subject, found, _why(in_force.program, found, facts))
                changed += 1
        last = rows[-1].id
    return changed


def class_by_rules(program: Program, facts: dict[str, object]) -> str | None:
    """The class whose rule holds first; None: no rule does."""
    return next((rule.class_ for rule in program.classes.rules if holds(rule.where, facts)), None)


def _why(program: Program, class_: str, facts: dict[str, object]) -> str:
    rule = next(rule for rule in program.classes.rules if rule.class_ == class_)
    asked = sorted(fields_of(rule.where))
    measures = ", ".join(f"{name} {facts.get(name)}" for name in asked)
    return f"computed: {measures}"
