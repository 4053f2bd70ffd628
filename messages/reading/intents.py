"""What the customer wants, by the phrases of the word files: no more messages, a call, help; or nothing at all.

Rules are tried in the order of precedence (rule 9). An emergency is a call, whatever else is said.
"""

import re
from dataclasses import dataclass
from functools import cache

from messages.reading.lexicon import Rule, rules
from messages.reading.normalise import Message
from messages.reading.values import Intent

_IN_ORDER = ("opt_out", "callback", "wrong_person", "how_to_answer", "help")
NON_ANSWERS = ("auto_reply", "withdrawn", "thanks", "greeting", "ack", "who", "refusal", "busy")


@dataclass(frozen=True, slots=True)
class Wants:
    """The intent that phrases show, the words that show it, and the words of an emergency."""

    intent: Intent | None = None
    rule: str = ""
    words: str = ""
    urgent: str | None = None

    @property
    def because(self) -> str:
        """For the reasons of a Reading."""
        return f"{self.rule}: {self.words}"


@cache
def _rule(language: str, section: str, name: str) -> Rule:
    return rules(language, section)[name]


def find(said: Message, name: str, section: str = "intents") -> str | None:
    """The words with which a message says what this rule knows, or None."""
    found = _rule("zh", section, name).find(said.han, said.signs) if said.han else None
    if found is None and said.words:
        found = _rule("en", section, name).find(said.latin, said.words)
    return found


def wants(said: Message) -> Wants:
    """The first intent that applies."""
    urgent = find(said, "urgent")
    for name in _IN_ORDER:
        words = find(said, name)
        if words is not None:
            intent = Intent.HELP if name == "how_to_answer" else Intent(name)
            return Wants(intent, name, words, urgent)
        if name == "callback" and urgent is not None:
            return Wants(Intent.CALLBACK, "emergency", urgent, urgent)
    words = find(said, "opt_in")
    return Wants(Intent.OPT_IN, "opt_in", words) if words is not None else Wants()


def asks(said: Message) -> str | None:
    """A question that no other rule knows."""
    return find(said, "question")


def non_answer(said: Message) -> tuple[str, str] | None:
    """The kind of a reply that answers nothing, and its words."""
    for kind in NON_ANSWERS:
        words = find(said, kind, "non_answers")
        if words is not None:
            return kind, words
    return None


def is_empty(text: str) -> bool:
    """No word of two letters, no Chinese character: "~~", "?", "a"."""
    return not re.search(r"[a-z]{2}|[一-鿿]", text)
