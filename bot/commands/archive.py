"""`huifang archive`: forms that need not be kept any longer, and the deletions that several people approve."""

from datetime import date
from typing import Annotated

import typer

from bot.commands.output import JsonOption, print_json
from bot.commands.tasks import member_called
from bot.config import read_settings

archiving = typer.Typer(help="How long forms are kept, and who has them deleted.", no_args_is_help=True)
Program = Annotated[str, typer.Argument(help="Id of the program.")]
By = Annotated[str, typer.Option(help="Who does so: a name or number in `huifang staff list`.")]


@archiving.command("list")
def archive_list(json_: JsonOption = False) -> None:
    """What must still be kept, what need not, and whose approval a deletion waits for."""
    from bot.bootstrap import open_runtime
    from bot.journey.archive import standings

    found = standings(open_runtime(read_settings()))
    for each in found:
        known = {
            "program": each.program.id,
            "keep": str(each.archive.keep),
            "deletable": each.forms,
            "sent_through": _day(each.through),
            "oldest_kept_through": _day(each.oldest_through),
            "deletion": each.waiting.state if each.waiting else None,
            "next": each.next_role,
        }
        if json_:
            print_json(known)
        else:
            waits = f"; a deletion is {each.waiting.state}" if each.waiting else ""
            next_ = f", the {each.next_role} is next" if each.next_role else ""
            told = f"{each.forms} forms sent through {each.through} may be deleted"
            typer.echo(f"{each.program.id}: kept for {each.archive.keep}; {told}{waits}{next_}")
    if not found and not json_:
        typer.echo("no program says how long its forms are kept")


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


@archiving.command("ask")
def archive_ask(program: Program, by: By) -> None:
    """Ask that everything is deleted that need not be kept today."""
    from bot.bootstrap import open_runtime
    from bot.journey.archive import ask

    runtime = open_runtime(read_settings())
    typer.echo(f"{program}: {ask(runtime, program, member_called(runtime, by))} forms are to be deleted")


@archiving.command("approve")
def archive_approve(program: Program, by: By) -> None:
    """Approve the deletion that waits, when it is your turn."""
    from bot.bootstrap import open_runtime
    from bot.journey.archive import approve

    runtime = open_runtime(read_settings())
    next_ = approve(runtime, program, member_called(runtime, by))
    typer.echo(f"{program}: approved; " + (f"the {next_} is next" if next_ else "it is deleted now"))


@archiving.command("refuse")
def archive_refuse(program: Program, by: By, reason: Annotated[str, typer.Option(help="Why the forms stay.")]) -> None:
    """Refuse the deletion that waits: the forms stay."""
    from bot.bootstrap import open_runtime
    from bot.journey.archive import refuse

    runtime = open_runtime(read_settings())
    refuse(runtime, program, member_called(runtime, by), reason)
    typer.echo(f"{program}: refused; nothing is deleted")
