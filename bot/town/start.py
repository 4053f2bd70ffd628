"""`make run`: database, demonstration, pages and the living town, behind one address."""

import asyncio
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from bot.bootstrap import open_runtime
from bot.clock import SimulatedClock, SystemClock
from bot.config import Settings, read_settings
from bot.errors import SettingError
from bot.runtime import Runtime
from bot.store.db import Database
from bot.store.migrate import migrate
from bot.town.people import Counts, first_moment, load_demonstration
from bot.town.town import Town, remembered
from messages.reading.warm import warm

FILE = "town.sqlite"
"""The town's own database: it never touches the configured one."""
LOCK = "open.lock"
"""Held by the town that is open in a folder."""


def open_town(settings: Settings, start: datetime | None = None) -> tuple[Runtime, Town, Counts]:
    """Open the town where it stopped, or fill an empty database and begin on the morning of `start` (None: today)."""
    db = Database(settings.database_url)
    try:
        migrate(db)
        begin = remembered(db) or first_moment(start or SystemClock().now())
    finally:
        db.close()
    clock = SimulatedClock(begin)
    runtime = open_runtime(settings, clock)
    counts = load_demonstration(runtime)
    return runtime, Town(runtime, clock), counts


def town_settings(folder: Path, address: str) -> Settings:
    """The user's settings, but for a database of the town's own, built-in phones, and links that lead here."""
    database_url = f"sqlite:///{folder / FILE}"
    return read_settings().model_copy(
        update={"database_url": database_url, "channels": "simulator", "public_url": address, "clock_origin": ""}
    )


async def serve_town(host: str, port: int, folder: Path = Path("var"), fresh: bool = False) -> None:
    """Serve the town until stopped. `fresh`: begin anew.

    SettingError: the port is taken, the folder is none, or another town lives in it.
    """
    listening = _listen(host, port)
    address = _address(host, int(listening.getsockname()[1]))
    with _alone_in(folder):
        if fresh:
            _clear(folder)
        await _serve(listening, address, folder)


async def _serve(listening: socket.socket, address: str, folder: Path) -> None:
    from bot.web.server import make_app

    settings = town_settings(folder, address)
    runtime, town, counts = await asyncio.to_thread(open_town, settings)
    await asyncio.to_thread(warm)
    # the pages log their own errors; uvicorn would add one for each page that is still open when the town closes
    app = make_app(runtime, town)
    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    _say(address, folder, counts, town.now())
    try:
        async with town.alive():
            await uvicorn.Server(config).serve(sockets=[listening])
    finally:
        runtime.db.close()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make the folder and hold it, at most for as long as this process lives.

    A town has a clock and phones of its own: of two in one folder, each would send at its own hour. SettingError: there
    is one already, or the folder cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        remedy = "close that one, or name another folder"
        raise SettingError("--data", f"another town is open in {folder}", remedy) from error


def _clear(folder: Path) -> None:
    """Forget the town that lived here."""
    try:
        for file in folder.glob(f"{Path(FILE).stem}.*"):
            file.unlink()
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> SettingError:
    return SettingError("--data", f"{folder} cannot be used: {error.strerror}", "name another folder")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # who comes before the first page is ready waits a moment
    except OSError as error:
        listening.close()
        raise SettingError("--port", f"{port} on {host} is not free: {error.strerror}", "choose another one") from error
    return listening


def _address(host: str, port: int) -> str:
    """Where a browser on this machine finds the pages."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{shown}:{port}"


def _say(address: str, folder: Path, counts: Counts, now: datetime) -> None:
    if counts.customers:
        lived = f"{counts.customers} customers, {counts.events} purchases and visits, {counts.staff} members of staff"
    else:
        lived = f"it goes on at {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    sys.stdout.write(f"Huifang's town is open at {address}\n  ({lived}; kept in {folder}/; Ctrl+C closes it)\n")
    sys.stdout.flush()
