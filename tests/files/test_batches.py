"""A batch does what its rows would do one after the other, only with fewer statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from sqlmodel import select

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.journey import enrolment, intake
from bot.journey.enrolment import CustomerIn, Result
from bot.journey.intake import EventIn
from bot.runtime import Runtime
from bot.shelf import stock
from bot.store.db import throw_away
from bot.store.migrate import migrate
from bot.store.tables import (
    ConsentRow,
    ContactPersonRow,
    ContactPointRow,
    CustomerKeyRow,
    CustomerRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
)

NOW = datetime(2026, 9, 28, 1, tzinfo=UTC)
TABLES = (
    CustomerRow, CustomerKeyRow, ContactPersonRow, ContactPointRow, ConsentRow, EnrolmentRow, EventRow, FollowUpRow,
)  # fmt: skip
PHONES = tuple(f"+44770090000{n}" for n in range(4))

people = st.builds(
    CustomerIn,
    id=st.sampled_from(("", "K1", "K2", "K3")),
    name=st.sampled_from(("Ann", "Bob", "")),
    phone=st.sampled_from(("", "nonsense", *PHONES)),
    telegram=st.sampled_from(("", "", "t1", "t2")),
    class_=st.sampled_from(("", "high_value", "potential", "inpatient")),
    programs=st.sampled_from(((), ("retail_aftersales",), ("auto_repair", "hospital"))),
    marketing_consent=st.booleans(),
    attributes=st.sampled_from(({}, {"city": "Leeds"})),
)
happenings = st.builds(
    EventIn,
    id=st.sampled_from(("E1", "E2", "E3", "E4", "")),
    type=st.sampled_from(("purchase", "discharge", "moonwalk")),
    customer=st.sampled_from(("K1", "K2", *PHONES[:2])),
    at=st.sampled_from([NOW - timedelta(days=days) for days in (0, 1, 9, 30, 400)]),
    data=st.sampled_from(({}, {"amount": 12.5}, {"amount": -3})),
    matter=st.sampled_from(("", "order:1")),
)


@contextmanager
def opened() -> Iterator[Runtime]:
    clock = SimulatedClock(NOW)
    with throw_away() as db:
        migrate(db)
        ids = stock(db, ["retail_aftersales", "auto_repair", "hospital"], clock.now())
        defaults = {name: field.default for name, field in Settings.model_fields.items()}
        yield simulated_runtime(Settings.model_construct(**defaults), db, clock, ids, seed=1)


def lived(size: int, rows: list[CustomerIn], events: list[EventIn]) -> tuple[list[Any], ...]:
    """Verdicts and rows after all has been taken in, in batches of this size."""
    with pytest.MonkeyPatch.context() as patch, opened() as runtime:
        patch.setattr(intake, "BATCH", size)
        verdicts = told(enrolment.accept_customers(runtime, "s", rows)) + told(
            intake.accept_events(runtime, "s", events)
        )
        again = told(intake.accept_events(runtime, "s", events))
        with runtime.db.read() as session:
            kept = [sorted(_plain(row) for row in session.exec(select(table))) for table in TABLES]  # type: ignore[call-overload]
        return verdicts, again, *kept


def told(results: list[Result]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.id, one.verdict, tuple(fault["field"] for fault in one.faults)) for one in results]


def _plain(row: Any) -> str:
    """A row without the ids that depend on the order of inserts within a batch."""
    return str(
        sorted((name, str(value)) for name, value in row.model_dump().items() if name not in ("id", "person_id"))
    )


@how(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(people, max_size=8), st.lists(happenings, max_size=8))
def test_a_batch_is_its_rows_one_by_one(rows: list[CustomerIn], events: list[EventIn]) -> None:
    assert lived(500, rows, events) == lived(1, rows, events)
