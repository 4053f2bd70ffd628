"""Replies as they came, stored once, read later, one customer at a time."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Text, bindparam, cast, func, literal, text, update
from sqlalchemy import select as core_select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col, select

from bot.store.db import Database
from bot.store.rows import core, for_update, insert_once, stands, table_of
from bot.store.storable import storable
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

    A transaction of one statement, which takes all of them as one JSON text: row by row, binding the values costs more
    than storing them, and a webhook waits for it.
    """
    return db.write_alone(_add_many(db.engine.dialect.name), {"rows": _json_of(rows)}) if rows else 0


@cache
def _add_many(dialect: str) -> Any:
    """INSERT ... SELECT out of a JSON list of objects."""
    table = table_of(InboundRow)
    rows = bindparam("rows", type_=Text)
    if dialect == "sqlite":
        value = func.json_each(rows).table_valued("value").c.value
        values: dict[str, Any] = {name: func.json_extract(value, f"$.{name}") for name in _SENT}
        values["received_at"] = func.substr(values["received_at"], 1, len("2026-09-28 08:00:00.000000"))
    else:
        value = func.jsonb_array_elements(cast(rows, JSONB)).table_valued("value").c.value
        values = {name: cast(value.op("->>")(name), table.c[name].type) for name in _SENT}
    blank = {name: literal(BLANK[name], table.c[name].type) for name in BLANK if name not in _SENT}
    # without a WHERE, SQLite takes ON CONFLICT for the beginning of a join
    found = core_select(*values.values(), *blank.values()).where(text("1 = 1"))
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    added = insert(table).from_select([*values, *blank], found).on_conflict_do_nothing()
    return added.execution_options(preserve_rowcount=True)


_SENT = (
    *("provider", "provider_message_id", "channel", "from_address", "to_address", "body"),
    *("flag", "tapped", "media", "raw", "received_at"),
)
"""What is known of a reply when it comes."""


def _json_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """As every database takes it."""
    try:
        said = _dumped(rows)
        said.encode()
    except ValueError:  # half a character, or a number that is none
        return _dumped(storable(rows))
    return _dumped(storable(rows)) if "\\u0000" in said else said


def _dumped(rows: Any) -> str:
    return json.dumps(rows, ensure_ascii=False, allow_nan=False, default=_utc)


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(" ", "microseconds")


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
