"""Satisfaction in words: modifiers and one core word composed into a level 1..5, longest word first.

不太满意 is cut into 不太 + 满意, never into 满意 alone; 不能说不满意 into a double negation + 满意. Words come from the
`levels` section of the word files. A level word of the satisfied family counts anywhere in a reply; any other
evaluation counts only when the reply is nothing else ("挺不错", "superb"), since praise of a person is a comment.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, takewhile
from typing import NamedTuple

from messages.reading.firsts import any_word_of, compile_any
from messages.reading.lexicon import load, words_of

_CORES = ("satisfied", "unsatisfied", "great", "good", "average", "bad", "awful")
_BASE = {"satisfied": 4, "unsatisfied": 2, "great": 5, "good": 4, "average": 3, "bad": 2, "awful": 1}
SATISFIED_FAMILY = frozenset({"satisfied", "unsatisfied"})
_MIDDLING = frozenset(
    {
        "average",
        "mediocre",
        "so-so",
        "so so",
        "一般",
        "一般般",
        "一般化",
        "普通",
        "普普通通",
        "中等",
        "马马虎虎",
        "凑合",
    }
)  # rate as a clause of their own
_MOODS = frozenset(
    {"thrilled", "impressed", "chuffed", "delighted", "over the moon", "overjoyed", "ecstatic", "elated"}
)
_MODIFIERS = frozenset(
    {"strong", "comparative", "barely", "little", "negation", "soft_negation", "hard_negation", "double_negation"}
)
_AFTER = frozenset({"after", "filler", "emphasis", "stronger_after"})
_NEGATIONS = frozenset({"negation", "soft_negation", "hard_negation"})


_TOKEN = re.compile(r"[a-z0-9+%/*-]+")
_FAMILY = re.compile(
    r"满|意|不爽|satis|happy|pleased|impress|disap|dissap|content|gruntl|whelm|thrill|chuffed|let ?down|upset"
    r"|frustrat|annoyed"
)


class Level(NamedTuple):
    """A level found in the text; `whole` when the reply says nothing else; `family` is the core word's list."""

    level: float
    words: str
    family: str
    whole: bool
    sure: bool = True
    core: str = ""

    @property
    def rates(self) -> bool:
        """Does this level rate although the reply says more? "satisfied, but slow", "average, site keeps crashing"."""
        return self.family in SATISFIED_FAMILY or self.core in _MIDDLING


@dataclass(frozen=True, slots=True)
class Grammar:
    """The level words of one language, by the unit they are cut in: characters (zh) or words (en).

    `known`: every unit of every word; a clause with another unit is no evaluation as a whole.
    """

    classes: Mapping[str, tuple[str, ...]]
    known: frozenset[str]
    reach: Mapping[str, int]
    telling: frozenset[str]
    rating: frozenset[str]
    refused_before: re.Pattern[str]
    refused_after: re.Pattern[str]
    sarcastic_after: re.Pattern[str]
    earlier: re.Pattern[str]
    another_time: re.Pattern[str]
    in_between: re.Pattern[str]
    doubt_before: re.Pattern[str]
    no_doubt: re.Pattern[str]
    doubt_after: re.Pattern[str]
    denial: re.Pattern[str]
    by_word: bool
    short: int


@cache
def grammar(language: str) -> Grammar:
    """The level grammar of a language."""
    spec = load(language)["levels"]
    classes: dict[str, list[str]] = {}
    groups = [(name, spec["cores"][name]) for name in _CORES] + list(spec["modifiers"].items())
    groups += [("before", spec["before"]), ("after", spec["after"])]
    for name, words in groups:
        for word in words_of(words):
            classes.setdefault(word, []).append(name)
    by_word = language != "zh"
    return Grammar(
        classes={word: tuple(names) for word, names in classes.items()},
        known=frozenset(unit for word in classes for unit in (word.split() if by_word else word)),
        reach=_reach(classes, by_word=by_word),
        telling=_telling(classes, frozenset(_BASE), by_word=by_word),
        rating=_telling(classes, SATISFIED_FAMILY, by_word=by_word),
        refused_before=_ahead(words_of(spec["no_rating_before"]), by_word=by_word),
        refused_after=_beginning(spec["no_rating_after"]),
        sarcastic_after=_beginning(spec["sarcastic_after"]),
        earlier=_beginning(spec["earlier"]),
        another_time=_beginning(spec["another_time"]),
        in_between=_in_between([word for word, names in classes.items() if names[0] in _BASE], spec["in_between"]),
        doubt_before=re.compile(spec["doubt_before"]),
        no_doubt=re.compile(spec["no_doubt"]),
        doubt_after=re.compile(spec["doubt_after"]),
        denial=re.compile(spec["denial"]),
        by_word=by_word,
        short=60 if by_word else 14,
    )


def _reach(words: Iterable[str], *, by_word: bool) -> dict[str, int]:
    """For each first character (or first word) the length of the longest entry that begins with it."""
    reach: dict[str, int] = {}
    for word in words:
        units = word.split() if by_word else word
        reach[units[0]] = max(reach.get(units[0], 0), len(units))
    return reach


def _telling(classes: Mapping[str, list[str]], cores: frozenset[str], *, by_word: bool) -> frozenset[str]:
    """One unit of each word of these core lists: its last character, or its longest word."""
    return frozenset(_most_telling(word) if by_word else word[-1] for word in classes if classes[word][0] in cores)


def _most_telling(phrase: str) -> str:
    """The longest word of a phrase: a clause without it need not be cut to know that the phrase is not there."""
    words: list[str] = _TOKEN.findall(phrase)
    return max(words, key=len)


def _ahead(words: Iterable[str], *, by_word: bool) -> re.Pattern[str]:
    """What stands ahead of a level word: in English anywhere, in Chinese at the beginning or right before the word."""
    alternatives = "|".join(map(re.escape, words))
    return compile_any([f" (?:{alternatives}) " if by_word else f"^(?:{alternatives})|(?:{alternatives})$"])


def _in_between(cores: Iterable[str], phrases: str) -> re.Pattern[str]:
    """ "neither happy nor unhappy", "between satisfied and dissatisfied": two level words that meet in the middle."""
    return re.compile(phrases.replace("{core}", any_word_of(cores)))


def _beginning(words: str) -> re.Pattern[str]:
    return re.compile(r"\s*(?:" + "|".join(words_of(words)) + r")(?![a-z])")


class _Piece(NamedTuple):
    text: str
    classes: tuple[str, ...]
    start: int
    end: int


def _units(clause: str, how: Grammar) -> Sequence[str]:
    """The words of an English clause (top-notch is two, so-so one), the characters of a Chinese one."""
    if not how.by_word:
        return clause
    words = _TOKEN.findall(clause)
    if "-" not in clause:
        return words
    return [part for word in words for part in ((word,) if word in how.known else word.split("-")) if part]


def _cut(clause: str, units: Sequence[str], how: Grammar) -> Iterator[_Piece]:
    """Cut a clause into the longest pieces the grammar knows; what it does not know has no classes."""
    return _cut_words(clause, units, how) if how.by_word else _cut_signs(clause, how)


def _cut_signs(clause: str, how: Grammar) -> Iterator[_Piece]:
    at, size = 0, len(clause)
    classes, reach = how.classes, how.reach
    while at < size:
        piece = clause[at]
        for length in range(reach.get(piece, 0), 0, -1):
            piece = clause[at : at + length]
            if piece in classes:
                break
        end = at + len(piece)
        yield _Piece(piece, classes.get(piece, ()), at, end)
        at = end


def _cut_words(clause: str, words: Sequence[str], how: Grammar) -> Iterator[_Piece]:
    at, end, classes, reach = 0, 0, how.classes, how.reach
    while at < len(words):
        piece, length = words[at], 1
        for length in range(min(reach.get(piece, 1), len(words) - at), 0, -1):
            piece = " ".join(words[at : at + length])
            if piece in classes:
                break
        start = end = clause.index(words[at], end)
        for word in words[at : at + length]:
            end = clause.index(word, end) + len(word)
        yield _Piece(piece, classes.get(piece, ()), start, end)
        at += length


def find(clauses: tuple[str, ...], language: str, *, whole_only: bool = False) -> Level | None:
    """The level a reply gives in words, or None. The last one counts: "之前不满意，现在满意了".

    `whole_only`: only a reply that says nothing else has one, which is known sooner.
    """
    if len(clauses) == 1 and clauses[0] in _alone(language):
        return _alone(language)[clauses[0]]
    return _find(clauses, grammar(language), whole_only=whole_only)


@cache
def _alone(language: str) -> Mapping[str, Level]:
    """What each core word says when a reply is nothing else, as most replies in words are: read once, here."""
    how = grammar(language)
    cores = [word for word, kinds in how.classes.items() if kinds[0] in _BASE]
    read = ((word, _find((word,), how, whole_only=True)) for word in cores)
    return {word: level for word, level in read if level is not None}


def _find(clauses: tuple[str, ...], how: Grammar, *, whole_only: bool) -> Level | None:
    units = [_units(clause, how) for clause in clauses]
    if how.telling.isdisjoint(chain.from_iterable(units)):
        return None
    if how.by_word and any("neither" in unit or "between" in unit for unit in units):
        clauses = tuple(how.in_between.sub("middle of the road", clause) for clause in clauses)
        units = [_units(clause, how) for clause in clauses]
    if whole_only and len(clauses) == 1 and not how.known.issuperset(units[0]):
        return None
    found: list[Level] = []
    only_evaluation = True
    first = 1 if _tells_of_another_time(clauses, units, how) else 0
    several = len(clauses) - first > 1
    for clause, unit in zip(clauses[first:], units[first:], strict=True):
        if found and found[-1].level > 3 and how.denial.match(clause):
            found[-1] = found[-1]._replace(sure=False)
            continue
        level, nothing_else = _read_clause(clause, unit, how, several=several)
        if level is not None:
            found.append(level)
        only_evaluation = only_evaluation and nothing_else
        if whole_only and not only_evaluation:
            return None
    return _decide(found, only_evaluation)


def _tells_of_another_time(clauses: tuple[str, ...], units: Sequence[Sequence[str]], how: Grammar) -> bool:
    """Does the first clause only tell how it used to be? "was unhappy last year, this time satisfied"."""
    if len(clauses) < 2:
        return False
    if how.earlier.search(clauses[0]):
        return True
    later = any(not how.telling.isdisjoint(unit) for unit in units[1:])
    return later and how.another_time.search(clauses[0]) is not None


def _read_clause(clause: str, units: Sequence[str], how: Grammar, *, several: bool) -> tuple[Level | None, bool]:
    """The level of one clause, and whether the clause says nothing else; beside others it may be mere filler."""
    if len(clause) > how.short and not _FAMILY.search(clause):
        return None, False
    if how.telling.isdisjoint(units):
        return None, several and _is_filler(_cut(clause, units, how))
    pieces = _all_known(clause, units, how) if how.rating.isdisjoint(units) else list(_cut(clause, units, how))
    if not pieces:
        return None, False
    whole = _read_whole(pieces, how, clause)
    if whole is not None:
        return whole, True
    if _is_filler(pieces):
        return None, True
    return _read_inside(pieces, how, clause), False


def _all_known(clause: str, units: Sequence[str], how: Grammar) -> list[_Piece]:
    """The pieces of a clause when the grammar knows them all; none as soon as it does not: no evaluation is whole."""
    if not how.known.issuperset(units):
        return []
    pieces = []
    for piece in _cut(clause, units, how):
        if not piece.classes:
            return []
        pieces.append(piece)
    return pieces


def _decide(found: list[Level], only_evaluation: bool) -> Level | None:
    if not found:
        return None
    if only_evaluation:
        best = _agreed(found)
        return best if best.whole else best._replace(whole=True)
    family = [level for level in found if level.rates]
    if not family:
        return Level(found[-1].level, found[-1].words, found[-1].family, False)
    best = _agreed(family)
    return best._replace(whole=False) if best.whole else best


def _agreed(found: list[Level]) -> Level:
    """Of several evaluations the last when they agree, the worse with a doubt when they do not."""
    if len(found) == 1:
        return found[0]
    overall = [level for level in found if level.words.startswith(OVERALL)]
    if overall:
        return overall[-1]
    levels = [level.level for level in found]
    if min(levels) < 3 <= max(levels):
        worst = min(found, key=lambda level: level.level)
        return worst._replace(sure=False)
    return found[-1]


OVERALL = ("总体", "整体", "总的", "大体", "综合")  # "总体满意，个别环节不满意" rates what it calls the whole


def _is_filler(pieces: Iterable[_Piece]) -> bool:
    return all("before" in piece.classes or "after" in piece.classes or "filler" in piece.classes for piece in pieces)


def _core(piece: _Piece) -> str | None:
    """The core list a piece is in; cores come first among its classes."""
    return piece.classes[0] if piece.classes and piece.classes[0] in _BASE else None


def _read_whole(pieces: list[_Piece], how: Grammar, clause: str) -> Level | None:
    """A clause that is fillers + modifiers + core words + fillers and nothing else."""
    cores = []
    for place, piece in enumerate(pieces):
        if not piece.classes:
            return None
        if piece.classes[0] in _BASE:
            cores.append(place)
    if not cores:
        return None
    at = cores[-1]
    if len(cores) > 1:
        cores = [i for i in cores if i == at or not _modifies(pieces[i].classes)]
        if not _same_side(pieces, cores):
            return None
    for piece in pieces[at + 1 :]:
        if _AFTER.isdisjoint(piece.classes):
            return None
    for piece in pieces[: cores[0]]:
        if piece.classes == ("after",):
            return None
    if how.by_word and _is_about_oneself(pieces, at):
        return None
    return _compose(pieces, at, how, clause, whole=True)


def _same_side(pieces: list[_Piece], cores: list[int]) -> bool:
    bases = {_BASE[_core(pieces[i]) or "average"] for i in cores}
    return max(bases) - min(bases) <= 1


def _read_inside(pieces: list[_Piece], how: Grammar, clause: str) -> Level | None:
    """A word of the satisfied family somewhere in a longer clause."""
    for at in range(len(pieces) - 1, -1, -1):
        if _core(pieces[at]) in SATISFIED_FAMILY and (not how.by_word or _is_about_us(pieces, at, clause)):
            return _compose(pieces, at, how, clause, whole=False)
    return None


def _compose(pieces: list[_Piece], at: int, how: Grammar, clause: str, *, whole: bool) -> Level | None:
    core = pieces[at]
    family = _core(core) or "average"
    after = clause[core.end :]
    if after and how.sarcastic_after.match(after):
        return Level(1, core.text + after, family, whole)
    if after and how.refused_after.match(after):
        return None
    level, first = float(_BASE[family]), at
    negated = False
    for i in range(at - 1, -1, -1):
        kinds = pieces[i].classes
        if not kinds or (_core(pieces[i]) and not _modifies(kinds)):
            break
        moved = _apply(kinds, level, "satisfied" if core.text in _MOODS else family, negated)
        if moved is None:
            if "filler" in kinds or (whole and "before" in kinds):
                continue
            break
        level, first = moved, i
        negated = negated or bool(_NEGATIONS & set(kinds)) or "double_negation" in kinds
    before = clause[: pieces[first].start]
    if _refused_before(before if how.by_word else clause[: core.start], how):
        return None
    follow = {kind for piece in takewhile(_follows, pieces[at + 1 :]) for kind in piece.classes} if after else ()
    if "stronger_after" in follow:
        level = 5.0 if level > 3 else 1.0 if level < 3 else level
    if level == 2 and (negated or family == "unsatisfied") and "emphasis" in follow:
        level = 1.0
    words = clause[pieces[first].start : core.end]
    sure = level <= 3 or not _is_doubtful(before, after, how)
    return Level(level, words, family, whole, sure, core.text)


def _follows(piece: _Piece) -> bool:
    return not _AFTER.isdisjoint(piece.classes)


def _is_doubtful(before: str, after: str, how: Grammar) -> bool:
    """Does something negative stand beside a happy word that the grammar did not understand?"""
    if not before and not after:
        return False
    return bool(how.doubt_after.match(after) or how.doubt_before.search(how.no_doubt.sub("", before)))


_ABOUT = re.compile(
    r" (?:with|about|at|by|overall|customer|because|but|however|though|so far|service|patient|client)\b"
)
_SOMETHING = re.compile(r" (?:your|my|his|her|their|our|the|a|an)\b")


def _is_about_us(pieces: list[_Piece], at: int, clause: str) -> bool:
    """ "I am happy with it" rates; "happy that we met" and "satisfied your hunger" do not."""
    core, after = pieces[at].text, clause[pieces[at].end :]
    if "satisf" in core:
        return not _SOMETHING.match(after)
    return bool(_ABOUT.match(after)) and all(piece.classes for piece in pieces[:at])


def _is_about_oneself(pieces: list[_Piece], at: int) -> bool:
    """ "I am ok", "I feel poor": how the customer is, not how the service was."""
    if _core(pieces[at]) not in {"good", "average", "bad"} or pieces[at].text.count(" ") > 1:
        return False
    return not _ONESELF.isdisjoint(piece.text for piece in pieces[:at])


_ONESELF = frozenset({"i am", "im", "i was", "i feel", "i felt", "we are", "we were", "i"})


def _modifies(kinds: tuple[str, ...]) -> bool:
    """好差, 勉强满意: a core word that modifies the next one."""
    return any(kind in _MODIFIERS for kind in kinds)


def _refused_before(before: str, how: Grammar) -> bool:
    if not before:
        return False
    if how.by_word:
        return how.refused_before.search(f" {before.strip()} ") is not None
    found = how.refused_before.search(before)
    return found is not None and (found.start() == 0 or not _TOWARDS.search(before))


_TOWARDS = re.compile(r"对[^,。!?]{0,6}$")  # "对你们不满意" rates, "你们满意" does not


def _apply(kinds: tuple[str, ...], level: float, family: str, negated: bool) -> float | None:
    """The level after one more modifier to the left, or None when this piece is no modifier."""
    for kind in kinds:
        match kind:
            case "strong":
                return _stronger(level, family, negated)
            case "comparative":
                return min(level, 4.0) if level > 3 else max(level, 2.0) if not negated else level
            case "barely":
                return 3.0 if level > 3 else level
            case "little":
                return max(level, 2.0) if level < 3 else level
            case "double_negation":
                return 3.0 if family in {"satisfied", "good", "great"} else level
            case "negation" | "soft_negation":
                return _negated(level, family, negated)
            case "hard_negation":
                return 1.0 if _BASE[family] >= 4 else _negated(level, family, negated)
    return None


def _stronger(level: float, family: str, negated: bool) -> float:
    if family == "average" and not negated:
        return 2.5
    if level > 3:
        return 5.0 if not negated else 4.0
    return max(1.0, level - 1) if level < 3 else level


def _negated(level: float, family: str, negated: bool) -> float:
    if negated:
        return 3.0
    if family == "great":
        return 3.0
    if family in {"satisfied", "good"}:
        return 2.0
    if family == "average":
        return 2.0
    return 3.0 if family in {"unsatisfied", "awful"} else 4.0


def knows(text: str, language: str) -> bool:
    """Is this very text a word of the language's grammar? ("yyds", "nice" in Chinese)"""
    return text in grammar(language).classes
