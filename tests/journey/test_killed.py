"""A process killed at any point loses nothing and sends nothing twice; the phone's own ledger is the witness."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.clock import SimulatedClock
from bot.jobs.simulated import advance
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.journey.occasions import plan_occasions
from bot.journey.outreach import prepare_due
from bot.runtime import Runtime
from bot.store import messages
from bot.store.db import Database
from tests.journey import killed
from tests.journey.story import ON_SQLITE

PHONE = "+15550000001"
POINTS = (
    "before the claim commits",
    "after the claim",
    "after the provider accepted",
    "before the outcome commits",
)
BOUGHT_AT = datetime.fromisoformat("2026-11-02T12:00:00+08:00")
DUE_AT = datetime.fromisoformat("2026-11-09T09:00:00+08:00")
NEW_YEAR = datetime.fromisoformat("2026-12-31T12:00:00+08:00")


def kill(db: Database, ledger: Path, now: datetime, point: str) -> None:
    """Let a real process work at `now` until it is killed at `point`."""
    arguments = [db.url, db.schema or "", str(ledger), now.isoformat(), point]
    died = subprocess.run(
        [sys.executable, killed.__file__, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr


def live_on(db: Database, ledger: Path, now: datetime, until: datetime) -> Runtime:
    """A new process, later: whatever is in doubt is resolved."""
    runtime = killed.open_on(db.url, db.schema, ledger, now)
    assert isinstance(runtime.clock, SimulatedClock)
    asyncio.run(advance(runtime, runtime.clock, until))
    return runtime


def texts(runtime: Runtime) -> list[str]:
    return [text.body for text in runtime.channels["sms"].phone(PHONE)]  # type: ignore[attr-defined]


def states(runtime: Runtime) -> dict[str, int]:
    with runtime.db.read() as session:
        return messages.counts_by_state(session)


def with_customer(db: Database, ledger: Path, now: datetime) -> Runtime:
    runtime = killed.open_on(db.url, db.schema, ledger, now)
    customer = CustomerIn("c1", "李敏", PHONE, title="女士", programs=("retail_aftersales",))
    (result,) = accept_customers(runtime, "test", [customer])
    assert result.verdict == "new"
    return runtime


@pytest.mark.parametrize("point", POINTS)
def test_a_survey_reaches_the_phone_once_wherever_the_sender_dies(db: Database, tmp_path: Path, point: str) -> None:
    # given a purchase whose survey is due
    ledger = tmp_path / "phones.jsonl"
    runtime = with_customer(db, ledger, BOUGHT_AT)
    accept_events(runtime, "test", [EventIn("p1", "purchase", "c1", BOUGHT_AT, {"item": "电饭煲"})])

    # when the process is killed, and another one goes on
    kill(db, ledger, DUE_AT, point)
    after = live_on(db, ledger, DUE_AT + timedelta(seconds=5), DUE_AT + timedelta(hours=2))

    # then the phone has exactly one text, and the house knows it
    assert len(texts(after)) == 1
    assert states(after) == {"delivered": 1}


@ON_SQLITE
@pytest.mark.parametrize("point", POINTS)
def test_a_greeting_is_never_sent_twice_and_never_lost_unseen(db: Database, tmp_path: Path, point: str) -> None:
    # given a New Year greeting in the outbox
    ledger = tmp_path / "phones.jsonl"
    runtime = with_customer(db, ledger, NEW_YEAR)
    assert plan_occasions(runtime) == 1

    # when the process is killed as it sends
    morning = datetime.fromisoformat("2027-01-01T10:00:00+08:00")
    kill(db, ledger, morning, point)
    after = live_on(db, ledger, morning + timedelta(seconds=5), morning + timedelta(hours=2))

    # then it arrived once; or, where nothing reached the phone and nobody can be sure, a person decides
    if point == "after the claim":
        assert texts(after) == []
        assert states(after) == {"held": 1}
    else:
        assert len(texts(after)) == 1
        assert states(after) == {"delivered": 1}


def test_killed_again_and_again_it_still_arrives_once(db: Database, tmp_path: Path) -> None:
    # given a survey that is due
    ledger = tmp_path / "phones.jsonl"
    runtime = with_customer(db, ledger, BOUGHT_AT)
    accept_events(runtime, "test", [EventIn("p1", "purchase", "c1", BOUGHT_AT, {"item": "电饭煲"})])

    # when three processes die in a row, each later than the one before
    kill(db, ledger, DUE_AT, "before the claim commits")
    kill(db, ledger, DUE_AT + timedelta(minutes=1), "after the provider accepted")
    after = live_on(db, ledger, DUE_AT + timedelta(minutes=2), DUE_AT + timedelta(hours=2))

    # then one text arrived
    assert len(texts(after)) == 1
    assert prepare_due(after) == 0
