"""Replies as they came, stored once, read later, one customer at a time."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, literal, text, update
from sqlalchemy import select as core_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from bot.store.bulk import columns_of_bulk, in_bulk
from bot.store.db import Database
from bot.store.rows import core, for_update, insert_once, row_of, stands, table_of
from bot.store.tables import InboundRow

BLANK: Mapping[str, Any] = {
    "customer_id": 0,
    "staff_id": 0,
    "survey_id": 0,
    "reading": {},
    "state": "received",
    "flag": "",
    "tapped": "",
    "media": 0,
    "raw": {},
}


def add(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new reply, or None when the provider delivered it before (R126)."""
    return insert_once(session, InboundRow, {**BLANK, **values})


def add_many(db: Database, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add replies in this order; those that the provider delivered before are passed over. How many are new.

    A transaction of one statement: a webhook waits for it.
    """
    if not rows:
        return 0
    return db.write_alone(
        _add_many(db.engine.dialect.name), {"rows": in_bulk([[row[name] for name in _SENT] for row in rows])}
    )


_SENT = (
    *("provider", "provider_message_id", "channel", "from_address", "to_address", "body"),
    *("flag", "tapped", "media", "raw", "received_at"),
)
"""What is known of a reply when it comes."""


@cache
def _add_many(dialect: str) -> Any:
    """INSERT ... SELECT out of the rows in bulk."""
    table = table_of(InboundRow)
    sent = columns_of_bulk(dialect, {name: table.c[name].type for name in _SENT})
    blank = {name: literal(BLANK[name], table.c[name].type) for name in BLANK if name not in _SENT}
    # without a WHERE, SQLite takes ON CONFLICT for the beginning of a join
    found = core_select(*sent.values(), *blank.values()).where(text("1 = 1"))
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    added = insert(table).from_select([*sent, *blank], found).on_conflict_do_nothing()
    return added.execution_options(preserve_rowcount=True)


def unread_ids(session: Session, limit: int) -> Sequence[int]:
    """Ids of replies that nobody has read, oldest first."""
    return core(session).execute(_unread(), {"most": limit}).scalars().all()


@cache
def _unread() -> Any:
    table = table_of(InboundRow)
    return core_select(table.c.id).where(stands(table, "received")).order_by(table.c.id).limit(bindparam("most"))


def take(session: Session, inbound_id: int, state: str = "received") -> InboundRow | None:
    """This reply if it is still unread (or in another state), locked until the transaction ends."""
    return session.execute(for_update(session, _take(state)), {"row": inbound_id}).scalars().first()


@cache
def _take(state: str) -> Any:
    return select(InboundRow).where(InboundRow.id == bindparam("row"), stands(table_of(InboundRow), state))


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
    return row_of(session, InboundRow, inbound_id)


def by_ids(session: Session, ids: Sequence[int]) -> dict[int, InboundRow]:
    return {row.id: row for row in session.exec(select(InboundRow).where(col(InboundRow.id).in_(ids)))}


def on_page(session: Session, survey_id: int) -> Sequence[InboundRow]:
    """What was sent from this survey's page, oldest first."""
    statement = select(InboundRow).where(InboundRow.survey_id == survey_id, InboundRow.provider == "page")
    return session.exec(statement.order_by(col(InboundRow.id))).all()


def for_person(session: Session, limit: int = 100, customer_id: int = 0) -> Sequence[InboundRow]:
    """Replies that wait for a person to code them, of everybody or of one customer (R124)."""
    statement = select(InboundRow).where(InboundRow.state == "person")
    if customer_id:
        statement = statement.where(InboundRow.customer_id == customer_id)
    return session.exec(statement.order_by(col(InboundRow.id)).limit(limit)).all()


def of_customer(session: Session, customer_id: int, limit: int = 200) -> Sequence[InboundRow]:
    statement = (
        select(InboundRow).where(InboundRow.customer_id == customer_id).order_by(col(InboundRow.id).desc()).limit(limit)
    )
    return list(reversed(session.exec(statement).all()))


def count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(InboundRow)).one()
