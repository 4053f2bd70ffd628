"""What the database says of itself: can it be written to, are its tables those of this version, what time is it there.

For `huifang doctor`; changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from bot.errors import HuifangError
from bot.store.db import Database
from bot.store.migrate import alembic_config


class DatabaseTrouble(HuifangError):  # noqa: N818 - the name says what happened
    """The database cannot be reached, read or written to."""


@dataclass(frozen=True)
class Condition:
    """`revision`: of its tables, None: it has none yet; `newest`: of this version. `weak`: what a power cut may cost.

    `clock`: the time of its machine; None where it has no machine of its own.
    """

    revision: str | None
    newest: str | None
    weak: tuple[str, ...]
    clock: datetime | None


def condition_of(db: Database) -> Condition:
    """DatabaseTrouble says in the database's own words what is wrong; a write transaction is begun and left empty."""
    newest = ScriptDirectory.from_config(alembic_config()).get_current_head()
    try:
        with db.write() as session:
            revision = MigrationContext.configure(session.connection()).get_current_revision()
            clock = None if db.is_sqlite else session.execute(text("SELECT clock_timestamp()")).scalar_one()
            return Condition(revision, newest, tuple(_weak(session, sqlite=db.is_sqlite)), clock)
    except DBAPIError as error:
        raise DatabaseTrouble(str(error.orig).partition("\n")[0]) from None


def _weak(session: Session, *, sqlite: bool) -> Iterator[str]:
    """Settings under which something that we were told is written may be lost."""
    if sqlite:
        if session.execute(text("PRAGMA synchronous")).scalar_one() < 2:
            yield "synchronous is not FULL"
        if session.execute(text("PRAGMA journal_mode")).scalar_one() != "wal":
            yield "journal_mode is not WAL"
        return
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if session.execute(text(f"SHOW {name}")).scalar_one() == "off":
            yield f"{name} is off"
    if session.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
        raise DatabaseTrouble("the database can only be read")
