"""`huifang task`: what people are to do, recording that it is done, letting it go."""

from typing import Annotated, Any

import typer

from bot.commands.output import JsonOption, print_json
from bot.config import read_settings
from bot.errors import InputError

tasking = typer.Typer(help="What people are to do: calls, visits, letters, forms.", no_args_is_help=True)


@tasking.command("list")
def task_list(
    role: Annotated[str, typer.Option(help="Only tasks of this role.")] = "", json_: JsonOption = False
) -> None:
    """Open tasks, the most urgent first."""
    from bot.bootstrap import open_runtime
    from bot.store import customers, tasks

    runtime = open_runtime(read_settings())
    now = runtime.clock.now()
    with runtime.db.read() as session:
        rows = tasks.listed(session, role=role)
        people = customers.by_ids(session, (row.customer_id for row in rows))
    for row in rows:
        name = people[row.customer_id].name if row.customer_id in people else ""
        if json_:
            known = {"id": row.id, "kind": row.kind, "name": row.name, "role": row.role, "customer": name}
            print_json({**known, "program": row.program_id, "due": row.due_at, "required": row.required})
        else:
            late = " (late)" if row.due_at < now else ""
            whom = f"{name}, {row.role}" if name else row.role
            typer.echo(f"{row.id} {row.name}: {whom}, due {row.due_at.astimezone():%Y-%m-%d %H:%M}{late}")
    if not rows and not json_:
        typer.echo("nothing is open")


@tasking.command("done")
def task_done(
    task: Annotated[int, typer.Argument(help="Its number in `huifang task list`.")],
    field: Annotated[list[str] | None, typer.Option(help="A field of it, name=value; may be repeated.")] = None,
    by: Annotated[str, typer.Option(help="Who did it: a name or number in `huifang staff list`.")] = "",
    result: Annotated[str, typer.Option(help="What came of it, in words.")] = "",
) -> None:
    """Record that a task is done, with every field that it needs."""
    from bot.bootstrap import open_runtime
    from bot.journey.tasks import Done, finish

    runtime = open_runtime(read_settings())
    staff_id = _member(runtime, by) if by else 0
    data = dict(_pair(each) for each in field or [])
    finish(runtime, task, Done(staff_id=staff_id, data=data, result=result))
    typer.echo(f"task {task}: done")


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


def _member(runtime: Any, name: str) -> int:
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
