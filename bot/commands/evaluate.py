"""`huifang evaluate`: how well replies are read, measured on files of replies, messages, reviews and phrases."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.output import progress

if TYPE_CHECKING:  # the words of all languages are loaded by the one command that needs them
    from bot.labelled import Kind, Labelled
    from messages.reading import Question, Reading
    from messages.reading.evaluate import Report


def evaluate(
    files: Annotated[list[Path], typer.Argument(help="JSON lines of replies, messages or reviews; lists of phrases.")],
    kind: Annotated[str, typer.Option(help="replies, messages, reviews or phrases; else the first line tells.")] = "",
    lang: Annotated[str, typer.Option(help="Language of messages that name none: zh or en.")] = "",
    misses: Annotated[bool, typer.Option("--misses", help="Print every miss with its reasons.")] = False,
) -> None:
    """Measure how well replies are read: a table for each kind of file, files of one kind together."""
    from bot.labelled import read_labelled

    declared = _kind(kind)
    labelled = [read_labelled(file, declared) for file in files]
    with progress("reading") as advance:
        reports = list(_reports(labelled, lang or None, advance))
    for name, report in reports:
        typer.echo(f"{name}\n\n{report.table()}\n")
        if misses and (missed := report.misses()):
            typer.echo(f"{missed}\n")


def _kind(name: str) -> "Kind | None":
    from bot.errors import InputError
    from bot.labelled import Kind

    if name and name not in list(Kind):
        remedy = f"one of {', '.join(Kind)}"
        raise InputError([{"field": "--kind", "reason": f"no kind {name!r}", "remedy": remedy}])
    return Kind(name) if name else None


def _reports(
    labelled: Sequence["Labelled"], language: str | None, advance: Callable[[int, int], None]
) -> Iterator[tuple["Kind", "Report"]]:
    from bot.labelled import Kind
    from messages.reading import read
    from messages.reading.evaluate import read_messages, read_phrases, read_replies, read_reviews

    total, done = sum(map(len, labelled)), count(1)

    def reader(text: str, question: "Question") -> "Reading":
        advance(next(done), total)
        return read(text, question)

    for kind in dict.fromkeys(each.kind for each in labelled):
        rows = [row for each in labelled if each.kind is kind for row in each.rows]
        match kind:
            case Kind.REPLIES:
                yield kind, read_replies(rows, reader)
            case Kind.MESSAGES:
                yield kind, read_messages(rows, language, reader)
            case Kind.REVIEWS:
                yield kind, read_reviews(rows, reader)
            case Kind.PHRASES:
                yield kind, read_phrases([each for part in labelled for each in part.phrases], reader)
