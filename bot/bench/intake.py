"""Intake: events accepted, measured and planned, beside the same rows written by bare SQL into the same tables."""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.bench.measure import peak_megabytes, seconds
from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.runtime import Runtime
from bot.shelf import stock
from bot.store.db import Database
from bot.store.migrate import migrate

START = datetime.fromisoformat("2026-03-02T08:00:00+08:00")


def bench_intake(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` customers (default 10,000) with three purchases each, all of them planned."""
    size = size or 10_000
    with tempfile.TemporaryDirectory() as folder:
        runtime = _runtime(Path(folder) / "product.sqlite")
        begun = seconds()
        accept_customers(
            runtime,
            "bench",
            [
                CustomerIn(f"c{n}", f"Customer {n}", f"+1555{n:07d}", programs=("retail_aftersales",))
                for n in range(size)
            ],
        )
        customers_took = seconds() - begun
        rows = [
            EventIn(f"e{n}", "purchase", f"c{n % size}", START + timedelta(hours=n % 5), {"amount": 10.0 + n % 90})
            for n in range(size * 3)
        ]
        begun = seconds()
        accept_events(runtime, "bench", rows)
        events_took = seconds() - begun
        floor = _floor(runtime.db, Path(folder) / "floor.sqlite")
    yield f"intake: {size:,} customers, {len(rows):,} events, each of which plans a follow-up; SQLite file"
    yield f"  customers {customers_took:.1f} s ({size / customers_took:,.0f}/s)"
    yield f"  events {events_took:.1f} s ({len(rows) / events_took:,.0f}/s), peak {peak_megabytes():.0f} MB"
    yield f"  floor, the same rows by executemany: {floor:.1f} s; ratio {floor / events_took:.2f}"


def _runtime(file: Path) -> Runtime:
    clock = SimulatedClock(START)
    db = Database(f"sqlite:///{file}")
    migrate(db)
    ids = stock(db, ["retail_aftersales"], clock.now())
    runtime = simulated_runtime(Settings(_env_file=None), db, clock, ids, seed=1)
    runtime.shelf.refresh()
    return runtime


def _floor(source: Database, file: Path) -> float:
    """Seconds to write the very rows that the product wrote, by sqlite3 alone, in batches of 500."""
    target = Database(f"sqlite:///{file}")
    migrate(target)
    tables = ("customer", "program_version", "event", "follow_up", "trail")
    copied: dict[str, tuple[str, Sequence[Any]]] = {}
    raw = source.engine.raw_connection()
    for table in tables:
        cursor = raw.cursor()
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - names from the tuple above
        marks = ", ".join("?" for _ in cursor.description)
        copied[table] = (f"INSERT INTO {table} VALUES ({marks})", cursor.fetchall())  # noqa: S608
    raw.close()
    connection = target.engine.raw_connection()
    cursor = connection.cursor()
    for table in ("customer", "program_version"):
        cursor.executemany(*copied[table])
    begun = seconds()
    for table in ("event", "follow_up", "trail"):
        statement, rows = copied[table]
        for start in range(0, len(rows), 500):
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(statement, rows[start : start + 500])
            cursor.execute("COMMIT")
    took = seconds() - begun
    connection.close()
    return took
