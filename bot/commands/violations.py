"""`huifang violation`: cases in which a member of staff may have broken a rule, and a manager's word on them."""

from typing import Annotated

import typer

from bot.commands.output import JsonOption, print_json
from bot.commands.tasks import member_called
from bot.config import read_settings
from flows.states import ViolationState

judging = typer.Typer(help="Violations that are suspected, and who confirms or dismisses them.", no_args_is_help=True)
Case = Annotated[int, typer.Argument(help="Its number in `huifang violation list`.")]
By = Annotated[str, typer.Option(help="Who decides: a name or number in `huifang staff list`.")]


@judging.command("list")
def violation_list(
    state: Annotated[ViolationState | None, typer.Option(help="Only cases in this state.")] = None,
    json_: JsonOption = False,
) -> None:
    """Cases, the newest first: whom they concern, why, what is proposed, and who may decide."""
    from bot.bootstrap import open_runtime
    from bot.store import violations

    runtime = open_runtime(read_settings())
    with runtime.db.read() as session:
        cases = violations.listed(session, state)
    for case in cases:
        program = runtime.shelf.version(case.program_version_id)
        rule = program.violations[case.kind]
        name = program.text(rule.name, program.language)
        proposed = program.text(case.sanction, program.language) if case.sanction else ""
        if json_:
            known = {"id": case.id, "program": case.program_id, "kind": case.kind, "name": name, "state": case.state}
            known |= {"about": case.about, "because": case.because, "number": case.number, "sanction": proposed}
            rests_on = {"customer": case.customer_id, "event": case.event_id, "reply": case.inbound_id}
            rests_on |= {"ticket": case.ticket_id, "task": case.task_id}
            evidence = {what: number for what, number in rests_on.items() if number}
            print_json({**known, "evidence": evidence, "reason": case.reason, "confirm": rule.confirm})
        else:
            whom = case.about or "nobody is named"
            more = f": {case.reason}" if case.reason else f", {case.number}: {proposed}" if proposed else ""
            typer.echo(f"{case.id} {name}: {whom}, {case.because}, {case.state}{more}")
    if not cases and not json_:
        typer.echo("there is none")


@judging.command("confirm")
def violation_confirm(
    case: Case,
    by: By,
    about: Annotated[str, typer.Option(help="Whom it concerns, where nobody or somebody else is named.")] = "",
) -> None:
    """Confirm a case: it gets its number, and the sanction of that number is proposed."""
    from bot.bootstrap import open_runtime
    from bot.journey.violations import confirm

    runtime = open_runtime(read_settings())
    confirm(runtime, case, member_called(runtime, by), about)
    typer.echo(f"violation {case}: confirmed")


@judging.command("dismiss")
def violation_dismiss(
    case: Case, by: By, reason: Annotated[str, typer.Option(help="Why it is none; stands in the trail.")]
) -> None:
    """Dismiss a case: it counts nowhere."""
    from bot.bootstrap import open_runtime
    from bot.journey.violations import dismiss

    runtime = open_runtime(read_settings())
    dismiss(runtime, case, member_called(runtime, by), reason)
    typer.echo(f"violation {case}: dismissed")
