"""The tables of states: what may follow what, and that docs/states.md shows exactly that."""

import os
from itertools import product
from pathlib import Path

import pytest

from flows.errors import IllegalMove
from flows.states import (
    MESSAGE,
    RANK,
    REACHED,
    TABLES,
    FollowUpState,
    MessageState,
    SurveyState,
    Table,
    TicketState,
    check_move,
    draw,
    sources_of,
)

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
REMEDY = "UPDATE_DOCS=1 python -m pytest tests/flows/test_states.py"
INTRODUCTION = {
    "follow-up": "The promise to contact one customer on one occasion. The row that has the life cycle.",
    "message": "One text on its way. A receipt that comes late or twice never moves it back.",
    "survey": "One conversation: the questions that were asked, and their answers.",
    "ticket": "One entry of the callback queue. It closes only when the customer was asked again, or by a reasoned "
    "override of a manager.",
    "ping": "One notice to one role. Who does not acknowledge it passes it on.",
    "task": "Something that a person is to do: a call, a visit, a letter. It is done only with every required field.",
    "approval": "One content of a survey or a template that must be approved. Edited, it is another content: a draft.",
    "deletion": "Forms of a program that need not be kept any longer are to be deleted, all up to one day.",
    "violation": "One case in which a member of staff may have broken a rule. A manager decides; the product proposes.",
}


def page() -> str:
    """docs/states.md as the tables say it."""
    parts = [
        "# States\n\nWhich state may follow which, and what fires the move.\n"
        "Drawn from `flows/states.py`, the only place that decides it; do not edit this page, run\n\n"
        f"    {REMEDY}\n",
    ]
    parts += [
        f"## {name}\n\n{INTRODUCTION[name]}\n\n```mermaid\n{draw(table)}\n```\n" for name, table in TABLES.items()
    ]
    return "\n".join(parts)


def test_the_page_shows_the_tables() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    shown = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert shown == page(), f"docs/states.md is not what flows/states.py says; run: {REMEDY}"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_state_has_its_place_and_can_be_reached_from_the_first(table: Table) -> None:
    first = next(iter(table))
    assert set(table) == set(type(first))
    seen, waiting = {first}, [first]
    while waiting:
        for target in table[waiting.pop()]:
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    assert seen == set(table)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_move_says_what_fires_it_and_leads_elsewhere(table: Table) -> None:
    for source, targets in table.items():
        assert source not in targets
        assert all(why.strip() for why in targets.values())


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_move_is_allowed_exactly_where_the_table_has_it(table: Table) -> None:
    for source, target in product(table, table):
        assert (source in sources_of(target)) == (target in table[source])
        if target in table[source]:
            check_move(source, target)
        else:
            with pytest.raises(IllegalMove, match="is not in"):
                check_move(source, target)


def test_what_went_out_is_never_ready_again_without_a_person_or_proof() -> None:
    """A message that a provider may have can be sent again only from the states that decide about it."""
    assert set(sources_of(MessageState.READY)) == {MessageState.SENDING, MessageState.UNKNOWN, MessageState.HELD}
    assert all(MessageState.READY not in MESSAGE[state] for state in REACHED)
    assert set(sources_of(MessageState.SENDING)) == {MessageState.READY}


def test_receipts_only_raise_a_message_in_rank() -> None:
    told = {MessageState.SENT, MessageState.DELIVERED, MessageState.UNDELIVERED, MessageState.FAILED}
    for source, target in product(RANK, told):
        if target in MESSAGE[source]:
            assert RANK[target] > RANK[source]


def test_states_that_no_receipt_speaks_of_have_no_rank() -> None:
    assert set(MessageState) - set(RANK) == {MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED}


def test_a_ticket_closes_only_after_the_customer_was_asked_again_or_by_override() -> None:
    assert TABLES["ticket"][TicketState.RESOLVED][TicketState.CLOSED].startswith("the customer was asked again")
    for state in (TicketState.OPEN, TicketState.CLAIMED):
        assert "manager" in TABLES["ticket"][state][TicketState.CLOSED]


def test_ends_are_ends() -> None:
    for end in (FollowUpState.ANSWERED, SurveyState.ANSWERED, TicketState.CLOSED, MessageState.DELIVERED):
        with pytest.raises(IllegalMove):
            check_move(end, next(iter(type(end))))
