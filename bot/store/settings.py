"""Small facts that every process must share."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select
from sqlmodel import Session

from bot.store.rows import core, dialect_of, for_update, on_conflict_do_nothing, table_of, upsert
from bot.store.tables import SettingRow


def read(session: Session, name: str) -> dict[str, Any]:
    """The value, or an empty mapping."""
    return dict(core(session).execute(_read(), {"name": name}).scalar() or {})


@cache
def _read() -> Any:
    table = table_of(SettingRow)
    return select(table.c.value).where(table.c.name == bindparam("name"))


def count(session: Session, name: str, of: str) -> int:
    """One more of these; how many there are now. Whoever counts under the same name waits for this transaction."""
    counts = take(session, name)
    number = int(counts.get(of, 0)) + 1
    write(session, name, {**counts, of: number})
    return number


def take(session: Session, name: str) -> dict[str, Any]:
    """The value, or an empty mapping; whoever takes the same waits for the end of this transaction."""
    table = table_of(SettingRow)
    core(session).execute(on_conflict_do_nothing(dialect_of(session), table).values(name=name, value={}))
    statement = for_update(session, select(table.c.value).where(table.c.name == name))
    return dict(core(session).execute(statement).scalar_one())


def write(session: Session, name: str, value: Mapping[str, Any]) -> None:
    """Keep the value; of two who write at once the later one wins."""
    statement = upsert(session, SettingRow, key="name")
    core(session).execute(statement, {"name": name, "value": dict(value)})
