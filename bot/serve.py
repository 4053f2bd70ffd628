"""`huifang serve`: one process for real - web, ticks and senders together, on SQLite or PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn

from bot.bootstrap import open_runtime
from bot.config import Settings
from bot.jobs.inprocess import start_ticking
from bot.logs import configure_logs
from bot.runtime import Runtime
from bot.web.server import make_app

log = structlog.get_logger()


async def serve_forever(settings: Settings) -> None:
    """Serve until stopped; what is in flight is finished first."""
    configure_logs(settings.log_level)
    runtime = await asyncio.to_thread(open_runtime, settings)
    app = make_app(runtime)
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, log_level="warning", access_log=False, timeout_graceful_shutdown=5
    )
    programs = [each.program.id for each in runtime.shelf.in_force]
    log.info(
        "serving", address=f"http://{settings.host}:{settings.port}", programs=programs, channels=settings.channels
    )
    try:
        async with ticking(runtime):
            await uvicorn.Server(config).serve()
    finally:
        runtime.db.close()


@asynccontextmanager
async def ticking(runtime: Runtime) -> AsyncIterator[None]:
    """The table of repeated work is gone through while this is open."""
    scheduler = start_ticking(runtime)
    try:
        yield
    finally:
        scheduler.shutdown(wait=True)
