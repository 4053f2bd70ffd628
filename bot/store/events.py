"""Events, accepted once each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from bot.store.rows import insert_many_once, insert_once, rows_by, table_of
from bot.store.tables import EventRow


def add(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new event, or None when (source, external id) is known (R13)."""
    return insert_once(session, EventRow, values)


def add_many(session: Session, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """External id -> id of the events that were not known before; all rows are of one source."""
    return insert_many_once(session, EventRow, rows, "external_id")


def by_external_id(session: Session, source: str, external_id: str) -> EventRow | None:
    return session.exec(select(EventRow).where(EventRow.source == source, EventRow.external_id == external_id)).first()


def get(session: Session, event_id: int) -> EventRow | None:
    return session.get(EventRow, event_id)


def by_ids(session: Session, event_ids: Iterable[int]) -> dict[int, EventRow]:
    return {row.id: row for row in rows_by(session, EventRow, col(EventRow.id), event_ids)}


def between(session: Session, event: EventRow, since: datetime, until: datetime) -> Sequence[EventRow]:
    """The other events of this customer and type between two instants, both included, oldest first."""
    statement = select(EventRow).where(
        EventRow.customer_id == event.customer_id,
        EventRow.type == event.type,
        EventRow.id != event.id,
        col(EventRow.cancelled_at).is_(None),
        col(EventRow.occurred_at) >= since,
        col(EventRow.occurred_at) <= until,
    )
    return session.exec(statement.order_by(col(EventRow.occurred_at), col(EventRow.id))).all()


def standing(session: Session, customer_id: int, type_: str) -> Sequence[EventRow]:
    """All events of this customer and type that are not cancelled."""
    statement = select(EventRow).where(EventRow.customer_id == customer_id, EventRow.type == type_)
    return session.exec(statement.where(col(EventRow.cancelled_at).is_(None))).all()


def first_since(session: Session, customer_id: int, type_: str, since: datetime) -> EventRow | None:
    """The first event of this customer and type from an instant on that is not cancelled."""
    statement = select(EventRow).where(
        EventRow.customer_id == customer_id,
        EventRow.type == type_,
        col(EventRow.cancelled_at).is_(None),
        col(EventRow.occurred_at) >= since,
    )
    return session.exec(statement.order_by(col(EventRow.occurred_at), col(EventRow.id))).first()


def cancel(session: Session, event_id: int, now: datetime) -> None:
    table = table_of(EventRow)
    session.execute(
        update(table).where(table.c.id == event_id, table.c.cancelled_at.is_(None)).values(cancelled_at=now)
    )


def of_customer(session: Session, customer_id: int, limit: int = 100) -> Sequence[EventRow]:
    statement = (
        select(EventRow)
        .where(EventRow.customer_id == customer_id)
        .order_by(col(EventRow.occurred_at).desc())
        .limit(limit)
    )
    return session.exec(statement).all()
