"""The command line: `huifang COMMAND`. Each command opens what it needs, calls the journey, and prints.

Errors that a user can mend are printed as one clear message, never as a traceback; the exit code is then 2.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from bot.commands.approvals import approving
from bot.commands.archive import archiving
from bot.commands.check import check
from bot.commands.classes import classes_of
from bot.commands.contacts import contacting
from bot.commands.evaluate import evaluate
from bot.commands.fakes import faking
from bot.commands.linking import linking
from bot.commands.milestones import milestone
from bot.commands.output import JsonOption, console, out, print_json, progress
from bot.commands.rehearse import print_timeline
from bot.commands.senders import sending
from bot.commands.staff import staffing
from bot.commands.tasks import tasking
from bot.commands.violations import judging
from bot.config import Settings, read_settings
from bot.errors import HuifangError, InputError, SettingError
from bot.logs import configure_logs
from messages.catalog import TemplateError

app = typer.Typer(
    name="huifang",
    help="Huifang, the return visit: follow customers up, read their replies, call the unhappy ones back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
importing = typer.Typer(help="Import customers or events from a CSV or XLSX file.", no_args_is_help=True)
app.add_typer(importing, name="import")
app.add_typer(staffing, name="staff")
app.add_typer(linking, name="link")
app.add_typer(sending, name="senders")
app.add_typer(tasking, name="task")
app.add_typer(approving, name="approval")
app.add_typer(archiving, name="archive")
app.add_typer(judging, name="violation")
app.add_typer(contacting, name="contact")
app.add_typer(faking, name="fake")
app.command()(evaluate)
app.command()(check)
app.command()(milestone)
app.command("classes")(classes_of)


FIRST_REJECTS = 3
"""Refused rows that are told at once; all of them stand in a file."""


def main() -> None:
    """Run a command; what a user can mend is told in words."""
    configure_logs("WARNING", apart=True)
    try:
        app()
    except InputError as error:
        for fault in error.faults:
            console.print(escape(_in_words(fault)), style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
    except (HuifangError, TemplateError) as error:
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _in_words(fault: Mapping[str, Any]) -> str:
    place = f"{fault['file']}: " if "file" in fault else ""
    remedy = f" -> {fault['remedy']}" if fault.get("remedy") else ""
    return f"{place}{fault.get('field', '')}: {fault.get('reason', '')}{remedy}"


@app.command()
def town(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8080,
    data: Annotated[Path, typer.Option(help="Folder of the demonstration's database.")] = Path("var"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin the demonstration anew.")] = False,
) -> None:
    """Start the demonstration: a small town of customers, phones in the browser, a clock you can push."""
    import asyncio

    from bot.town.start import serve_town

    asyncio.run(serve_town(host=host, port=port, folder=data, fresh=fresh))


@app.command()
def serve() -> None:
    """Run Huifang for real: web, ticks and senders in one process, as the settings say."""
    import asyncio

    from bot.serve import serve_forever

    asyncio.run(serve_forever(read_settings()))


@importing.command("customers")
def import_customers(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX file.")],
    mapping: Annotated[Path | None, typer.Option(help="YAML file: field -> column header.")] = None,
    source: Annotated[str | None, typer.Option(help="Name of the system the rows come from.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Where refused rows go.")] = None,
) -> None:
    """Import customers; the same phone is the same customer, and the same file twice changes nothing."""
    _import("customers", file, mapping, source, rejects)


@importing.command("events")
def import_events(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX file.")],
    mapping: Annotated[Path | None, typer.Option(help="YAML file: field -> column header.")] = None,
    source: Annotated[str | None, typer.Option(help="Name of the system the rows come from.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Where refused rows go.")] = None,
) -> None:
    """Import events and plan what they call for; the same file twice changes nothing."""
    _import("events", file, mapping, source, rejects)


def _import(kind: str, file: Path, mapping: Path | None, source: str | None, rejects: Path | None) -> None:
    from bot import files
    from bot.bootstrap import open_runtime

    runtime = open_runtime(read_settings())
    take = files.import_customers if kind == "customers" else files.import_events
    with progress(f"importing {file.name}") as advance:
        report = take(runtime, file, mapping=mapping, source=source, rejects=rejects, progress=advance)
    typer.echo(report.summary())
    if report.rejects_file:
        for row in _first_rejects(report.rejects_file):
            typer.echo(f"    line {row['reject_line']}, {row['reject_field']}: {row['reject_reason']}")
        if report.refused > FIRST_REJECTS:
            typer.echo(f"    and {report.refused - FIRST_REJECTS:,} more")
    if report.refused:
        raise typer.Exit(1)


def _first_rejects(file: Path) -> list[dict[str, str]]:
    """The first rows of a file of rejects."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(islice(csv.DictReader(lines), FIRST_REJECTS))


@app.command()
def event(
    type: Annotated[str, typer.Argument(help="Event type, e.g. purchase.")],
    customer: Annotated[str, typer.Argument(help="The source's id of the customer, or a phone number.")],
    id: Annotated[str, typer.Option(help="Id of the event, unique in its source.")],
    at: Annotated[str | None, typer.Option(help="When it happened (ISO 8601); default: now.")] = None,
    data: Annotated[list[str] | None, typer.Option("--data", help="field=value; may be repeated.")] = None,
    source: Annotated[str, typer.Option(help="Name of the system it comes from.")] = "cli",
    matter: Annotated[str, typer.Option(help="What it is about, as kind:id, e.g. order:4711.")] = "",
    json_: JsonOption = False,
) -> None:
    """Tell one event, once."""
    from bot.bootstrap import open_runtime
    from bot.journey import intake

    runtime = open_runtime(read_settings())
    row = intake.EventIn(id, type, customer, _instant(at, runtime), _fields(data or [], _texts(runtime, type)), matter)
    result = intake.accept_events(runtime, source, [row])[0]
    if result.faults:
        raise InputError(result.faults)
    if json_:
        print_json({"id": result.id, "verdict": result.verdict, "event": result.row_id})
    else:
        typer.echo(f"{result.id}: {result.verdict}")


def _instant(text: str | None, runtime: Any) -> datetime:
    if text is None:
        return runtime.clock.now()  # type: ignore[no-any-return]
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            [{"field": "--at", "reason": f"{text!r} is no instant", "remedy": "2026-09-29T10:00+08:00"}]
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=runtime.shelf.in_force[0].program.time_zone)


def _texts(runtime: Any, event_type: str) -> set[str]:
    """The fields of an event that are texts, also where a number is written in them."""
    programs = [each.program for each in runtime.shelf.in_force if event_type in each.program.events]
    return {name for each in programs for name, kind in each.events[event_type].fields.items() if kind == "text"}


def _fields(pairs: list[str], texts: set[str]) -> dict[str, Any]:
    """field=value pairs; values that are JSON (numbers, true, false) are read as such, unless the field is a text."""
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(
                [{"field": "--data", "reason": f"{pair!r} has no =", "remedy": "write --data amount=99.5"}]
            )
        try:
            fields[name] = value if name in texts else json.loads(value)
        except ValueError:
            fields[name] = value
    return fields


@app.command()
def forecast(
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days.")] = 30,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; none: today.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """What would be sent to whom, when, at which cost, and who is left out; writes nothing."""
    from bot.bootstrap import open_runtime
    from bot.commands.forecast import print_forecast, print_forecast_lines
    from bot.forecast import forecast as look_ahead

    settings = read_settings()
    found = look_ahead(open_runtime(settings), days, start.date() if start else None)
    if json_:
        print_forecast_lines(found)
    else:
        print_forecast(found, settings.currency)


@app.command()
def rehearse(
    file: Annotated[Path, typer.Argument(help="A scenario in YAML.")],
    json_: JsonOption = False,
    database: Annotated[str, typer.Option(help="Kind of database: a URL; nothing there is touched.")] = "sqlite://",
) -> None:
    """Live through a scenario in simulated time and print its timeline; unmet expectations exit with 1."""
    from bot.rehearsal import read_scenario
    from bot.rehearsal import rehearse as live

    scenario, texts = read_scenario(file)
    with console.status("rehearsing") as status:
        outcome = live(
            scenario,
            texts,
            Settings(_env_file=None),
            url=database,
            progress=lambda at: status.update(f"rehearsing {at:%Y-%m-%d}"),
        )
    if json_:
        for line in outcome.lines:
            print_json(line)
    else:
        print_timeline(outcome.lines)
    for missing in outcome.unmet:
        console.print(f"[red]not met[/red] {escape(missing)}", highlight=False, soft_wrap=True)
    if outcome.unmet:
        raise typer.Exit(1)


@app.command()
def parse(
    text: Annotated[
        str | None, typer.Argument(help="One reply; without it, or with --jsonl, lines from standard input.")
    ] = None,
    scale: Annotated[str, typer.Option(help="1-5 0-10 1-10 0-100 level5 yesno text")] = "1-5",
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read JSON objects, one per line, from standard input.")
    ] = False,
) -> None:
    """Read a reply as Huifang would, and print the reading as JSON."""
    from bot.parsing import parse_line

    if text is not None and not jsonl:
        print_json(parse_line({"text": text, "scale": scale}))
        return
    for number, line in enumerate(sys.stdin.buffer, start=1):
        if line.strip():
            print_json(parse_line(_json_line(line, number, jsonl, scale), number))


def _json_line(line: bytes, number: int, jsonl: bool, scale: str) -> Any:
    if not jsonl:
        return {"text": line.decode(errors="replace").rstrip("\r\n"), "scale": scale}
    try:
        return json.loads(line)
    except ValueError as error:
        raise InputError(
            [{"field": f"line {number}", "reason": f"is no JSON: {error}", "remedy": "one object per line"}]
        ) from error


@app.command()
def doctor(json_: JsonOption = False) -> None:
    """Check settings, credentials, webhooks, clocks, database; say what to do in words. Sends nothing."""
    from bot.doctor import Finding, Verdict, examine, fault

    def findings() -> Iterator[Finding]:
        try:
            settings = read_settings()
        except SettingError as error:
            yield fault("settings", str(error))
        else:
            yield from examine(settings)

    faults = 0
    for finding in findings():
        faults += finding.verdict is Verdict.FAULT
        if json_:
            print_json(asdict(finding))
        else:
            remedy = f"\n        -> {finding.remedy}" if finding.remedy else ""
            style = _STYLES[finding.verdict]
            line = f"[{style}]{finding.verdict:7}[/{style}] {escape(f'{finding.about}: {finding.told}{remedy}')}"
            out().print(line, highlight=False, soft_wrap=True)
    if faults:
        raise typer.Exit(1)


_STYLES = {"good": "green", "warning": "yellow", "fault": "red"}


@app.command()
def schema() -> None:
    """Print the JSON Schema of programs, for editors that check and complete YAML while one writes."""
    from flows.schema import schema_text

    typer.echo(schema_text(), nl=False)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="rehearse, intake, plan, reading, dispatch or inbound")] = "rehearse",
    size: Annotated[int, typer.Option(help="Customers; 0: the size of the promise.")] = 0,
) -> None:
    """Measure speed and memory, each figure beside its floor from the same run."""
    from bot.bench import BENCHES

    if name not in BENCHES:
        raise InputError([{"field": "NAME", "reason": f"no bench {name!r}", "remedy": f"one of {', '.join(BENCHES)}"}])
    for figure in BENCHES[name](size):
        typer.echo(figure)
