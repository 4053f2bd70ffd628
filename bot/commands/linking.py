"""`huifang link customer` and `huifang staff link`: a single-use address that joins a Telegram chat to somebody."""

import asyncio
from typing import Annotated

import typer

from bot.config import read_settings
from bot.errors import InputError, NotFound, SettingError
from bot.runtime import Runtime

linking = typer.Typer(help="Single-use links that join a Telegram chat to a customer.", no_args_is_help=True)


@linking.command("customer")
def link_customer(
    customer: Annotated[str, typer.Argument(help="The source's id of the customer, or a phone number.")],
    source: Annotated[str, typer.Option(help="Name of the system that calls the customer so.")] = "cli",
) -> None:
    """Print a link for one customer: the first chat that opens it within a day is theirs."""
    from bot.bootstrap import open_runtime
    from bot.phones import normalise_phone
    from bot.store import customers

    runtime = open_runtime(read_settings())
    phone = normalise_phone(customer, runtime.settings.region) or ""
    with runtime.db.read() as session:
        found = customers.by_keys(session, source, [customer]) or customers.by_addresses(session, [phone])
    if not found:
        raise NotFound(f"{source} has no customer {customer!r}, and nobody has this number")
    typer.echo(make_telegram_link(runtime, customer_id=next(iter(found.values()))))


def make_telegram_link(runtime: Runtime, *, customer_id: int = 0, staff_id: int = 0) -> str:
    """A new single-use link. SettingError: Telegram is not connected; InputError: it cannot be asked now."""
    from bot.channels.telegram import TelegramChannel
    from bot.journey.linking import make_link

    channel = runtime.channels.get("telegram")
    if not isinstance(channel, TelegramChannel):
        raise SettingError("HUIFANG_TELEGRAM_TOKEN", "connects no bot", "see docs/connect-telegram.md")
    token = make_link(runtime, channel="telegram", customer_id=customer_id, staff_id=staff_id)

    async def ask() -> str | None:
        try:
            return await channel.deep_link(token)
        finally:
            await channel.close()

    link = asyncio.run(ask())
    if link is None:
        fault = {"field": "telegram", "reason": "does not say the bot's name", "remedy": "huifang doctor tells why"}
        raise InputError([fault])
    return link
