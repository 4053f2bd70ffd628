"""States move by compare-and-set along flows/states.py: of many who try, one wins, on both databases."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import SQLModel

from bot.store.db import Database
from bot.store.rows import insert_once, move, move_many
from bot.store.tables import FollowUpRow, InboundRow, MessageRow, SettingRow, SurveyRow, TicketRow
from flows.states import TABLES, FollowUpState, MessageState, SurveyState, TicketState
from tests.journey.story import raised, side_by_side
from tests.store.conftest import NOW, stored

MODELS: dict[str, type[SQLModel]] = {
    "follow-up": FollowUpRow,
    "message": MessageRow,
    "survey": SurveyRow,
    "ticket": TicketRow,
}


def test_of_eight_who_claim_one_ticket_exactly_one_wins(db: Database, add: Callable[..., Any]) -> None:
    # given an open ticket
    ticket = add(TicketRow)

    # when eight claim it at the same time
    def claim(number: int) -> bool:
        with db.write() as session:
            return move(session, TicketRow, ticket.id, TicketState.CLAIMED, claimed_by=number)

    outcomes = side_by_side(*[lambda number=number: claim(number) for number in range(1, 9)])  # type: ignore[misc]

    # then one has it, and the row says who
    assert not raised(outcomes)
    assert outcomes.count(True) == 1
    assert stored(db, TicketRow, ticket.id).claimed_by == outcomes.index(True) + 1


@pytest.mark.parametrize("noun", MODELS)
def test_a_row_moves_where_the_tables_allow_and_nowhere_else(db: Database, add: Callable[..., Any], noun: str) -> None:
    model, table = MODELS[noun], TABLES[noun]
    row = add(model)
    for source in table:
        for target in table:
            with db.write() as session:
                session.get(model, row.id).state = str(source)  # type: ignore[union-attr]
                session.flush()
                assert move(session, model, row.id, target) is (target in table[source]), f"{source} -> {target}"


def test_a_move_writes_its_facts_together_with_the_state(db: Database, add: Callable[..., Any]) -> None:
    row = add(FollowUpRow)
    with db.write() as session:
        assert move(session, FollowUpRow, row.id, FollowUpState.CANCELLED, reason="order voided")
        assert not move(session, FollowUpRow, row.id, FollowUpState.EXPIRED, reason="too late")
    assert (stored(db, FollowUpRow, row.id).state, stored(db, FollowUpRow, row.id).reason) == (
        "cancelled",
        "order voided",
    )


def test_many_move_in_pieces_and_those_that_cannot_stay(db: Database, add: Callable[..., Any]) -> None:
    rows = [add(MessageRow, dedupe_key=str(n), state="sent" if n % 3 == 0 else "ready") for n in range(12)]
    with db.write() as session:
        assert move_many(session, MessageRow, [row.id for row in rows], MessageState.SENDING) == 8
        assert move_many(session, MessageRow, [], MessageState.SENDING) == 0


def test_nothing_moves_that_is_not_there(db: Database) -> None:
    with db.write() as session:
        assert not move(session, SurveyRow, 4711, SurveyState.ANSWERED)


def test_what_fails_leaves_nothing_behind(db: Database, add: Callable[..., Any]) -> None:
    # given a transaction that moves a row and then fails
    row = add(FollowUpRow)
    with pytest.raises(RuntimeError), db.write() as session:
        move(session, FollowUpRow, row.id, FollowUpState.CANCELLED)
        raise RuntimeError

    # then the row stands where it stood
    assert stored(db, FollowUpRow, row.id).state == "planned"


def test_what_is_only_read_is_not_kept(db: Database, add: Callable[..., Any]) -> None:
    with db.read() as session:
        session.add(SettingRow(name="x", value={}))
        session.flush()
    assert stored(db, SettingRow, "x") is None  # type: ignore[arg-type]


def test_the_same_row_inserted_by_eight_at_once_is_there_once(db: Database) -> None:
    def insert() -> int | None:
        values = {"provider": "p", "provider_message_id": "m", "channel": "sms", "from_address": "+1", "to_address": ""}
        blank = {"body": "", "raw": {}, "state": "received", "customer_id": 0, "staff_id": 0, "survey_id": 0}
        with db.write() as session:
            return insert_once(session, InboundRow, {**values, **blank, "reading": {}, "received_at": NOW})

    outcomes = side_by_side(*[insert] * 8)
    assert not raised(outcomes)
    assert len([row_id for row_id in outcomes if row_id is not None]) == 1
