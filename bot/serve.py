"""`huifang serve`: one process for real - web, ticks and senders together, on SQLite or PostgreSQL."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol, runtime_checkable

import structlog
import uvicorn

from bot.bootstrap import open_runtime
from bot.channels.contract import Received
from bot.config import Settings
from bot.jobs.inprocess import start_ticking
from bot.journey.inbox import take_in
from bot.listening import listen
from bot.logs import configure_logs
from bot.runtime import Runtime
from bot.web.server import make_app
from messages.reading.warm import warm

log = structlog.get_logger()
UPDATES_PATH = "/hooks/telegram"


async def serve_forever(settings: Settings) -> None:
    """Serve until stopped; what is in flight is finished first. SettingError: the port is taken."""
    listening_at = listen(settings.host, settings.port, "HUIFANG_PORT")
    configure_logs(settings.log_level)
    runtime = await asyncio.to_thread(open_runtime, settings)
    await asyncio.to_thread(warm)  # else the first reply would hold up the web for half a second
    app = make_app(runtime)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    programs = [each.program.id for each in runtime.shelf.in_force]
    log.info(
        "serving", address=f"http://{settings.host}:{settings.port}", programs=programs, channels=list(runtime.channels)
    )
    if settings.clock_origin:
        now = runtime.clock.now().isoformat(timespec="seconds")
        log.warning("accelerated clock", shows=now, rate=settings.clock_rate)
    gc.freeze()  # what is loaded stays: looking through it for garbage took a tenth of the sender's time
    try:
        async with ticking(runtime), listening(runtime):
            await uvicorn.Server(config).serve(sockets=[listening_at])
    finally:
        for channel in dict.fromkeys(runtime.channels.values()):
            await channel.close()
        runtime.db.close()


@runtime_checkable
class Listener(Protocol):
    """A channel whose provider brings texts by webhook, or hands them out when asked."""

    async def poll(self, receive: Callable[[Received], Awaitable[bool]]) -> None: ...

    async def set_webhook(self, url: str) -> str | None: ...

    async def delete_webhook(self) -> str | None: ...


@asynccontextmanager
async def listening(runtime: Runtime) -> AsyncIterator[None]:
    """What people write reaches us while this is open: fetched, or by webhook, as the settings say."""
    tasks = []
    for channel in dict.fromkeys(runtime.channels.values()):
        if isinstance(channel, Listener):
            tasks.append(asyncio.create_task(_listen(runtime, channel)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(runtime: Runtime, channel: Listener) -> None:
    """Say how we want to hear, until the provider has understood; then fetch, if it is to be fetched."""
    polling = runtime.settings.telegram_mode == "polling"
    address = f"{runtime.settings.public_url.rstrip('/')}{UPDATES_PATH}"
    told = ""
    while trouble := await (channel.delete_webhook() if polling else channel.set_webhook(address)):
        if trouble != told:
            log.warning("not heard yet", trouble=trouble)
        told = trouble
        await runtime.clock.sleep(30)
    if polling:
        await channel.poll(partial(take_in, runtime))


@asynccontextmanager
async def ticking(runtime: Runtime) -> AsyncIterator[None]:
    """The table of repeated work is gone through while this is open."""
    scheduler = start_ticking(runtime)
    try:
        yield
    finally:
        scheduler.shutdown(wait=True)
