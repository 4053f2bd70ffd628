"""Small facts that every process must share."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select
from sqlmodel import Session

from bot.store.rows import core, table_of, upsert
from bot.store.tables import SettingRow


def read(session: Session, name: str) -> dict[str, Any]:
    """The value, or an empty mapping."""
    return dict(core(session).execute(_read(), {"name": name}).scalar() or {})


@cache
def _read() -> Any:
    table = table_of(SettingRow)
    return select(table.c.value).where(table.c.name == bindparam("name"))


def write(session: Session, name: str, value: Mapping[str, Any]) -> None:
    """Keep the value; of two who write at once the later one wins."""
    statement = upsert(session, SettingRow, key="name")
    core(session).execute(statement, {"name": name, "value": dict(value)})
