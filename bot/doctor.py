"""`huifang doctor`: is this house set up well, and if not, what must be done. One finding after the other, in words.

It looks and changes nothing: no message is sent, no table made, no webhook set. What a finding says never holds a
secret. What is looked at: settings, programs, database, clocks, providers, webhooks, staff, limits, spool.
"""

import asyncio
import ipaddress
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bot.bootstrap import pick_channels, pick_clock, program_names
from bot.channels.contract import Channel
from bot.channels.email import EmailChannel
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioChannel
from bot.clock import SystemClock
from bot.config import Settings, unknown_settings
from bot.errors import HuifangError, SettingError
from bot.journey.spool import Spool
from bot.shelf import admit, read_program
from bot.store import staff
from bot.store.condition import Condition, condition_of
from bot.store.db import Database
from flows.errors import ProgramError
from flows.program import Program

APART = timedelta(seconds=30)
"""Clocks that differ by more than this plan, expire and reconcile wrongly."""
SHORTEST_BLOTTED = 6
"""A shorter secret stands in common words, too: blotting it out would tell it, and cut the words to pieces."""
TWILIO = "https://api.twilio.com"
TELEGRAM = "https://api.telegram.org"
INBOUND = "/hooks/twilio/inbound"
TELEGRAM_WEBHOOK = "/hooks/telegram"


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """What was found about something; `remedy`: what to do, unless all is well."""

    verdict: Verdict
    about: str
    told: str
    remedy: str = ""


def good(about: str, told: str) -> Finding:
    return Finding(Verdict.GOOD, about, told)


def warning(about: str, told: str, remedy: str) -> Finding:
    return Finding(Verdict.WARNING, about, told, remedy)


def fault(about: str, told: str, remedy: str = "") -> Finding:
    return Finding(Verdict.FAULT, about, told, remedy)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding: faults first, then warnings, then what is well."""
    for finding in sorted(_examine(settings), key=lambda each: _WORST_FIRST.index(each.verdict)):
        yield _without_secrets(finding, settings)


_WORST_FIRST = (Verdict.FAULT, Verdict.WARNING, Verdict.GOOD)


def _examine(settings: Settings) -> Iterator[Finding]:
    yield from _of_settings(settings)
    programs: list[Program] = []
    yield from _of_programs(settings, programs)
    yield from _of_database(settings, programs)
    yield from asyncio.run(_of_providers(settings, programs))
    yield from _of_webhooks(settings)
    yield from _of_limits(settings)
    yield from _of_spool(settings)


def _without_secrets(finding: Finding, settings: Settings) -> Finding:
    """Words of libraries and providers may quote what they were given."""
    values = (getattr(settings, name) for name in Settings.model_fields)
    secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    for secret in (*secrets, _database_password(settings)):
        if len(secret) >= SHORTEST_BLOTTED:
            told, remedy = (text.replace(secret, "***") for text in (finding.told, finding.remedy))
            finding = replace(finding, told=told, remedy=remedy)
    return finding


def _database_password(settings: Settings) -> str:
    url = _database_url(settings)
    return (url.password or "") if url else ""


def _database_url(settings: Settings) -> URL | None:
    try:
        return make_url(settings.database_url)
    except (ArgumentError, ValueError):
        return None


# ----- settings


def _of_settings(settings: Settings) -> Iterator[Finding]:
    for name, meant in unknown_settings():
        remedy = f"write {meant}" if meant else "take it away; .env.example lists them all"
        yield warning("settings", f"{name} is no setting, and nobody reads it", remedy)
    match settings.channels:
        case "simulator":
            yield good("channels", "the built-in phones: no message leaves this machine")
        case "null":
            yield warning("channels", "null: messages go nowhere", "set HUIFANG_CHANNELS=live to reach people")
        case "live":
            names = ", ".join(name for name, _ in _connected(settings)) or "none"
            yield good("channels", f"live; providers that are set up: {names}")
            for name in _stand_ins(settings):
                remedy = f"take HUIFANG_{name.upper()}_URL away to reach people"
                yield warning("channels", f"a stand-in takes the place of {name}", remedy)
    if not settings.console_password.get_secret_value():
        yield warning("console", "open to browsers on this machine only", "set HUIFANG_CONSOLE_PASSWORD for others")
    if not settings.secret_key.get_secret_value():
        yield warning("console", "every restart signs everybody out", "set HUIFANG_SECRET_KEY to a long random text")
    if settings.clock_origin:
        yield _of_accelerated_clock(settings)
    if settings.twilio_account_sid and not (
        settings.twilio_numbers or settings.twilio_messaging_service or settings.twilio_whatsapp
    ):
        remedy = "set HUIFANG_TWILIO_NUMBERS, HUIFANG_TWILIO_MESSAGING_SERVICE or HUIFANG_TWILIO_WHATSAPP"
        yield fault("sms", "Twilio has an account but nothing to send by", remedy)
    if settings.smtp_host and settings.smtp_security == "none" and not _is_local(settings.smtp_host):
        yield warning(
            "e-mail", "travels unprotected to the mail server", "set HUIFANG_SMTP_SECURITY to starttls or tls"
        )


def _of_accelerated_clock(settings: Settings) -> Finding:
    try:
        now = pick_clock(settings).now()
    except SettingError as error:
        return fault("clock", *_parted(error))
    in_earnest = settings.channels == "live" and not _is_trial(settings)
    verdict = Verdict.FAULT if in_earnest else Verdict.WARNING
    told = f"an accelerated clock is set, which shows {now:%Y-%m-%d %H:%M} UTC: messages leave at invented times"
    return Finding(verdict, "clock", told, "take HUIFANG_CLOCK_ORIGIN away, unless this is a trial")


def _connected(settings: Settings) -> Iterator[tuple[str, str]]:
    """(provider, host at which a stand-in for it listens) of each provider that is set up."""
    if settings.twilio_account_sid:
        yield "Twilio", urlsplit(settings.twilio_url).hostname or ""
    if settings.telegram_token.get_secret_value():
        yield "Telegram", urlsplit(settings.telegram_url).hostname or ""
    if settings.smtp_host:
        yield "e-mail", settings.smtp_host


def _stand_ins(settings: Settings) -> Iterator[str]:
    """Providers in whose place a stand-in takes the messages."""
    if settings.twilio_account_sid and settings.twilio_url:
        yield "Twilio"
    if settings.telegram_token.get_secret_value() and settings.telegram_url:
        yield "Telegram"


def _is_trial(settings: Settings) -> bool:
    """Does every provider run on this machine?"""
    hosts = [host for _, host in _connected(settings)]
    return bool(hosts) and all(host and _is_local(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    """Is it this machine itself?"""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    """Can nobody outside of this house reach it?"""
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


# ----- programs


def _of_programs(settings: Settings, programs: list[Program]) -> Iterator[Finding]:
    """`programs` is filled with those that are valid."""
    for name in program_names(settings):
        try:
            file, text = read_program(name)
            program = admit(text, file)
        except ProgramError as error:
            yield from (fault("program", str(each)) for each in error.faults)
        else:
            programs.append(program)
            yield good("program", f"{program.id} is valid")
    if not program_names(settings):
        yield fault("program", "none is named", "name one in HUIFANG_PROGRAMS")


# ----- database and staff


def _of_database(settings: Settings, programs: Sequence[Program]) -> Iterator[Finding]:
    file = _sqlite_file(settings)
    if file is not None and not file.exists():
        yield _of_new_file(file)
        return
    try:
        db = Database(settings.database_url)
    except (HuifangError, OSError) as error:
        yield fault("database", str(error).partition(" -> ")[0], "mend HUIFANG_DATABASE_URL")
        return
    try:
        condition = condition_of(db)
        yield from _of_condition(condition)
        if condition.revision == condition.newest:
            yield from _of_staff(db, programs)
    except HuifangError as error:
        yield fault("database", str(error), "start it, or mend HUIFANG_DATABASE_URL and the rights on its files")
    finally:
        db.close()


def _sqlite_file(settings: Settings) -> Path | None:
    url = _database_url(settings)
    if url is None or url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def _of_new_file(file: Path) -> Finding:
    if _can_be_made(file):
        return warning("database", f"{file} is not there yet", "`huifang serve` makes it; nothing else is needed")
    return fault("database", f"{file} cannot be made", "make its folder, and let this user write there")


def _can_be_made(file: Path) -> bool:
    """Is there a folder above that this user may write to?"""
    above = next((folder for folder in file.absolute().parents if folder.exists()), None)
    return above is not None and above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def _of_condition(condition: Condition) -> Iterator[Finding]:
    yield good("database", "can be reached and written to")
    if condition.revision is None:
        yield warning("database", "has no tables yet", "`huifang serve` makes them; nothing else is needed")
    elif condition.revision != condition.newest:
        remedy = "`huifang serve` brings older tables up to date; for newer ones install the newer Huifang"
        yield fault("database", f"has the tables of version {condition.revision}, not {condition.newest}", remedy)
    for weak in condition.weak:
        yield fault("database", f"{weak}: after a power cut a message may be sent twice", "switch it on again")
    if condition.clock is not None:
        yield _of_clock("the database", condition.clock)


def _of_clock(whose: str, theirs: datetime) -> Finding:
    apart = abs(theirs - SystemClock().now())
    if apart > APART:
        seconds = round(apart.total_seconds())
        return fault("clock", f"this machine and {whose} are {seconds} seconds apart", "let NTP set both clocks")
    return good("clock", f"agrees with {whose}")


def _of_staff(db: Database, programs: Sequence[Program]) -> Iterator[Finding]:
    with db.read() as session:
        wanted = [(program.id, role) for program in programs for role in program.roles()]
        missing = [(program_id, role) for program_id, role in wanted if not staff.with_role(session, program_id, role)]
    for program_id, role in missing:
        remedy = f"`huifang staff add NAME --phone NUMBER --role {role}`"
        yield warning("staff", f"nobody is {role} of {program_id}: its pings reach nobody", remedy)
    if not missing:
        yield good("staff", "somebody has every role")


# ----- providers


async def _of_providers(settings: Settings, programs: Sequence[Program]) -> list[Finding]:
    """What each provider says of our account there."""
    if settings.channels != "live":
        return []
    try:
        channels = pick_channels(settings, pick_clock(settings))
    except HuifangError as error:
        return [fault("channels", *_parted(error))]
    findings = [each for channel in channels.values() for each in await _of_channel(channel, settings)]
    findings += [each for program in programs for each in _of_ways(program, channels.keys())]
    return findings + await _of_their_clocks(settings)


async def _of_channel(channel: Channel, settings: Settings) -> list[Finding]:
    try:
        match channel:
            case TwilioChannel() | EmailChannel():
                return [good(channel.name, await channel.check())]
            case TelegramChannel():
                return [good(channel.name, await channel.check(_telegram_webhook(settings)))]
            case _:
                return []
    except HuifangError as error:
        return [_of_trouble(channel.name, settings, *_parted(error))]
    finally:
        await channel.close()


def _of_trouble(channel: str, settings: Settings, told: str, remedy: str) -> Finding:
    """What a provider's trouble asks for, where its own words do not say so."""
    provider = "telegram" if channel == "telegram" else "twilio"
    stand_in = settings.telegram_url if channel == "telegram" else settings.twilio_url
    reached, away, _ = told.partition(" cannot be reached")
    if away and not remedy:
        remedy = f"start `huifang fake {provider}`" if stand_in else "look at this machine's way to the internet"
        return fault(channel, f"{reached}{away}", remedy)
    setting = "HUIFANG_TELEGRAM_TOKEN" if channel == "telegram" else "HUIFANG_TWILIO_AUTH_TOKEN"
    if channel != "telegram" and settings.twilio_api_key:
        setting = "HUIFANG_TWILIO_API_KEY and HUIFANG_TWILIO_API_SECRET"
    return fault(channel, told, remedy or f"compare {setting} and the other settings with the provider's console")


def _parted(error: HuifangError) -> tuple[str, str]:
    """(what is wrong, what to do)."""
    told, _, remedy = str(error).partition(" -> ")
    return told, remedy


def _of_ways(program: Program, connected: Collection[str]) -> Iterator[Finding]:
    """Flows whose messages can go by no channel that is set up."""
    lost: dict[str, list[str]] = {}
    for flow in program.flows:
        if flow.message is not None and not set(flow.message.channels) & set(connected):
            lost.setdefault(" or ".join(flow.message.channels), []).append(flow.id)
    for channels, flows in lost.items():
        told = f"{program.id} sends {', '.join(flows)} by {channels} only, which is not set up"
        yield fault("program", told, "set it up, or give these flows another channel in the program")


def _telegram_webhook(settings: Settings) -> str:
    """The address that Telegram should call; empty: we fetch."""
    return f"{settings.public_url.rstrip('/')}{TELEGRAM_WEBHOOK}" if settings.telegram_mode == "webhook" else ""


async def _of_their_clocks(settings: Settings) -> list[Finding]:
    addresses = []
    if settings.twilio_account_sid:
        addresses.append(("Twilio", settings.twilio_url or TWILIO))
    if settings.telegram_token.get_secret_value():
        addresses.append(("Telegram", settings.telegram_url or TELEGRAM))
    told = [(name, await _date_of(address)) for name, address in addresses]
    return [_of_clock(name, date) for name, date in told if date is not None]


async def _date_of(address: str) -> datetime | None:
    """The time at a web server; None where it does not say, or cannot be reached."""
    limits = aiohttp.ClientTimeout(total=10, connect=3)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits) as session,
            session.head(address, allow_redirects=False) as answer,
        ):
            return parsedate_to_datetime(answer.headers["Date"])
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
        return None


# ----- webhooks


def _of_webhooks(settings: Settings) -> Iterator[Finding]:
    address = urlsplit(settings.public_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    if _is_loopback(address.hostname or "") and port != settings.port:
        told = f"HUIFANG_PUBLIC_URL leads to port {port} of this machine, but HUIFANG_PORT is {settings.port}"
        yield warning("webhooks", told, "let both name the same port")
    if settings.channels != "live":
        return
    if _is_local(address.hostname or "localhost") and not _is_trial(settings):
        told = f"HUIFANG_PUBLIC_URL is {settings.public_url}, which customers and providers cannot reach"
        yield fault("webhooks", told, "set it to the https address under which the world reaches this server")
        return
    if address.scheme != "https" and not _is_trial(settings):
        told = f"HUIFANG_PUBLIC_URL is {settings.public_url}: links and webhooks are not protected"
        yield fault("webhooks", told, "put a web server with a certificate in front, and write https")
        return
    yield good("webhooks", f"survey links begin with {settings.public_url}")
    if settings.twilio_account_sid:
        inbound = f"{settings.public_url.rstrip('/')}{INBOUND}"
        yield good("webhooks", f"paste into Twilio, as what happens when a message comes in: {inbound} (HTTP POST)")
    if webhook := _telegram_webhook(settings):
        yield good("webhooks", f"Telegram calls {webhook}; `huifang serve` tells it so, nothing is to be pasted")


# ----- limits and spool


_GUESSED_PRICE = tuple(Settings.model_fields[name].default for name in ("price_per_segment", "currency"))


def _of_limits(settings: Settings) -> Iterator[Finding]:
    if settings.channels != "live":
        return
    if not settings.countries:
        yield warning("limits", "every country may be messaged", "name yours in HUIFANG_COUNTRIES, such as US,CA")
    else:
        yield good("limits", f"only these countries are messaged: {settings.countries}")
    if not (settings.most_per_day or settings.most_per_campaign or settings.spend_per_day):
        remedy = "set HUIFANG_MOST_PER_DAY, HUIFANG_MOST_PER_CAMPAIGN or HUIFANG_SPEND_PER_DAY"
        yield warning("limits", "a wrong list could message everybody: there is no limit", remedy)
    if settings.spend_per_day and not settings.price_per_segment:
        told = "a segment costs nothing, so HUIFANG_SPEND_PER_DAY never stops anything"
        yield fault("limits", told, "set HUIFANG_PRICE_PER_SEGMENT to what your provider charges")
    elif settings.twilio_account_sid:
        price = f"{settings.price_per_segment} {settings.currency}"
        told = f"costs are counted with {price} for each SMS segment"
        if (settings.price_per_segment, settings.currency) != _GUESSED_PRICE:
            yield good("limits", told)
        else:
            remedy = "set HUIFANG_PRICE_PER_SEGMENT and HUIFANG_CURRENCY to what you pay"
            yield warning("limits", f"{told}, which is only our guess", remedy)


def _of_spool(settings: Settings) -> Iterator[Finding]:
    file = Path(settings.spool)
    folder = file.absolute().parent
    writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    if not writable or (file.exists() and not (file.is_file() and os.access(file, os.W_OK))):
        told = f"{file} cannot be written to: what comes in while the database is down would be lost"
        yield fault("spool", told, "let HUIFANG_SPOOL name a file in a folder that this user may write to")
    elif not Spool(file).is_empty():
        yield warning("spool", "texts wait in it for the database", "`huifang serve` takes them in")
    else:
        yield good("spool", f"{file} can be written to, and is empty")
