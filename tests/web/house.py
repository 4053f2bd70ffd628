"""A served house for tests of the web: one SQLite file, a clock that stands still, the built-in phones, and a real
server on loopback. Not a test itself; `conftest.py` makes fixtures of it.
"""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from bot.bootstrap import simulated_runtime
from bot.channels.simulator import Simulator
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.jobs.simulated import advance
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.runtime import Runtime
from bot.shelf import stock, stock_texts
from bot.store import staff
from bot.store.db import Database
from bot.store.migrate import migrate
from bot.store.tables import StaffRow
from bot.web.server import make_app

SECRETS = ("api_token", "console_password", "secret_key")
START = datetime.fromisoformat("2026-09-21T09:30:00+08:00")
PROGRAMS = ("retail_aftersales", "auto_repair", "hospital")
TOKEN = "token-of-the-tests"
LI = "+8613900000001"
WANG = "+8613900000002"
SUN = "+8613900000090"
ZHOU = "+8613900000091"


class Controls:
    """The town's clock for tests: it stands still and is pushed, one push at a time."""

    def __init__(self, runtime: Runtime, clock: SimulatedClock) -> None:
        self._runtime, self._clock, self._rate = runtime, clock, 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._clock.now()

    def rate(self) -> float:
        return self._rate

    def run(self, rate: float) -> None:
        self._rate = rate

    async def advance(self, span: timedelta) -> None:
        await asyncio.to_thread(self._advance, span)

    async def nudge(self) -> None:
        await self.advance(timedelta(0))

    def _advance(self, span: timedelta) -> None:
        with self._lock:
            asyncio.run(advance(self._runtime, self._clock, self._clock.now() + span))


class House:
    """A runtime, its town, and the address at which a real server answers."""

    def __init__(self, runtime: Runtime, clock: SimulatedClock, town: Controls | None, address: str) -> None:
        self.runtime, self.clock, self.town, self.address = runtime, clock, town, address

    def client(self, **given: Any) -> httpx.Client:
        return httpx.Client(base_url=self.address, verify=False, **given)

    def push(self, **span: float) -> None:
        """Live through a span; in a thread of its own, since a test may hold an event loop already."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._live_through, timedelta(**span)).result()

    def _live_through(self, span: timedelta) -> None:
        asyncio.run(advance(self.runtime, self.clock, self.clock.now() + span))

    def phone(self, address: str) -> list[str]:
        """The texts on a phone, oldest first; what was typed there begins with an arrow."""
        channel = self.runtime.channels["sms"]
        assert isinstance(channel, Simulator)
        return [f"{'> ' if text.direction == 'out' else ''}{text.body}" for text in channel.phone(address)]


Serve = Callable[..., House]


def empty_database(file: Path) -> Path:
    """Migrations and programs, done once."""
    db = Database(f"sqlite:///{file}")
    migrate(db)
    stock(db, list(PROGRAMS), START)
    db.close()
    return file


@contextmanager
def serving(folder: Path, empty: Path) -> Iterator[Serve]:
    """A function that starts houses; all are closed at the end."""
    servers: list[tuple[uvicorn.Server, threading.Thread, Database]] = []

    def start(*, town: bool = True, people: bool = True, program: str = "", **given: Any) -> House:
        secret = {name: SecretStr(given.pop(name)) for name in SECRETS if name in given}
        defaults = {name: field.default for name, field in Settings.model_fields.items()}
        listening = socket.create_server(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        own = {"public_url": address, "api_token": SecretStr(TOKEN)}
        settings = Settings.model_construct(**(defaults | own | given | secret))
        clock = SimulatedClock(START)
        file = shutil.copy(empty, folder / f"house{len(servers)}.sqlite")
        db = Database(f"sqlite:///{file}")
        own_programs = stock_texts(db, {"own.yaml": program}, START) if program else ()
        runtime = simulated_runtime(settings, db, clock, (*PROGRAMS, *own_programs), seed=1)
        runtime.shelf.refresh()
        if people:
            settle(runtime)
        controls = Controls(runtime, clock) if town else None
        app = make_app(runtime, controls)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        servers.append((server, thread, db))
        return House(runtime, clock, controls, address)

    yield start
    for server, thread, db in servers:
        server.should_exit = True
        thread.join(10)
        db.close()


def settle(runtime: Runtime) -> None:
    """Two customers and two members of staff; 李明 has bought a kettle today."""
    accept_customers(
        runtime,
        "shop",
        [
            CustomerIn("1", "李明", LI, title="先生", class_="ordinary", programs=("retail_aftersales",)),
            CustomerIn("2", "Wang Fang", WANG, title="Ms", language="en", programs=("retail_aftersales",)),
        ],
    )
    with runtime.db.write() as session:
        staff.add(session, StaffRow(name="孙丽", roles=["service"], language="zh", address=SUN))
        staff.add(session, StaffRow(name="Zhou Wei", roles=["manager", "supervisor"], language="en", address=ZHOU))
    bought = [
        EventIn(f"order-{key}", "purchase", key, runtime.clock.now(), {"amount": 99, "item": item})
        for key, item in (("1", "电水壶"), ("2", "kettle"))
    ]
    accept_events(runtime, "shop", bought)


def fields_of(page: str) -> dict[str, str]:
    """The hidden form token of a page."""
    marker = 'name="form" value="'
    start = page.index(marker) + len(marker)
    return {"form": page[start : page.index('"', start)]}
