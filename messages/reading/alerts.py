"""The program's alert words in a reply (R121): 疼, 出血, chest pain; one that is denied ("不疼了") raises nothing."""

import re
from functools import cache

from messages.reading.firsts import compile_any
from messages.reading.lexicon import load
from messages.reading.normalise import fold
from messages.reading.values import Question

_DENIED = re.compile(
    r"(?:(?<!是)不|没|没有|无|未)(?:再|会|怎么|太|那么|觉得|感到|打算|想过|考虑|准备|计划|至于|可能|必)?$"
    r"|\b(?:no|not|without|never|isnt|no more) ?$"
)


def flags(text: str, question: Question) -> tuple[str, ...]:
    """Names of the alert words that stand in the folded text and are not denied."""
    if not question.alert_words:
        return ()
    text = of_this_time(text).replace("'", "")
    return tuple(name for name, words in question.alert_words.items() if any(_is_said(word, text) for word in words))


def of_this_time(text: str) -> str:
    """The text without what only looks like an alert or a topic: "上个月没人来" tells of another visit."""
    return _lookalikes().sub(",", text)


@cache
def _lookalikes() -> re.Pattern[str]:
    return compile_any([*load("zh")["alerts"], *load("en")["alerts"]])


def _is_said(word: str, text: str) -> bool:
    begins = (found.start() for found in _finding(word).finditer(text))
    return any(not _DENIED.search(text[max(0, at - 8) : at]) for at in begins)


@cache
def _finding(word: str) -> re.Pattern[str]:
    """Where a word stands: an English one at the beginning of a word, as "sue" is not in "issue"; no apostrophes."""
    folded = fold(word).replace("'", "")
    if not folded:
        return re.compile("(?!)")
    return re.compile(rf"(?<![a-z]){re.escape(folded)}" if folded.isascii() else re.escape(folded))
