"""Reviews that their writers rated: positive against negative, by the sign of a reading's polarity.

A row has a text and a label (positive, negative, neutral), and may have lang, source and script (`hant` for Traditional
characters). Neutral rows are left out. The figure is macro F1: both labels weigh the same, however rare one is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from messages.reading.evaluate.tables import Reader, Row, aligned, grouped
from messages.reading.reader import read
from messages.reading.values import Question, Reading, Scale

LABELS = ("positive", "negative", "neutral")
TRADITIONAL = "hant"


@dataclass(frozen=True, slots=True)
class Review:
    """One review that is positive or negative, and its reading."""

    row: Row
    reading: Reading

    @property
    def is_positive(self) -> bool:
        return bool(self.row["label"] == "positive")

    @property
    def reads_positive(self) -> bool:
        return self.reading.polarity > 0


def read_reviews(rows: Iterable[Row], reader: Reader = read) -> "Reviews":
    """Read each review as the answer to an open question."""
    return Reviews(
        tuple(
            Review(row, reader(row["text"], Question(Scale.TEXT, language=row.get("lang"))))
            for row in rows
            if row["label"] != "neutral"
        )
    )


def sentiment_f1(rows: Iterable[Row], reader: Reader = read) -> float:
    """Macro F1 of positive against negative."""
    return _macro_f1(read_reviews(rows, reader).read)


@dataclass(frozen=True, slots=True)
class Reviews:
    """Figures of a set of reviews."""

    read: tuple[Review, ...]

    def table(self) -> str:
        """A line for each language and source, one for each language and script, and how far the scripts differ."""
        sources = grouped(self.read, lambda each: f"{_written(each)} {each.row.get('source', '')}".strip())
        written = grouped(self.read, _written)
        lines = [_line(name, group) for name, group in sorted(sources.items())]
        lines += [_line(f"{name} all", group) for name, group in sorted(written.items()) if name not in sources]
        return "\n".join([aligned(("language, source", "reviews", "macro F1"), lines), *_differences(written)])

    def misses(self) -> str:
        return "\n".join(
            f"{each.row['label']}: {each.row['text']!r}: {each.reading.polarity:+} ({'; '.join(each.reading.because)})"
            for each in self.read
            if each.is_positive != each.reads_positive
        )


def _written(each: Review) -> str:
    """Language, and script where it is the other one."""
    script = f"-{TRADITIONAL}" if each.row.get("script") == TRADITIONAL else ""
    return f"{each.row.get('lang', '?')}{script}"


def _line(name: str, group: Iterable[Review]) -> tuple[str, str, str]:
    read = tuple(group)
    return name, str(len(read)), f"{_macro_f1(read):.3f}"


def _differences(written: dict[str, list[Review]]) -> Iterable[str]:
    for name in sorted(written):
        language = name.removesuffix(f"-{TRADITIONAL}")
        if language != name and language in written:
            points = 100 * (_macro_f1(written[name]) - _macro_f1(written[language]))
            yield f"{name} minus {language}: {points:+.1f} points"


def _macro_f1(read: Iterable[Review]) -> float:
    pairs = [(each.is_positive, each.reads_positive) for each in read]
    scores = []
    for label in (True, False):
        right = pairs.count((label, label))
        wrong = pairs.count((label, not label)) + pairs.count((not label, label))
        scores.append(2 * right / max(1, 2 * right + wrong))
    return sum(scores) / 2
