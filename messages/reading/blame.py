"""Where a mixed reply complains: "the guide was great, but the hotel was dirty" blames the hotel.

Which topic of a program that is: flows/score.py.
"""

import re
from collections.abc import Iterator
from functools import cache

from messages.reading.lexicon import load, words_of
from messages.reading.normalise import clauses_of, fold
from messages.reading.reader import read
from messages.reading.values import Category, Question, Scale


def blaming(text: str) -> Iterator[str]:
    """The words of a reply that complain: first only what stands between words like "but", then whole clauses."""
    clauses = clauses_of(fold(text))
    yield _complaints(part for clause in clauses for part in _turns().split(clause))
    yield _complaints(clauses)


def _complaints(parts: Iterator[str] | tuple[str, ...]) -> str:
    return ", ".join(part for part in parts if part and _complains(part))


def _complains(part: str) -> bool:
    reading = read(part, Question(Scale.TEXT), with_model=False)
    return reading.urgent or reading.category is Category.COMPLAINT


@cache
def _turns() -> re.Pattern[str]:
    """Words after which the opposite is said, of both languages."""
    chinese, english = (words_of(load(language)["feelings"]["turns"]) for language in ("zh", "en"))
    longest_first = sorted(chinese, key=len, reverse=True)
    return re.compile(rf"{'|'.join(longest_first)}|\b(?:{'|'.join(english)})\b")
