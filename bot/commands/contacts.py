"""`huifang contact`: calls, visits and letters that were made, and follow-ups that staff plan by hand."""

from datetime import date, datetime
from typing import Annotated, Any

import typer

from bot.commands.output import JsonOption, print_json
from bot.commands.tasks import member_called
from bot.config import read_settings
from bot.errors import InputError

contacting = typer.Typer(help="Calls, visits and letters: what was made, and what is to come.", no_args_is_help=True)
CustomerArgument = Annotated[str, typer.Argument(help="The source's id of the customer, or a phone number.")]
SourceOption = Annotated[str, typer.Option(help="Name of the system whose ids these are.")]


@contacting.command("log")
def contact_log(
    kind: Annotated[str, typer.Argument(help="Kind of contact, e.g. call or visit.")],
    customer: CustomerArgument,
    id: Annotated[str, typer.Option(help="Id of the contact, unique in its source.")],
    at: Annotated[str, typer.Option(help="When it was made (ISO 8601); default: now.")] = "",
    field: Annotated[list[str] | None, typer.Option(help="A field of it, name=value; may be repeated.")] = None,
    by: Annotated[str, typer.Option(help="Who made it: a name or number in `huifang staff list`.")] = "",
    person: Annotated[str, typer.Option(help="With whom: a name or a role at the customer.")] = "",
    next_: Annotated[str, typer.Option("--next", help="The next date, as it was agreed: 2026-12-10.")] = "",
    program: Annotated[str, typer.Option(help="Program, where several know the kind.")] = "",
    source: SourceOption = "cli",
    json_: JsonOption = False,
) -> None:
    """Log a contact, once; what waits for such a contact is fulfilled, or counts from it."""
    from bot.bootstrap import open_runtime
    from bot.journey.contacts import ContactIn, log_contact

    runtime = open_runtime(read_settings())
    row = ContactIn(
        id,
        kind,
        customer,
        _instant(at, runtime) if at else runtime.clock.now(),
        program,
        person,
        by,
        dict(_pair(each, _texts(runtime, kind)) for each in field or []),
        _day(next_, "--next") if next_ else None,
    )
    result = log_contact(runtime, source, [row])[0]
    if result.verdict == "refused":
        raise InputError(result.faults)
    missing = [fault["field"].removeprefix("data.") for fault in result.faults]
    if json_:
        print_json({"id": result.id, "verdict": result.verdict, "contact": result.row_id, "missing": missing})
    else:
        told = f", does not count: field missing: {', '.join(missing)}" if missing else ""
        typer.echo(f"{result.id}: {result.verdict}{told}")


@contacting.command("plan")
def contact_plan(
    customer: CustomerArgument,
    flow: Annotated[str, typer.Argument(help="What is to be sent or done: a flow, as program.flow.")],
    reason: Annotated[str, typer.Option(help="Why; stands in the trail.")],
    on: Annotated[str, typer.Option(help="Day: 2026-12-10.")] = "",
    at: Annotated[str, typer.Option(help="Instead: day and time, 2026-12-10T14:00.")] = "",
    agreed: Annotated[bool, typer.Option("--agreed", help="In place of the next one that the flow plans.")] = False,
    by: Annotated[str, typer.Option(help="Who plans it: a name or number in `huifang staff list`.")] = "",
    source: SourceOption = "cli",
) -> None:
    """Plan one more follow-up of a customer, or agree when the next one comes."""
    from bot.bootstrap import open_runtime
    from bot.journey.contacts import ByHand, agree_next, customer_called, plan_extra

    runtime = open_runtime(read_settings())
    program, _, name = flow.rpartition(".")
    day, time = _day(on, "--on") if on else None, _instant(at, runtime) if at else None
    wanted = ByHand(program, name, reason, day, time, member_called(runtime, by) if by else 0)
    customer_id = customer_called(runtime, source, customer)
    if agreed:
        agree_next(runtime, customer_id, wanted)
        typer.echo(f"agreed: {on}")
    else:
        typer.echo(f"planned: {plan_extra(runtime, customer_id, wanted).astimezone():%Y-%m-%d %H:%M}")


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError([{"field": option, "reason": f"{text!r} is no day", "remedy": "2026-12-10"}]) from error


def _instant(text: str, runtime: Any) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        reason = f"{text!r} is no instant"
        raise InputError([{"field": "--at", "reason": reason, "remedy": "2026-12-10T14:00+08:00"}]) from error
    return at if at.tzinfo else at.replace(tzinfo=runtime.shelf.in_force[0].program.time_zone)


def _texts(runtime: Any, kind: str) -> set[str]:
    """The fields of a kind that are no numbers and flags, also where a number is written in them."""
    programs = [each.program for each in runtime.shelf.in_force if kind in each.program.contacts]
    fields = {name: told for each in programs for name, told in each.contacts[kind].fields.items()}
    return {name for name, told in fields.items() if told in ("text", "date")}


def _pair(text: str, texts: set[str]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError([{"field": "--field", "reason": f"{text!r} has no =", "remedy": "write name=value"}])
    name, value = name.strip(), value.strip()
    if name in texts:
        return name, value
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        return name, value
