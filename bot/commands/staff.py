"""`huifang staff`: members of staff, their days on duty, the roles that nobody has, and links to a Telegram chat."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from bot.commands.linking import make_telegram_link
from bot.commands.output import JsonOption, console, print_json
from bot.config import read_settings
from bot.errors import InputError
from flows.shifts import parse_days

if TYPE_CHECKING:
    from bot.runtime import Runtime
    from bot.store.tables import StaffRow

staffing = typer.Typer(help="Members of staff: who is pinged, and who makes the callbacks.", no_args_is_help=True)


@staffing.command("add")
def staff_add(
    name: Annotated[str, typer.Argument(help="Name, as pings and the queue show it.")],
    phone: Annotated[str, typer.Option(help="Number that pings go to.")],
    role: Annotated[list[str], typer.Option(help="Role, or program:role; may be repeated.")],
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day here: nothing before it is judged.")
    ] = None,
) -> None:
    """Add a member of staff; the same number again changes name and roles."""
    from bot.bootstrap import open_runtime
    from bot.staffing import hire

    runtime = open_runtime(read_settings())
    member = hire(runtime, name, phone, role, language, since.date() if since else None)
    typer.echo(f"{member.id} {member.name}: {', '.join(member.roles)}")


@staffing.command("list")
def staff_list(json_: JsonOption = False) -> None:
    """Who is there, and which roles nobody has."""
    from bot.bootstrap import open_runtime
    from bot.staffing import missing_roles
    from bot.store import staff

    runtime = open_runtime(read_settings())
    with runtime.db.read() as session:
        members = staff.everybody(session)
    for member in members:
        if json_:
            known = {"id": member.id, "name": member.name, "roles": member.roles, "language": member.language}
            print_json({**known, "since": member.since})
        else:
            began = f" (since {member.since})" if member.since else ""
            typer.echo(f"{member.id} {member.name}: {', '.join(member.roles)}{began}")
    for program_id, role in missing_roles(runtime):
        console.print(
            escape(f"nobody is {role} of {program_id}: add one with `huifang staff add`"),
            highlight=False,
            soft_wrap=True,
        )


@staffing.command("link")
def staff_link(
    name: Annotated[str, typer.Argument(help="Name of the member of staff, or their number in `huifang staff list`.")],
) -> None:
    """Print a link for one member of staff: the first chat that opens it within a day gets their pings."""
    from bot.bootstrap import open_runtime

    runtime = open_runtime(read_settings())
    typer.echo(make_telegram_link(runtime, staff_id=_called(runtime, name).id))


@staffing.command("duty")
def staff_duty(
    name: Annotated[str, typer.Argument(help="Name of the member of staff, or their number in `huifang staff list`.")],
    days: Annotated[list[str] | None, typer.Argument(help="Days: 2026-10-01, or 2026-10-01..2026-10-03.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Not on duty on these days any more.")] = False,
) -> None:
    """Name somebody for days on which they stand in for others; without days, tell for which they are named."""
    from bot.bootstrap import open_runtime
    from bot.journey.rosters import set_duty
    from bot.store import shifts

    runtime = open_runtime(read_settings())
    member = _called(runtime, name)
    if days:
        set_duty(runtime, member.id, [day for each in days for day in _days(each)], off=off)
    with runtime.db.read() as session:
        named = shifts.days_of(session, member.id, runtime.clock.now().date())
    typer.echo(f"{member.id} {member.name}: {', '.join(map(str, named)) or 'on duty on no day to come'}")


def _called(runtime: "Runtime", name: str) -> "StaffRow":
    """The one member of staff of this name or number. InputError: nobody, or several."""
    from bot.store import staff

    with runtime.db.read() as session:
        found = [member for member in staff.everybody(session) if name in (member.name, str(member.id))]
    if len(found) != 1:
        reason = f"nobody is called {name!r}" if not found else f"{len(found)} people are called {name!r}"
        raise InputError([{"field": "NAME", "reason": reason, "remedy": "use the number of `huifang staff list`"}])
    return found[0]


def _days(text: str) -> list[date]:
    """A day, or each from the first to the last of two. InputError."""
    try:
        return parse_days(text)
    except ValueError as error:
        remedy = "write 2026-10-01, or the earlier day first: 2026-10-01..2026-10-03"
        raise InputError([{"field": "DAYS", "reason": str(error), "remedy": remedy}]) from error
