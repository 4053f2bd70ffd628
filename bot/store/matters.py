"""Matters of customers: contracts, vehicles, invoices, orders, projects, with the dates that triggers count from."""

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session, col, select

from bot.store.rows import insert_once, rows_by
from bot.store.tables import MatterRow


def find_or_add(session: Session, customer_id: int, source: str, kind: str, external_id: str) -> int:
    """The id of this matter; added when new."""
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
        MatterRow.source == source, MatterRow.kind == kind, MatterRow.external_id == external_id
    )
    return session.exec(statement).one()


def find_or_add_own(session: Session, customer_id: int, source: str, kind: str, external_id: str) -> int:
    """As `find_or_add`, but 0 where the source has told of this one as somebody else's."""
    matter_id = find_or_add(session, customer_id, source, kind, external_id)
    row = session.get(MatterRow, matter_id)
    return matter_id if row is not None and row.customer_id == customer_id else 0


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
