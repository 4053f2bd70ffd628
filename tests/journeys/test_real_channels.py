"""One program over SMS and Telegram at once: the official clients, unmodified, against the stand-ins over real HTTP.

Texts go out through twilio and python-telegram-bot, answers come in by signed webhooks to a real web server; time is
simulated. Then either provider is unplugged for ten minutes.
"""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from bot.bootstrap import live_channels
from bot.channels.fakes.serving import Plugged
from bot.channels.fakes.telegram import TOKEN, FakeTelegram
from bot.channels.fakes.twilio import FakeTwilio
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.jobs.simulated import advance
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.runtime import Runtime
from bot.shelf import Shelf, stock
from bot.store import staff
from bot.store.db import Database
from bot.store.tables import FollowUpRow, MessageRow, SenderRow, StaffRow, TicketRow
from bot.web.server import make_app
from tests.channels.official import Official
from tests.channels.official_telegram import Official as OfficialTelegram
from tests.journey.story import Story, shanghai

ACCOUNT, AUTH = "AC" + "0" * 32, "a-secret-of-the-account"
NUMBER, SERVICE_STAFF = "+15550009999", "+15550000077"
SECRET = "s" * 40
ANN, BEN = "+15550000001", "700000001"
BOUGHT = datetime.fromisoformat("2026-11-02T12:00:00+08:00")
DUE = "2026-11-09 09:00"


@dataclass
class World:
    """The house with its two providers."""

    story: Story
    sms: FakeTwilio
    telegram: FakeTelegram
    plugs: dict[str, Plugged]

    @property
    def runtime(self) -> Runtime:
        return self.story.runtime

    async def live(self, **span: float) -> None:
        await advance(self.runtime, self.story.clock, self.story.clock.now() + timedelta(**span))

    async def live_until(self, text: str) -> None:
        await advance(self.runtime, self.story.clock, shanghai(text))

    async def type(self, phone: str, body: str) -> int:
        """Somebody answers by SMS; the status of our webhook."""
        async with httpx.AsyncClient(base_url=self.plugs["sms"].url) as phones:
            return int((await phones.post(f"/fake/phones/{phone}", data={"Body": body})).json()["webhook"])

    def texts(self, phone: str) -> list[str]:
        """What reached this phone or chat."""
        ledger = self.telegram.ledger if phone.isdecimal() else self.sms.ledger
        return [entry.body for entry in ledger.phone(phone) if entry.direction == "in"]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Webhooks come in their own time: wait for one."""
        for _ in range(500):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never came")


def settings_for(web: int, sms: Plugged, telegram: Plugged) -> Settings:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    own: dict[str, Any] = {
        "public_url": f"http://127.0.0.1:{web}",
        "channels": "live",
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": SecretStr(AUTH),
        "twilio_numbers": NUMBER,
        "twilio_segments_per_second": 10.0,
        "twilio_url": sms.url,
        "telegram_token": SecretStr(TOKEN),
        "telegram_mode": "webhook",
        "telegram_secret": SecretStr(SECRET),
        "telegram_url": telegram.url,
    }
    return Settings.model_construct(**(defaults | own))


@pytest.fixture
def world(db: Database, clock: SimulatedClock, tmp_path: Any) -> Iterator[World]:
    listening = socket.create_server(("127.0.0.1", 0))
    web = listening.getsockname()[1]
    # without the providers' descriptions at hand the stand-ins know their fields themselves
    inspectors = (Official(), OfficialTelegram()) if os.environ.get("HUIFANG_SHARED_DATA") else ()
    sms = FakeTwilio(
        clock,
        ACCOUNT,
        AUTH,
        numbers=(NUMBER,),
        inbound_url=f"http://127.0.0.1:{web}/hooks/twilio/inbound",
        inspect=inspectors[0].inspect if inspectors else None,
    )
    telegram = FakeTelegram(clock, inspect=inspectors[1].inspect if inspectors else None)
    with ExitStack() as stack:
        plugs = {"sms": stack.enter_context(Plugged(sms)), "telegram": stack.enter_context(Plugged(telegram))}
        settings = settings_for(web, plugs["sms"], plugs["telegram"])
        settings.spool = str(tmp_path / "spool")
        ids = stock(db, ["retail_aftersales"], clock.now())
        runtime = Runtime(settings, clock, db, live_channels(settings, clock), Shelf(db, ids))
        stack.enter_context(served(runtime, listening))
        yield World(Story(runtime, clock), sms, telegram, plugs)
    assert [inspector.wrong for inspector in inspectors if inspector.wrong] == []


@contextmanager
def served(runtime: Runtime, listening: socket.socket) -> Iterator[None]:
    """The web of this runtime, on a real socket."""
    server = uvicorn.Server(uvicorn.Config(make_app(runtime), log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield
    server.should_exit = True
    thread.join(10)


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[World]:
    """Telegram knows our webhook, Ann is reached by SMS and Ben in his chat; both have bought something."""
    world.story.at("2026-11-01 10:00")
    channel: Any = world.runtime.channels["telegram"]
    assert await channel.set_webhook(f"{world.runtime.settings.public_url}/hooks/telegram") is None
    world.telegram.open(BEN)
    people = [
        CustomerIn("ann", "Ann Lee", ANN, title="Ms", language="en", programs=("retail_aftersales",)),
        CustomerIn("ben", "Ben Wu", telegram=BEN, title="Mr", language="en", programs=("retail_aftersales",)),
    ]
    accept_customers(world.runtime, "shop", people)
    with world.runtime.db.write() as session:
        staff.add(session, StaffRow(name="Sun Li", roles=["service"], language="en", address=SERVICE_STAFF))
    buy(world, "ann", "ben")
    try:
        yield world
    finally:
        for each in world.runtime.channels.values():
            await each.close()


def buy(world: World, *customers: str) -> None:
    rows = [EventIn(f"order-{name}", "purchase", name, BOUGHT, {"amount": 99, "item": "kettle"}) for name in customers]
    assert all(not result.faults for result in accept_events(world.runtime, "shop", rows))


def told(story: Callable[[World], Awaitable[None]], world: World) -> None:
    async def tell() -> None:
        async with opened(world):
            await story(world)

    asyncio.run(tell())


def test_one_program_runs_over_sms_and_telegram_at_once(world: World) -> None:
    async def story(world: World) -> None:
        # given a survey that is due to both
        await world.live_until(DUE)
        await world.until(lambda: bool(world.texts(ANN)))
        assert "kettle" in world.texts(ANN)[-1]
        assert "kettle" in world.texts(BEN)[-1]

        # when Ann types a low score, and Ben taps the highest
        assert await world.type(ANN, "2 too slow") == 200
        message = world.telegram.ledger.phone(BEN)[-1]
        token = world.story.rows(MessageRow, channel="telegram")[-1].buttons[0][4][1]
        world.telegram.tap(BEN, int(message.id.split(":")[1]), token)
        await world.until(lambda: len(world.telegram.answered) == 1)
        await world.live(minutes=1)

        # then both were understood: an apology and a ticket for Ann, a thank-you for Ben, and staff know
        await world.until(lambda: len(world.texts(ANN)) == 2 and len(world.texts(SERVICE_STAFF)) == 1)
        assert len(world.texts(BEN)) >= 2
        assert world.story.one(TicketRow).customer_id == 1
        assert sorted(world.story.states(FollowUpRow, flow="purchase")) == ["answered", "answered"]

        # and receipts have come home
        await world.until(lambda: set(world.story.states(MessageRow)) == {"delivered"})

    told(story, world)


@pytest.mark.parametrize(("dead", "alive"), [("sms", "telegram"), ("telegram", "sms")])
def test_a_provider_away_for_ten_minutes_loses_nothing_and_staff_are_told_once(
    world: World, dead: str, alive: str
) -> None:
    async def story(world: World) -> None:
        # given thirty customers on each channel whose surveys are due at nine
        crowd = [
            CustomerIn(f"{name}{n}", f"Person {n}", language="en", programs=("retail_aftersales",), **address)  # type: ignore[arg-type]
            for n in range(30)
            for name, address in (("a", {"phone": f"+1555100{n:04d}"}), ("b", {"telegram": f"7100{n:05d}"}))
        ]
        accept_customers(world.runtime, "shop", crowd)
        for row in crowd:
            if row.telegram:
                world.telegram.open(row.telegram)
        buy(world, *(row.id for row in crowd))

        # when one provider is away from nine to ten past nine
        await world.live_until("2026-11-09 08:59")
        world.plugs[dead].unplug()
        await world.live_until("2026-11-09 09:10")
        reached = {row.id: world.texts(row.phone or row.telegram) for row in crowd}
        world.plugs[dead].plug_in()
        meanwhile = [name for name, texts in reached.items() if "kettle" in "".join(texts)]
        await world.live_until("2026-11-09 09:30")
        await world.until(lambda: all("kettle" in "".join(world.texts(row.phone or row.telegram)) for row in crowd))

        # then the other channel went on, and in the end everybody has exactly one survey
        assert len(meanwhile) == 30
        for row in crowd:
            surveys = [text for text in world.texts(row.phone or row.telegram) if "kettle" in text]
            assert len(surveys) == 1, row.id
        assert len(world.story.trail("paused")) == 1
        assert len(world.story.trail("resumed")) == 1
        notices = [text for text in world.texts(SERVICE_STAFF) if "paused" in text]
        assert len(notices) == 1
        assert dead in notices[0]
        assert all(row.paused_at is None for row in world.story.rows(SenderRow))

    told(story, world)
