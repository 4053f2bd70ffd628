"""The engine of simulated time: it never ticks. It jumps to the earliest instant at which any work is due, and works
until nothing is. Rehearsals, tests and the town's "advance" run on it, through the same table as the real engine.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from bot.clock import Clock
from bot.jobs.work import WORK, Work
from bot.runtime import Runtime
from bot.store import agenda


class MovableClock(Clock, Protocol):
    """A clock that can be told where to go."""

    def move_to(self, instant: datetime) -> None: ...


MOST_PASSES = 100_000
"""More passes at one instant than this mean that some work never ends."""


async def work_until_idle(runtime: Runtime, work: Sequence[Work] = WORK) -> datetime | None:
    """Do everything that is due now, and what that makes due now; the next instant at which any work is due."""
    for _ in range(MOST_PASSES):
        due_now, later = await runtime.db.beside(_look, runtime, work)
        if not due_now:
            return later
        for each in due_now:
            if asyncio.iscoroutinefunction(each.run):
                await each.run(runtime)
            else:
                await runtime.db.beside(each.run, runtime)
    raise RuntimeError(f"work never ends at {runtime.clock.now()}: {[each.name for each in due_now]}")


def _look(runtime: Runtime, work: Sequence[Work]) -> tuple[list[Work], datetime | None]:
    """What is due now, and when anything is due next."""
    now = runtime.clock.now()
    with runtime.db.read() as session:
        stands = agenda.read(session)
    dues = [(each, each.due(runtime, stands)) for each in work]
    due_now = [each for each, at in dues if at is not None and at <= now]
    return due_now, min((at for _, at in dues if at is not None), default=None)


async def advance(
    runtime: Runtime,
    clock: MovableClock,
    until: datetime,
    work: Sequence[Work] = WORK,
    progress: Callable[[datetime], None] | None = None,
) -> None:
    """Live through the time up to `until`, instant by instant."""
    at = await work_until_idle(runtime, work)
    while at is not None and at <= until:
        clock.move_to(at)
        at = await work_until_idle(runtime, work)
        if progress:
            progress(runtime.clock.now())
    clock.move_to(until)
