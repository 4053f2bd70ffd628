"""Measures the reader on labelled replies: a table for each tag and language, confusion of intents, every miss.

Pure: rows in, figures and text out. `huifang evaluate` reads the file and prints. A row is a labelled reply as in
tests/messages/reading/replies.jsonl: text, lang, question_scale, n_questions?, expect, tag.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from messages.reading.reader import read
from messages.reading.scales import ENDS
from messages.reading.values import Intent, Question, Reading, Scale

Row = Mapping[str, Any]
Reader = Callable[[str, Question], Reading]


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
    def is_right(self) -> bool:
        return self.intent and self.score and self.category and self.urgent

    @property
    def flatters(self) -> bool:
        """Was a dissatisfied reply read as satisfied? The one mistake that must never happen."""
        scale = Scale(self.row["question_scale"])
        expected = self.row["expect"].get("score")
        if expected is None or self.reading.score is None or self.reading.needs_person:
            return False
        low, high = ENDS[scale]
        middle = (low + high) / 2
        return bool(expected < middle < self.reading.score)


def question_of(row: Row) -> Question:
    """The question that a labelled reply answers."""
    return Question(Scale(row["question_scale"]), language=row.get("lang"), n_questions=row.get("n_questions", 1))


def judge(row: Row, reader: Reader = read) -> Outcome:
    """Read one labelled reply and compare."""
    reading, expect = reader(row["text"], question_of(row)), row["expect"]
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
class Report:
    """Figures of a set of labelled replies."""

    outcomes: tuple[Outcome, ...]

    def share(self, part: str) -> float:
        """How many are right in intent, score, category or urgent; `both` is intent and score."""
        if part == "both":
            return _mean(outcome.intent and outcome.score for outcome in self.outcomes)
        return _mean(getattr(outcome, part) for outcome in self.outcomes)

    def figures(self) -> dict[str, float | int]:
        """The figures that the targets are set for."""
        opted = [o for o in self.outcomes if o.row["expect"]["intent"] == Intent.OPT_OUT]
        emergencies = [o for o in self.outcomes if o.row["expect"].get("urgent")]
        scored = [o for o in self.outcomes if o.row["expect"].get("score") is not None]
        return {
            "replies": len(self.outcomes),
            "intent": self.share("intent"),
            "score": self.share("score"),
            "both": self.share("both"),
            "category": self.share("category"),
            "opt_outs_found": _mean(o.intent for o in opted),
            "false_opt_outs": sum(o.reading.intent is Intent.OPT_OUT and not o.intent for o in self.outcomes),
            "emergencies": _mean(o.urgent and o.intent for o in emergencies),
            "flattered": sum(o.flatters for o in self.outcomes),
            "scores_needing_a_person": _mean(o.reading.needs_person for o in scored if o.intent),
        }

    def table(self) -> str:
        """One line for each tag and language."""
        groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for outcome in self.outcomes:
            groups[outcome.row["tag"], outcome.row["lang"]].append(outcome)
        lines = [f"{'tag':14} {'lang':4} {'n':>4} {'intent':>7} {'score':>7} {'both':>7} {'categ.':>7}"]
        for (tag, language), outcomes in sorted(groups.items()):
            part = Report(tuple(outcomes))
            shares = " ".join(f"{part.share(name):7.1%}" for name in ("intent", "score", "both", "category"))
            lines.append(f"{tag:14} {language:4} {len(outcomes):4} {shares}")
        return "\n".join(lines)

    def confusion(self) -> str:
        """Which intents were taken for which, the right ones left out."""
        pairs = Counter((o.row["expect"]["intent"], o.reading.intent.value) for o in self.outcomes if not o.intent)
        return "\n".join(f"{wanted:12} -> {got:12} {count}" for (wanted, got), count in sorted(pairs.items()))

    def misses(self) -> str:
        """Every miss with its reasons."""
        return "\n".join(_told(outcome) for outcome in self.outcomes if not outcome.is_right)


def _told(outcome: Outcome) -> str:
    row, reading = outcome.row, outcome.reading
    wrong = [name for name in ("intent", "score", "category", "urgent") if not getattr(outcome, name)]
    got = (reading.intent.value, reading.score, reading.answers, reading.category and reading.category.value)
    because = "; ".join(reading.because)
    return f"{','.join(wrong)}: {row['text']!r} on {row['question_scale']}: want {row['expect']}, got {got} ({because})"


def evaluate(rows: Iterable[Row], reader: Reader = read) -> Report:
    """Read and judge labelled replies."""
    return Report(tuple(judge(row, reader) for row in rows))


@dataclass(frozen=True, slots=True)
class Strangers:
    """Ordinary messages that are neither a score nor an opt-out, read as answers to a 1-5 survey."""

    messages: int
    false_opt_outs: tuple[str, ...]
    false_scores: tuple[str, ...]


def read_strangers(texts: Sequence[str], language: str, reader: Reader = read) -> Strangers:
    """False opt-outs and false scores among real messages; one that needs a person is no score."""
    question = Question(Scale.FIVE, language=language)
    readings = [(text, reader(text, question)) for text in texts]
    return Strangers(
        len(readings),
        tuple(text for text, r in readings if r.intent is Intent.OPT_OUT),
        tuple(text for text, r in readings if r.score is not None and not r.needs_person),
    )


def sentiment_f1(rows: Iterable[Row], reader: Reader = read) -> float:
    """Macro F1 of positive against negative by the sign of `polarity`; neutral rows are left out."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for row in rows:
        if row["label"] in {"positive", "negative"}:
            reading = reader(row["text"], Question(Scale.TEXT, language=row.get("lang")))
            counts[row["label"] == "positive", reading.polarity > 0] += 1
    scores = []
    for label in (True, False):
        wrong = counts[label, not label] + counts[not label, label]
        scores.append(2 * counts[label, label] / max(1, 2 * counts[label, label] + wrong))
    return sum(scores) / 2


def _mean(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 1.0
