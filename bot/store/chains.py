"""Chains as rows: the steps that are open, the date a chain counts from, and what ends it."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement, delete, exists, or_
from sqlmodel import Session, col, select

from bot.store.rows import insert_once, table_of
from bot.store.tables import EventRow, FollowUpRow, RestartRow, TaskRow
from flows.states import FollowUpState, TaskState

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
    """From now on the chain counts from this day; the customer is locked by the caller."""
    key = {"program_id": program_id, "flow": flow, "customer_id": customer_id, "matter_id": matter_id}
    table = table_of(RestartRow)
    session.execute(delete(table).where(*(table.c[name] == value for name, value in key.items())))
    insert_once(session, RestartRow, {**key, "on": on, "at": now})


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
