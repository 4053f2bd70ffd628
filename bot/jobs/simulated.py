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


Dues = Sequence[tuple[Work, datetime | None]]
"""Each kind of work beside the instant at which it is due next."""


async def work_until_idle(runtime: Runtime, work: Sequence[Work] = WORK) -> Dues:
    """Do everything that is due now, and what that makes due now; when each kind of work is due next."""
    return await _work(runtime, await runtime.db.beside(_look, runtime, work))


async def advance(
    runtime: Runtime,
    clock: MovableClock,
    until: datetime,
    work: Sequence[Work] = WORK,
    progress: Callable[[datetime], None] | None = None,
) -> None:
    """Live through the time up to `until`, instant by instant."""
    dues = await work_until_idle(runtime, work)
    while (at := min((at for _, at in dues if at is not None), default=None)) is not None and at <= until:
        clock.move_to(at)
        dues = await _work(runtime, dues)
        if progress:
            progress(runtime.clock.now())
    clock.move_to(until)


async def _work(runtime: Runtime, dues: Dues) -> Dues:
    """Work off what is due now, look again, until nothing is."""
    for _ in range(MOST_PASSES):
        now = runtime.clock.now()
        due_now = [each for each, at in dues if at is not None and at <= now]
        if not due_now:
            return dues
        for each in due_now:
            if asyncio.iscoroutinefunction(each.run):
                await each.run(runtime)
            else:
                await runtime.db.beside(each.run, runtime)
        dues = await runtime.db.beside(_look, runtime, [each for each, _ in dues])
    raise RuntimeError(f"work never ends at {now}: {[each.name for each in due_now]}")


def _look(runtime: Runtime, work: Sequence[Work]) -> Dues:
    with runtime.db.engine.connect() as connection:
        stands = agenda.look(connection)
    return [(each, each.due(runtime, stands)) for each in work]
