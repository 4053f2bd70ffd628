"""Follow-ups: planned once, taken when due, moved by compare-and-set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Date, String, bindparam, exists, func, literal, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store import customers
from bot.store.audiences import condition
from bot.store.rows import (
    chunks,
    core,
    for_update,
    insert_many_once,
    insert_once,
    move,
    move_many,
    on_conflict_do_nothing,
    stands,
    table_of,
)
from bot.store.tables import ContactPointRow, CustomerRow, EnrolmentRow, FollowUpRow, Id, Instant, MessageRow
from flows.audience import Predicate
from flows.decisions import Group, PlanFollowUp, Selection
from flows.plan import Anchor
from flows.states import FollowUpState, MessageState


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


def plan_selection(session: Session, owner: Owner, selection: Selection, today: date) -> list[tuple[Group, int]]:
    """One INSERT ... SELECT for each group; those planned already are passed over. (group, how many were new)"""
    planned = []
    table = table_of(FollowUpRow)
    for group in selection.groups:
        slot = group.slot
        rows = core_select(
            literal(owner.program_id, String).label("program_id"),
            literal(owner.version_id, Id).label("program_version_id"),
            literal(selection.flow, String).label("flow"),
            col(EnrolmentRow.customer_id),
            literal(0, Id),
            literal(0, Id),
            literal(0, Id),
            literal(0, Id),
            literal(0, Id),
            literal(group.occasion, String),
            literal(str(selection.purpose), String),
            literal(str(FollowUpState.PLANNED), String),
            literal(slot.nominal_on, Date),
            literal(slot.intended_on, Date),
            literal(slot.due_at, Instant),
            literal(slot.expires_at, Instant),
            literal(owner.now, Instant),
            literal(selection.because, String),
        ).where(*_members(session, owner.program_id, selection, group, today))
        names = [
            "program_id",
            "program_version_id",
            "flow",
            "customer_id",
            "person_id",
            "matter_id",
            "event_id",
            "ticket_id",
            "survey_id",
            "occasion",
            "purpose",
            "state",
            "nominal_on",
            "intended_on",
            "due_at",
            "expires_at",
            "planned_at",
            "reason",
        ]
        statement = on_conflict_do_nothing(session, table).from_select(names, rows)
        count = core(session).execute(statement, execution_options={"preserve_rowcount": True}).rowcount
        if count > 0:
            planned.append((group, count))
    return planned


def count_selection(session: Session, program_id: str, selection: Selection, today: date) -> list[tuple[Group, int]]:
    """How many each group of the Selection would plan: the same condition as `plan_selection`, counted."""
    counted = []
    for group in selection.groups:
        statement = (
            core_select(func.count())
            .select_from(table_of(EnrolmentRow))
            .where(*_members(session, program_id, selection, group, today))
        )
        counted.append((group, session.execute(statement).scalar_one()))
    return counted


def _members(session: Session, program_id: str, selection: Selection, group: Group, today: date) -> list[Any]:
    """Who of the group is meant and has no such follow-up yet."""
    there = table_of(FollowUpRow)
    same = exists().where(
        there.c.program_id == program_id,
        there.c.flow == selection.flow,
        there.c.customer_id == col(EnrolmentRow.customer_id),
        there.c.person_id == 0,
        there.c.matter_id == 0,
        there.c.occasion == group.occasion,
    )
    members = [
        col(EnrolmentRow.program_id) == program_id,
        col(EnrolmentRow.customer_id) == col(CustomerRow.id),
        col(CustomerRow.zone) == group.zone,
        condition(session.get_bind().dialect.name, selection.audience, literal(today, Date)),
        ~same,
    ]
    if group.anchor is not None:
        members.append(_anchor_of(selection.counts_from, program_id, selection.flow) == group.anchor)
    return members


def _anchor_of(counts_from: str, program_id: str, flow: str) -> Any:
    return col(EnrolmentRow.activity_on) if counts_from == "activity" else _chain_anchor(program_id, flow)


def _chain_anchor(program_id: str, flow: str) -> Any:
    """The last nominal date of this chain in the present class, or the day the class began."""
    there = table_of(FollowUpRow)
    last = (
        core_select(func.max(there.c.nominal_on))
        .where(
            there.c.program_id == program_id,
            there.c.flow == flow,
            there.c.customer_id == col(EnrolmentRow.customer_id),
            there.c.nominal_on >= col(EnrolmentRow.class_since),
        )
        .correlate(table_of(EnrolmentRow))
        .scalar_subquery()
    )
    return func.coalesce(last, col(EnrolmentRow.class_since), type_=Date())


def anchors(session: Session, program_id: str, kind: str, flow: str, audience: Predicate, today: date) -> list[Anchor]:
    """The distinct (zone, date) from which a set-based flow counts, among those who are meant."""
    statement = _anchors(session.get_bind().dialect.name, program_id, kind, flow, audience)
    return [Anchor(zone, on, count) for zone, on, count in core(session).execute(statement, {"today": today})]


@lru_cache(maxsize=1000)
def _anchors(dialect: str, program_id: str, kind: str, flow: str, audience: Predicate) -> Any:
    column = literal(None, Date) if kind == "none" else _anchor_of(kind, program_id, flow)
    meant = condition(dialect, audience, bindparam("today", type_=Date))
    inner = (
        core_select(col(CustomerRow.zone).label("zone"), column.label("anchor"))
        .select_from(table_of(EnrolmentRow))
        .join(table_of(CustomerRow), col(CustomerRow.id) == col(EnrolmentRow.customer_id))
        .where(col(EnrolmentRow.program_id) == program_id, meant)
        .subquery()
    )
    return core_select(inner.c.zone, inner.c.anchor, func.count()).group_by(inner.c.zone, inner.c.anchor)


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


def suppress(
    session: Session, customer_id: int, waiting: Sequence[int], because: str, purposes: Sequence[str]
) -> list[FollowUpRow]:
    """Suppress everything of these purposes that is planned for a customer, in every program (R84).

    `waiting`: ids of those whose text was taken out of the outbox. The rows that were suppressed.
    """
    rows = [
        row
        for row in unsent(session, customer_id)
        if row.id in waiting or (row.state == FollowUpState.PLANNED and row.purpose in purposes)
    ]
    return [row for row in rows if move(session, FollowUpRow, row.id, FollowUpState.SUPPRESSED, reason=because)]


def settle(session: Session, follow_up_ids: Sequence[int], target: FollowUpState, **values: Any) -> int:
    return move_many(session, FollowUpRow, follow_up_ids, target, **values)


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


def left_out(session: Session, program_id: str, audience: Any, today: date, *, marketing: bool) -> dict[str, int]:
    """How many of those who are meant a rule leaves out: rule -> customers."""
    usable = exists().where(
        col(ContactPointRow.customer_id) == col(CustomerRow.id), col(ContactPointRow.suppressed_at).is_(None)
    )
    rules = {"opted out": col(CustomerRow.opted_out_at).is_not(None), "no usable channel": ~usable}
    if marketing:
        rules["no marketing consent"] = col(CustomerRow.marketing_consent_at).is_(None)
    statement = (
        core_select(*(func.count().filter(rule) for rule in rules.values()))
        .select_from(table_of(EnrolmentRow))
        .join(table_of(CustomerRow), col(CustomerRow.id) == col(EnrolmentRow.customer_id))
        .where(
            col(EnrolmentRow.program_id) == program_id,
            condition(session.get_bind().dialect.name, audience, literal(today, Date)),
        )
    )
    return dict(zip(rules, session.execute(statement).one(), strict=True))


def sampled_since(session: Session, program_id: str, flow: str, since: date) -> set[int]:
    """Customers whom this flow has sampled since a day (R69)."""
    statement = select(FollowUpRow.customer_id).where(
        FollowUpRow.program_id == program_id, FollowUpRow.flow == flow, FollowUpRow.nominal_on >= since
    )
    return set(session.exec(statement))


def occasion_exists(session: Session, program_id: str, flow: str, occasion: str) -> bool:
    statement = select(FollowUpRow.id).where(
        FollowUpRow.program_id == program_id, FollowUpRow.flow == flow, FollowUpRow.occasion == occasion
    )
    return session.exec(statement.limit(1)).first() is not None


def members(session: Session, program_id: str, audience: Any, today: date) -> list[int]:
    """Ids of the enrolled customers who are meant, for a sample."""
    statement = (
        core_select(col(EnrolmentRow.customer_id))
        .select_from(table_of(EnrolmentRow))
        .join(table_of(CustomerRow), col(CustomerRow.id) == col(EnrolmentRow.customer_id))
        .where(
            col(EnrolmentRow.program_id) == program_id,
            condition(session.get_bind().dialect.name, audience, literal(today, Date)),
        )
    )
    return [row[0] for row in session.execute(statement)]
