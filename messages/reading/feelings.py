"""What is said beyond the rating: praise, suggestion, complaint, found by words and phrases, clause by clause.

A stated problem decides over praise and wishes, a wish over praise (rule 10). Longest word first: 不贵 is not 贵;
a negator before a word turns it ("不方便", "not friendly", but also "没问题").
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from messages.reading.firsts import compile_any
from messages.reading.lexicon import Rule, compile_rule, load, words_of
from messages.reading.values import Category


class Felt(NamedTuple):
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
        complaint, praise = ([*dict.fromkeys(words)][:3] for words in (self.complaint, self.praise))
        said = [f"complaint: {word}" for word in complaint] + [f"praise: {word}" for word in praise]
        return (*said, f"wish: {self.wish}") if self.wish else tuple(said)

    @property
    def balance(self) -> float:
        """-1 .. 1: praise against complaints."""
        total = len(self.praise) + len(self.complaint)
        return 0.0 if not total else (len(self.praise) - len(self.complaint)) / total


NOTHING_FELT = Felt()


@dataclass(frozen=True, slots=True)
class _Words:
    """Words by their beginning (two characters, or the first word), longest first: (word, feeling).

    `firsts`: their first characters; most characters of a text are not among them.
    """

    by_first: Mapping[str, tuple[tuple[str, int], ...]]
    firsts: frozenset[str]
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
    firsts = frozenset(first[0] for first in by_first)
    return _Words({first: tuple(words) for first, words in by_first.items()}, firsts, negators)


@cache
def _problems(language: str) -> tuple[Rule, ...]:
    return _rules(language, "problem", load(language)["problems"])


def _rules(language: str, name: str, specs: Any) -> tuple[Rule, ...]:
    """One rule or a list of them, each tried only when one of its own cues stands in the text."""
    return tuple(compile_rule(language, name, spec) for spec in (specs if isinstance(specs, list) else [specs]))


@cache
def _thanks_to(language: str) -> re.Pattern[str]:
    """Thanks to a named person or role is praise, thanks alone is courtesy (rule 10)."""
    return re.compile(load(language)["feelings"]["thanks_to"])


@cache
def _wishes(language: str) -> re.Pattern[str]:
    return compile_any(load(language)["feelings"]["wish"])


def of_chinese(text: str) -> Felt:
    """The feelings of a Chinese text."""
    praise: list[str] = []
    complaint: list[str] = []
    words = _words("zh")
    wish = _wishes("zh").search(text)
    if wish:
        text = _wished("zh").sub(",", text)
    signs = frozenset(text)
    done = _taken_whole("zh", "grievances", _taken_whole("zh", "well_done", text, signs, praise), signs, complaint)
    if done is not text:
        text, signs = done, frozenset(done)
    deeds = len(praise)
    at, size, read, blamed_from = 0, len(text), 0, -1
    while at < size:
        found = _word_at(text, at, words.by_first) if text[at] in words.firsts else None
        if found:
            word, feeling = found
            negator = _negator_before(text[max(read, at - 5) : at], words.negators) if feeling else ""
            if negator and blamed_from >= at - len(negator):
                complaint.pop()  # 不会 blames, 不会搬走 does not
            _note(word, feeling, negator, praise, complaint)
            blamed_from = at if feeling < 0 and not negator else -1
            at += len(word) - 1
            read = at + 1 if not feeling else read
        at += 1
    felt = _felt("zh", text, praise, complaint, signs, wish)
    if deeds and felt.sarcastic and len(felt.complaint) == 1:
        return Felt(tuple(praise), (), felt.wish)  # "真行啊你们，半小时全修好了": a deed and nothing blamed is no irony
    return felt


@cache
def _whole(language: str, name: str) -> tuple[Rule, ...]:
    """What is felt of more than single words: `well_done` ("没出过故障"), `grievances` ("别家便宜三万")."""
    return _rules(language, name, load(language)["feelings"][name])


@cache
def _by_cue(language: str, name: str) -> Mapping[str, tuple[int, ...]]:
    """For each cue the places of the rules that know it: one look-up for each word of a text finds all rules to try."""
    places: dict[str, tuple[int, ...]] = {}
    for place, rule in enumerate(_rules_named(language, name)):
        for cue in rule.cues:
            places[cue] = (*places.get(cue, ()), place)
    return places


def _cued(language: str, name: str, units: Collection[str]) -> list[Rule]:
    """The few of these rules that may have something to say, in their order."""
    places = _by_cue(language, name)
    rules = _rules_named(language, name)
    return [rules[place] for place in sorted({place for unit in units if unit in places for place in places[unit]})]


def _rules_named(language: str, name: str) -> tuple[Rule, ...]:
    return _problems(language) if name == "problem" else _whole(language, name)


def _taken_whole(language: str, name: str, text: str, units: Collection[str], felt: list[str]) -> str:
    """The text without what is praise or complaint as a whole, whatever single words of it say; `felt` gets those."""
    for rule in _cued(language, name, units):
        if rule.phrases.search(text):
            felt.extend(found.group() for found in rule.phrases.finditer(text))
            text = rule.phrases.sub(",", text)
    return text


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
    return compile_any(load(language)["feelings"]["sarcasm"])


@cache
def _cues(name: str) -> frozenset[str]:
    """Words without one of which an English text needs no search for wishes or sarcasm."""
    return frozenset(words_of(load("en")["feelings"][name]))


def _may_be_sarcastic(text: str, words: Collection[str]) -> bool:
    return not _cues("sarcasm_cues").isdisjoint(words) or "🙄" in text


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
    problem = next(filter(None, (rule.find(text, words) for rule in _cued(language, "problem", words))), None)
    if problem:
        complaint.append(problem)
    sarcasm = _sarcasm(language).search(text) if language == "zh" or _may_be_sarcastic(text, words) else None
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
    words = _WORDS.findall(text)
    wish = None if _cues("wish_cues").isdisjoint(words) else _wishes("en").search(text)
    if wish:
        text = _wished("en").sub(",", text)
        words = _WORDS.findall(text)
    done = _taken_whole("en", "grievances", _taken_whole("en", "well_done", text, words, praise), words, complaint)
    if done is not text:
        text, words = done, _WORDS.findall(done)
    at, size, negated, reach = 0, len(words), "", 0
    while at < size:
        word = words[at]
        matched = _phrase_at(words, at, table) if word in table else None
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
    for phrase, feeling in table[words[at]]:
        length = phrase.count(" ") + 1
        if length == 1 or " ".join(words[at : at + length]) == phrase:
            return phrase, feeling, length
    return None


_WORDS = re.compile(r"[a-z0-9]+|[,.!?;\n]")
_BREAKS = frozenset({",", ".", "!", "?", ";", "\n", "but", "and", "because", "so"})


@cache
def _english_negators() -> frozenset[str]:
    return frozenset(words_of(load("en")["feelings"]["negators"]))


@cache
def _subjects(language: str) -> re.Pattern[str]:
    return re.compile("|".join(words_of(load(language)["feelings"]["subjects"])))


@cache
def _english_subjects() -> frozenset[str]:
    words = words_of(load("en")["feelings"]["subjects"])
    return frozenset(word + ending for word in words for ending in ("", "s", "es"))


@cache
def _chatter() -> re.Pattern[str]:
    return re.compile(load("zh")["feelings"]["chatter"])


def tells_something(text: str, shortest: int = 7) -> bool:
    """Is a Chinese text that no rule knows a comment by its length and manner, not talk about oneself or the day?"""
    if len(_HAN_SIGN.findall(text)) < shortest or _chatter().search(text):
        return False
    return speaks_of_us(text, "zh") or not _DIGIT.search(text) or bool(_TOLD.search(text))


_TOLD = re.compile(r"[,，。].*(?:[了没才都还又]|说)|[了没才都还又].*[,，。]")  # a number in a story counts something
_HAN_SIGN, _DIGIT = re.compile(r"[一-鿿]"), re.compile(r"\d")


@cache
def _english_chatter() -> re.Pattern[str]:
    return re.compile(load("en")["feelings"]["chatter"])


def tells_something_in_english(text: str, shortest: int = 4) -> bool:
    """Does an English text that no rule knows tell of the business, not of the day or of what the writer will do?"""
    words = _ENGLISH_WORD.findall(text)
    if len(words) < shortest:
        return False
    if _english_subjects().isdisjoint(words) and not (len(words) >= _A_TALE and _tale().match(text)):
        return False
    return not _english_chatter().search(text)


@cache
def _no_fact() -> re.Pattern[str]:
    return re.compile(load("zh")["feelings"]["no_fact"])


@cache
def _mockery() -> re.Pattern[str]:
    return re.compile(load("zh")["feelings"]["mockery"])


def tells_a_fact(clause: str) -> bool:
    """Does a Chinese clause beside a rating tell what happened, not courtesy, not who one is, not the rating again?"""
    return len(_HAN_SIGN.findall(clause)) >= 4 and not _no_fact().search(clause)


def is_sarcastic(text: str) -> bool:
    """Does a marker show that a Chinese text means the opposite of what it says?"""
    return bool(_sarcasm("zh").search(text))


def may_mock(text: str) -> bool:
    """Is there a marker that turns praise beside a low score into mockery?"""
    return bool(_mockery().search(text))


@cache
def _tale() -> re.Pattern[str]:
    return re.compile(load("en")["feelings"]["tale"])


_A_TALE = 5  # words: shorter ones may say anything
_ENGLISH_WORD = re.compile(r"[a-z]{2,}")


def speaks_of_us(text: str, language: str) -> bool:
    """Does a text name the business, its people or what it sells?"""
    return bool(_subjects(language).search(text))


@cache
def _threats() -> frozenset[str]:
    return frozenset(word for language in ("zh", "en") for word in words_of(load(language)["feelings"]["threats"]))


def beside_a_wish(felt: Felt) -> Felt:
    """What is praised or blamed beside "no more messages" or "call me": clear words, none of anger at the messages."""
    complaint = tuple(word for word in felt.complaint if len(word) > 1 and word not in _threats())
    return Felt(tuple(word for word in felt.praise if len(word) > 1) if not felt.complaint else (), complaint)


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
