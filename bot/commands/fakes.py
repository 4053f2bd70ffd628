"""`huifang fake twilio|telegram`: a stand-in for a provider on this machine, and how to play the phones with curl."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.config import Settings, read_settings

if TYPE_CHECKING:  # the stand-ins load their providers' libraries, which no other command needs
    from bot.channels.fakes.faults import Faults
    from bot.channels.fakes.ledger import Ledger

faking = typer.Typer(
    help="Stand-ins for Twilio and Telegram on this machine: try everything without an account.", no_args_is_help=True
)
LedgerOption = Annotated[
    Path | None, typer.Option(help="File that keeps what reached the phones; without it, memory does.")
]
FaultsOption = Annotated[float, typer.Option(min=0, max=1, help="Share of the calls that fail, in every way there is.")]
SeedOption = Annotated[int, typer.Option(help="The same seed fails the same calls.")]

ACCOUNT = "AC" + "0" * 32
TOKEN = "stand-in-token"  # noqa: S105 - opens nothing
HOST = "127.0.0.1"


@faking.command("twilio")
def fake_twilio(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8091,
    ledger: LedgerOption = None,
    faults: FaultsOption = 0.0,
    seed: SeedOption = 0,
    opt_out: Annotated[
        bool, typer.Option("--advanced-opt-out", help="Tell of STOP as accounts with Advanced Opt-Out do.")
    ] = False,
) -> None:
    """A stand-in for Twilio: takes messages, brings them to phones, sends signed webhooks."""
    from bot.bootstrap import pick_clock
    from bot.channels.fakes.serving import serve_fake
    from bot.channels.fakes.twilio import FakeTwilio
    from bot.channels.fakes.twilio_rules import MAGIC_SENDER

    settings = read_settings()
    numbers = [number.strip() for number in settings.twilio_numbers.split(",") if number.strip()]
    if settings.twilio_whatsapp:
        numbers.append(f"whatsapp:{settings.twilio_whatsapp}")
    provider = FakeTwilio(
        pick_clock(settings),
        settings.twilio_account_sid or ACCOUNT,
        settings.twilio_auth_token.get_secret_value() or TOKEN,
        numbers=numbers or [MAGIC_SENDER],
        service=settings.twilio_messaging_service,
        api_keys={settings.twilio_api_key: settings.twilio_api_secret.get_secret_value()},
        ledger=_ledger(ledger),
        faults=_faults(faults, seed),
        inbound_url=f"{settings.public_url.rstrip('/')}/hooks/twilio/inbound",
        advanced_opt_out=opt_out,
    )
    wanted = {"HUIFANG_TWILIO_URL": f"http://{HOST}:{port}"}
    if not settings.twilio_account_sid:
        wanted["HUIFANG_TWILIO_ACCOUNT_SID"] = ACCOUNT
    if not settings.twilio_auth_token.get_secret_value():
        wanted["HUIFANG_TWILIO_AUTH_TOKEN"] = TOKEN
    if not numbers and not settings.twilio_messaging_service:
        wanted["HUIFANG_TWILIO_NUMBERS"] = MAGIC_SENDER
    phone = f"http://{HOST}:{port}/fake/phones/+14155550123"
    plays = {f"curl {phone}": "what is on it", f"curl --data-urlencode 'Body=5 很好' {phone}": "type a text"}
    begun = partial(_introduce, "Twilio", port, settings, wanted, plays)
    asyncio.run(serve_fake(provider, HOST, port, begun))


@faking.command("telegram")
def fake_telegram(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8092,
    ledger: LedgerOption = None,
    faults: FaultsOption = 0.0,
    seed: SeedOption = 0,
) -> None:
    """A stand-in for Telegram: one bot, and the chats that write to it."""
    from bot.bootstrap import pick_clock
    from bot.channels.fakes import telegram
    from bot.channels.fakes.serving import serve_fake

    settings = read_settings()
    token = settings.telegram_token.get_secret_value()
    provider = telegram.FakeTelegram(
        pick_clock(settings), token or telegram.TOKEN, ledger=_ledger(ledger), faults=_faults(faults, seed)
    )
    wanted = {"HUIFANG_TELEGRAM_URL": f"http://{HOST}:{port}"}
    if not token:
        wanted["HUIFANG_TELEGRAM_TOKEN"] = telegram.TOKEN
    chat = f"http://{HOST}:{port}/fake/chats/1001"
    plays = {
        f"curl {chat}": "what is in the chat",
        f"curl -d open=TOKEN {chat}": "open it by a link; TOKEN stands behind ?start= in the link",
        f"curl --data-urlencode contact=+14155550123 {chat}": "share one's own number",
        f"curl --data-urlencode 'text=5 很好' {chat}": "type a text",
        f"curl -d message=1 --data-urlencode tap=DATA {chat}": "tap a button of message 1",
    }
    begun = partial(_introduce, "Telegram", port, settings, wanted, plays)
    asyncio.run(serve_fake(provider, HOST, port, begun))


def _ledger(file: Path | None) -> "Ledger | None":
    from bot.channels.fakes.ledger import Ledger

    return Ledger(file) if file else None


def _faults(rate: float, seed: int) -> "Faults":
    """Every way to fail equally often, together at this rate."""
    from bot.channels.fakes.faults import Fault, Faults

    return Faults({fault: rate / len(Fault) for fault in Fault} if rate else {}, seed)


def _introduce(name: str, port: int, settings: Settings, wanted: dict[str, str], plays: dict[str, str]) -> None:
    """How to point Huifang at the stand-in, and how to play a phone. Secrets of the settings are not repeated.

    `wanted`: settings and their values; `plays`: commands and what each does.
    """
    if settings.channels != "live":
        wanted = {"HUIFANG_CHANNELS": "live", **wanted}
    typer.echo(f"A stand-in for {name} listens at http://{HOST}:{port}; nothing leaves this machine. Ctrl+C ends it.")
    typer.echo("\nLet Huifang use it: put these lines into .env, then start `huifang serve`:\n")
    for setting, value in wanted.items():
        typer.echo(f"  {setting}={value}")
    typer.echo("\nPlay a phone:\n")
    for command, meaning in plays.items():
        typer.echo(f"  # {meaning}\n  {command}")
    typer.echo("")
