"""Tasks: what people are to do, open until it is recorded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, update
from sqlmodel import Session, col, select

from bot.store.rows import for_update, insert_once, move, rows_by, stands, table_of
from bot.store.tables import StaffRow, TaskRow
from flows.states import TaskState


def open_(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new task; None when it was opened before."""
    return insert_once(session, TaskRow, {"state": str(TaskState.OPEN), "data": {}, "result": "", **values})


def get(session: Session, task_id: int) -> TaskRow | None:
    return session.get(TaskRow, task_id)


def take(session: Session, task_id: int) -> TaskRow | None:
    """The task, locked until the transaction ends."""
    return session.execute(for_update(session, select(TaskRow).where(TaskRow.id == task_id))).scalars().first()


def finish(session: Session, task_id: int, now: datetime, staff_id: int, data: Mapping[str, Any], result: str) -> bool:
    """Record that it is done; False: it was not open any more."""
    return move(
        session, TaskRow, task_id, TaskState.DONE, done_at=now, staff_id=staff_id, data=dict(data), result=result
    )


def cancel(session: Session, task_id: int, because: str) -> bool:
    return move(session, TaskRow, task_id, TaskState.CANCELLED, result=because)


def note(session: Session, task_id: int, **values: Any) -> None:
    """Write down facts that are no state."""
    table = table_of(TaskRow)
    session.execute(update(table).where(table.c.id == task_id).values(**values))


def missing(session: Session, now: datetime, limit: int) -> Sequence[TaskRow]:
    """Open tasks whose superior is to hear of them now."""
    statement = select(TaskRow).where(stands(table_of(TaskRow), TaskState.OPEN), col(TaskRow.misses_at) <= now)
    ordered = statement.order_by(col(TaskRow.misses_at), col(TaskRow.id)).limit(limit)
    return session.execute(for_update(session, ordered, skip_locked=True)).scalars().all()


def note_missed(session: Session, task_ids: Iterable[int]) -> None:
    """The superior knows: it is told once."""
    for row in rows_by(session, TaskRow, col(TaskRow.id), task_ids):
        row.misses_at = None
        session.add(row)


def open_of_follow_ups(session: Session, follow_up_ids: Iterable[int]) -> list[TaskRow]:
    rows = rows_by(session, TaskRow, col(TaskRow.follow_up_id), follow_up_ids)
    return [row for row in rows if row.state == TaskState.OPEN]


def open_of_customer(session: Session, customer_id: int) -> Sequence[TaskRow]:
    """What is open for a customer, the most urgent first."""
    found: Sequence[TaskRow] = session.execute(_open_of_customer(), {"customer": customer_id}).scalars().all()
    return found


@cache
def _open_of_customer() -> Any:
    is_theirs = (TaskRow.customer_id == bindparam("customer"), stands(table_of(TaskRow), TaskState.OPEN))
    return select(TaskRow).where(*is_theirs).order_by(col(TaskRow.due_at), col(TaskRow.id))


def listed(
    session: Session,
    state: TaskState = TaskState.OPEN,
    role: str = "",
    limit: int = 200,
    doer: StaffRow | None = None,
    kind: str = "",
) -> Sequence[TaskRow]:
    """Tasks in a state: open ones the most urgent first, others the latest first.

    `role`, `kind`: only those of it. `doer`: only those of this member; of open ones also those of the whole role.
    """
    statement = select(TaskRow).where(TaskRow.state == state)
    if role:
        statement = statement.where(TaskRow.role == role)
    if kind:
        statement = statement.where(TaskRow.kind == kind)
    if doer is not None:
        statement = statement.where(_theirs(doer, state))
    urgent = (col(TaskRow.due_at), col(TaskRow.id))
    latest = (col(TaskRow.done_at).desc(), col(TaskRow.id).desc())
    return session.exec(statement.order_by(*(urgent if state == TaskState.OPEN else latest)).limit(limit)).all()


def _theirs(doer: StaffRow, state: TaskState) -> ColumnElement[bool]:
    """The tasks that a member did, or may do: named for them, or for nobody and of a role that they have."""
    named = col(TaskRow.staff_id) == doer.id
    if state != TaskState.OPEN:
        return named
    whole = col(TaskRow.program_id) + ":" + col(TaskRow.role)
    shared = col(TaskRow.role).in_(doer.roles) | whole.in_(doer.roles)
    return named | ((col(TaskRow.staff_id) == 0) & shared)


def roles(session: Session) -> list[str]:
    """The roles that tasks are for."""
    return sorted(session.exec(select(TaskRow.role).distinct()).all())
