"""What the customer wants, by the phrases of the word files: no more messages, a call, help; or nothing at all.

Rules are tried in the order of precedence (rule 9). An emergency is a call, whatever else is said.
"""

import re
from functools import cache
from typing import NamedTuple

from messages.reading.lexicon import Rule, rules
from messages.reading.normalise import Message
from messages.reading.values import Intent

_INTENTS = {
    "opt_out": Intent.OPT_OUT,
    "callback": Intent.CALLBACK,
    "urgent": Intent.CALLBACK,
    "wrong_person": Intent.WRONG_PERSON,
    "how_to_answer": Intent.HELP,
    "help": Intent.HELP,
    "opt_in": Intent.OPT_IN,
}
_IN_ORDER = tuple(_INTENTS)
NON_ANSWERS = ("auto_reply", "withdrawn", "thanks", "greeting", "ack", "who", "refusal", "busy")


class Wants(NamedTuple):
    """The intent that phrases show, the words that show it, and the words of an emergency."""

    intent: Intent | None = None
    rule: str = ""
    words: str = ""
    urgent: str | None = None

    @property
    def because(self) -> str:
        """For the reasons of a Reading."""
        return f"{self.rule}: {self.words}"


NOTHING_WANTED = Wants()


@cache
def _in_both(section: str, name: str) -> tuple[Rule, Rule]:
    """A rule as the Chinese and as the English word file have it."""
    return rules("zh", section)[name], rules("en", section)[name]


@cache
def _cues(section: str, names: tuple[str, ...]) -> tuple[tuple[str, frozenset[str]], ...]:
    """The cues of rules, of both languages together."""
    return tuple((name, frozenset().union(*(rule.cues for rule in _in_both(section, name)))) for name in names)


def _cued(said: Message, section: str, names: tuple[str, ...]) -> list[str]:
    """The few rules that may have something to say: one of their cues stands in the message."""
    return [
        name
        for name, cues in _cues(section, names)
        if not cues.isdisjoint(said.words) or not cues.isdisjoint(said.signs)
    ]


def find(said: Message, name: str, section: str = "intents") -> str | None:
    """The words with which a message says what this rule knows, or None."""
    chinese, english = _in_both(section, name)
    found = chinese.find(said.han, said.signs) if said.han else None
    if found is None and said.words:
        found = english.find(said.latin, said.words)
    return found


def wants(said: Message) -> Wants:
    """The first intent that applies."""
    cued = _cued(said, "intents", _IN_ORDER)
    urgent = find(said, "urgent") if "urgent" in cued else None
    for name in cued:
        words = urgent if name == "urgent" else find(said, name)
        if words is not None:
            return Wants(_INTENTS[name], "emergency" if name == "urgent" else name, words, urgent)
    return NOTHING_WANTED


def asks(said: Message) -> str | None:
    """A question that no other rule knows."""
    return find(said, "question")


def non_answer(said: Message) -> tuple[str, str] | None:
    """The kind of a reply that answers nothing, and its words."""
    for kind in _cued(said, "non_answers", NON_ANSWERS):
        words = find(said, kind, "non_answers")
        if words is not None:
            return kind, words
    return None


def is_empty(text: str) -> bool:
    """No word of two letters, no Chinese character: "~~", "?", "a"."""
    return not _A_WORD.search(text)


_A_WORD = re.compile(r"[a-z]{2}|[一-鿿]")
