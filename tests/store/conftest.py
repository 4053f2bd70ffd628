"""Rows that tests of the store put into tables by hand."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlmodel import Session, SQLModel

from bot.store.db import Database
from bot.store.tables import (
    AnswerRow,
    CustomerRow,
    EnrolmentRow,
    FollowUpRow,
    MessageRow,
    ProgramVersionRow,
    SurveyRow,
    TicketRow,
)

NOW = datetime(2026, 9, 28, tzinfo=UTC)
DEFAULTS: dict[type[SQLModel], dict[str, Any]] = {
    CustomerRow: {"created_at": NOW},
    EnrolmentRow: {"customer_id": 1, "program_id": "retail_aftersales"},
    ProgramVersionRow: {"program_id": "retail_aftersales", "digest": "d", "created_at": NOW},
    FollowUpRow: {
        "program_id": "retail_aftersales",
        "program_version_id": 1,
        "flow": "purchase",
        "customer_id": 1,
        "occasion": "event:1",
        "purpose": "survey",
        "nominal_on": date(2026, 9, 28),
        "intended_on": date(2026, 9, 28),
        "due_at": NOW,
        "planned_at": NOW,
    },
    MessageRow: {
        "dedupe_key": "k",
        "purpose": "survey",
        "channel": "sms",
        "address": "+1",
        "created_at": NOW,
        "due_at": NOW,
    },
    SurveyRow: {
        "token": "t",
        "customer_id": 1,
        "follow_up_id": 1,
        "program_version_id": 1,
        "survey": "purchase",
        "channel": "sms",
        "asked": "overall",
        "opened_at": NOW,
        "closes_at": NOW,
    },
    AnswerRow: {"survey_id": 1, "customer_id": 1, "question": "overall", "channel": "sms", "at": NOW},
    TicketRow: {
        "customer_id": 1,
        "program_id": "retail_aftersales",
        "program_version_id": 1,
        "owner_role": "service",
        "opened_at": NOW,
        "due_at": NOW,
        "call_before": NOW,
    },
}


@pytest.fixture
def add(db: Database) -> Callable[..., Any]:
    """Put a row into its table; what is not said takes a good value. Customer 1 and program version 1 are there."""

    def put(model: type[SQLModel], **known: Any) -> Any:
        with db.write() as session:
            row = model(**{**DEFAULTS.get(model, {}), **known})
            session.add(row)
            session.flush()
            return row

    put(CustomerRow)
    put(ProgramVersionRow)
    return put


def stored(db: Database, model: type[SQLModel], row_id: int) -> Any:
    """The row as the database has it."""
    with db.read() as session:
        assert isinstance(session, Session)
        return session.get(model, row_id)
