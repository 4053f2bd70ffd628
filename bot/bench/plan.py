"""Planning a festival for many customers, beside one bare INSERT ... SELECT of the same rows."""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import text

from bot.bench.measure import peak_megabytes, seconds
from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.journey.occasions import plan_occasions
from bot.shelf import stock
from bot.store.db import Database
from bot.store.migrate import migrate

EVE = datetime.fromisoformat("2026-09-23T08:00:00+08:00")
"""Two days before Mid-Autumn 2026: within the horizon."""
CUSTOMERS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :size)
INSERT INTO customer (id, external_id, name, title, language, zone, attributes, created_at)
SELECT i, 'c' || i, 'Customer', '', 'zh', 'Asia/Shanghai', '{}', '2026-01-01 00:00:00.000000' FROM n
"""
ENROLMENTS = """
INSERT INTO enrolment (customer_id, program_id, class, class_since, flags, activity_count, activity_total)
SELECT id, 'retail_aftersales', 'ordinary', '2026-09-01', '{}', 0, 0 FROM customer
"""
FLOOR = """
INSERT INTO follow_up (program_id, program_version_id, flow, customer_id, person_id, matter_id, event_id, ticket_id,
  occasion, purpose, state, nominal_on, intended_on, due_at, expires_at, planned_at, reason)
SELECT 'retail_aftersales', 1, 'greeting', customer_id, 0, 0, 0, 0, 'floor', 'greeting', 'planned', '2026-09-25',
  '2026-09-25', '2026-09-25 02:00:00.000000', '2026-09-25 12:00:00.000000', '2026-09-23 00:00:00.000000', 'festival'
FROM enrolment
"""


def bench_plan(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` customers (default 100,000) on a SQLite file."""
    size = size or 100_000
    with tempfile.TemporaryDirectory() as folder:
        db = _filled(Path(folder) / "product.sqlite", size)
        runtime = simulated_runtime(Settings(_env_file=None), db, SimulatedClock(EVE), ("retail_aftersales",), seed=1)
        begun = seconds()
        planned = plan_occasions(runtime)
        took = seconds() - begun
        with db.write() as session:
            session.execute(text("DELETE FROM setting"))
        begun = seconds()
        again = plan_occasions(runtime)
        took_again = seconds() - begun
        db.close()
        floor_db = _filled(Path(folder) / "floor.sqlite", size)
        begun = seconds()
        with floor_db.write() as session:
            session.execute(text(FLOOR))
        floor = seconds() - begun
        floor_db.close()
    yield f"plan: Mid-Autumn for {size:,} customers, SQLite file"
    yield f"  planned {planned:,} in {took:.2f} s ({planned / took:,.0f}/s), peak {peak_megabytes():.0f} MB"
    yield f"  floor {floor:.2f} s; ratio {floor / took:.2f}"
    yield f"  planning again: {again:,} new in {took_again:.2f} s, {took_again / took:.2f} of the first time"


def _filled(file: Path, size: int) -> Database:
    db = Database(f"sqlite:///{file}")
    migrate(db)
    stock(db, ["retail_aftersales"], EVE)
    with db.write() as session:
        session.execute(text(CUSTOMERS), {"size": size})
        session.execute(text(ENROLMENTS))
    return db
