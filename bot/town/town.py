"""The town's clock, and who moves it: it runs at a rate, stands still, or is pushed an hour or a day ahead.

All that happens is the product's own work (`bot/jobs/simulated.py`), beside three kinds of the town's own: people buy,
people answer, staff step in. The present stands in the setting `town`, so that a restart goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog

from bot.clock import SimulatedClock, SystemClock
from bot.jobs.simulated import advance
from bot.jobs.work import WORK, Work
from bot.journey.intake import EventIn, accept_events
from bot.runtime import Runtime
from bot.store import settings
from bot.store.agenda import Agenda
from bot.store.db import Database
from bot.town.answering import Answering
from bot.town.helping import helping
from bot.town.history import SOURCE
from bot.town.people import events_after

log = structlog.get_logger()
SETTING = "town"
RATE = 60.0
"""An hour in a minute."""
FASTEST = 86_400.0
TICK = 0.2
"""Real seconds between two looks at the clock."""
SLICE = timedelta(hours=1)
"""Who pushes the clock further lets others have their turn after each hour."""
LONGEST_TICK = 1.0
"""A machine that falls behind does not hurry after the time that it missed."""
AFTER_AN_ERROR = 5.0
"""Real seconds until the next attempt."""
SAVED_EVERY = 2.0
"""Real seconds between two notes of the present in the table."""


def remembered(db: Database) -> datetime | None:
    """The instant at which the town stopped; None: it has never begun."""
    with db.read() as session:
        saved = settings.read(session, SETTING)
    return datetime.fromisoformat(saved["now"]) if saved else None


class Town:
    """A clock that everybody shares, and the life that goes by it."""

    def __init__(
        self,
        runtime: Runtime,
        clock: SimulatedClock,
        *,
        seed: int = 1,
        rate: float = RATE,
        staff_help: bool = True,
    ) -> None:
        """`clock` is the runtime's own. `staff_help`: members of staff step in where nobody does for four hours."""
        self._runtime = runtime
        self._clock = clock
        self._rate = rate
        self._real = SystemClock()
        self._lock = asyncio.Lock()
        self._saved = self._real.monotonic()
        own = [Life(runtime).work(), Answering(runtime, seed).work()]
        self._work: tuple[Work, ...] = (*WORK, *own, *((helping(seed),) if staff_help else ()))

    def now(self) -> datetime:
        """The present of the town."""
        return self._clock.now()

    def rate(self) -> float:
        """How many times as fast as real time it runs; 0: it stands still."""
        return self._rate

    def run(self, rate: float) -> None:
        """Run at this rate from now on; 0 pauses."""
        self._rate = min(max(rate, 0.0), FASTEST)

    async def advance(self, span: timedelta) -> None:
        """Live through this span now, as fast as the machine can; what is due on the way happens on the way."""
        until = self.now() + span
        while True:
            async with self._lock:
                await self._live_until(min(until, self.now() + SLICE))
                if self.now() >= until:
                    await self._runtime.db.beside(self._save)
                    return

    async def nudge(self) -> None:
        """Do what is due now: somebody has typed on a phone, or tapped a button."""
        await self.advance(timedelta(0))

    async def live(self) -> None:
        """Let time go by until cancelled. An error is logged, and time goes on."""
        before = self._real.monotonic()
        try:
            while True:
                await asyncio.sleep(TICK)
                now = self._real.monotonic()
                elapsed, before = min(now - before, LONGEST_TICK), now
                try:
                    await self._tick(timedelta(seconds=elapsed * self._rate))
                except Exception:
                    log.exception("the town stumbled")
                    await asyncio.sleep(AFTER_AN_ERROR)
        finally:
            self._save()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """While this is open, time goes by."""
        task = asyncio.create_task(self.live())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tick(self, span: timedelta) -> None:
        async with self._lock:
            await self._live_until(self.now() + span)
            if self._real.monotonic() - self._saved >= SAVED_EVERY:
                await self._runtime.db.beside(self._save)

    async def _live_until(self, until: datetime) -> None:
        await advance(self._runtime, self._clock, until, self._work)

    def _save(self) -> None:
        with self._runtime.db.write() as session:
            settings.write(session, SETTING, {"now": self.now().isoformat()})
        self._saved = self._real.monotonic()


class Life:
    """The history goes on: what lies after the present comes when its time comes."""

    def __init__(self, runtime: Runtime) -> None:
        self._coming: list[EventIn] = []
        self._next = 0
        self._seen = runtime.clock.now() - timedelta(days=1)  # those of the last day are known: nothing happens twice

    def work(self) -> Work:
        """The row of the table of repeated work."""
        return Work("people live", 60, self.run, self.due)

    def due(self, runtime: Runtime, _: Agenda) -> datetime | None:
        """When something happens next."""
        if self._next >= len(self._coming):
            self._coming, self._next = events_after(runtime, self._seen), 0
        return self._coming[self._next].at if self._coming else None

    def run(self, runtime: Runtime) -> int:
        """Let happen what is due; how many events."""
        now = runtime.clock.now()
        first = self._next
        while self._next < len(self._coming) and self._coming[self._next].at <= now:
            self._next += 1
        happened = self._coming[first : self._next]
        accept_events(runtime, SOURCE, happened)
        if happened:
            self._seen = happened[-1].at
        return len(happened)
