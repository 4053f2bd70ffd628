"""A rehearsal's database begins as a copy of one that was migrated: the migrations themselves have their own tests."""

import sqlite3
from pathlib import Path

import pytest

from bot.store.db import Database
from bot.store.migrate import migrate


@pytest.fixture(autouse=True)
def migrated_once(migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite, since a hundred scenarios would be migrated a hundred times."""

    def copied(db: Database) -> None:
        if not db.is_sqlite:
            migrate(db)
            return
        with sqlite3.connect(migrated_file) as empty, db.engine.connect() as connection:
            empty.backup(connection.connection.driver_connection)  # type: ignore[arg-type]

    monkeypatch.setattr("bot.rehearsal.migrate", copied)
