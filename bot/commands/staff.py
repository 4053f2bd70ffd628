"""`huifang staff`: members of staff, the roles that nobody has, and links that join a Telegram chat to one of them."""

from typing import Annotated

import typer
from rich.markup import escape

from bot.commands.linking import make_telegram_link
from bot.commands.output import JsonOption, console, print_json
from bot.config import read_settings
from bot.errors import InputError

staffing = typer.Typer(help="Members of staff: who is pinged, and who makes the callbacks.", no_args_is_help=True)


@staffing.command("add")
def staff_add(
    name: Annotated[str, typer.Argument(help="Name, as pings and the queue show it.")],
    phone: Annotated[str, typer.Option(help="Number that pings go to.")],
    role: Annotated[list[str], typer.Option(help="Role, or program:role; may be repeated.")],
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
) -> None:
    """Add a member of staff; the same number again changes name and roles."""
    from bot.bootstrap import open_runtime
    from bot.staffing import hire

    member = hire(open_runtime(read_settings()), name, phone, role, language)
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
            print_json({"id": member.id, "name": member.name, "roles": member.roles, "language": member.language})
        else:
            typer.echo(f"{member.id} {member.name}: {', '.join(member.roles)}")
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
    from bot.store import staff

    runtime = open_runtime(read_settings())
    with runtime.db.read() as session:
        found = [member for member in staff.everybody(session) if name in (member.name, str(member.id))]
    if len(found) != 1:
        reason = f"nobody is called {name!r}" if not found else f"{len(found)} people are called {name!r}"
        raise InputError([{"field": "NAME", "reason": reason, "remedy": "use the number of `huifang staff list`"}])
    typer.echo(make_telegram_link(runtime, staff_id=found[0].id))
