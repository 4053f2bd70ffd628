"""`huifang senders`: the numbers and bots that messages leave by, which of them are paused, and letting them go on."""

from typing import Annotated

import typer

from bot.channels.contract import Sender
from bot.commands.output import JsonOption, print_json
from bot.config import read_settings
from bot.errors import InputError

sending = typer.Typer(help="What messages leave by: numbers, pools, bots.", no_args_is_help=True)


@sending.command("list")
def senders_list(json_: JsonOption = False) -> None:
    """Every sender with its rate, and every pause with its reason."""
    from bot.bootstrap import open_runtime
    from bot.journey.senders import paused

    runtime = open_runtime(read_settings())
    with runtime.db.read() as session:
        rows = paused(session)
    shut = {(row.channel, row.name) for row in rows if not row.country}
    for channel in runtime.channels.values():
        for sender in channel.senders:
            if (channel.name, sender.name) in shut:
                continue
            if json_:
                print_json({"channel": channel.name, "name": sender.name, "state": "sends", "rate": sender.per_second})
            else:
                typer.echo(f"{channel.name} {sender.name}: sends{_rate(sender)}")
    for row in rows:
        if json_:
            told = {"since": row.paused_at, "because": row.paused_because, "tries_at": row.probe_at}
            print_json({"channel": row.channel, "name": row.name, "state": "paused", "country": row.country, **told})
        else:
            only = f" for numbers of {row.country}" if row.country else ""
            then = "it tries by itself" if row.probe_at else f"then `huifang senders resume {row.channel}`"
            since = f"{row.paused_at.astimezone():%Y-%m-%d %H:%M}" if row.paused_at else "some time"
            typer.echo(f"{row.channel} {row.name}: paused{only} since {since}: {row.paused_because}; {then}")


def _rate(sender: Sender) -> str:
    if sender.per_second is None:
        return ""
    unit = "segment" if sender.by_segments else "message"
    plural = "" if sender.per_second == 1 else "s"
    return f", {sender.per_second:g} {unit}{plural} a second"


@sending.command("resume")
def senders_resume(
    channel: Annotated[str, typer.Argument(help="sms, whatsapp, telegram or email")],
    name: Annotated[str, typer.Argument(help="One sender of it; without it, all of them.")] = "",
    by: Annotated[str, typer.Option(help="Who has mended it: stands in the trail.")] = "the command line",
) -> None:
    """Let a paused sender go on, after what stopped it is mended."""
    from bot.bootstrap import open_runtime
    from bot.journey.senders import paused, resume

    runtime = open_runtime(read_settings())
    with runtime.db.read() as session:
        known = {*runtime.channels, *(row.channel for row in paused(session))}
    if channel not in known:
        remedy = f"one of {', '.join(sorted(known))}"
        raise InputError([{"field": "CHANNEL", "reason": f"no channel {channel!r}", "remedy": remedy}])
    resume(runtime, channel, name, by)
    typer.echo(f"{f'{channel} {name}'.strip()}: goes on")
