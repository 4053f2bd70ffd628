"""Settings -> Runtime. The only file that picks database, channels and clock."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.channels.contract import Channel
from bot.channels.null import NullChannel
from bot.channels.simulator import Simulator
from bot.clock import Clock, RatedClock, SystemClock
from bot.config import Settings
from bot.errors import SettingError
from bot.runtime import Dice, Runtime
from bot.shelf import Shelf, stock
from bot.store.db import Database
from bot.store.migrate import migrate

CHANNELS = ("sms", "telegram")
"""The channels that programs name; each is served by whatever the settings pick."""


def open_runtime(settings: Settings, clock: Clock | None = None) -> Runtime:
    """Open everything: the database is migrated, programs and templates are put into their rows."""
    clock = clock or pick_clock(settings)
    db = Database(settings.database_url)
    migrate(db)
    ids = stock(db, program_names(settings), clock.now())
    runtime = Runtime(settings, clock, db, pick_channels(settings, clock), Shelf(db, ids))
    runtime.shelf.refresh()
    return runtime


def program_names(settings: Settings) -> list[str]:
    """Shipped ids or paths, as the settings list them."""
    return [name.strip() for name in settings.programs.split(",") if name.strip()]


def pick_clock(settings: Settings) -> Clock:
    """The machine's clock, or an accelerated one that several processes share."""
    if not settings.clock_origin:
        return SystemClock()
    try:
        origin = datetime.fromisoformat(settings.clock_origin)
    except ValueError as error:
        raise SettingError("HUIFANG_CLOCK_ORIGIN", "is no instant", "write 2026-09-28T09:00:00+08:00") from error
    if origin.tzinfo is None:
        raise SettingError("HUIFANG_CLOCK_ORIGIN", "has no time zone", "write 2026-09-28T09:00:00+08:00")
    return RatedClock(origin.astimezone(UTC), settings.clock_rate, started_at=origin.astimezone(UTC))


def pick_channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """Every channel by the name that programs give it."""
    if settings.channels == "null":
        return {name: NullChannel(name) for name in CHANNELS}
    ledger = phone_ledger(settings)
    return {name: Simulator(clock, ledger.with_suffix(f".{name}.jsonl") if ledger else None, name) for name in CHANNELS}


def phone_ledger(settings: Settings) -> Path | None:
    """Where the built-in phones keep their texts: beside the SQLite file, or in memory."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database).with_suffix(".phones")


def simulated_runtime(
    settings: Settings, db: Database, clock: Clock, programs: tuple[str, ...], seed: int | None
) -> Runtime:
    """A runtime for a rehearsal: a throw-away database, phones in memory, dice with a seed."""
    simulator = Simulator(clock, name="sms")
    channels: dict[str, Channel] = dict.fromkeys(CHANNELS, simulator)
    return Runtime(settings, clock, db, channels, Shelf(db, programs), Dice(seed))
