"""Contacts that were made otherwise - calls, visits, letters -, logged once each; and the tasks that they settle."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, func, select

from bot.store.rows import insert_once, move
from bot.store.tables import ContactPersonRow, ContactRow, TaskRow
from flows.states import TaskState


def add(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new contact, or None when (source, external id) is known."""
    return insert_once(session, ContactRow, values)


def known(session: Session, source: str, external_ids: Sequence[str]) -> dict[str, ContactRow]:
    """Contacts that this source has told already, by its ids."""
    statement = select(ContactRow).where(ContactRow.source == source, col(ContactRow.external_id).in_(external_ids))
    return {row.external_id: row for row in session.exec(statement)}


def of_customer(session: Session, customer_id: int, limit: int) -> Sequence[ContactRow]:
    """The latest contacts with a customer, the newest first."""
    statement = select(ContactRow).where(ContactRow.customer_id == customer_id)
    return session.exec(statement.order_by(col(ContactRow.at).desc(), col(ContactRow.id).desc()).limit(limit)).all()


def last_on(session: Session, program_id: str, customer_id: int, kinds: Sequence[str]) -> date | None:
    """The day of the last contact of these kinds that counts; None: there was none."""
    statement = select(func.max(col(ContactRow.on))).where(
        ContactRow.customer_id == customer_id,
        ContactRow.program_id == program_id,
        col(ContactRow.kind).in_(kinds),
        col(ContactRow.counts),
    )
    return session.exec(statement).one()


def persons_called(session: Session, customer_id: int, name: str) -> Sequence[ContactPersonRow]:
    """Persons at a customer of this name or role."""
    statement = select(ContactPersonRow).where(
        ContactPersonRow.customer_id == customer_id,
        (col(ContactPersonRow.name) == name) | (col(ContactPersonRow.role) == name),
    )
    return session.exec(statement).all()


def finish_tasks(session: Session, follow_up_id: int, now: datetime, result: str) -> int:
    """Set the open tasks of a follow-up done, since a contact is what they wanted; how many were."""
    statement = select(TaskRow.id).where(TaskRow.follow_up_id == follow_up_id, TaskRow.state == TaskState.OPEN)
    ids = session.exec(statement).all()
    return sum(move(session, TaskRow, row_id, TaskState.DONE, done_at=now, result=result) for row_id in ids)
