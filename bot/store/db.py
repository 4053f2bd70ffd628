"""Opens the database and hands out short transactions: `write()` and `read()`.

SQLite: WAL, synchronous=FULL, one writer. A write transaction begins IMMEDIATE behind a process-wide lock, so that
writers queue here, in order, and not in SQLite's busy loop. PostgreSQL: plain transactions; claims lock their rows.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, Executable, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from bot.errors import SettingError
from bot.store.rows import core, write_later_rows
from bot.store.turns import Turns

Answer = TypeVar("Answer")
MEMORY = "sqlite://"
PASSING = (OperationalError,)
"""Trouble of the database itself (gone, locked, two who wait for each other): the same step may well succeed later."""
BUSY_TIMEOUT_MS = 10_000
REPEATABLE = {"synchronous": "NORMAL", "wal_autocheckpoint": 8_000}
"""SQLite, for what may be done again: the disk is waited for once in 32 MB, not at each commit."""
LASTING = {"synchronous": "FULL", "wal_autocheckpoint": 1_000}
_REPEATABLE = "writes what can be repeated"
POOL_TIMEOUT = 10
"""Seconds for which somebody waits for a connection that others hold."""
STATEMENTS = 500
"""Prepared statements that a connection to SQLite keeps: the driver's own 128 are fewer than a day's work asks."""
PROMPT = {"connect_timeout": 3, "keepalives_idle": 10, "keepalives_interval": 5, "tcp_user_timeout": 10_000}
"""A PostgreSQL that is silent is given up after seconds (`tcp_user_timeout`: milliseconds), not after hours."""


class Database:
    """A place to keep rows. `write()` and `read()` give a Session inside one transaction."""

    def __init__(self, url: str, schema: str | None = None) -> None:
        """Open `url` (sqlite:///file, sqlite://, postgresql://...); SettingError names what is wrong with it."""
        self.url = url
        self.schema = schema
        self._engine = _open(url, schema)
        self.dialect = self._engine.dialect.name
        self.is_sqlite = self.dialect == "sqlite"
        self.in_memory = url in (MEMORY, "sqlite:///:memory:")
        self._writers = Turns()

    @property
    def busy(self) -> bool:
        """Does anybody else of this process write now? On SQLite; elsewhere nobody waits for another."""
        return self._writers.busy

    @property
    def engine(self) -> Engine:
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One write transaction: committed at the end, rolled back on an error."""
        with self._turn(), self._session() as session, session.begin():
            if self.is_sqlite:
                core(session).exec_driver_sql("BEGIN IMMEDIATE")
            yield session
            write_later_rows(session)

    @contextmanager
    def write_repeatable(self) -> Iterator[Session]:
        """As `write`, for what the next run does again: a power failure may take it back, though never a part of it.

        The next `write` of anybody makes it last, too: what is built on it cannot be there without it.
        """
        with self._turn(), self._session() as session, session.begin():
            if self.is_sqlite:
                core(session).info[_REPEATABLE] = True
                _set(core(session).connection, REPEATABLE)
                core(session).exec_driver_sql("BEGIN IMMEDIATE")
            else:
                session.execute(text("SET LOCAL synchronous_commit = off"))
            yield session
            write_later_rows(session)

    def write_alone(self, statement: Executable, values: Mapping[str, Any]) -> int:
        """A write transaction of one statement; how many rows it wrote.

        SQLite takes it in one call, from the lock to the disk. A thread that begins, writes and commits by one call
        each has to wait for the event loop after each of them, up to 5 ms while that is busy.
        """
        with self._turn(), self._engine.begin() as connection:
            return connection.execute(statement, values).rowcount

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the other writers of this process."""
        if not self.is_sqlite:
            yield
            return
        with self._writers.turn():
            yield

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One read transaction: what is added to it is not kept."""
        with self._session() as session:
            if self.is_sqlite and not self.in_memory:  # there it is one connection: nobody writes between two reads
                core(session).exec_driver_sql("BEGIN")
            yield session

    def _session(self) -> Session:
        return Session(self._engine, expire_on_commit=False)

    async def beside(self, step: Callable[..., Answer], *args: Any) -> Answer:
        """Do database work beside the event loop; in it where the database lives in memory and has one thread."""
        if self.in_memory:
            return step(*args)
        return await asyncio.to_thread(step, *args)

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def throw_away(url: str = MEMORY) -> Iterator[Database]:
    """A database of its own for a rehearsal: in memory, or a temporary schema on PostgreSQL; gone afterwards."""
    if url.startswith("sqlite"):
        database = Database(MEMORY)
        try:
            yield database
        finally:
            database.close()
        return
    schema = f"rehearsal_{secrets.token_hex(8)}"
    outer = _open(url, None)
    with outer.begin() as connection:
        connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    database = Database(url, schema)
    try:
        yield database
    finally:
        database.close()
        with outer.begin() as connection:
            connection.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
        outer.dispose()


def _set(connection: Any, pragmas: Mapping[str, Any]) -> None:
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name}={value}")


def _open(url: str, schema: str | None) -> Engine:
    """An engine whose errors never tell the values: they hold phones and words of customers, and end in logs."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingError(
            "HUIFANG_DATABASE_URL",
            "is no database URL",
            "write sqlite:///huifang.sqlite or postgresql://user@host/name",
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(url, parsed.database)
    if backend == "postgresql":
        connect_args: dict[str, Any] = {**PROMPT, **({"options": f"-csearch_path={schema}"} if schema else {})}
        url_with_driver = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            url_with_driver,
            connect_args=connect_args,
            pool_size=8,
            max_overflow=8,
            pool_timeout=POOL_TIMEOUT,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    raise SettingError("HUIFANG_DATABASE_URL", f"names {backend}", "use SQLite or PostgreSQL")


def _open_sqlite(url: str, file: str | None) -> Engine:
    """Transactions begin where they are asked for: a listener for "begin" would cost each statement a third more."""
    in_memory = not file or file == ":memory:"
    one_file = {"check_same_thread": False, "cached_statements": STATEMENTS}
    if in_memory:
        engine = create_engine(url, poolclass=StaticPool, connect_args=one_file, hide_parameters=True)
    else:
        Path(str(file)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args=one_file, pool_size=8, max_overflow=8, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        _set(connection, {"busy_timeout": BUSY_TIMEOUT_MS, "journal_mode": "WAL", **LASTING})
        _set(connection, {"foreign_keys": "ON", "temp_store": "MEMORY", "cache_size": -65536})

    @event.listens_for(engine, "checkin")
    def give_back(connection: Any, record: Any) -> None:
        if record.info.pop(_REPEATABLE, False):
            _set(connection, LASTING)

    return engine
