"""Is this answer low? (R122) And which of the three automatic answers does it get? (R106)"""

from flows.program import Low, Program, Question
from messages.reading import Scale


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
    """The first topic of the program whose words stand in the text (R119)."""
    folded = text.casefold()
    for topic, words in program.replies.topics.items():
        if any(word.casefold() in folded for word in words):
            return topic
    return None
