"""STOP, START, HELP and their kin in every language and country: whole messages that are a command.

The list is data (`reading/words/keywords.yaml`); wishes in sentences ("please stop texting me") are read by
`messages.reading`. Single letters (R, T, N) count only for China. YES, SI, OUI and 1 mean "text me again" only while
the contact is opted out and no survey is open; otherwise they are an answer.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from messages.reading.firsts import compile_any
from messages.reading.lexicon import load, words_of
from messages.reading.normalise import fold


class Command(StrEnum):
    """What a keyword asks for."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword: what it asks for, and the countries and languages it is limited to (none: understood everywhere)."""

    command: Command
    places: frozenset[str]
    only_opted_out: bool = False


_NOISE = re.compile(r"[^0-9a-z\u3400-\u9fff ]+")


def bare(text: str) -> str:
    """The words of a message alone: no punctuation, emoji, quotes or double blanks."""
    return bare_of_folded(fold(text))


def bare_of_folded(text: str) -> str:
    """Like bare, for a text that is folded already."""
    if text.isascii() and text.isalnum():
        return text  # one word or number, as most replies are
    return " ".join(_NOISE.sub(" ", text.replace("'", "")).split())


@cache
def _table() -> dict[str, tuple[Keyword, ...]]:
    table: dict[str, tuple[Keyword, ...]] = {}
    for entry in load("keywords")["keywords"]:
        keyword = Keyword(
            Command(entry["command"]),
            frozenset(str(place).casefold() for place in entry.get("only", ())),
            bool(entry.get("only_opted_out", False)),
        )
        for word in words_of(entry["words"]):
            table[bare(word)] = (*table.get(bare(word), ()), keyword)
    return table


def command_of(
    text: str,
    *,
    language: str | None = None,
    country: str | None = None,
    opted_out: bool = False,
    survey_open: bool = True,
) -> Command | None:
    """The command that the whole message is, or None. "TD TD" and "STOP!!" are still one command."""
    return command_of_bare(bare(text), language=language, country=country, opted_out=opted_out, survey_open=survey_open)


def command_of_bare(
    words: str, *, language: str | None, country: str | None, opted_out: bool, survey_open: bool
) -> Command | None:
    """Like command_of, for words that `bare` has cleaned."""
    table = _table()
    parts = words.split(" ")
    found = table.get(words) or (table.get(parts[0]) if len(set(parts)) == 1 else None)  # "td td td" is "td"
    if not found:
        return _said_in_a_sentence(words, parts)
    places = {place.split("-")[0].casefold() for place in (language, country) if place}
    for keyword in found:
        if keyword.only_opted_out and (survey_open or not opted_out):
            continue
        if not keyword.places or not places or not keyword.places.isdisjoint(places):
            return keyword.command
    return None


@cache
def _phrases() -> tuple[tuple[Command, frozenset[str], re.Pattern[str]], ...]:
    """Sentences of languages without a word file: the command, the words one of which must be there, the pattern."""
    return tuple(
        (Command(entry["command"]), frozenset(entry["cues"].split()), compile_any(entry["any"]))
        for entry in load("keywords")["phrases"]
    )


@cache
def _phrase_cues() -> frozenset[str]:
    return frozenset().union(*(cues for _, cues, _ in _phrases()))


def _said_in_a_sentence(words: str, parts: list[str]) -> Command | None:
    if _phrase_cues().isdisjoint(parts):
        return None
    for command, cues, pattern in _phrases():
        if not cues.isdisjoint(parts) and pattern.search(words):
            return command
    return None
