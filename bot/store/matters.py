"""Matters of customers: contracts, vehicles, invoices, orders, projects, with the dates that triggers count from."""

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session, col, select

from bot.store.rows import insert_once, rows_by
from bot.store.selections import CLOSED
from bot.store.tables import MatterRow

OF_EVENT = "event:"
"""How the key begins of a matter that nobody has named: it ends with the event that told of it."""


def key_of_event(external_id: str) -> str:
    """The key of a matter that an event tells of without naming it."""
    return f"{OF_EVENT}{external_id[-(128 - len(OF_EVENT)) :]}"


def name_of(matter: MatterRow | None) -> str | None:
    """What the customer calls it, such as a number plate; None: nobody has named it."""
    return None if matter is None or matter.external_id.startswith(OF_EVENT) else matter.external_id


def find_or_add(session: Session, customer_id: int, source: str, kind: str, external_id: str) -> int:
    """The id of this matter of the customer; added when new. Another customer may have one by the same key."""
    values = {
        "customer_id": customer_id,
        "source": source,
        "kind": kind,
        "external_id": external_id,
        "dates": {},
        "state": "open",
    }
    new = insert_once(session, MatterRow, values)
    if new is not None:
        return new
    statement = select(MatterRow.id).where(
        MatterRow.customer_id == customer_id,
        MatterRow.source == source,
        MatterRow.kind == kind,
        MatterRow.external_id == external_id,
    )
    return session.exec(statement).one()


def update(session: Session, matter_id: int, dates: Mapping[str, str | None], state: str = "") -> bool:
    """Set some of its dates (ISO days; None takes one away) and its state; whether that changed anything."""
    row = session.get(MatterRow, matter_id)
    if row is None:
        return False
    merged = {name: day for name, day in {**row.dates, **dates}.items() if day is not None}
    if merged == row.dates and state in ("", row.state):
        return False
    row.dates, row.state = merged, state or row.state
    session.add(row)
    session.flush()
    return True


def by_ids(session: Session, matter_ids: Iterable[int]) -> dict[int, MatterRow]:
    return {row.id: row for row in rows_by(session, MatterRow, col(MatterRow.id), matter_ids)}


def of_customer(session: Session, customer_id: int) -> Sequence[MatterRow]:
    return session.exec(select(MatterRow).where(MatterRow.customer_id == customer_id).order_by(col(MatterRow.id))).all()


def open_of(session: Session, customer_id: int, kind: str) -> Sequence[MatterRow]:
    """The matters of this kind that a customer has and that are not closed, in the order in which they were told."""
    statement = select(MatterRow).where(
        MatterRow.customer_id == customer_id, MatterRow.kind == kind, MatterRow.state != CLOSED
    )
    return session.exec(statement.order_by(col(MatterRow.id))).all()
