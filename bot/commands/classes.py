"""`huifang classes`: who belongs to which class by a program's rules, what they bring, and what each class gets."""

from datetime import date, datetime
from typing import Annotated

import typer
from rich.table import Table

from bot.commands.output import JsonOption, out, print_json
from bot.config import read_settings
from bot.errors import HuifangError
from bot.shelf import Shelf
from bot.store import classes
from bot.store.classes import Members
from flows.audience import All, Compare
from flows.cautions import can_hold
from flows.program import Program


def classes_of(
    program: Annotated[str, typer.Argument(help="Id of a program.")],
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="As the rules find them on this day.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Who belongs to which class by what was measured, and what each class gets; moves nobody."""
    from bot.bootstrap import open_runtime

    runtime = open_runtime(read_settings())
    found = _program(runtime.shelf, program)
    day = on.date() if on else runtime.today(found.zone)
    with runtime.db.read() as session:
        members = classes.members(session, found.id, found.classes.rules, day)
    if json_:
        for each in members:
            print_json(_as_dict(each, found, members))
    else:
        out().print(_table(found, day, members))


def _program(shelf: Shelf, program_id: str) -> Program:
    known = {each.program.id: each.program for each in shelf.in_force}
    if program_id not in known:
        raise HuifangError(f"no program {program_id!r} runs here; these do: {', '.join(sorted(known))}")
    return known[program_id]


def _table(program: Program, day: date, members: list[Members]) -> Table:
    table = Table("class", "customers", "share", "events each", "total", "share of total", "last", "gets")
    table.title = str(day)
    for each in members:
        row = _as_dict(each, program, members)
        table.add_row(
            each.class_ or "-",
            f"{each.customers:,}",
            f"{row['share']:.1%}",
            f"{each.events / each.customers:.1f}",
            f"{each.total:,.0f}",
            f"{row['share_of_total']:.1%}",
            "-" if each.days_since is None else f"{each.days_since:.0f} days ago",
            ", ".join(_flows_for(program, each.class_)),
        )
    return table


def _as_dict(each: Members, program: Program, members: list[Members]) -> dict[str, object]:
    everybody = sum(other.customers for other in members)
    total = sum(other.total for other in members)
    return {
        "class": each.class_,
        "customers": each.customers,
        "share": each.customers / everybody,
        "events": each.events,
        "total": each.total,
        "share_of_total": each.total / total if total else 0.0,
        "days_since": each.days_since,
        "gets": _flows_for(program, each.class_),
    }


def _flows_for(program: Program, class_: str | None) -> list[str]:
    """The flows that may mean somebody of this class."""
    if class_ is None:
        return []
    of_class = Compare("class", "==", class_)
    return [flow.id for flow in program.flows if can_hold(All((flow.audience, of_class)), program)]
