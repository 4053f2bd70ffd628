"""Three ways to write that every noun shares: insert once, move by compare-and-set, read in chunks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Select, Table, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, select

from flows.states import sources_of

Row = TypeVar("Row", bound=SQLModel)
CHUNK = 500
"""Values in one IN list; SQLite and PostgreSQL both take far more, plans stay good with this."""


def table_of(model: type[SQLModel]) -> Table:
    return model.__table__  # type: ignore[attr-defined,no-any-return]


def insert_once(session: Session, model: type[SQLModel], values: Mapping[str, Any]) -> int | None:
    """Insert a row unless a unique key forbids it; its id, or None when it was there already."""
    table = table_of(model)
    statement = on_conflict_do_nothing(session, table).values(**values).returning(table.c.id)
    found = session.execute(statement).scalar_one_or_none()
    return None if found is None else int(found)


def insert_many(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows at once."""
    if rows:
        session.execute(insert(table_of(model)), rows)


def insert_many_once(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows; those that a unique key forbids are passed over."""
    if rows:
        session.execute(on_conflict_do_nothing(session, table_of(model)), rows)


def on_conflict_do_nothing(session: Session, table: Table) -> Any:
    """An INSERT of the database's own dialect that passes over what a unique key forbids."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def move(session: Session, model: type[SQLModel], row_id: int, target: StrEnum, **values: Any) -> bool:
    """Move one row to `target` if `flows/states.py` allows it from where it stands; False: it does not, or was faster."""
    table = table_of(model)
    statement = (
        update(table)
        .where(table.c.id == row_id, table.c.state.in_([str(state) for state in sources_of(target)]))
        .values(state=str(target), **values)
    )
    return bool(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def move_many(session: Session, model: type[SQLModel], row_ids: Sequence[int], target: StrEnum, **values: Any) -> int:
    """Move many rows to `target`, as `move`; how many did."""
    table = table_of(model)
    moved = 0
    for chunk in chunks(row_ids):
        statement = (
            update(table)
            .where(table.c.id.in_(chunk), table.c.state.in_([str(state) for state in sources_of(target)]))
            .values(state=str(target), **values)
        )
        moved += session.execute(statement).rowcount  # type: ignore[attr-defined]
    return moved


def chunks(values: Iterable[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """Lists of at most `size` values."""
    chunk: list[Any] = []
    for value in values:
        chunk.append(value)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def rows_by(session: Session, model: type[Row], column: Any, values: Iterable[Any]) -> list[Row]:
    """Rows whose `column` is one of `values`."""
    found: list[Row] = []
    for chunk in chunks(dict.fromkeys(values)):
        found.extend(session.exec(select(model).where(column.in_(chunk))).all())
    return found


def for_update(session: Session, statement: Select[Any], *, skip_locked: bool = False) -> Select[Any]:
    """Lock what is selected on PostgreSQL; SQLite has one writer and needs nothing."""
    if session.get_bind().dialect.name == "sqlite":
        return statement
    return statement.with_for_update(skip_locked=skip_locked)
