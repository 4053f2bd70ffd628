"""`huifang task`: what people are to do, recording that it is done, agreeing on its time, letting it go."""

from datetime import datetime
from typing import Annotated, Any

import typer

from bot.commands.output import JsonOption, print_json
from bot.config import read_settings
from bot.errors import InputError

MOST = 10_000
"""Tasks of one list."""
tasking = typer.Typer(help="What people are to do: calls, visits, letters, forms.", no_args_is_help=True)


@tasking.command("list")
def task_list(
    role: Annotated[str, typer.Option(help="Only tasks of this role.")] = "",
    kind: Annotated[str, typer.Option(help="Only tasks of this kind, such as letter.")] = "",
    json_: JsonOption = False,
) -> None:
    """Open tasks, the most urgent first, with what must be known of the customer, such as an address."""
    from bot.bootstrap import open_runtime
    from bot.store import customers, tasks

    runtime = open_runtime(read_settings())
    now = runtime.clock.now()
    with runtime.db.read() as session:
        rows = tasks.listed(session, role=role, kind=kind, limit=MOST)
        people = customers.by_ids(session, (row.customer_id for row in rows))
    for row in rows:
        person = people.get(row.customer_id)
        name = person.name if person else ""
        program = runtime.shelf.version(row.program_version_id)
        facts = program.shown(row.flow, row.kind, row.role, person.attributes) if person else {}
        if json_:
            known: dict[str, Any] = {
                "id": row.id,
                "kind": row.kind,
                "name": row.name,
                "role": row.role,
                "customer": name,
            }
            known |= {"program": row.program_id, "due": row.due_at, "required": row.required, "shown": facts}
            print_json({**known, "proposed": row.proposed_at, "confirmed": row.confirmed_at})
        else:
            more = " (late)" if row.due_at < now else ""
            if row.proposed_at:
                more += f", the customer proposes {row.proposed_at.astimezone():%Y-%m-%d %H:%M}"
            elif row.confirmed_at:
                more += ", confirmed by the customer"
            told = (f"{field} {value or 'not told'}" for field, value in facts.items())
            whom = ", ".join(filter(None, (name, row.role, *told)))
            typer.echo(f"{row.id} {row.name}: {whom}, due {row.due_at.astimezone():%Y-%m-%d %H:%M}{more}")
    if not rows and not json_:
        typer.echo("nothing is open")


@tasking.command("done")
def task_done(
    task: Annotated[int, typer.Argument(help="Its number in `huifang task list`.")],
    field: Annotated[list[str] | None, typer.Option(help="A field of it, name=value; may be repeated.")] = None,
    by: Annotated[str, typer.Option(help="Who did it: a name or number in `huifang staff list`.")] = "",
    result: Annotated[str, typer.Option(help="What came of it, in words.")] = "",
    made: Annotated[str, typer.Option(help="Where a call or a visit does it: which it was.")] = "",
) -> None:
    """Record that a task is done, with every field that it needs."""
    from bot.bootstrap import open_runtime
    from bot.journey.tasks import Done, finish

    runtime = open_runtime(read_settings())
    staff_id = member_called(runtime, by) if by else 0
    data = dict(_pair(each) for each in field or [])
    finish(runtime, task, Done(staff_id=staff_id, data=data, result=result, made=made))
    typer.echo(f"task {task}: done")


@tasking.command("appoint")
def task_appoint(
    task: Annotated[int, typer.Argument(help="Its number in `huifang task list`.")],
    at: Annotated[datetime | None, typer.Option(help="Another time, local: 2026-12-11T15:00.")] = None,
    by: Annotated[str, typer.Option(help="Who agrees: a name or number in `huifang staff list`.")] = "",
) -> None:
    """Agree to the time that the customer proposed for an appointment, or name another; the customer hears of it."""
    from bot.bootstrap import open_runtime
    from bot.journey.appointments import agree

    runtime = open_runtime(read_settings())
    named = at and at.replace(tzinfo=runtime.shelf.in_force[0].program.time_zone)
    due_at = agree(runtime, task, named, member_called(runtime, by) if by else 0)
    typer.echo(f"task {task}: {due_at.astimezone():%Y-%m-%d %H:%M}")


@tasking.command("cancel")
def task_cancel(
    task: Annotated[int, typer.Argument(help="Its number in `huifang task list`.")],
    reason: Annotated[str, typer.Option(help="Why it need not be done; stands in the trail.")],
) -> None:
    """Let a task go, with a reason."""
    from bot.bootstrap import open_runtime
    from bot.journey.tasks import cancel

    cancel(open_runtime(read_settings()), task, reason)
    typer.echo(f"task {task}: cancelled")


def member_called(runtime: Any, name: str) -> int:
    """The id of a member of staff by name or number. InputError: nobody is called so."""
    from bot.store import staff

    with runtime.db.read() as session:
        members = staff.everybody(session)
    for member in members:
        if name in (member.name, str(member.id)):
            return int(member.id)
    known = ", ".join(member.name for member in members) or "nobody: `huifang staff add`"
    raise InputError([{"field": "--by", "reason": f"{name!r} is no member of staff", "remedy": f"one of {known}"}])


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError([{"field": "--field", "reason": f"{text!r} has no =", "remedy": "write name=value"}])
    return name.strip(), _value(value.strip())


def _value(text: str) -> Any:
    """A value as the fields of a program are typed: yes and no, a number, else the text."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text
