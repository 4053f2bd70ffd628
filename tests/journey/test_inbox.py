"""What comes in is kept once, in order, whatever state the database is in."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DataError

from bot.bootstrap import simulated_runtime
from bot.channels.contract import Flag, Plain, Receipt, Received, Refused, Sign
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.journey import inbox
from bot.journey.inbox import NotKept, drain_spool, receive, sweep_inbound, take_in, take_receipt
from bot.journey.spool import Spool
from bot.runtime import Runtime
from bot.store.db import Database, throw_away
from bot.store.migrate import migrate
from bot.store.tables import InboundRow, MessageRow
from tests.journey.outage import FileGone, LineCut, Outage
from tests.journey.story import PHONE, Story

FULL = Received(
    provider="twilio",
    provider_message_id="SM1",
    channel="sms",
    from_address=PHONE,
    body="5 很好\n'; DROP TABLE inbound; -- \\u0000 😀",
    to_address="+15005550006",
    flag=Flag.HELP,
    tapped="token:0:5",
    media=2,
    raw={"Body": "5", "nested": {"list": [1, 2.5, None, True, "很"]}},
)


def said(number: int, who: int = 0, **more: Any) -> Received:
    return Received("test", f"{who}-{number}", "sms", f"+1555000{who:04d}", f"{number}", **more)


def bodies(runtime: Runtime, who: int = 0) -> list[int]:
    """What one customer said, in the order in which it will be read."""
    table = InboundRow.__table__  # type: ignore[attr-defined]
    mine = select(table.c.body).where(table.c.from_address == f"+1555000{who:04d}").order_by(table.c.id)
    with runtime.db.read() as session:
        return [int(body) for body in session.execute(mine).scalars()]


async def all_in(runtime: Runtime, texts: Sequence[Received]) -> list[bool]:
    return list(await asyncio.gather(*(take_in(runtime, each) for each in texts)))


@pytest.fixture
def spooled(runtime: Runtime, tmp_path: Path) -> Runtime:
    """The runtime with a spool of this test's own."""
    runtime.settings.spool = str(tmp_path / "spool")
    return runtime


# ----- while all is well


def test_a_text_is_kept_in_every_field_by_either_way(story: Story) -> None:
    assert asyncio.run(take_in(story.runtime, FULL))
    row: InboundRow = story.one(InboundRow)
    taken = row.model_dump(exclude={"id", "provider_message_id"})
    assert (row.body, row.raw, row.received_at) == (FULL.body, FULL.raw, story.clock.now())
    other = Received(**{**FULL.__dict__, "provider_message_id": "SM2"})
    assert receive(story.runtime, other)
    assert story.rows(InboundRow)[1].model_dump(exclude={"id", "provider_message_id"}) == taken


def test_what_comes_twice_is_kept_once(spooled: Runtime) -> None:
    texts = [said(number % 7) for number in range(70)]
    assert all(asyncio.run(all_in(spooled, texts)))
    assert sorted(bodies(spooled)) == list(range(7))


def test_what_comes_together_keeps_its_order(spooled: Runtime) -> None:
    texts = [said(number, who) for number in range(40) for who in range(5)]
    asyncio.run(all_in(spooled, texts))
    assert [bodies(spooled, who) for who in range(5)] == [list(range(40))] * 5


def test_it_is_read_like_any_reply(story: Story) -> None:
    story.customer()
    story.asked()
    reply = Received("twilio", "SM1", "sms", PHONE, "5")
    asyncio.run(take_in(story.runtime, reply))
    story.work()
    assert story.scores() == [5.0]


def test_one_row_that_the_database_refuses_harms_no_neighbour(
    spooled: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_away = inbox._put_away

    def picky(runtime: Runtime, items: Sequence[Any]) -> None:
        if any(item["body"] == "13" for item in items):
            raise DataError("INSERT", {}, Exception("refused"))
        put_away(runtime, items)

    monkeypatch.setattr(inbox, "_put_away", picky)
    asyncio.run(all_in(spooled, [said(number, who=number) for number in range(30)]))
    while drain_spool(spooled):
        pass
    assert [who for who in range(30) if bodies(spooled, who) != [who]] == [13]
    assert b'"body":"13"' in Path(f"{spooled.settings.spool}.broken").read_bytes()


def test_a_rehearsal_keeps_to_its_own_memory(tmp_path: Path, clock: SimulatedClock, settings: Settings) -> None:
    settings.spool = str(tmp_path / "spool")
    Spool(settings.spool).append([{"text": {}}])
    with throw_away() as db:
        migrate(db)
        runtime = simulated_runtime(settings, db, clock, (), seed=1)
        assert asyncio.run(take_in(runtime, said(1)))
        assert drain_spool(runtime) == 0
        assert bodies(runtime) == [1]
    assert not Spool(settings.spool).is_empty()


# ----- while the database cannot be reached


@pytest.fixture
def outage(db: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Outage]:
    if db.is_sqlite:
        yield FileGone(Path(db.url.removeprefix("sqlite:///")))
    else:
        line = LineCut(request.getfixturevalue("postgres_url"))
        yield line
        line.begin()


@pytest.fixture
def house(db: Database, outage: Outage, clock: SimulatedClock, settings: Settings, tmp_path: Path) -> Iterator[Runtime]:
    """A runtime whose database may go away."""
    settings.spool = str(tmp_path / "spool")
    own = Database(outage.url, db.schema)
    yield simulated_runtime(settings, own, clock, (), seed=1)
    own.close()


def gone(house: Runtime, outage: Outage) -> None:
    house.db.close()
    outage.begin()


def test_nothing_is_lost_and_nobody_is_overtaken_while_the_database_is_away(house: Runtime, outage: Outage) -> None:
    # given customers who write all the time
    async def write(numbers: range) -> list[bool]:
        kept: list[bool] = []
        for number in numbers:
            kept += await all_in(house, [said(number, who) for who in range(10)])
        return kept

    assert all(asyncio.run(write(range(10))))
    # when the database goes away, and comes back while they write
    gone(house, outage)
    assert not any(asyncio.run(write(range(10, 20))))
    assert drain_spool(house) == 0
    outage.end()
    assert not any(asyncio.run(write(range(20, 30)))), "a later text must not overtake those in the spool"
    assert [drain_spool(house) for _ in range(3)] == [100, 100, 0], "what an earlier drain left goes first"
    assert all(asyncio.run(write(range(30, 40))))
    # then everything is there, once, and in order
    assert [bodies(house, who) for who in range(10)] == [list(range(40))] * 10
    assert drain_spool(house) == 0


def test_what_was_spooled_is_what_came(house: Runtime, outage: Outage) -> None:
    came_at = house.clock.now()
    gone(house, outage)
    assert not asyncio.run(take_in(house, FULL))
    outage.end()
    house.clock.move_to(datetime.fromisoformat("2026-09-28T09:00:00+08:00"))  # type: ignore[attr-defined]
    assert drain_spool(house) == 1
    with house.db.read() as session:
        row = session.get(InboundRow, 1)
    assert row is not None
    assert (row.body, row.raw, row.flag, row.tapped, row.media) == (FULL.body, FULL.raw, "help", "token:0:5", 2)
    assert row.received_at == came_at


def test_a_drain_that_is_cut_off_begins_again_and_adds_nothing_twice(house: Runtime, outage: Outage) -> None:
    gone(house, outage)
    asyncio.run(all_in(house, [said(number) for number in range(20)]))
    outage.end()
    # killed after the commit, before the spool was cleared
    before = Path(house.settings.spool).read_bytes()
    assert drain_spool(house) == 20
    Path(f"{house.settings.spool}.draining").write_bytes(before)
    assert drain_spool(house) == 20
    assert bodies(house) == list(range(20))


def test_a_broken_line_is_set_aside_and_stops_nobody(house: Runtime, outage: Outage) -> None:
    gone(house, outage)
    asyncio.run(all_in(house, [said(number) for number in range(6)]))
    outage.end()
    file = Path(house.settings.spool)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"body":"2"', b'"body":"5"')
    file.write_bytes(b"".join(lines)[:-5])
    drain_spool(house)
    assert bodies(house) == [0, 1, 3, 4]
    assert Path(f"{file}.broken").read_bytes() == lines[2] + lines[5][:-5] + b"\n"


def test_while_neither_can_be_written_the_provider_has_to_come_again(
    house: Runtime, outage: Outage, tmp_path: Path
) -> None:
    gone(house, outage)
    house.settings.spool = str(tmp_path / "no such folder" / "spool")
    with pytest.raises(NotKept):
        asyncio.run(take_in(house, said(1)))
    outage.end()
    assert asyncio.run(take_in(house, said(1)))


def test_a_database_that_hangs_delays_a_webhook_for_a_moment_only(
    migrated_file: Path,
    tmp_path: Path,
    clock: SimulatedClock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a database that somebody else has locked
    monkeypatch.setattr(inbox, "PATIENCE", 0.1)
    file = shutil.copy(migrated_file, tmp_path / "locked.sqlite")
    settings.spool = str(tmp_path / "spool")
    runtime = simulated_runtime(settings, Database(f"sqlite:///{file}"), clock, (), seed=1)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    # when texts come, then they are spooled in time and in order
    async def come() -> list[bool]:
        first = await all_in(runtime, [said(number) for number in range(5)])
        later = await all_in(runtime, [said(number) for number in range(5, 10)])
        return first + later

    assert asyncio.run(come()) == [False] * 10
    other.execute("ROLLBACK")
    other.close()
    drain_spool(runtime)
    assert sorted(set(bodies(runtime))) == bodies(runtime) == list(range(10))
    runtime.db.close()


def test_receipts_wait_in_the_spool_too(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a survey that the provider has, and a receipt that says why it did not arrive
    story.customer()
    story.asked()
    with story.runtime.db.write() as session:
        attempt_id = session.execute(text("SELECT id FROM attempt")).scalar_one()
        session.execute(text("UPDATE message SET state = 'accepted'"))
    story.runtime.settings.spool = str(tmp_path / "spool")
    refused = Refused("unknown number", suppress=True, again_after=(60.0, 120.0), sign=Sign.STOP_COUNTRY)
    receipt = Receipt(attempt_id, "sim-1", "delivered")
    failed = Receipt("f" * 32, "sim-2", "failed", refused)
    # when the spool holds something already, they follow it
    Spool(story.runtime.settings.spool).append([{"text": {"received_at": "2026-01-01T00:00:00+00:00"}}])
    noted: list[Receipt] = []
    note = inbox.note_receipts
    monkeypatch.setattr(inbox, "note_receipts", lambda runtime, some: noted.extend(some) or note(runtime, some))
    assert not asyncio.run(take_receipt(story.runtime, receipt))
    assert not asyncio.run(take_receipt(story.runtime, failed))
    assert story.states(MessageRow) == ["accepted"]
    drain_spool(story.runtime)
    # then they come out as they went in
    assert noted[-2:] == [receipt, failed]
    assert story.states(MessageRow) == ["delivered"]


# ----- what was never brought


class Listed(Plain):
    """A provider that can be asked what it heard."""

    name, at_once = "sms", 1

    def __init__(self, *heard: Received) -> None:
        self.heard, self.since = heard, None

    async def send(self, message: Any) -> Any:
        raise NotImplementedError

    async def find(self, address: str, since: datetime) -> None:
        return None

    async def heard_since(self, since: datetime) -> Sequence[Received]:
        self.since: Any = since
        if not self.heard:
            raise ConnectionError("the provider is away")
        return self.heard


def test_the_sweep_finds_what_never_reached_us(spooled: Runtime) -> None:
    listed = Listed(*(said(number) for number in range(5)))
    spooled.channels = {"whatsapp": Listed(), "sms": listed}
    receive(spooled, said(1))
    assert asyncio.run(sweep_inbound(spooled)) == 4
    assert asyncio.run(sweep_inbound(spooled)) == 0
    assert sorted(bodies(spooled)) == list(range(5))
    assert spooled.clock.now() - listed.since == inbox.SWEPT


def test_the_sweep_lets_the_spool_go_first(spooled: Runtime) -> None:
    line = inbox._line_of(inbox._row_of(spooled, said(1)))
    Spool(spooled.settings.spool).append([line])
    spooled.channels = {"sms": Listed(said(2))}
    asyncio.run(sweep_inbound(spooled))
    assert bodies(spooled) == [1, 2]
