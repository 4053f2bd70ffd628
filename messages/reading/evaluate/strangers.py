"""Ordinary messages that are neither a score nor an opt-out, read while a 1-5 survey is open.

A row has a text, and may have a lang and a source. What is counted is what would hurt: somebody struck off the list
who asked for nothing, and a score that nobody gave.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from messages.reading.evaluate.tables import Reader, Row, aligned, grouped, told
from messages.reading.reader import read
from messages.reading.values import Intent, Question, Reading, Scale


@dataclass(frozen=True, slots=True)
class Strangers:
    """Ordinary messages of one language and source, each with its reading."""

    read: tuple[tuple[str, Reading], ...]

    @property
    def messages(self) -> int:
        return len(self.read)

    @property
    def false_opt_outs(self) -> tuple[str, ...]:
        return tuple(text for text, reading in self.read if _is_false_opt_out(reading))

    @property
    def false_scores(self) -> tuple[str, ...]:
        return tuple(text for text, reading in self.read if _is_false_score(reading))


def read_strangers(texts: Iterable[str], language: str | None, reader: Reader = read) -> Strangers:
    """Read ordinary messages of one language."""
    question = Question(Scale.FIVE, language=language)
    return Strangers(tuple((text, reader(text, question)) for text in texts))


def read_messages(rows: Iterable[Row], language: str | None = None, reader: Reader = read) -> "Messages":
    """Read rows of ordinary messages; `language` is that of rows without a `lang`."""
    groups = grouped(rows, lambda row: (row.get("lang", language), row.get("source", "")))
    return Messages(
        {
            f"{spoken or '?'} {source}".strip(): read_strangers((row["text"] for row in group), spoken, reader)
            for (spoken, source), group in groups.items()
        }
    )


@dataclass(frozen=True, slots=True)
class Messages:
    """Figures of a set of ordinary messages, by language and source."""

    groups: Mapping[str, Strangers]

    def table(self) -> str:
        """A line for each language and source, and one for all."""
        everyone = Strangers(tuple(pair for group in self.groups.values() for pair in group.read))
        lines = [_line(name, group) for name, group in [*sorted(self.groups.items()), ("all", everyone)]]
        return aligned(("language, source", "messages", "false opt-outs", "", "false scores", ""), lines)

    def misses(self) -> str:
        pairs = [pair for group in self.groups.values() for pair in group.read]
        lines = [f"false opt-out: {text!r}: {told(reading)}" for text, reading in pairs if _is_false_opt_out(reading)]
        lines += [f"false score: {text!r}: {told(reading)}" for text, reading in pairs if _is_false_score(reading)]
        return "\n".join(lines)


def _is_false_opt_out(reading: Reading) -> bool:
    return reading.intent is Intent.OPT_OUT


def _is_false_score(reading: Reading) -> bool:
    """One that needs a person is no score: nothing is booked on it."""
    has_score = reading.score is not None or reading.answers is not None
    return has_score and not reading.needs_person


def _line(name: str, group: Strangers) -> tuple[str, ...]:
    counts = (len(group.false_opt_outs), len(group.false_scores))
    return name, str(group.messages), *(cell for n in counts for cell in (str(n), f"{n / max(1, group.messages):.2%}"))
