"""What every noun shares: insert once, move by compare-and-set, read in chunks, write at the end of the transaction.

Statements are built once and kept: building one anew costs more than SQLite takes to answer it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, bindparam, false, insert, literal_column, or_, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, select

from flows.states import sources_of

Row = TypeVar("Row", bound=SQLModel)
CHUNK = 500
"""Values in one IN list; SQLite and PostgreSQL both take far more, plans stay good with this."""
_CORE = "connection"
_LATER = "written at the end of the transaction"


def table_of(model: type[SQLModel]) -> Table:
    return model.__table__  # type: ignore[attr-defined,no-any-return]


def core(session: Session) -> Connection:
    """The connection of this session's transaction, for statements that load no objects."""
    connection = session.info.get(_CORE)
    if connection is None:
        connection = session.info[_CORE] = session.connection()
    return connection


# ----- insert


def insert_once(session: Session, model: type[SQLModel], values: Mapping[str, Any]) -> int | None:
    """Insert a row unless a unique key forbids it; its id, or None when it was there already."""
    found = core(session).execute(_insert_once(model, dialect_of(session), tuple(values)), values).scalar_one_or_none()
    return None if found is None else int(found)


def insert_many(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows at once."""
    if rows:
        execute_many(session, _insert(model), {name: [row[name] for row in rows] for name in rows[0]})


def insert_many_once(
    session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]], key: str
) -> dict[Any, int]:
    """Insert many rows; those that a unique key forbids are passed over. The new ones: value of `key` -> id."""
    if not rows:
        return {}
    statement = _insert_many_once(model, dialect_of(session), key)
    return {value: row_id for value, row_id in core(session).execute(statement, rows)}


def execute_many(session: Session, statement: Any, columns: Mapping[str, Sequence[Any]], **same: Any) -> None:
    """Execute a statement, built once and kept, for many rows: `columns` of values, and what is the `same` in all.

    On SQLite the driver gets the rows at once: SQLAlchemy spends more on the values of a row than SQLite on the row.
    A value that several rows share is made ready once.
    """
    size = len(next(iter(columns.values())))
    if not size:
        return
    everything = {**columns, **{name: [value] * size for name, value in same.items()}}
    if dialect_of(session) != "sqlite":
        rows = zip(*everything.values(), strict=True)
        core(session).execute(statement, [dict(zip(everything, row, strict=True)) for row in rows])
        return
    sql, marks = _in_words_of_driver(statement, tuple(everything))
    values = [_ready(everything.get(name, [fixed] * size), ready) for name, fixed, ready in marks]
    core(session).exec_driver_sql(sql, list(zip(*values, strict=True)))


def _ready(values: Sequence[Any], ready: Callable[[Any], Any] | None) -> Sequence[Any]:
    """The values as the driver takes them."""
    if ready is None:
        return values
    known: dict[int, Any] = {}
    for value in values:
        if id(value) not in known:
            known[id(value)] = ready(value)
    return [known[id(value)] for value in values]


@cache
def _in_words_of_driver(
    statement: Any, names: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, Any, Callable[[Any], Any] | None], ...]]:
    """The SQL; and for each of its marks: name, value where it is no column, how a value is made ready."""
    dialect = sqlite.dialect()
    compiled = statement.compile(dialect=dialect, column_keys=names)
    binds = [compiled.binds[name] for name in compiled.positiontup]
    readies = [bind.type.dialect_impl(dialect).bind_processor(dialect) for bind in binds]
    return str(compiled), tuple((bind.key, bind.value, ready) for bind, ready in zip(binds, readies, strict=True))


def insert_later(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that nobody reads in this transaction: all of them together, at its end."""
    session.info.setdefault(_LATER, {}).setdefault(model, []).extend(rows)


def write_later_rows(session: Session) -> None:
    """Insert what `insert_later` kept; the database's `write()` calls this before it commits."""
    for model, rows in session.info.pop(_LATER, {}).items():
        insert_many(session, model, rows)


def on_conflict_do_nothing(dialect: str, table: Table) -> Any:
    """An INSERT of the database's own dialect that passes over what a unique key forbids."""
    return _dialect_insert(dialect, table).on_conflict_do_nothing()


def upsert(session: Session, model: type[SQLModel], key: str) -> Any:
    """An INSERT that replaces the row of the same `key`."""
    return _upsert(model, dialect_of(session), key)


@cache
def _upsert(model: type[SQLModel], dialect: str, key: str) -> Any:
    table = table_of(model)
    statement = _dialect_insert(dialect, table)
    new = {column.name: statement.excluded[column.name] for column in table.c if column.name != key}
    return statement.on_conflict_do_update(index_elements=[key], set_=new)


def dialect_of(session: Session) -> str:
    return str(session.get_bind().dialect.name)


def _dialect_insert(dialect: str, table: Table) -> Any:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _insert(model: type[SQLModel]) -> Any:
    return insert(table_of(model))


@cache
def _insert_once(model: type[SQLModel], dialect: str, names: tuple[str, ...]) -> Any:
    table = table_of(model)
    values = {name: bindparam(name, type_=table.c[name].type) for name in names}
    return _dialect_insert(dialect, table).values(values).on_conflict_do_nothing().returning(table.c.id)


@cache
def _insert_many_once(model: type[SQLModel], dialect: str, key: str) -> Any:
    table = table_of(model)
    return _dialect_insert(dialect, table).on_conflict_do_nothing().returning(table.c[key], table.c.id)


# ----- move


def move(session: Session, model: type[SQLModel], row_id: int, target: StrEnum, **values: Any) -> bool:
    """Move one row to `target` if `flows/states.py` allows it from where it stands.

    False: it does not, or somebody was faster.
    """
    return move_many(session, model, [row_id], target, **values) > 0


def move_many(session: Session, model: type[SQLModel], row_ids: Sequence[int], target: StrEnum, **values: Any) -> int:
    """Move many rows to `target`, as `move`; how many did."""
    statement = _move(model, target, tuple(values))
    moved = 0
    for chunk in chunks(row_ids):
        parameters = {"row_ids": chunk, **{f"new_{name}": value for name, value in values.items()}}
        moved += core(session).execute(statement, parameters).rowcount
    return moved


@cache
def _move(model: type[SQLModel], target: StrEnum, names: tuple[str, ...]) -> Any:
    table = table_of(model)
    return (
        update(table)
        .where(table.c.id.in_(bindparam("row_ids", expanding=True)), state_is(table, sources_of(target)))
        .values({"state": str(target), **{name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}})
    )


def state_is(table: Table, states: Sequence[StrEnum]) -> Any:
    """The row is in one of these states; written with OR, so that no partial index stands between it and its key."""
    return or_(false(), *(stands(table, state) for state in states))


def stands(table: Table, *states: StrEnum | str) -> Any:
    """The row is in one of these states, said in the words of the partial index.

    A bound value would hide the index, and SQLite would prepare the statement anew for each value bound: several times
    the price of a small query.
    """
    if len(states) == 1:
        return table.c.state == literal_column(f"'{states[0]}'")
    words = ", ".join(f"'{state}'" for state in states)
    return text(f"{table.name}.state IN ({words})")


# ----- read


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


def row_of(session: Session, model: type[Row], row_id: int) -> Row | None:
    """The row of this id. As `session.get`, which builds its statement anew for each row."""
    return session.execute(_row_of(model), {"row": row_id}).scalars().first()


@cache
def _row_of(model: type[SQLModel]) -> Any:
    return select(model).where(table_of(model).c.id == bindparam("row"))


def rows_by(session: Session, model: type[Row], column: Any, values: Iterable[Any]) -> list[Row]:
    """Rows whose `column` is one of `values`."""
    statement = _rows_by(model, column.key)
    found: list[Row] = []
    for chunk in chunks(dict.fromkeys(values)):
        found.extend(session.execute(statement, {"wanted": chunk}).scalars())
    return found


@cache
def _rows_by(model: type[SQLModel], name: str) -> Any:
    return select(model).where(getattr(model, name).in_(bindparam("wanted", expanding=True)))


def for_update(
    session: Session, statement: Select[Any], *, skip_locked: bool = False, of: Table | None = None
) -> Select[Any]:
    """Lock what is selected (`of`: of this table only) on PostgreSQL; SQLite has one writer and needs nothing.

    NO KEY UPDATE: rows that refer to a locked one may still be added; else a sender and a reader would wait for each
    other.
    """
    if dialect_of(session) == "sqlite":
        return statement
    return statement.with_for_update(skip_locked=skip_locked, key_share=True, of=of)
