"""The engine for one process: APScheduler ticks through the table of repeated work, in UTC intervals.

A tick carries no business meaning: what is due stands in the tables. A tick that is still running is not started
again; one that fails is logged and comes again.
"""

import asyncio
from collections.abc import Awaitable

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.clock import SystemClock
from bot.jobs.work import WORK, Work
from bot.runtime import Runtime

log = structlog.get_logger()
MOST_BATCHES = 50
"""Batches of one kind of work in one tick; then the others have their turn."""


def start_ticking(runtime: Runtime) -> AsyncIOScheduler:
    """Start a tick for each kind of work in the running event loop; `shutdown()` stops them."""
    scheduler = AsyncIOScheduler(timezone="UTC")
    for work in WORK:
        for part in tuple(work.apart(runtime)) or ("",):
            scheduler.add_job(
                _tick,
                "interval",
                seconds=work.seconds,
                args=[runtime, work, part],
                id=f"{work.name} {part}".strip(),
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
                next_run_time=SystemClock().now(),
            )
    scheduler.start()
    return scheduler


async def _tick(runtime: Runtime, work: Work, part: str) -> None:
    """Work until there is nothing left, or others should have their turn."""
    for _ in range(MOST_BATCHES):
        try:
            count = await run_once(runtime, work, part)
        except Exception:
            log.exception("work failed", work=work.name, part=part)
            return
        if not count:
            return


async def run_once(runtime: Runtime, work: Work, part: str = "") -> int:
    """One batch, of one part or of all; synchronous work runs in a thread beside the event loop."""
    given = (runtime, part) if part else (runtime,)
    if asyncio.iscoroutinefunction(work.run):
        return int(await work.run(*given))
    result: int | Awaitable[int] = await asyncio.to_thread(work.run, *given)
    return result if isinstance(result, int) else await result
