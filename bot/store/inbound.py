"""Replies as they came, stored once, read later, one customer at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from bot.store.rows import for_update, insert_once, table_of
from bot.store.tables import InboundRow


def add(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new reply, or None when the provider delivered it before (R126)."""
    blank = {"customer_id": 0, "staff_id": 0, "survey_id": 0, "reading": {}, "state": "received", "raw": {}}
    return insert_once(session, InboundRow, {**blank, **values})


def unread_ids(session: Session, limit: int) -> Sequence[int]:
    """Ids of replies that nobody has read, oldest first."""
    statement = select(InboundRow.id).where(InboundRow.state == "received").order_by(col(InboundRow.id)).limit(limit)
    return session.exec(statement).all()


def take(session: Session, inbound_id: int) -> InboundRow | None:
    """This reply if it is still unread, locked until the transaction ends."""
    statement = for_update(
        session, select(InboundRow).where(InboundRow.id == inbound_id, InboundRow.state == "received")
    )
    return session.execute(statement).scalars().first()


def first_unread(session: Session) -> datetime | None:
    statement = (
        select(InboundRow.received_at).where(InboundRow.state == "received").order_by(col(InboundRow.id)).limit(1)
    )
    return session.exec(statement).first()


def mark(session: Session, inbound_id: int, state: str, **values: Any) -> None:
    """`read`, `person` (waits for a person) or `coded`."""
    table = table_of(InboundRow)
    session.execute(update(table).where(table.c.id == inbound_id).values(state=state, **values))


def get(session: Session, inbound_id: int) -> InboundRow | None:
    return session.get(InboundRow, inbound_id)


def by_ids(session: Session, ids: Sequence[int]) -> dict[int, InboundRow]:
    return {row.id: row for row in session.exec(select(InboundRow).where(col(InboundRow.id).in_(ids)))}


def for_person(session: Session, limit: int = 100) -> Sequence[InboundRow]:
    """Replies that wait for a person to code them (R124)."""
    statement = select(InboundRow).where(InboundRow.state == "person").order_by(col(InboundRow.id)).limit(limit)
    return session.exec(statement).all()


def of_customer(session: Session, customer_id: int, limit: int = 200) -> Sequence[InboundRow]:
    statement = (
        select(InboundRow).where(InboundRow.customer_id == customer_id).order_by(col(InboundRow.id).desc()).limit(limit)
    )
    return list(reversed(session.exec(statement).all()))


def count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(InboundRow)).one()
