"""The program's alert words in a reply (R121): 疼, 出血, chest pain; one that is denied ("不疼了") raises nothing."""

import re

from messages.reading.normalise import fold
from messages.reading.values import Question

_DENIED = re.compile(
    r"(?:(?<!是)不|没|没有|无|未)(?:再|会|怎么|太|那么|觉得|感到)?$|\b(?:no|not|without|never|isnt|no more) ?$"
)


def flags(text: str, question: Question) -> tuple[str, ...]:
    """Names of the alert words that stand in the folded text and are not denied."""
    if not question.alert_words:
        return ()
    return tuple(name for name, words in question.alert_words.items() if any(_is_said(word, text) for word in words))


def _is_said(word: str, text: str) -> bool:
    folded = fold(word)
    at = text.find(folded) if folded else -1
    while at >= 0:
        if not _DENIED.search(text[max(0, at - 8) : at]):
            return True
        at = text.find(folded, at + 1)
    return False
