"""The schema holds the invariants: what must be one is one, and an unknown state never gets in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import SQLModel, col, select

from bot.store.db import Database
from bot.store.tables import (
    AnswerRow,
    ConsentRow,
    ContactPersonRow,
    ContactPointRow,
    CustomerKeyRow,
    EnrolmentRow,
    EventRow,
    FollowUpRow,
    InboundRow,
    MessageRow,
    PingRow,
    SurveyRow,
    TicketRow,
)
from tests.store.conftest import NOW, stored

Add = Callable[..., Any]


def test_the_migrations_make_exactly_the_tables_of_the_code(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_checks_of_the_migrations_are_those_of_the_code(db: Database) -> None:
    """Alembic compares no CHECKs: every one of the code must stand in the database, with the same words."""
    wanted = {
        (table.name, word)
        for table in SQLModel.metadata.sorted_tables
        for constraint in table.constraints
        if str(constraint.name).endswith("_is_known")
        for word in str(constraint.sqltext).split("'")[1::2]  # type: ignore[attr-defined]
    }
    with db.engine.connect() as connection:
        if db.is_sqlite:
            found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")).all()
        else:
            found = connection.execute(
                text(
                    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
                )
            ).all()
    there = {(name.split(".")[-1].strip('"'), word) for name, sql in found for word in sql.split("'")[1::2]}
    assert wanted - there == set()


# ----- what must be one


def refused(add: Add, model: type[SQLModel], **known: Any) -> None:
    with pytest.raises(IntegrityError):
        add(model, **known)


def test_a_follow_up_of_one_occasion_is_planned_once(add: Add) -> None:
    add(FollowUpRow)
    refused(add, FollowUpRow)
    add(FollowUpRow, occasion="event:2")
    add(FollowUpRow, person_id=1)
    add(FollowUpRow, matter_id=1)


def test_a_festival_brings_one_greeting_whatever_number_of_programs(add: Add) -> None:
    add(FollowUpRow, purpose="greeting", flow="greeting", occasion="festival:new_year:2027")
    refused(add, FollowUpRow, purpose="greeting", program_id="hospital", occasion="festival:new_year:2027")
    add(FollowUpRow, purpose="greeting", occasion="festival:new_year:2028")


def test_a_customer_has_one_live_ticket_in_a_program(add: Add) -> None:
    add(TicketRow)
    for state in ("open", "claimed", "resolved"):
        refused(add, TicketRow, state=state)
    add(TicketRow, state="closed")
    add(TicketRow, program_id="hospital")


def test_a_question_has_one_current_answer(add: Add) -> None:
    add(SurveyRow)
    add(AnswerRow)
    refused(add, AnswerRow)
    add(AnswerRow, current=False)
    add(AnswerRow, current=False)
    add(AnswerRow, question="price")


def test_an_address_belongs_to_one_person(add: Add) -> None:
    add(ContactPersonRow, customer_id=1)
    add(ContactPointRow, customer_id=1, person_id=1, address="+1")
    refused(add, ContactPointRow, customer_id=1, person_id=1, address="+1")
    add(ContactPointRow, customer_id=1, person_id=1, address="+1", channel="telegram")


@pytest.mark.parametrize(
    ("model", "known"),
    [
        (EnrolmentRow, {}),
        (CustomerKeyRow, {"customer_id": 1, "source": "s", "external_id": "x"}),
        (EventRow, {"source": "s", "external_id": "x", "customer_id": 1, "occurred_at": NOW, "received_at": NOW}),
        (InboundRow, {"provider": "p", "provider_message_id": "m", "received_at": NOW}),
        (MessageRow, {}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_comes_twice_is_there_once(add: Add, model: type[SQLModel], known: dict[str, Any]) -> None:
    add(model, **known)
    refused(add, model, **known)


def test_a_rung_of_the_ladder_fires_once_in_a_round(add: Add) -> None:
    add(TicketRow)
    rung = {"ticket_id": 1, "step": "50%", "role": "service", "due_at": NOW}
    add(PingRow, **rung)
    refused(add, PingRow, **rung)
    add(PingRow, **rung, round=2)


# ----- what must not be


@pytest.mark.parametrize("model", [FollowUpRow, MessageRow, SurveyRow, TicketRow], ids=lambda model: model.__name__)
def test_an_unknown_state_never_gets_in(add: Add, model: type[SQLModel]) -> None:
    refused(add, model, state="lost")


@pytest.mark.parametrize("model", [FollowUpRow, MessageRow])
def test_an_unknown_purpose_never_gets_in(add: Add, model: type[SQLModel]) -> None:
    refused(add, model, purpose="spam")


def test_the_ledger_of_consent_knows_its_words(add: Add) -> None:
    refused(add, ConsentRow, customer_id=1, action="guessed", at=NOW)
    refused(add, ConsentRow, customer_id=1, action="given", scope="some", at=NOW)


def test_a_row_of_nobody_never_gets_in(add: Add) -> None:
    refused(add, FollowUpRow, customer_id=99)


# ----- instants


@pytest.mark.parametrize(
    "zone", [UTC, ZoneInfo("Asia/Shanghai"), ZoneInfo("America/St_Johns"), timezone(timedelta(hours=-11))]
)
def test_an_instant_comes_back_as_the_same_instant_in_utc(db: Database, add: Add, zone: Any) -> None:
    at = datetime(2026, 11, 2, 1, 30, 0, 123456, tzinfo=zone)
    row = add(MessageRow, due_at=at)
    found = stored(db, MessageRow, row.id).due_at
    assert found == at
    assert found.tzinfo is UTC


def test_an_instant_without_a_zone_never_reaches_the_tables(add: Add) -> None:
    with pytest.raises(StatementError, match="without a zone"):
        add(MessageRow, due_at=datetime(2026, 9, 28))  # noqa: DTZ001 - meant


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(instants=st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), min_size=2, max_size=5))  # noqa: DTZ001
def test_instants_keep_their_order_in_the_database(db: Database, add: Add, instants: list[datetime]) -> None:
    aware = [instant.replace(tzinfo=UTC) for instant in instants]
    with db.write() as session:
        session.execute(text("DELETE FROM message"))
    for number, instant in enumerate(aware):
        add(MessageRow, dedupe_key=str(number), due_at=instant)
    with db.read() as session:
        found = [row.due_at for row in session.exec(select(MessageRow).order_by(col(MessageRow.due_at)))]
    assert found == sorted(aware)
