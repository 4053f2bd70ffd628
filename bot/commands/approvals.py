"""`huifang approval`: what must be approved before it is sent, and how far it has come."""

from typing import Annotated

import typer

from bot.commands.output import JsonOption, print_json
from bot.commands.tasks import member_called
from bot.config import read_settings

approving = typer.Typer(help="What another person approves before it is sent.", no_args_is_help=True)
Program = Annotated[str, typer.Argument(help="Id of the program.")]
Name = Annotated[str, typer.Argument(help="The survey or template, as `huifang approval list` names it.")]
By = Annotated[str, typer.Option(help="Who does so: a name or number in `huifang staff list`.")]


@approving.command("list")
def approval_list(json_: JsonOption = False) -> None:
    """What must be approved: shipped, draft, submitted, approved or retired; and by whom."""
    from bot.bootstrap import open_runtime
    from bot.journey.approvals import contents_of, states

    runtime = open_runtime(read_settings())
    contents = [content for each in runtime.shelf.in_force for content in contents_of(runtime, each.program)]
    with runtime.db.read() as session:
        known = states(session, contents)
    for content, found in known.items():
        approval, state = content.approval, found or "shipped"
        if json_:
            who = {"author": approval.author, "approver": approval.approver}
            print_json({"program": content.program_id, "name": content.name, "state": str(state), **who})
        else:
            who_does = f"{approval.author} submits it, {approval.approver} approves it"
            typer.echo(f"{content.program_id} {content.name}: {state} ({who_does})")
    if not known and not json_:
        typer.echo("nothing must be approved")


@approving.command("submit")
def approval_submit(program: Program, name: Name, by: By) -> None:
    """Say that it is ready; whoever approves it is told."""
    from bot.bootstrap import open_runtime
    from bot.journey.approving import submit

    runtime = open_runtime(read_settings())
    submit(runtime, program, name, member_called(runtime, by))
    typer.echo(f"{name}: submitted")


@approving.command("approve")
def approval_approve(program: Program, name: Name, by: By) -> None:
    """Approve what somebody else submitted; what waited for it goes out."""
    from bot.bootstrap import open_runtime
    from bot.journey.approving import approve

    runtime = open_runtime(read_settings())
    released = approve(runtime, program, name, member_called(runtime, by))
    typer.echo(f"{name}: approved; {released} waited for it")


@approving.command("withdraw")
def approval_withdraw(program: Program, name: Name, by: By) -> None:
    """Send it back to its author, or have it not sent any more."""
    from bot.bootstrap import open_runtime
    from bot.journey.approving import withdraw

    runtime = open_runtime(read_settings())
    withdraw(runtime, program, name, member_called(runtime, by))
    typer.echo(f"{name}: withdrawn")
