"""The short proof, with seeds; `make prove` runs it in full. And that its verdict would see what it must."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bot.channels.fakes.ledger import Entry, Ledger
from bot.runtime import Runtime
from bot.store import messages, trail
from bot.store.db import Database
from flows.states import MessageState
from tests.proof.run import now, prove
from tests.proof.trial import Mode, Trial
from tests.proof.verdict import Verdict, compare


@pytest.fixture
def sqlite_file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'huifang.sqlite'}"


@pytest.fixture
def postgres_database(postgres_url: str) -> str:
    """A database of the trial's own, in which other processes find everything where they expect it."""
    server = Database(postgres_url)
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS proof")
        connection.exec_driver_sql("CREATE DATABASE proof")
    server.close()
    return make_url(postgres_url).set(database="proof").render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("mode", "rate", "database"),
    [
        ("scheduled", 40.0, "sqlite_file"),
        pytest.param("immediate", 60.0, "postgres_database", marks=pytest.mark.postgres),
    ],
)
def test_nothing_is_lost_and_nothing_comes_twice(
    tmp_path: Path, request: pytest.FixtureRequest, mode: Mode, rate: float, database: str
) -> None:
    # given 120 messages, a provider of whose answers a third fail, and senders that are killed ten times
    url = request.getfixturevalue(database)
    trial = Trial(120, 10, 0.3, mode, url, tmp_path, now(), seed=7, rate=rate, patience=300, batch=20)

    # when it runs to its end
    result = prove(trial, tell=lambda _: None)

    # then every promise holds
    assert result.troubles == []
    assert result.verdict.broken(mode) == []
    assert result.verdict.once + result.verdict.held - result.verdict.held_but_arrived == 120
    # and it was no fair weather
    assert (result.deaths.senders, result.deaths.freezes) == (10, 1)
    assert result.verdict.doubts > 20
    assert result.calls - result.faults["none"] > 20


# ----- the verdict itself


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def put(runtime: Runtime, ledger: Ledger, state: MessageState, copies: int, *told: str, purpose: str = "survey") -> int:
    """A message in this state, whose words reached the phone so often; `told`: what the trail says of it."""
    at = runtime.clock.now()
    with runtime.db.write() as session:
        row_id = messages.put(
            session,
            {
                "dedupe_key": f"{state}:{copies}",
                "purpose": purpose,
                "channel": "sms",
                "address": "+14152000000",
                "body": f"{state}:{copies}",
                "created_at": at,
                "due_at": at,
                "state": str(state),
            },
        )
        assert row_id is not None
        trail.write(session, [trail.line(at, what, "because", message_id=row_id) for what in told])
    for number in range(copies):
        ledger.add(Entry(f"SM{number}", "+14152000000", "+12025550100", f"{state}:{copies}", at.isoformat()))
    return row_id


def judged(runtime: Runtime, ledger: Ledger) -> Verdict:
    with runtime.db.read() as session:
        return compare(session, ledger)


def test_what_arrived_once_or_is_held_for_a_person_keeps_every_promise(runtime: Runtime, ledger: Ledger) -> None:
    put(runtime, ledger, MessageState.DELIVERED, 1)
    put(runtime, ledger, MessageState.HELD, 0, "held")
    assert judged(runtime, ledger).broken("scheduled") == []


@pytest.mark.parametrize("state", [MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.FAILED])
def test_what_nobody_got_and_nobody_is_told_of_is_lost(runtime: Runtime, ledger: Ledger, state: MessageState) -> None:
    row_id = put(runtime, ledger, state, 0)
    assert judged(runtime, ledger).lost == [row_id]


def test_held_without_a_line_of_the_trail_is_lost(runtime: Runtime, ledger: Ledger) -> None:
    row_id = put(runtime, ledger, MessageState.HELD, 0)
    assert judged(runtime, ledger).lost == [row_id]


def test_two_copies_break_the_promise_of_scheduled_mode(runtime: Runtime, ledger: Ledger) -> None:
    row_id = put(runtime, ledger, MessageState.DELIVERED, 2, "retry")
    verdict = judged(runtime, ledger)
    assert verdict.twice == [row_id]
    assert verdict.broken("scheduled")
    assert not verdict.broken("immediate")


def test_two_copies_that_nobody_flagged_break_every_promise(runtime: Runtime, ledger: Ledger) -> None:
    row_id = put(runtime, ledger, MessageState.DELIVERED, 2)
    verdict = judged(runtime, ledger)
    assert verdict.unflagged == [row_id]
    assert verdict.broken("immediate")


def test_a_second_copy_of_marketing_is_never_right(runtime: Runtime, ledger: Ledger) -> None:
    row_id = put(runtime, ledger, MessageState.DELIVERED, 2, "retry", purpose="marketing")
    assert judged(runtime, ledger).unflagged == [row_id]


def test_books_that_deny_what_arrived_are_false(runtime: Runtime, ledger: Ledger) -> None:
    row_id = put(runtime, ledger, MessageState.CANCELLED, 1)
    assert judged(runtime, ledger).false == [row_id]
