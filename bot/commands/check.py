"""`huifang check`: faults and warnings of programs and of the templates that they send."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import typer
from rich.markup import escape

from bot.commands.output import console
from flows.checks import wording_faults
from flows.errors import Fault
from flows.program import Program
from messages.catalog import LANGUAGES, Catalog, Template, check_template, shipped

Templates = Mapping[tuple[str, str], Template]
"""The templates there are, by key and language."""


def check(
    files: Annotated[list[str], typer.Argument(help="YAML files or ids of shipped programs.")],
) -> None:
    """Check programs and their templates: faults and warnings with file, line and remedy; a fault exits with 1."""
    from bot.bootstrap import CHANNELS
    from bot.clock import SystemClock
    from bot.shelf import knows_template, read_program
    from flows.errors import ProgramError
    from flows.load import load_program, warnings_of

    today = SystemClock().now().date()
    faulty = False
    for name in files:
        file, text = read_program(name)
        try:
            program = load_program(text, file, knows=knows_template)
        except ProgramError as error:
            faulty = True
            _print("red", "", error.faults)
            continue
        faults, doubts = _of_templates(program)
        doubts = [*warnings_of(text, file, today, CHANNELS), *doubts]
        _print("red", "", faults)
        _print("yellow", "warning ", doubts)
        faulty = faulty or bool(faults)
        if not faults:
            verdict = f"good, warnings: {len(doubts)}" if doubts else "good"
            typer.echo(f"{name}: {program.id}, {len(program.flows)} flows, {len(program.surveys)} surveys: {verdict}")
    if faulty:
        raise typer.Exit(1)


def _print(colour: str, prefix: str, faults: Iterable[Fault]) -> None:
    for fault in faults:
        console.print(f"[{colour}]{prefix}{escape(str(fault))}[/{colour}]", highlight=False, soft_wrap=True)


def _of_templates(program: Program) -> tuple[list[Fault], list[Fault]]:
    """(what keeps a message of this program from being sent, what is doubtful)"""
    there = {(each.key, each.language): each for each in shipped()}
    faults = list(wording_faults(program, Catalog(there)))
    doubts = list(_other_purposes(program, there))
    for key, language in _own_templates(program, there):
        file, template = f"messages/text/{language}/{key}.md", there.get((key, language))
        if template is None:
            remedy = "write it; until then these customers read another language"
            doubts.append(Fault(file, None, "", "is missing", remedy))
            continue
        for problem in check_template(template, program.variables()):
            line = problem.line and problem.line + template.lines_above
            fault = Fault(file, line, "", problem.message, problem.remedy)
            (faults if problem.blocks else doubts).append(fault)
    return faults, doubts


def _own_templates(program: Program, there: Templates) -> Iterator[tuple[str, str]]:
    """(key, language) of the templates that are not the common ones, in the languages of the program's name."""
    for name in dict.fromkeys(program.template_names()):
        key = f"{program.id}/{name}"
        if any((key, language) in there for language in LANGUAGES):
            yield from ((key, language) for language in LANGUAGES if language in program.name)


def _other_purposes(program: Program, there: Templates) -> Iterator[Fault]:
    """Messages that are sent for another purpose than their template was written for."""
    for flow in program.flows:
        for name in flow.template_names():
            keys = [(f"{group}/{name}", each) for group in (program.id, "common") for each in LANGUAGES]
            template = next((there[key] for key in keys if key in there), None)
            if template is not None and template.purpose != flow.purpose:
                said = f"{flow.id} sends it as {flow.purpose}, but it was written as {template.purpose}"
                yield Fault(
                    f"messages/text/{template.language}/{template.key}.md", None, "purpose", said, "use one of them"
                )
