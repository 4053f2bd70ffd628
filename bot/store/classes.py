"""Classes by rules, as sets: who belongs where by what was measured, whom that moves, and how many there are (R4).

The rules become one CASE; the first that holds decides. Next: bot/journey/classes.py moves them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Date, String, and_, case, func, literal, null
from sqlalchemy import select as core_select
from sqlmodel import Session

from bot.store.audiences import condition
from bot.store.rows import core, table_of
from bot.store.tables import CustomerRow, EnrolmentRow
from flows.program import ClassRule


@dataclass(frozen=True)
class Members:
    """A class and what those in it have done: how often, for how much, and how long ago."""

    class_: str | None
    customers: int
    events: int
    total: float
    days_since: float | None
    """Mean days since the last activity, of those who have any."""


def misplaced(
    session: Session, program_id: str, rules: Sequence[ClassRule], zone: str, today: date
) -> list[tuple[int, str]]:
    """(enrolment id, class by the rules) of everybody in this zone who is in another class, or in none."""
    enrolment, customer = table_of(EnrolmentRow), table_of(CustomerRow)
    found = _by_rules(session, rules, today)
    statement = (
        core_select(enrolment.c.id, found.label("found"))
        .join(customer, customer.c.id == enrolment.c.customer_id)
        .where(
            enrolment.c.program_id == program_id,
            customer.c.zone == zone,
            found != func.coalesce(enrolment.c["class"], ""),  # NULL, where no rule holds: passed over
        )
        .order_by(enrolment.c.id)
    )
    return [(row_id, class_) for row_id, class_ in core(session).execute(statement)]


def members(session: Session, program_id: str, rules: Sequence[ClassRule], on: date) -> list[Members]:
    """The classes as the rules find them on a day, the greatest first; where no rule holds, the class stays."""
    enrolment, customer = table_of(EnrolmentRow), table_of(CustomerRow)
    each = (
        core_select(
            func.coalesce(_by_rules(session, rules, on), enrolment.c["class"]).label("class"),
            enrolment.c.activity_count,
            enrolment.c.activity_total,
            _days_since(session, on).label("days"),
        )
        .join(customer, customer.c.id == enrolment.c.customer_id)
        .where(enrolment.c.program_id == program_id)
        .subquery()
    )
    statement = (
        core_select(
            each.c["class"],
            func.count().label("customers"),
            func.sum(each.c.activity_count),
            func.sum(each.c.activity_total),
            func.avg(each.c.days),
        )
        .group_by(each.c["class"])
        .order_by(func.count().desc(), each.c["class"])
    )
    rows = core(session).execute(statement)
    return [
        Members(class_, customers, int(events), float(total), None if days is None else float(days))
        for class_, customers, events, total, days in rows
    ]


def _by_rules(session: Session, rules: Sequence[ClassRule], today: date) -> Any:
    """The class whose rule holds first, else NULL."""
    dialect, on = _dialect(session), literal(today, Date)
    if not rules:
        return null()
    whens = [(and_(condition(dialect, rule.where, on)), literal(rule.class_, String)) for rule in rules]
    return case(*whens, else_=null())


def _days_since(session: Session, on: date) -> Any:
    last, today = table_of(EnrolmentRow).c.activity_on, literal(on, Date)
    if _dialect(session) == "sqlite":
        return func.julianday(today) - func.julianday(last)
    return today - last


def _dialect(session: Session) -> str:
    return str(session.get_bind().dialect.name)
