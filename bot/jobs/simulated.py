"""The engine of simulated time: it never ticks. It jumps to the earliest instant at which any work is due, and works
until nothing is. Rehearsals, tests and the town's "advance" run on it, through the same table as the real engine.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from bot.clock import Clock
from bot.jobs.work import WORK, Work
from bot.runtime import Runtime


class MovableClock(Clock, Protocol):
    """A clock that can be told where to go."""

    def move_to(self, instant: datetime) -> None: ...


MOST_PASSES = 100_000
"""More passes at one instant than this mean that some work never ends."""


async def work_until_idle(runtime: Runtime, work: Sequence[Work] = WORK) -> int:
    """Do everything that is due now, and what that makes due now; how many things were looked at."""
    done = 0
    for _ in range(MOST_PASSES):
        now = runtime.clock.now()
        due = [each for each in work if (at := each.due(runtime)) is not None and at <= now]
        if not due:
            return done
        for each in due:
            count = each.run(runtime)
            done += count if isinstance(count, int) else await count
    raise RuntimeError(f"work never ends at {runtime.clock.now()}: {[each.name for each in due]}")


def next_instant(runtime: Runtime, work: Sequence[Work] = WORK) -> datetime | None:
    """The earliest instant at which any work is due."""
    return min((at for each in work if (at := each.due(runtime)) is not None), default=None)


async def advance(
    runtime: Runtime,
    clock: MovableClock,
    until: datetime,
    work: Sequence[Work] = WORK,
    progress: Callable[[datetime], None] | None = None,
) -> int:
    """Live through the time up to `until`, instant by instant; how many things were looked at."""
    done = await work_until_idle(runtime, work)
    while True:
        at = next_instant(runtime, work)
        if at is None or at > until:
            break
        clock.move_to(at)
        done += await work_until_idle(runtime, work)
        if progress:
            progress(at)
    clock.move_to(until)
    return done
