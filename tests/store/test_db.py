"""Where a transaction begins, what kind of it waits for the disk, and what is left of one that fails."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlmodel import Session

from bot.store import settings
from bot.store.db import Database
from bot.store.migrate import migrate


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


def test_on_sqlite_what_a_reader_has_seen_stays_while_others_write(migrated_file: Path, tmp_path: Path) -> None:
    db = Database(f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'huifang.sqlite')}")
    with db.read() as reader:
        assert not settings.read(reader, "a")
        with db.write() as session:
            settings.write(session, "a", {"kept": True})
        assert not settings.read(reader, "a")
    db.close()


def test_a_migration_that_fails_leaves_no_table_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(config: object, revision: str) -> None:
        config.attributes["connection"].exec_driver_sql("CREATE TABLE half (id INTEGER)")  # type: ignore[attr-defined]
        raise KeyError(revision)

    monkeypatch.setattr("bot.store.migrate.command.upgrade", break_off)
    db = Database(f"sqlite:///{tmp_path / 'huifang.sqlite'}")
    with pytest.raises(KeyError):
        migrate(db)
    assert not inspect(db.engine).get_table_names()
    db.close()
