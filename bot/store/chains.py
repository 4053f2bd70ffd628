"""Chains as rows: the steps that are open, the date a chain counts from, and what ends it."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Date, bindparam, case, delete, exists, func, literal, or_
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.audiences import condition, day_text
from bot.store.rows import core, insert_once, table_of
from bot.store.tables import CustomerRow, EnrolmentRow, EventRow, FollowUpRow, MatterRow, RestartRow, TaskRow
from flows.chains import OVER, RESTARTED
from flows.decisions import CountsFrom
from flows.program import Flow
from flows.selections import date_of
from flows.states import FollowUpState, TaskState
from flows.triggers import AfterEvent

RECURS = ("event:%", "due:%")
"""Occasions of the links of a chain; what was planned by hand beside it is none."""


def open_steps(session: Session, program_id: str, flow: str, customer_id: int, also: int = 0) -> Sequence[FollowUpRow]:
    """Steps that a contact can still fulfil: planned, or their task is open; the earliest first.

    `also`: the id of a step that is one of them however it stands.
    """
    task_is_open = exists().where(
        col(TaskRow.follow_up_id) == col(FollowUpRow.id), col(TaskRow.state) == str(TaskState.OPEN)
    )
    planned = col(FollowUpRow.state) == str(FollowUpState.PLANNED)
    statement = (
        select(FollowUpRow)
        .where(
            FollowUpRow.program_id == program_id,
            FollowUpRow.flow == flow,
            FollowUpRow.customer_id == customer_id,
            _is_link(),
            or_(planned, task_is_open, col(FollowUpRow.id) == also),
        )
        .order_by(col(FollowUpRow.nominal_on), col(FollowUpRow.id))
    )
    return session.exec(statement).all()


def link_before(session: Session, step: FollowUpRow) -> FollowUpRow | None:
    """The last step of the same chain before this one; those that were cancelled are none."""
    statement = (
        select(FollowUpRow)
        .where(
            FollowUpRow.program_id == step.program_id,
            FollowUpRow.flow == step.flow,
            FollowUpRow.customer_id == step.customer_id,
            FollowUpRow.person_id == step.person_id,
            FollowUpRow.matter_id == step.matter_id,
            FollowUpRow.event_id == step.event_id,
            FollowUpRow.nominal_on < step.nominal_on,
            FollowUpRow.state != FollowUpState.CANCELLED,
            _is_link(),
        )
        .order_by(col(FollowUpRow.nominal_on).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def newest_link(session: Session, program_id: str, flow: str, customer_id: int) -> date | None:
    """The last nominal date of a flow's steps that are settled: neither planned nor cancelled."""
    states = (str(FollowUpState.PLANNED), str(FollowUpState.CANCELLED))
    statement = (
        select(col(FollowUpRow.nominal_on))
        .where(
            FollowUpRow.program_id == program_id,
            FollowUpRow.flow == flow,
            FollowUpRow.customer_id == customer_id,
            col(FollowUpRow.state).not_in(states),
            _is_link(),
        )
        .order_by(col(FollowUpRow.nominal_on).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def last_settled(
    session: Session, program_id: str, flows: Sequence[str], customer_id: int, event_id: int
) -> FollowUpRow | None:
    """The last step that these chains have had of one event: neither planned nor cancelled."""
    states = (str(FollowUpState.PLANNED), str(FollowUpState.CANCELLED))
    statement = (
        select(FollowUpRow)
        .where(
            FollowUpRow.program_id == program_id,
            col(FollowUpRow.flow).in_(flows),
            FollowUpRow.customer_id == customer_id,
            FollowUpRow.event_id == event_id,
            col(FollowUpRow.state).not_in(states),
            _is_link(),
        )
        .order_by(col(FollowUpRow.nominal_on).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def has_step(session: Session, program_id: str, flow: str, customer_id: int, event_id: int) -> bool:
    """Has this flow ever had a step of one event, whatever became of it?"""
    statement = select(FollowUpRow.id).where(
        FollowUpRow.program_id == program_id,
        FollowUpRow.flow == flow,
        FollowUpRow.customer_id == customer_id,
        FollowUpRow.event_id == event_id,
    )
    return session.exec(statement.limit(1)).first() is not None


def _is_link() -> ColumnElement[bool]:
    return or_(*(col(FollowUpRow.occasion).like(pattern) for pattern in RECURS))


def restarted_on(session: Session, program_id: str, flow: str, customer_id: int, matter_id: int = 0) -> date | None:
    """Where the chain counts from since a contact or an agreed date; None: neither came."""
    statement = select(col(RestartRow.on)).where(
        RestartRow.program_id == program_id,
        RestartRow.flow == flow,
        RestartRow.customer_id == customer_id,
        RestartRow.matter_id == matter_id,
    )
    return session.exec(statement).first()


def restart(
    session: Session, program_id: str, flow: str, customer_id: int, on: date, now: datetime, matter_id: int = 0
) -> None:
    """From now on the chain counts from this day, and no step planned before is a link of it.

    The customer is locked by the caller.
    """
    key = {"program_id": program_id, "flow": flow, "customer_id": customer_id, "matter_id": matter_id}
    table = table_of(RestartRow)
    session.execute(delete(table).where(*(table.c[name] == value for name, value in key.items())))
    insert_once(session, RestartRow, {**key, "on": on, "at": now})


def keep(session: Session, program_id: str, flows: Sequence[str], customer_id: int, on: date, at: datetime) -> None:
    """These cadences count from this day on, as they did: each that counts from somewhere already is left alone."""
    same = {"program_id": program_id, "customer_id": customer_id, "matter_id": 0, "on": on, "at": at}
    for flow in flows:
        insert_once(session, RestartRow, {**same, "flow": flow})


def forget(session: Session, program_id: str, flows: Sequence[str], customer_id: int) -> None:
    """These cadences count from the day of the class again, whatever they counted from before."""
    for flow in flows:
        core(session).execute(_forget(), {"of_program": program_id, "of_customer": customer_id, "of_flow": flow})


@cache
def _forget() -> Any:
    table = table_of(RestartRow)
    whose = (table.c.customer_id == bindparam("of_customer"), table.c.program_id == bindparam("of_program"))
    return delete(table).where(*whose, table.c.flow == bindparam("of_flow"), table.c.matter_id == 0)


def ended(
    session: Session, program_id: str, flow: Flow, today: date, customer_ids: Sequence[int] | None = None
) -> list[tuple[int, int]]:
    """(customer, event) of the chains that were over, since a step would have come too late, and may go on again now.

    Not those that an event has stopped, or whose last step was taken back for another reason. `customer_ids`: only of
    these.
    """
    assert isinstance(flow.on, AfterEvent)
    assert flow.on.until is not None
    dialect = str(session.get_bind().dialect.name)
    step, event, stop = table_of(FollowUpRow), table_of(EventRow), table_of(EventRow).alias()
    enrolment, customer = table_of(EnrolmentRow), table_of(CustomerRow)
    ends_on = end_of_chain(dialect, date_of(flow.on.until))
    last = _last_of_idle(program_id, flow.id, customer_ids)
    stopped = exists().where(
        stop.c.customer_id == step.c.customer_id,
        stop.c.type.in_(flow.stops_on),
        stop.c.cancelled_at.is_(None),
        stop.c.occurred_at > event.c.occurred_at,
    )
    may_go_on = (step.c.reason.like(f"{because}%") for because in (OVER, RESTARTED))
    statement = (
        core_select(step.c.customer_id, step.c.event_id)
        .where(
            step.c.id == last.c.id,
            or_(step.c.state != str(FollowUpState.CANCELLED), *may_go_on),
            or_(ends_on.is_(None), ends_on >= today.isoformat()),
            event.c.id == step.c.event_id,
            event.c.cancelled_at.is_(None),
            customer.c.id == step.c.customer_id,
            enrolment.c.customer_id == step.c.customer_id,
            enrolment.c.program_id == program_id,
            condition(dialect, flow.audience, literal(today, Date)),
            ~stopped,
        )
        .order_by(step.c.customer_id, step.c.event_id)
    )
    return [(customer_id, event_id) for customer_id, event_id in core(session).execute(statement)]


def _last_of_idle(program_id: str, flow: str, customer_ids: Sequence[int] | None) -> Any:
    """The last step of each chain of a flow that has none to come."""
    step = table_of(FollowUpRow)
    to_come = func.max(case((step.c.state == str(FollowUpState.PLANNED), 1), else_=0))
    statement = (
        core_select(func.max(step.c.id).label("id"))
        .where(step.c.program_id == program_id, step.c.flow == flow, _is_link())
        .group_by(step.c.customer_id, step.c.event_id)
        .having(to_come == 0)
    )
    if customer_ids is not None:
        statement = statement.where(step.c.customer_id.in_(customer_ids))
    return statement.subquery()


def end_of_chain(dialect: str, until: CountsFrom) -> Any:
    """The date of the customer, or of a step's own matter, after which nothing comes: ISO text."""
    step, matter = table_of(FollowUpRow), table_of(MatterRow)
    if until.kind == "attribute":
        return day_text(dialect, table_of(CustomerRow).c.attributes, until.field)
    return (
        core_select(day_text(dialect, matter.c.dates, until.field))
        .where(matter.c.id == step.c.matter_id)
        .correlate(step)
        .scalar_subquery()
    )


def newest_events(session: Session, customer_id: int, type_: str) -> Sequence[EventRow]:
    """The last event of a type about each matter of a customer, or about none, that was not cancelled."""
    statement = (
        select(EventRow)
        .where(EventRow.customer_id == customer_id, EventRow.type == type_, col(EventRow.cancelled_at).is_(None))
        .order_by(col(EventRow.occurred_at), col(EventRow.id))
    )
    return list({row.matter_id: row for row in session.exec(statement)}.values())


def event_since(session: Session, customer_id: int, types: Sequence[str], since: datetime) -> EventRow | None:
    """The first event of these types after an instant that was not cancelled."""
    statement = (
        select(EventRow)
        .where(
            EventRow.customer_id == customer_id,
            col(EventRow.type).in_(types),
            EventRow.occurred_at > since,
            col(EventRow.cancelled_at).is_(None),
        )
        .order_by(col(EventRow.occurred_at))
        .limit(1)
    )
    return session.exec(statement).first()
