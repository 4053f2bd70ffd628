"""Is this answer low? (R122) And which of the three automatic answers does it get? (R106)"""

import re

from flows.program import Low, Program, Question
from messages.reading import Scale
from messages.reading.alerts import of_this_time
from messages.reading.blame import blaming
from messages.reading.normalise import fold


def is_low(low: Low, points: int | None, level: int | None, question: Question | None = None) -> bool:
    """Level at or below the program's, or fewer points than its limit; a "no" only where the question is critical.

    Five-step scales speak in levels (60 points are level 3), all others in points.
    """
    if points is None:
        return False
    if question is not None and question.scale is Scale.YESNO:
        return question.critical and points == 0
    if question is not None and question.scale in (Scale.FIVE, Scale.LEVEL5):
        return (level or 0) <= low.level
    return (level is not None and level <= low.level) or points < low.points


def thanks_template(program: Program, level: int | None) -> str:
    """Neutral up to the program's neutral level, satisfied above it."""
    if level is not None and level <= program.replies.neutral_level:
        return program.replies.thanks_neutral
    return program.replies.thanks_satisfied


def topic_of(program: Program, text: str) -> str | None:
    """What a reply is about (R119): the program's first topic that stands where it complains, else anywhere in it."""
    named = _topics_in(program, text)
    if len(named) > 1:
        named = next(filter(None, (_topics_in(program, words) for words in blaming(text))), named)
    return named[0] if named else None


def _topics_in(program: Program, text: str) -> list[str]:
    """The topics whose words stand in the text, in the order of the program."""
    folded = of_this_time(fold(text))
    topics = program.replies.topics.items()
    return [topic for topic, words in topics if any(_stands_in(folded, word.casefold().strip()) for word in words)]


def _stands_in(text: str, word: str) -> bool:
    """Is the word in the text? An English one at the beginning of a word: "late" is not in "plate"."""
    return re.search(rf"(?<![a-z]){re.escape(word)}", text) is not None if word.isascii() else word in text
