"""Loads the word files and turns them into what the rules need: word sets, and rules that know their cue words.

A rule is tried only when one of its cues stands in the message, which is what keeps reading fast. The files themselves
are the place to add words: `words/<language>.yaml`, explained in docs/reading.md.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

import yaml

from messages.reading.firsts import compile_any

Words = Mapping[str, Any]

_NOT_INSIDE_A_WORD = "(?!(?<=[a-z])[a-z])"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a message can say. What stands only in an `unless` phrase is not said."""

    name: str
    cues: frozenset[str]
    phrases: re.Pattern[str]
    unless: re.Pattern[str] | None

    def find(self, text: str, cues_in_text: Collection[str]) -> str | None:
        """The words that say it, or None."""
        if self.cues and self.cues.isdisjoint(cues_in_text):
            return None
        found = self.phrases.search(text)
        if found and self.unless is not None:
            found = self.phrases.search(self.unless.sub("\u0001", text))
        return found.group().strip(" ,.!;?\n") if found else None


@cache
def load(language: str) -> Words:
    """The word file of a language as read from YAML."""
    text = (files("messages.reading") / "words" / f"{language}.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast(Words, yaml.load(text, Loader=loader))  # noqa: S506 - a safe loader, the C one where it is built


def words_of(value: str | None) -> tuple[str, ...]:
    """`a b_c` -> ("a", "b c")."""
    return tuple(word.replace("_", " ") for word in (value or "").split())


def _alternatives(words: str) -> str:
    return "(?:" + "|".join(sorted(words_of(words), key=len, reverse=True)) + ")"


def expand(phrase: str, lists: Mapping[str, str]) -> str:
    """Put the words of a list in the place of its {name}, lists in lists too; a regular expression's {2,3} stays."""
    return re.sub(r"\{([a-z_]+)\}", lambda m: _alternatives(expand(lists[m.group(1)], lists)), phrase)


def compile_rule(language: str, name: str, spec: Mapping[str, Any]) -> Rule:
    """A rule of a word file: cue words (cue characters in Chinese), phrases, and phrases that only look like it."""
    words = load(language)
    lists = {**words["lists"], **_number_lists(words)}
    cues = str(spec.get("cues", ""))
    return Rule(
        name=name,
        cues=frozenset(cues.replace(" ", "")) if language == "zh" else frozenset(cues.split()),
        phrases=_compile(spec["phrases"], lists, language),
        unless=_compile(spec["unless"], lists, language) if spec.get("unless") else None,
    )


def _number_lists(words: Words) -> dict[str, str]:
    return {name: value for name, value in words.get("numbers", {}).items() if isinstance(value, str)}


def _compile(phrases: list[str], lists: Mapping[str, str], language: str) -> re.Pattern[str]:
    bodies = [expand(phrase, lists) for phrase in phrases]
    if language == "zh":
        return compile_any(bodies)
    return compile_any(bodies, before=_NOT_INSIDE_A_WORD, after="(?![a-z])")


@cache
def rules(language: str, section: str) -> Mapping[str, Rule]:
    """All rules of a section (`intents`, `non_answers`) of a word file."""
    return {name: compile_rule(language, name, spec) for name, spec in load(language)[section].items()}
