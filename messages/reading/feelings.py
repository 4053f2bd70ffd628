"""What is said beyond the rating: praise, suggestion, complaint, found by words and phrases, clause by clause.

A stated problem decides over praise and wishes, a wish over praise (rule 10). Longest word first: 不贵 is not 贵;
a negator before a word turns it ("不方便", "not friendly", but also "没问题").
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from messages.reading.lexicon import Rule, compile_rule, load, words_of
from messages.reading.values import Category


@dataclass(frozen=True, slots=True)
class Felt:
    """What the words of a reply say: how often for and against, whether something is wished, and by which words."""

    praise: tuple[str, ...] = ()
    complaint: tuple[str, ...] = ()
    wish: str | None = None
    sarcastic: bool = False

    @property
    def is_anything(self) -> bool:
        return bool(self.praise or self.complaint or self.wish)

    def categories(self) -> tuple[Category, ...]:
        """All that is said, the decisive one first."""
        said = ((Category.COMPLAINT, self.complaint), (Category.SUGGESTION, self.wish), (Category.PRAISE, self.praise))
        return tuple(category for category, words in said if words)

    def reasons(self) -> tuple[str, ...]:
        """The words that decided, a few of each."""
        said = [f"complaint: {word}" for word in self.complaint[:3]] + [f"praise: {word}" for word in self.praise[:3]]
        return (*said, f"wish: {self.wish}") if self.wish else tuple(said)

    @property
    def balance(self) -> float:
        """-1 .. 1: praise against complaints."""
        total = len(self.praise) + len(self.complaint)
        return 0.0 if not total else (len(self.praise) - len(self.complaint)) / total


NOTHING_FELT = Felt()


@dataclass(frozen=True, slots=True)
class _Words:
    """Words by their beginning (two characters, or the first word), longest first: (word, feeling)."""

    by_first: Mapping[str, tuple[tuple[str, int], ...]]
    negators: tuple[str, ...]


@cache
def _words(language: str) -> _Words:
    spec = load(language)["feelings"]
    feeling: dict[str, int] = dict.fromkeys(words_of(spec["praise"]), 1)
    feeling.update(dict.fromkeys(words_of(spec["complaint"]), -1))
    feeling.update(dict.fromkeys(words_of(spec["neutral"]), 0))
    by_first: dict[str, list[tuple[str, int]]] = {}
    for word in sorted(feeling, key=len, reverse=True):
        first = word[:2] if language == "zh" else word.split()[0]
        by_first.setdefault(first, []).append((word, feeling[word]))
    negators = tuple(sorted(words_of(spec["negators"]), key=len, reverse=True))
    return _Words({first: tuple(words) for first, words in by_first.items()}, negators)


@cache
def _problems(language: str) -> Rule:
    return compile_rule(language, "problem", load(language)["problems"])


@cache
def _thanks_to(language: str) -> re.Pattern[str]:
    """Thanks to a named person or role is praise, thanks alone is courtesy (rule 10)."""
    return re.compile(load(language)["feelings"]["thanks_to"])


@cache
def _wishes(language: str) -> re.Pattern[str]:
    return re.compile("|".join(load(language)["feelings"]["wish"]))


def of_chinese(text: str) -> Felt:
    """The feelings of a Chinese text."""
    praise: list[str] = []
    complaint: list[str] = []
    words = _words("zh")
    wish = _wishes("zh").search(text)
    if wish:
        text = _wished("zh").sub(",", text)
    at, size, read = 0, len(text), 0
    while at < size:
        found = _word_at(text, at, words.by_first)
        if found:
            word, feeling = found
            negator = _negator_before(text[max(read, at - 5) : at], words.negators) if feeling else ""
            _note(word, feeling, negator, praise, complaint)
            at += len(word) - 1
            read = at + 1 if not feeling else read
        at += 1
    return _felt("zh", text, praise, complaint, text, wish)


def _word_at(text: str, at: int, words: Mapping[str, tuple[tuple[str, int], ...]]) -> tuple[str, int] | None:
    """The longest known word that begins here, and its feeling."""
    for word, feeling in words.get(text[at : at + 2], ()):
        if text.startswith(word, at):
            return word, feeling
    alone = words.get(text[at])
    return alone[0] if alone else None


def _negator_before(before: str, negators: tuple[str, ...]) -> str:
    """The negator that ends the few characters before a word, perhaps with a filler between: 不是很, 没有任何."""
    if before.endswith(negators):
        return next(negator for negator in negators if before.endswith(negator))
    if not before.endswith(_FILLERS):
        return ""
    filler = next(filler for filler in _FILLERS if before.endswith(filler))
    cut = before[: -len(filler)]
    return next((negator + filler for negator in negators if cut.endswith(negator)), "")


_FILLERS = ("很", "那么", "太", "多", "特别", "够", "怎么", "感到", "觉得", "非常", "任何", "什么", "是", "有")


@cache
def _wished(language: str) -> re.Pattern[str]:
    """Wishes to have a problem solved: "希望别再涨价" states no problem."""
    return re.compile(load(language)["feelings"]["wished"])


@cache
def _sarcasm(language: str) -> re.Pattern[str]:
    """Sarcasm only where a marker shows it; then praise is none (rule 10)."""
    return re.compile("|".join(load(language)["feelings"]["sarcasm"]))


def _felt(
    language: str,
    text: str,
    praise: list[str],
    complaint: list[str],
    words: Collection[str],
    wish: re.Match[str] | None,
) -> Felt:
    """Words, and what only phrases show: thanks to somebody, problems, sarcasm, wishes."""
    thanked = _thanks_to(language).search(text)
    if thanked:
        praise.append(thanked.group())
    problem = _problems(language).find(text, words)
    if problem:
        complaint.append(problem)
    sarcasm = _sarcasm(language).search(text)
    if sarcasm:
        praise, complaint = [], [*complaint, sarcasm.group()]
    return Felt(tuple(praise), tuple(complaint), wish.group().strip() if wish else None, bool(sarcasm))


def _note(word: str, feeling: int, negator: str, praise: list[str], complaint: list[str]) -> None:
    if not feeling:
        return
    said = negator + word
    if (feeling > 0) == (not negator):
        praise.append(said)
    else:
        complaint.append(said)


def of_english(text: str) -> Felt:
    """The feelings of an English text in lower case without apostrophes."""
    praise: list[str] = []
    complaint: list[str] = []
    table, negators = _words("en").by_first, _english_negators()
    wish = _wishes("en").search(text)
    if wish:
        text = _wished("en").sub(",", text)
    words = _WORDS.findall(text)
    at, size, negated, reach = 0, len(words), "", 0
    while at < size:
        word = words[at]
        matched = _phrase_at(words, at, table)
        if matched:
            phrase, feeling, length = matched
            _note(phrase, feeling, f"{negated} " if negated and at <= reach else "", praise, complaint)
            at += length
            continue
        if word in _BREAKS:
            negated = ""
        elif word in negators:
            negated, reach = word, at + 3
        at += 1
    return _felt("en", text, praise, complaint, words, wish)


def _phrase_at(
    words: list[str], at: int, table: Mapping[str, tuple[tuple[str, int], ...]]
) -> tuple[str, int, int] | None:
    """The longest known phrase that begins here, its feeling and its length in words."""
    for phrase, feeling in table.get(words[at], ()):
        length = phrase.count(" ") + 1
        if length == 1 or " ".join(words[at : at + length]) == phrase:
            return phrase, feeling, length
    return None


_WORDS = re.compile(r"[a-z0-9]+|[,.!?;\n]")
_BREAKS = frozenset({",", ".", "!", "?", ";", "\n", "but", "and", "because", "so"})


@cache
def _english_negators() -> frozenset[str]:
    return frozenset(words_of(load("en")["feelings"]["negators"]))


def together(first: Felt, second: Felt) -> Felt:
    """A text in two languages."""
    if second is NOTHING_FELT:
        return first
    if first is NOTHING_FELT:
        return second
    return Felt(
        first.praise + second.praise,
        first.complaint + second.complaint,
        first.wish or second.wish,
        first.sarcastic or second.sarcastic,
    )
