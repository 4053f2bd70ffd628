"""Two engines go through one table of work: simulated time jumps from due to due, real time ticks."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot.bootstrap import open_runtime, simulated_runtime
from bot.channels.contract import Outcome, Outgoing
from bot.channels.null import NullChannel
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.jobs import inprocess
from bot.jobs.inprocess import run_once, start_ticking
from bot.jobs.simulated import advance, work_until_idle
from bot.jobs.work import WORK, Work, never
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.runtime import Runtime
from bot.shelf import stock_texts
from bot.store import agenda, messages
from bot.store.db import Database
from bot.store.tables import MessageRow
from flows.load import override_text, shipped_program_text
from tests.journey.story import PHONE, Story, shanghai


@pytest.fixture
def story(runtime: Runtime, clock: SimulatedClock) -> Story:
    return Story(runtime, clock)


ASK = {"kind": "call", "name": {"en": "Ask"}, "role": "service", "fields": {"score": "number"}, "required": ["score"]}


def test_simulated_time_does_every_kind_of_work_and_ends_idle(
    db: Database, clock: SimulatedClock, settings: Settings
) -> None:
    # given a customer of whom every kind of work has something to do
    done: set[str] = set()

    def watched(work: Work) -> Work:
        async def run(runtime: Runtime) -> int:
            count = await run_once(runtime, work) if not runtime.db.in_memory else 0
            if count:
                done.add(work.name)
            return count

        return Work(work.name, work.seconds, run, work.due)

    work = [watched(each) for each in WORK]
    overrides = {"callback.resurvey.by": [{"task": ASK}], "archive": {"keep": "1mo"}}
    text = override_text(shipped_program_text("retail_aftersales"), "retail_aftersales", overrides)
    made = simulated_runtime(settings, db, clock, stock_texts(db, {"shop.yaml": text}, clock.now()), seed=1)
    made.shelf.refresh()
    story = Story(made, clock)
    seller = story.hire("孙丽", "service")
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase()
    story.customer("c2", "+8613900000002")
    story.purchase("c2")
    story.fail("lose_after", "+8613900000002")
    story.task("c2")

    # when two months go by, and the first customer is unhappy
    asyncio.run(advance(story.runtime, story.clock, shanghai("2026-11-09 10:00"), work))
    story.reply("1 太差了", read=False)
    asyncio.run(advance(story.runtime, story.clock, shanghai("2026-11-09 11:00"), work))
    story.claim(seller)
    story.resolve(seller)
    asyncio.run(advance(story.runtime, story.clock, shanghai("2027-01-05 00:00"), work))

    # then each kind was done, but for what only real time brings, and nothing is due
    assert done == {each.name for each in WORK if each.due is not never}
    dues = asyncio.run(work_until_idle(story.runtime, work))
    assert all(at is None or at > story.clock.now() for _, at in dues)


def test_simulated_time_stops_exactly_where_it_is_told(story: Story) -> None:
    story.customer()
    until = shanghai("2026-10-15 13:37")
    seen: list[Any] = []
    asyncio.run(advance(story.runtime, story.clock, until, progress=seen.append))
    assert story.clock.now() == until
    assert seen == sorted(seen)


def test_work_that_never_ends_is_an_error_and_no_hanging(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.jobs import simulated

    monkeypatch.setattr(simulated, "MOST_PASSES", 10)
    endless = Work("endless", 1, lambda _: 1, lambda runtime, _: runtime.clock.now())
    with pytest.raises(RuntimeError, match="endless"):
        asyncio.run(work_until_idle(story.runtime, [endless]))


def test_an_empty_house_has_nothing_to_do(story: Story) -> None:
    asyncio.run(work_until_idle(story.runtime))
    with story.runtime.db.read() as session:
        stands = agenda.read(session)
    assert (stands.unread, stands.follow_up, stands.ping, stands.outbox, stands.doubt, stands.closing) == (None,) * 6
    assert story.trail() == []


def test_names_of_work_are_unique_and_intervals_positive() -> None:
    assert len({work.name for work in WORK}) == len(WORK)
    assert all(work.seconds > 0 for work in WORK)


# ----- the real engine


@pytest.fixture
def house(tmp_path: Path, settings: Settings) -> Runtime:
    """A house of its own on a SQLite file, as `huifang serve` opens it, standing at a fixed instant."""
    settings.database_url = f"sqlite:///{tmp_path / 'house.sqlite'}"
    return open_runtime(settings, SimulatedClock(shanghai("2026-11-02 12:00")))


def test_ticks_send_what_is_due_and_read_what_came(house: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a survey that is due, and ticks that come quickly
    story = Story(house, house.clock)  # type: ignore[arg-type]
    accept_customers(house, "test", [CustomerIn("c1", "李敏", PHONE, programs=("retail_aftersales",))])
    accept_events(house, "test", [EventIn("p1", "purchase", "c1", house.clock.now(), {"item": "茶"})])
    story.at("2026-11-09 09:00")
    monkeypatch.setattr(inprocess, "WORK", [Work(work.name, 0.05, work.run, work.due) for work in WORK])

    # when the house ticks
    async def live() -> None:
        scheduler = start_ticking(house)
        try:
            await until(lambda: bool(story.texts()))
            story.reply("5", read=False)
            await until(lambda: len(story.texts()) == 2)
        finally:
            scheduler.shutdown(wait=False)

    asyncio.run(live())

    # then the survey went out once, and the answer was thanked
    assert story.scores() == [5.0]
    assert len(story.texts()) == 2


async def until(there: Any) -> None:
    """Wait until something is so; ten seconds at most."""
    end = time.monotonic() + 10
    while not there():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.02)


def test_a_tick_that_fails_comes_again_and_stops_no_other(house: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, int] = {"bad": 0, "good": 0}

    def bad(_: Runtime) -> int:
        calls["bad"] += 1
        raise RuntimeError("broken")

    def good(_: Runtime) -> int:
        calls["good"] += 1
        return 0

    monkeypatch.setattr(inprocess, "WORK", [Work("bad", 0.03, bad, WORK[0].due), Work("good", 0.03, good, WORK[0].due)])

    async def live() -> None:
        scheduler = start_ticking(house)
        await until(lambda: min(calls.values()) >= 2)
        scheduler.shutdown(wait=False)

    asyncio.run(live())


def test_a_tick_gives_way_after_so_many_batches(house: Runtime) -> None:
    calls = 0

    def endless(_: Runtime) -> int:
        nonlocal calls
        calls += 1
        return 1

    asyncio.run(inprocess._tick(house, Work("endless", 1, endless, WORK[0].due), ""))
    assert calls == inprocess.MOST_BATCHES


def test_a_slow_provider_holds_up_no_other_channel(house: Runtime) -> None:
    # given a channel whose call does not come back, and another one; a message waits on each
    class Slow(NullChannel):
        async def send(self, message: Outgoing) -> Outcome:
            await asyncio.Event().wait()
            raise AssertionError

    house.channels = {"sms": Slow("sms"), "telegram": NullChannel("telegram")}
    for name in house.channels:
        put(house, name)

    # when the engine ticks, then the other one's message goes out
    async def live() -> None:
        scheduler = start_ticking(house)
        await until(lambda: states(house) == {"sms": "sending", "telegram": "delivered"})
        scheduler.shutdown(wait=False)

    asyncio.run(live())


def put(house: Runtime, channel: str) -> None:
    now = house.clock.now()
    message = {"dedupe_key": channel, "purpose": "service", "channel": channel, "address": "1", "body": "hello"}
    with house.db.write() as session:
        messages.put(session, {**message, "created_at": now, "due_at": now, "expires_at": None})


def states(house: Runtime) -> dict[str, str]:
    with house.db.read() as session:
        return {row.channel: row.state for row in session.exec(select(MessageRow))}


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.name)
def test_every_kind_of_work_may_be_done_where_there_is_none(house: Runtime, work: Work) -> None:
    assert asyncio.run(run_once(house, work)) == 0
    house.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    assert asyncio.run(run_once(house, work)) == 0
