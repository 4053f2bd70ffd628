"""Loads what reading needs before the first customer writes: words, rules and models are loaded when first used."""

from messages.reading.reader import read
from messages.reading.values import Question, Scale

_ONE_OF_EACH = (
    "路口那家蓝色的小店上周搬到河对面了",
    "the little blue shop moved across the river last week",
    "大概8/10分吧，3到4 👍[强]",
)
"""No rule knows the first two: all rules of a language are tried, then its model is asked. The last has all numbers."""


def warm() -> None:
    """Load all of it, a second's work or two; until then the first reply of each language waits for it."""
    for text in _ONE_OF_EACH:
        for scale in Scale:
            read(text, Question(scale))
            read(text, Question(scale, n_questions=2))
