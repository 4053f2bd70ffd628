"""The one place that reads time. Everything else is handed a Clock.

`SystemClock` is real. `SimulatedClock` stands still until it is set or advanced: rehearsals and tests. `RatedClock`
runs from an origin at a rate, and can be pushed: the town, and processes that share an accelerated clock.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """now() is an aware UTC instant; monotonic() counts seconds and never goes back; sleep() waits so many of them."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SimulatedClock:
    """Time that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._start = self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Nobody waits in simulated time: who pushes the clock decides when it moves."""

    def move_to(self, instant: datetime) -> None:
        """Go forward to `instant`; an earlier one changes nothing."""
        self._now = max(self._now, instant.astimezone(UTC))

    def advance(self, span: timedelta) -> None:
        self.move_to(self._now + span)


class RatedClock:
    """Time that starts at `origin` and runs `rate` times as fast as the machine's; rate 0 stands still."""

    def __init__(self, origin: datetime, rate: float = 1.0, started_at: datetime | None = None) -> None:
        """`started_at`: the real instant at which the clock showed `origin` (shared by processes); default: now."""
        self._rate = rate
        self._origin = origin.astimezone(UTC)
        behind = (datetime.now(UTC) - started_at).total_seconds() if started_at else 0.0
        self._real = time.monotonic() - behind

    @property
    def rate(self) -> float:
        return self._rate

    def now(self) -> datetime:
        return self._origin + timedelta(seconds=(time.monotonic() - self._real) * self._rate)

    def monotonic(self) -> float:
        return time.monotonic() * self._rate if self._rate else time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._rate if self._rate else seconds)

    def run(self, rate: float) -> None:
        """Change the rate from this moment on."""
        now = self.now()
        self._origin, self._real, self._rate = now, time.monotonic(), rate

    def move_to(self, instant: datetime) -> None:
        """Go forward to `instant`; an earlier one changes nothing."""
        now = self.now()
        self._origin, self._real = max(now, instant.astimezone(UTC)), time.monotonic()

    def advance(self, span: timedelta) -> None:
        self.move_to(self.now() + span)
