"""Settings -> Runtime. The only file that picks database, channels and clock."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import make_url

from bot.channels.contract import Channel
from bot.channels.null import NullChannel
from bot.channels.signing import receipt_key, sign_attempt
from bot.channels.simulator import Simulator
from bot.clock import Clock, RatedClock, SystemClock
from bot.config import Settings
from bot.errors import SettingError
from bot.runtime import Dice, Runtime
from bot.shelf import Shelf, stock
from bot.store.db import Database
from bot.store.migrate import migrate

CHANNELS = ("sms", "telegram", "email", "whatsapp")
"""The channels that programs name; each is served by whatever the settings pick."""


STATUS_PATH = "/hooks/twilio/status/"
"""Where receipts come to; the signed attempt follows."""


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
    """The machine's clock, or an accelerated one that several processes share.

    That one shows origin + (real time - origin) x rate, so a later origin would run it backwards.
    """
    if not settings.clock_origin:
        return SystemClock()
    try:
        origin = datetime.fromisoformat(settings.clock_origin)
    except ValueError as error:
        raise SettingError("HUIFANG_CLOCK_ORIGIN", "is no instant", "write 2026-09-28T09:00:00+08:00") from error
    if origin.tzinfo is None:
        raise SettingError("HUIFANG_CLOCK_ORIGIN", "has no time zone", "write 2026-09-28T09:00:00+08:00")
    if settings.clock_rate and origin > SystemClock().now():
        remedy = "write an instant of the recent past: from there on, the clock runs HUIFANG_CLOCK_RATE times as fast"
        raise SettingError("HUIFANG_CLOCK_ORIGIN", "is in the future", remedy)
    return RatedClock(origin.astimezone(UTC), settings.clock_rate, started_at=origin.astimezone(UTC))


def pick_channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """Every channel by the name that programs give it."""
    if settings.channels == "null":
        return {name: NullChannel(name) for name in CHANNELS}
    if settings.channels == "live":
        return live_channels(settings, clock)
    ledger = phone_ledger(settings)
    return {name: Simulator(clock, ledger.with_suffix(f".{name}.jsonl") if ledger else None, name) for name in CHANNELS}


def live_channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """Every provider that the settings set up. Their libraries are loaded here, since only who uses them waits."""
    channels: dict[str, Channel] = {}
    numbers = tuple(number.strip() for number in settings.twilio_numbers.split(",") if number.strip())
    if numbers or settings.twilio_messaging_service:
        channels["sms"] = _twilio(settings, clock, "sms", numbers, settings.twilio_messaging_service)
    if settings.twilio_whatsapp:
        channels["whatsapp"] = _twilio(settings, clock, "whatsapp", (settings.twilio_whatsapp,), "")
    if settings.telegram_token.get_secret_value():
        from bot.channels.telegram import TelegramChannel

        token, secret = settings.telegram_token.get_secret_value(), settings.telegram_secret.get_secret_value()
        if settings.telegram_mode == "webhook" and not secret:
            remedy = "set it to 32 or more letters, digits, _ and -"
            raise SettingError("HUIFANG_TELEGRAM_SECRET", "is missing", remedy)
        channels["telegram"] = TelegramChannel(token, secret, settings.telegram_url, clock)
    if settings.smtp_host:
        from bot.channels.email import EmailChannel

        channels["email"] = EmailChannel(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_security,
            settings.smtp_user,
            settings.smtp_password.get_secret_value(),
            settings.smtp_from,
            clock,
        )
    if not channels:
        remedy = "see docs/connect-twilio.md, docs/connect-telegram.md or docs/connect-email.md"
        raise SettingError("HUIFANG_CHANNELS", "is live, but no provider is set up", remedy)
    return channels


def _twilio(
    settings: Settings, clock: Clock, name: Literal["sms", "whatsapp"], numbers: tuple[str, ...], service: str
) -> Channel:
    from bot.channels.twilio import CALL_SECONDS, TwilioChannel

    token = settings.twilio_auth_token.get_secret_value()
    if not token:
        raise SettingError(
            "HUIFANG_TWILIO_AUTH_TOKEN", "is missing: nobody could prove who calls us", "copy it from Twilio's console"
        )
    if not settings.twilio_account_sid:
        raise SettingError("HUIFANG_TWILIO_ACCOUNT_SID", "is missing", "copy it from Twilio's console")
    if settings.twilio_api_key and not settings.twilio_api_secret.get_secret_value():
        raise SettingError("HUIFANG_TWILIO_API_SECRET", "is missing", "set it, or take HUIFANG_TWILIO_API_KEY away")
    key = receipt_key(token)
    return TwilioChannel(
        name=name,
        account_sid=settings.twilio_account_sid,
        auth_token=token,
        api_key=settings.twilio_api_key,
        api_secret=settings.twilio_api_secret.get_secret_value(),
        numbers=numbers,
        service=service,
        segments_per_second=settings.twilio_segments_per_second,
        schedule_seconds=settings.twilio_schedule_seconds,
        url=settings.twilio_url,
        receipt_url=lambda attempt: f"{settings.public_url.rstrip('/')}{STATUS_PATH}{sign_attempt(key, attempt)}",
        clock=clock,
        timeout=CALL_SECONDS / (settings.clock_rate if settings.clock_origin and settings.clock_rate > 1 else 1),
    )


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
