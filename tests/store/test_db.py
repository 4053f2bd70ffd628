"""What kind of transaction waits for the disk."""

from sqlalchemy import text
from sqlmodel import Session

from bot.store import settings
from bot.store.db import Database


def how(db: Database, session: Session) -> str:
    """How a commit waits, as the database itself says it."""
    asked = "PRAGMA synchronous" if db.is_sqlite else "SHOW synchronous_commit"
    return str(session.execute(text(asked)).scalar_one())


def test_what_may_be_done_again_does_not_wait_for_the_disk_and_all_else_does(db: Database) -> None:
    with db.write() as session:
        waits = how(db, session)
    with db.write_repeatable() as session:
        settings.write(session, "a", {"kept": True})
        assert how(db, session) == ("1" if db.is_sqlite else "off")
    with db.write() as session:
        assert how(db, session) == waits == ("2" if db.is_sqlite else "on")
        assert settings.read(session, "a") == {"kept": True}


def test_a_repeatable_transaction_that_fails_leaves_nothing_behind(db: Database) -> None:
    try:
        with db.write_repeatable() as session:
            settings.write(session, "a", {"kept": True})
            raise KeyError
    except KeyError:
        pass
    with db.write() as session:
        assert not settings.read(session, "a")
        assert how(db, session) == ("2" if db.is_sqlite else "on")
