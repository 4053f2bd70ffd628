"""Follow-ups: planned once, taken when due, moved by compare-and-set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, cast, exists, func, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store import customers
from bot.store.rows import (
    chunks,
    core,
    for_update,
    insert_many_once,
    insert_once,
    move_many,
    stands,
    table_of,
)
from bot.store.tables import FollowUpRow, Instant, MessageRow
from flows.decisions import PlanFollowUp
from flows.states import FollowUpState, MessageState

LATER = "later:"
"""How the occasion of a follow-up begins that asks an open survey once more."""


@dataclass(frozen=True)
class Owner:
    """Which version of which program plans, and when."""

    program_id: str
    version_id: int
    now: datetime


class Brief(NamedTuple):
    """What the sender must know of a follow-up; its fields are columns of the same names."""

    id: int
    program_id: str
    program_version_id: int
    flow: str
    customer_id: int
    event_id: int
    ticket_id: int
    occasion: str
    reason: str
    person_id: int = 0
    matter_id: int = 0


def briefs(session: Session, follow_up_ids: Iterable[int]) -> dict[int, Brief]:
    """follow-up id -> what the sender must know of it."""
    found: dict[int, Brief] = {}
    for chunk in chunks({each for each in follow_up_ids if each}):
        for row in core(session).execute(_briefs(), {"wanted": chunk}).all():
            found[row[0]] = Brief._make(row)
    return found


@cache
def _briefs() -> Any:
    table = table_of(FollowUpRow)
    columns = (table.c[name] for name in Brief._fields)
    return core_select(*columns).where(table.c.id.in_(bindparam("wanted", expanding=True)))


def overdue(session: Session, before: datetime) -> int:
    """How many planned follow-ups were due before this instant and have not been looked at."""
    table = table_of(FollowUpRow)
    statement = core_select(func.count()).where(stands(table, FollowUpState.PLANNED), table.c.due_at < before)
    return int(core(session).execute(statement).scalar_one())


def plan(session: Session, owner: Owner, customer_id: int, planned: PlanFollowUp, event_id: int = 0) -> int | None:
    """The id of a new follow-up, or None when it was planned before."""
    return insert_once(session, FollowUpRow, _row(owner, customer_id, planned, event_id))


def plan_many(session: Session, rows: Sequence[tuple[Owner, int, PlanFollowUp, int]]) -> None:
    """As `plan`, for many: (owner, customer id, what is planned, event id)."""
    insert_many_once(session, FollowUpRow, [_row(*row) for row in rows], "id")


def _row(owner: Owner, customer_id: int, planned: PlanFollowUp, event_id: int) -> dict[str, Any]:
    return {
        "program_id": owner.program_id,
        "program_version_id": owner.version_id,
        "flow": planned.flow,
        "customer_id": customer_id,
        "person_id": planned.person_id,
        "matter_id": planned.matter_id,
        "event_id": event_id,
        "ticket_id": planned.ticket_id,
        "survey_id": planned.survey_id,
        "occasion": planned.occasion,
        "purpose": str(planned.purpose),
        "state": str(FollowUpState.PLANNED),
        "nominal_on": planned.slot.nominal_on,
        "intended_on": planned.slot.intended_on,
        "due_at": planned.slot.due_at,
        "expires_at": planned.slot.expires_at,
        "planned_at": owner.now,
        "sent_at": None,
        "reason": planned.because,
    }


def due(session: Session, now: datetime, limit: int) -> Sequence[FollowUpRow]:
    """Planned follow-ups whose time has come, oldest first; on PostgreSQL locked, their customers first.

    What others hold is passed over: they are at work on it.
    """
    known = {"now": now, "most": limit}
    if session.get_bind().dialect.name == "sqlite":
        return session.execute(_due(), known).scalars().all()
    seen = core(session).execute(_due_ids(), known).all()
    free = customers.lock_free(session, (customer_id for _, customer_id in seen))
    wanted = [row_id for row_id, customer_id in seen if customer_id in free]
    statement = for_update(session, _still_due(), skip_locked=True)
    return session.execute(statement, {**known, "wanted": wanted}).scalars().all()


@cache
def _due_ids() -> Any:
    table = table_of(FollowUpRow)
    return _due().with_only_columns(table.c.id, table.c.customer_id)


@cache
def _still_due() -> Any:
    return _due().where(col(FollowUpRow.id).in_(bindparam("wanted", expanding=True)))


@cache
def _due() -> Any:
    now = bindparam("now", type_=table_of(FollowUpRow).c.due_at.type)
    return (
        select(FollowUpRow)
        .where(stands(table_of(FollowUpRow), FollowUpState.PLANNED), col(FollowUpRow.due_at) <= now)
        .order_by(col(FollowUpRow.due_at), col(FollowUpRow.id))
        .limit(bindparam("most"))
    )


def count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(FollowUpRow)).one()


def get(session: Session, follow_up_id: int) -> FollowUpRow | None:
    return session.get(FollowUpRow, follow_up_id)


def defer(session: Session, waits: Sequence[tuple[int, datetime, date]]) -> None:
    """Wait until another instant, (follow-up id, due at, intended on); only what is still planned can."""
    if waits:
        rows = [{"row": row_id, "at": due_at, "on": day} for row_id, due_at, day in waits]
        core(session).execute(_defer(), rows)


@cache
def _defer() -> Any:
    table = table_of(FollowUpRow)
    return (
        update(table)
        .where(table.c.id == bindparam("row"), table.c.state == str(FollowUpState.PLANNED))
        .values(
            due_at=bindparam("at", type_=table.c.due_at.type),
            intended_on=bindparam("on", type_=table.c.intended_on.type),
        )
    )


def events_followed_up(session: Session, program_id: str, flow: str, customer_id: int) -> set[int]:
    """The ids of a customer's events that have a follow-up of this flow; one that was cancelled or missed is none."""
    table = table_of(FollowUpRow)
    statement = core_select(table.c.event_id).where(
        table.c.customer_id == customer_id,
        table.c.program_id == program_id,
        table.c.flow == flow,
        table.c.state.not_in((str(FollowUpState.CANCELLED), str(FollowUpState.EXPIRED))),
    )
    return set(core(session).execute(statement).scalars())


def free(session: Session, program_id: str, flows: Sequence[str], customer_id: int, occasion: str) -> None:
    """Let what was cancelled be planned once more for the same occasion: the rows that were keep another name of it."""
    table = table_of(FollowUpRow)
    theirs = (table.c.customer_id == customer_id, table.c.program_id == program_id, table.c.flow.in_(flows))
    cancelled = (table.c.occasion == occasion, table.c.state == str(FollowUpState.CANCELLED))
    again = table.c.occasion + ":" + cast(table.c.id, String)
    session.execute(update(table).where(*theirs, *cancelled).values(occasion=again))


def unsent(session: Session, customer_id: int) -> Sequence[FollowUpRow]:
    """What is planned for a customer or waits in the outbox, in every program."""
    return session.execute(_unsent(), {"customer": customer_id}).scalars().all()


@cache
def _unsent() -> Any:
    states = (FollowUpState.PLANNED, FollowUpState.READY)
    return (
        select(FollowUpRow)
        .where(FollowUpRow.customer_id == bindparam("customer"), col(FollowUpRow.state).in_(states))
        .order_by(col(FollowUpRow.id))
    )


def scheduled(session: Session, customer_id: int, now: datetime) -> Sequence[FollowUpRow]:
    """What the provider keeps for a customer until later, and has not sent out yet."""
    there = table_of(MessageRow)
    kept = exists().where(
        there.c.follow_up_id == col(FollowUpRow.id), stands(there, MessageState.ACCEPTED), there.c.leaves_at > now
    )
    statement = select(FollowUpRow).where(
        FollowUpRow.customer_id == customer_id, FollowUpRow.state == FollowUpState.SENT, kept
    )
    return session.exec(statement.order_by(col(FollowUpRow.id))).all()


def settle(session: Session, follow_up_ids: Sequence[int], target: FollowUpState, **values: Any) -> int:
    return move_many(session, FollowUpRow, follow_up_ids, target, **values)


def is_fulfilled(session: Session, program_id: str, flow: str, customer_id: int, begins: str) -> bool:
    """Is one of a customer's follow-ups fulfilled whose occasion begins so?"""
    statement = select(FollowUpRow.id).where(
        FollowUpRow.program_id == program_id,
        FollowUpRow.flow == flow,
        FollowUpRow.customer_id == customer_id,
        col(FollowUpRow.occasion).startswith(begins, autoescape=True),
        FollowUpRow.state == FollowUpState.FULFILLED,
    )
    return session.exec(statement.limit(1)).first() is not None


def of_customer(session: Session, customer_id: int, limit: int = 200) -> Sequence[FollowUpRow]:
    statement = (
        select(FollowUpRow)
        .where(FollowUpRow.customer_id == customer_id)
        .order_by(col(FollowUpRow.due_at).desc())
        .limit(limit)
    )
    return session.exec(statement).all()


def planned_by_day(session: Session, start: datetime, end: datetime) -> list[tuple[date, str, str, int, datetime]]:
    """(day, program, flow, count, earliest due) of what stands planned in a span, for the forecast."""
    table = table_of(FollowUpRow)
    statement = (
        core_select(
            table.c.intended_on,
            table.c.program_id,
            table.c.flow,
            func.count(),
            func.min(table.c.due_at, type_=Instant()),
        )
        .where(table.c.state == str(FollowUpState.PLANNED), table.c.due_at >= start, table.c.due_at < end)
        .group_by(table.c.intended_on, table.c.program_id, table.c.flow)
    )
    return [(day, program, flow, count, due_at) for day, program, flow, count, due_at in session.execute(statement)]
