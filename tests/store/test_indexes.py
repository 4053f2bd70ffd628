"""The due queries read their partial indexes, so that what is done long ago costs nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session, SQLModel

import bot.store.tables  # noqa: F401 - fills the metadata
from bot.journey import callbacks, lapses, outreach
from bot.runtime import Runtime
from bot.store import agenda, follow_ups, forms, inbound, messages, quotas, surveys, tasks, tickets
from bot.store.db import Database

NOW = datetime(2026, 9, 28, tzinfo=UTC)
DUE = {
    "follow_up_due": lambda session: follow_ups.due(session, NOW, 10),
    "message_outbox": lambda session: messages.ready(session, NOW, ("sms", "telegram"), 10),
    "message_scheduled": lambda session: messages.to_audit(session, NOW, timedelta(0), timedelta(0), 10),
    "message_left": lambda session: messages.left_since(session, NOW),
    "message_in_doubt": lambda session: messages.in_doubt(session, NOW, 10),
    "survey_open": lambda session: surveys.lapsed(session, NOW, 10),
    "inbound_unread": lambda session: inbound.unread_ids(session, 10),
    "ping_due": lambda session: tickets.due_pings(session, NOW, 10),
    "task_open": lambda session: tasks.listed(session),
    "task_missing": lambda session: tasks.missing(session, NOW, 10),
    "quota_check_due": lambda session: quotas.due(session, NOW, 10),
    "ticket_task_due": lambda session: tickets.with_due_task(session, NOW, 10),
    "task_unheard": lambda session: tickets.settled_tasks(session, 10),
    "deletion_due": forms.approved,
    "ping_silent": lambda session: tickets.silent_pings(session, NOW, 10),
}


def plans_of(db: Database, step: Any) -> list[str]:
    """How SQLite goes about each statement of a step."""
    told: list[str] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            told.extend(row[3] for row in cursor.fetchall())

    with db.read() as session:
        event.listen(db.engine, "before_cursor_execute", explain)
        try:
            step(session)
        finally:
            event.remove(db.engine, "before_cursor_execute", explain)
    return told


@pytest.fixture
def database_url(tmp_path: Any) -> str:
    """SQLite alone: its planner can be asked, and decides without knowing how full the tables are."""
    return f"sqlite:///{tmp_path / 'huifang.sqlite'}"


@pytest.mark.parametrize("index", DUE)
def test_what_is_due_is_found_by_its_partial_index(db: Database, index: str) -> None:
    plans = plans_of(db, DUE[index])
    assert any(f"INDEX {index}" in plan for plan in plans), plans


@pytest.mark.parametrize(
    "step",
    [
        lambda session: surveys.answers_of(session, 1),
        lambda session: surveys.with_answers(session, [1, 2]),
        lambda session: surveys.in_the_middle(session, [1, 2], NOW),
    ],
)
def test_answers_are_found_by_the_index_of_the_current_ones(db: Database, step: Any) -> None:
    plans = plans_of(db, step)
    assert any("INDEX one_current_answer" in plan for plan in plans), plans


def test_tickets_about_one_topic_are_found_without_reading_the_others(db: Database) -> None:
    plans = plans_of(db, lambda session: tickets.about(session, "travel_agency", "guide", NOW))
    assert any("INDEX ticket_by_topic" in plan for plan in plans), plans


def test_every_partial_index_that_is_not_unique_serves_a_due_query() -> None:
    partial = {
        index.name
        for table in SQLModel.metadata.sorted_tables
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None and not index.unique
    }
    assert partial == set(DUE)


def test_the_agenda_reads_no_table_from_end_to_end(db: Database) -> None:
    plans = plans_of(db, agenda.read)
    scans = [plan for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan and "CONSTANT" not in plan]
    assert not scans, scans


def test_looking_for_work_where_there_is_none_reads_no_table_from_end_to_end(runtime: Runtime) -> None:
    def nothing(_: Session) -> None:
        outreach.prepare_due(runtime)
        callbacks.send_due_pings(runtime)
        lapses.lapse_surveys(runtime)

    runtime.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    plans = plans_of(runtime.db, nothing)
    big = ("customer", "enrolment", "follow_up", "message", "survey", "inbound", "ping", "trail", "event")
    scans = [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1] in big and "INDEX" not in plan]
    assert not scans, scans
