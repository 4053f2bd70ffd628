"""Planning a festival for many customers, beside one bare INSERT ... SELECT of the same rows.

Then the same in a server that takes webhooks meanwhile: a planner must not keep them waiting.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count, takewhile
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any, TypeVar

from sqlalchemy import text

from bot.bench.measure import peak_megabytes, seconds
from bot.bench.webhooks import call_of, house_of, paced, run_server, served, waits_of
from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.journey.occasions import plan_occasions
from bot.shelf import stock
from bot.store import agenda
from bot.store.db import MEMORY, Database, throw_away
from bot.store.migrate import migrate
from bot.web.server import make_app

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
PLANNED = """
SELECT program_id, program_version_id, flow, occasion, purpose, state, nominal_on, intended_on, due_at, expires_at,
  planned_at, reason FROM follow_up LIMIT 1
"""
FLOOR = """
INSERT INTO follow_up (program_id, program_version_id, flow, customer_id, person_id, matter_id, event_id, ticket_id,
  occasion, purpose, state, nominal_on, intended_on, due_at, expires_at, planned_at, reason)
SELECT :program_id, :program_version_id, :flow, customer_id, 0, 0, 0, 0, :occasion, :purpose, :state, :nominal_on,
  :intended_on, :due_at, :expires_at, :planned_at, :reason
FROM enrolment
"""
"""Everybody's row but for the id as the planner wrote it: what `PLANNED` reads."""


Answer = TypeVar("Answer")
BESIDE = 50
"""Webhooks in a second while it plans."""
WARMING = 10**9
"""Numbers of the webhooks that come first, while the server starts."""
SIZES = (10_000, 100_000, 1_000_000)


def bench_plan(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` customers (default: three sizes), on SQLite, and on PostgreSQL where one is set."""
    settings = Settings()
    urls = [MEMORY, *([settings.database_url] if settings.database_url.startswith("postgresql") else [])]
    yield "plan: Mid-Autumn for everybody, beside one bare INSERT ... SELECT of the same rows"
    for url in urls:
        per_row = []
        for customers in (size,) if size else SIZES:
            with _house(url, customers) as db:
                planned = _plan(db)
                peak = peak_megabytes()
                with db.read() as session:
                    row = dict(session.execute(text(PLANNED)).mappings().one())
            with _house(url, customers) as db:
                floor = _apart(_floor, db.url, db.schema, row)
            per_row.append(planned.took / customers)
            name = "SQLite" if db.is_sqlite else "PostgreSQL"
            yield f"  {name}, {customers:,} customers: {planned.took:.2f} s ({customers / planned.took:,.0f}/s)"
            yield f"    floor {floor:.2f} s, ratio {floor / planned.took:.2f}; peak {peak:.0f} MB"
            yield f"    again: {planned.took_again:.2f} s, {planned.took_again / planned.took:.2f} of the first time"
            with _house(url, customers) as db:
                yield f"    {BESIDE} webhooks a second beside it: {_beside(db)}"
        if len(per_row) > 1:
            yield f"    cost of a row, most customers to fewest: {per_row[-1] / per_row[0]:.2f}"


@dataclass(frozen=True)
class Planned:
    """Seconds of the first time and of the second, when everything is there."""

    took: float
    took_again: float


def _plan(db: Database) -> Planned:
    runtime = simulated_runtime(Settings(_env_file=None), db, SimulatedClock(EVE), ("retail_aftersales",), seed=1)
    begun = seconds()
    plan_occasions(runtime)
    took = seconds() - begun
    with db.write() as session:
        agenda.replan(session)
    begun = seconds()
    plan_occasions(runtime)
    return Planned(took, seconds() - begun)


def _beside(db: Database) -> str:
    """How long webhooks wait while the server that takes them plans."""
    context = get_context("spawn")
    begin, done = context.Event(), context.Event()
    with served(_serve_and_plan, db.url, db.schema, begin, done) as address:
        asyncio.run(paced(address, map(call_of, range(WARMING, WARMING + BESIDE)), BESIDE))  # until it serves
        begin.set()
        waits, failed = asyncio.run(paced(address, _calls_until(done), BESIDE))
    return f"{waits_of(waits)} of {len(waits):,}, {failed} failed"


def _calls_until(done: Event) -> Iterator[bytes]:
    return takewhile(lambda _: not done.is_set(), map(call_of, count()))


def _serve_and_plan(listening: socket, url: str, schema: str | None, begin: Event, done: Event) -> None:
    db = Database(url, schema)
    with tempfile.TemporaryDirectory() as folder:
        runtime = house_of(db, SimulatedClock(EVE), str(Path(folder) / "spool"), ("retail_aftersales",))

        def plan() -> None:
            begin.wait()
            try:
                plan_occasions(runtime)
            finally:
                done.set()

        Thread(target=plan, daemon=True).start()
        run_server(make_app(runtime), listening)


def _floor(url: str, schema: str | None, row: dict[str, Any]) -> float:
    db = Database(url, schema)
    begun = seconds()
    with db.write() as session:
        session.execute(text(FLOOR), row)
    took = seconds() - begun
    db.close()
    return took


def _fill(url: str, schema: str | None, size: int) -> None:
    db = Database(url, schema)
    with db.write() as session:
        session.execute(text(CUSTOMERS), {"size": size})
        session.execute(text(ENROLMENTS))
    db.close()


def _apart(step: Callable[..., Answer], *given: Any) -> Answer:
    """A step in a process of its own, so that what it needs is not counted as memory of the planner."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(step, *given).result()


@contextmanager
def _house(url: str, size: int) -> Iterator[Database]:
    """A database with so many customers: a SQLite file of its own, or a schema of its own on PostgreSQL."""
    with ExitStack() as house:
        if url == MEMORY:
            folder = house.enter_context(tempfile.TemporaryDirectory())
            db = Database(f"sqlite:///{Path(folder) / 'bench.sqlite'}")
            house.callback(db.close)
        else:
            db = house.enter_context(throw_away(url))
        migrate(db)
        stock(db, ["retail_aftersales"], EVE)
        _apart(_fill, db.url, db.schema, size)
        yield db
