"""Replies as they came, stored once, read later, one customer at a time."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.rows import core, for_update, insert_once, stands, table_of
from bot.store.tables import InboundRow


def add(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new reply, or None when the provider delivered it before (R126)."""
    blank = {"customer_id": 0, "staff_id": 0, "survey_id": 0, "reading": {}, "state": "received", "raw": {}}
    return insert_once(session, InboundRow, {**blank, **values})


def unread_ids(session: Session, limit: int) -> Sequence[int]:
    """Ids of replies that nobody has read, oldest first."""
    return core(session).execute(_unread(), {"most": limit}).scalars().all()


@cache
def _unread() -> Any:
    table = table_of(InboundRow)
    return core_select(table.c.id).where(stands(table, "received")).order_by(table.c.id).limit(bindparam("most"))


def take(session: Session, inbound_id: int, state: str = "received") -> InboundRow | None:
    """This reply if it is still unread (or in another state), locked until the transaction ends."""
    return session.execute(for_update(session, _take()), {"row": inbound_id, "of_state": state}).scalars().first()


@cache
def _take() -> Any:
    return select(InboundRow).where(InboundRow.id == bindparam("row"), InboundRow.state == bindparam("of_state"))


def mark(session: Session, inbound_id: int, state: str, **values: Any) -> None:
    """`read`, `person` (waits for a person) or `coded`."""
    new = {"state": state, **values}
    core(session).execute(_mark(tuple(new)), {"row": inbound_id, **{f"new_{n}": v for n, v in new.items()}})


@cache
def _mark(names: tuple[str, ...]) -> Any:
    table = table_of(InboundRow)
    values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    return update(table).where(table.c.id == bindparam("row")).values(values)


def get(session: Session, inbound_id: int) -> InboundRow | None:
    return session.get(InboundRow, inbound_id)


def by_ids(session: Session, ids: Sequence[int]) -> dict[int, InboundRow]:
    return {row.id: row for row in session.exec(select(InboundRow).where(col(InboundRow.id).in_(ids)))}


def on_page(session: Session, survey_id: int) -> Sequence[InboundRow]:
    """What was sent from this survey's page, oldest first."""
    statement = select(InboundRow).where(InboundRow.survey_id == survey_id, InboundRow.provider == "page")
    return session.exec(statement.order_by(col(InboundRow.id))).all()


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
