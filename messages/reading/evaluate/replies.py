"""Labelled survey replies: a table for each tag and language, confusion of intents, every miss.

A row is a labelled reply as in tests/messages/reading/replies.jsonl: text, lang, question_scale, expect, tag, and
n_questions where there are several.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from messages.reading.evaluate.tables import Reader, Row, aligned, grouped, named, share, told
from messages.reading.reader import read
from messages.reading.scales import ENDS
from messages.reading.values import Intent, Question, Reading, Scale

_PARTS = ("intent", "score", "both", "category")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One labelled reply, its reading, and what of it is right."""

    row: Row
    reading: Reading
    intent: bool
    score: bool
    category: bool
    urgent: bool

    @property
    def both(self) -> bool:
        """Intent and score."""
        return self.intent and self.score

    @property
    def is_right(self) -> bool:
        return self.both and self.category and self.urgent

    @property
    def flatters(self) -> bool:
        """Was a dissatisfied reply read as satisfied? The one mistake that must never happen."""
        expected = self.row["expect"].get("score")
        if expected is None or self.reading.score is None or self.reading.needs_person:
            return False
        low, high = ENDS[Scale(self.row["question_scale"])]
        middle = (low + high) / 2
        return bool(expected < middle < self.reading.score)


def read_replies(rows: Iterable[Row], reader: Reader = read) -> "Replies":
    """Read labelled replies and compare each reading with its label."""
    return Replies(tuple(_outcome(row, reader) for row in rows))


def _outcome(row: Row, reader: Reader) -> Outcome:
    question = Question(Scale(row["question_scale"]), language=row["lang"], n_questions=row.get("n_questions", 1))
    reading, expect = reader(row["text"], question), row["expect"]
    return Outcome(
        row,
        reading,
        intent=reading.intent == expect["intent"],
        score=_score_is_right(reading, expect),
        category=reading.category == expect.get("category"),
        urgent=reading.urgent == bool(expect.get("urgent")),
    )


def _score_is_right(reading: Reading, expect: Mapping[str, Any]) -> bool:
    if "answers" in expect:
        return bool(list(reading.answers or ()) == expect["answers"])
    if "range" in expect:
        low, high = (float(end) for end in expect["range"])
        return reading.score is not None and bool(low <= reading.score <= high)
    return bool(reading.score == expect.get("score")) and reading.answers is None


@dataclass(frozen=True, slots=True)
class Replies:
    """Figures of a set of labelled replies."""

    outcomes: tuple[Outcome, ...]

    def figures(self) -> dict[str, float | int]:
        """The figures that targets are set for."""
        opted = [o for o in self.outcomes if o.row["expect"]["intent"] == Intent.OPT_OUT]
        emergencies = [o for o in self.outcomes if o.row["expect"].get("urgent")]
        scored = [o for o in self.outcomes if o.row["expect"].get("score") is not None]
        return {
            "replies": len(self.outcomes),
            **{part: _right(self.outcomes, part) for part in _PARTS},
            "opt-outs found": share(o.intent for o in opted),
            "false opt-outs": sum(o.reading.intent is Intent.OPT_OUT and not o.intent for o in self.outcomes),
            "emergencies found": share(o.urgent and o.intent for o in emergencies),
            "dissatisfied read as satisfied": sum(o.flatters for o in self.outcomes),
            "scores that need a person": share(o.reading.needs_person for o in scored if o.intent),
        }

    def table(self) -> str:
        """A line for each tag and language, the intents that were taken for others, the figures of all."""
        groups = grouped(self.outcomes, lambda o: (str(o.row["tag"]), str(o.row["lang"])))
        lines = [
            (f"{tag} {language}", str(len(group)), *(f"{_right(group, part):.1%}" for part in _PARTS))
            for (tag, language), group in sorted(groups.items())
        ]
        tables = [aligned(("tag, language", "n", *_PARTS), lines), self.confusion(), named(self.figures())]
        return "\n\n".join(table for table in tables if table)

    def confusion(self) -> str:
        """Which intents were taken for which, the right ones left out; empty when there is none."""
        pairs = Counter((o.row["expect"]["intent"], o.reading.intent.value) for o in self.outcomes if not o.intent)
        lines = [(f"{wanted} -> {got}", str(count)) for (wanted, got), count in sorted(pairs.items())]
        return aligned(("intent taken for another", "n"), lines) if lines else ""

    def misses(self) -> str:
        return "\n".join(_miss(outcome) for outcome in self.outcomes if not outcome.is_right)


def _right(outcomes: Iterable[Outcome], part: str) -> float:
    return share(getattr(outcome, part) for outcome in outcomes)


def _miss(outcome: Outcome) -> str:
    row = outcome.row
    wrong = ", ".join(name for name in ("intent", "score", "category", "urgent") if not getattr(outcome, name))
    wanted = ", ".join(f"{name} {value}" for name, value in row["expect"].items() if value is not None)
    return f"{wrong}: {row['text']!r} on {row['question_scale']}: want {wanted}; got {told(outcome.reading)}"
