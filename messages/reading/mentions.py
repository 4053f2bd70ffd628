"""Which numbers of a reply are ratings, and how clearly: by what stands before and after each of them.

A unit (5分, 4 stars) or a verb of giving (我打3, I give you 5) says so; a number alone, at the head of a comment or in
a clause of its own counts too; a number that counts hours, rooms, money or people never does (rule 6).
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import NamedTuple

from messages.reading.firsts import any_word_of, compile_any
from messages.reading.lexicon import load, words_of
from messages.reading.numerals import HAN, worth

_JUST_BEFORE = 20  # characters that may turn a number's sign
SAYS_SO, STANDS_ALONE, TRAILS = 3, 2, 1
MOST_NUMBERS = 16


class Mention(NamedTuple):
    """A number that may be a rating; `refused` when the customer says it is not ("不给5分")."""

    value: float
    start: int
    end: int
    words: str
    strength: int
    refused: bool = False


_ONE = "one" + "".join(  # no one, the good one: who or what, not how many
    f"(?<!{word} one)"
    for word in (
        *("no", "any", "some", "every", "this", "that", "the", "which", "other", "another", "last", "next", "only"),
        *("good", "nice", "great", "bad", "big", "right", "wrong", "old", "new"),
    )
)
_NUMBER = compile_any(
    [
        r"(?P<arabic>(?<![\d/a-z<])(?<![^.]\.)(?<!^\.)(?<!\d[,:])(?:-(?=\d{1,3}(?!\d)))?\d{1,3}(?:\.(?:\d|25|50|75|00))?(?!\d|[.,/]\d|:\d|(?!ish|fen)[a-z]))",
        rf"(?P<han>[{HAN}]{{1,4}}(?:点[一二三四五六七八九](?!钟))?)",
        rf"\b(?P<word>zero|{_ONE}|two|three|four|five|six|seven|eight|nine|ten|tens|fives|fours)\b",
    ]
)
_HALF = re.compile(r" (?:and|n|&) a half| 1/2|又?半|点半分")
_FEW = re.compile(r"\b(?:only|just)$")
_ONE_TO_GIVE = ("给个", "打个", "来个", "评个", "选个", "们个")
_FROM_ME = re.compile(r" from (?:me|us|(?:my|our) (?:side|end|family|team))\b")
_VERY = re.compile(r"分[^,.。!?;、\s吧啊哦呀啦了~]")
_REASON = re.compile(r" (?:from|for|because|as|but|and|overall|thanks|coz|since|though|so|with|just)\b")
_CLAUSE = re.compile(r"[,.。!;?，、\n>→]")
_PRICE_SIGNS = frozenset("@#$£€¥+<")
_CLAUSE_END = frozenset(",.。!;?~，、:\n)-")
_PLURAL = re.compile(r"[a-z]{2,}(?<!s)s(?![a-z])")


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """A pattern of words/numbers.yaml."""
    return compile_any([load("numbers")[name]])


def list_of(language: str, name: str) -> tuple[str, ...]:
    """A list of the `numbers` section of a word file."""
    return words_of(load(language)["numbers"][name])


@cache
def _endings(name: str) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]]:
    """The words of a list as endings: Chinese as they are, English with the blank that begins a word."""
    return _by_last(list_of("zh", name)), _by_last(tuple(f" {word}" for word in list_of("en", name)))


def _by_last(endings: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Endings by their last character, which most texts do not share with any."""
    lasts = {ending[-1] for ending in endings}
    return {last: tuple(ending for ending in endings if ending[-1] == last) for last in lasts}


_TO_BLANKS = str.maketrans(dict.fromkeys(",.!?;:()\"'~-=\n", " "))


def _ends_with(name: str, text: str) -> bool:
    """Does this text end with a word of the list?"""
    han, latin = _endings(name)
    last = text[-1:]
    if last in han and not text.isascii() and text.endswith(han[last]):
        return True
    return last in latin and f" {text}".translate(_TO_BLANKS).endswith(latin[last])


@cache
def _counts() -> re.Pattern[str]:
    """What follows a number that is no rating: units, times, ordinals."""
    han, latin = any_word_of(list_of("zh", "not_scores_after")), any_word_of(list_of("en", "not_scores_after"))
    other, apart = any_word_of(list_of("zh", "no_unit")), any_word_of(list_of("zh", "no_unit_apart"))
    units = rf"(?: (?!{apart}))?(?!{other})(?:{han})"
    return re.compile(rf"{units}|[ -]?(?:{latin})(?![a-z])|[:.]\d|[\"'°+]|的(?=[一-鿿]{{2}})(?!样子)|[ -]?\d|x\d")


def find(text: str) -> list[Mention]:
    """The numbers of a text that may be ratings, in order; a long list of numbers rates nothing."""
    matches = list(islice(_NUMBER.finditer(text), MOST_NUMBERS + 1))
    if len(matches) > MOST_NUMBERS:
        return []
    return [mention for match in matches if (mention := _mention(text, match))]


def _mention(text: str, match: re.Match[str]) -> Mention | None:
    value = worth(match.group())
    if value is None:
        return None
    start, end = match.span()
    before, after = text[:start], text[end:]
    if before and _pattern("below").search(before[-_JUST_BEFORE:]):
        value = -value
    unit = _pattern("unit").match(after)
    if unit and match["han"] in {"十", "十二"} and _VERY.match(after):
        return None
    if unit:
        if before and _pattern("other_points").search(before[-_JUST_BEFORE:]):
            return None
        end += unit.end()
        refused = is_refused(before, text[end:])
        return Mention(value + bool(unit["half"]) / 2, start, end, text[start:end], SAYS_SO, refused)
    percent = _pattern("percent").match(after)
    if percent:
        end, after = end + percent.end(), after[percent.end() :]
        if _pattern("percent_is_adverb").match(after):
            return None
    half = None if match["han"] else _HALF.match(after)
    if half:
        value, end, after = value + 0.5, end + half.end(), after[half.end() :]
    strength = _strength(text, start, end, match)
    return Mention(value, start, end, text[start:end], strength, is_refused(before, after)) if strength else None


def _strength(text: str, start: int, end: int, match: re.Match[str]) -> int:
    """How clearly a number without a unit is a rating; 0 when it is none."""
    before, after = text[:start], text[end:]
    ends = is_courtesy(after)
    if (ends and is_courtesy(before)) or _FROM_ME.match(after):
        return SAYS_SO
    if is_counted(text, start, end):
        return 0
    head, tail = before.rstrip(), after.lstrip()
    gives = _gives(head) and (not match["han"] or head.endswith(_ONE_TO_GIVE) or is_courtesy(head))
    ends = ends or after[:1] in _CLAUSE_END or tail[:1] in _CLAUSE_END
    ends = ends or (gives and bool(match["arabic"]) and is_courtesy(_CLAUSE.split(after, maxsplit=1)[0]))
    if gives and ((ends and (head != before or not _ends_in_latin(head))) or _REASON.match(after)):
        return SAYS_SO
    if ends and is_courtesy(_CLAUSE.split(head)[-1]):
        return STANDS_ALONE
    if is_courtesy(head):
        if _FEW.search(head) and tail[:1].isalpha():
            return 0
        leads = not match["han"] and match["word"] != "one" and _is_talk(tail)
        return (TRAILS if match["word"] else STANDS_ALONE) if leads else 0
    return TRAILS if match["arabic"] and before[-1:] == " " and not tail.strip(" .。!~") else 0


def _ends_in_latin(text: str) -> bool:
    return text[-1:].isascii() and text[-1:].isalpha()


def _gives(head: str) -> bool:
    return _ends_with("give", head.rstrip(":= -\"'("))


def is_refused(before: str, after: str = "") -> bool:
    """Is the number between these one that the customer does not give, or gave another time?"""
    if after and (_pattern("earlier").match(after) or _pattern("denied_after").match(after)):
        return True
    return bool(before) and _is_refused_before(before, after)


def _is_refused_before(before: str, after: str) -> bool:
    if _is_conditional(before, after):
        return True
    clause = _CLAUSE.split(before.rstrip())[-1]
    if _pattern("another_time").match(clause) and not _pattern("corrects").search(clause + after):
        return True
    return _ends_with("refused", clause) or _ends_with("refused", _pattern("between").sub("", clause).rstrip())


def _is_conditional(before: str, after: str) -> bool:
    """Is this the number that would have been given?"""
    found = _pattern("condition").search(before)
    if not found or _DIGIT.search(before, found.end()):
        return False
    return not found.group().isascii() or bool(_pattern("condition_after").match(after))


def is_counted(text: str, start: int, end: int) -> bool:
    """Does this number count something, or name a time, a place, a price?"""
    before = text[:start].rstrip()
    if _counts().match(text, end) or before[-1:] in _PRICE_SIGNS:
        return True
    return _ends_with("not_scores_before", before) and not _gives(before)


@cache
def _not_counting() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    spec = load("numbers")
    return frozenset(spec["not_plural"].split()), frozenset(spec["counted"].split()), frozenset(spec["no_noun"].split())


def _is_talk(tail: str) -> bool:
    """Is what follows a comment ("a bit slow"), and not what the number counts ("techs came")?"""
    words = _TWO_WORDS.match(tail)
    if not words:
        return not tail[:1].isdigit()
    not_plural, counted, no_noun_follows = _not_counting()
    if words.group(1) in counted:
        return False
    first, second = words.groups()
    nouns = (first,) if first in no_noun_follows else (first, second)
    return not any(word and _PLURAL.fullmatch(word) and word not in not_plural for word in nouns)


_TWO_WORDS = re.compile(r"([a-z]+)(?: ([a-z]+))?")


@cache
def _courtesies() -> tuple[frozenset[str], Mapping[str, tuple[str, ...]]]:
    """Words of politeness: the English ones, and the Chinese ones by their first character."""
    by_first: dict[str, tuple[str, ...]] = {}
    for word in list_of("zh", "alone_talk"):
        by_first[word[0]] = (*by_first.get(word[0], ()), word)
    return frozenset(list_of("en", "alone_talk")), by_first


@cache
def _discourteous() -> re.Pattern[str]:
    """A digit, or a letter of no word of politeness: one of them turns most comments down at once."""
    known = "".join(sorted(set("".join(list_of("zh", "alone_talk")))))
    return re.compile(rf"\d|(?![a-z{re.escape(known)}])[^\W_]")


def is_courtesy(rest: str) -> bool:
    """Is this nothing but politeness and "I give"? Then a number beside it stands alone."""
    if not rest or not rest.strip(" .,!。，~"):
        return True
    if _discourteous().search(rest):
        return False
    latin, han = _courtesies()
    if not latin.issuperset(_LATIN_WORD.findall(rest)):
        return False
    return rest.isascii() or _is_made_of(_LATIN_WORD.sub("", rest), han)


def _is_made_of(text: str, words: Mapping[str, tuple[str, ...]]) -> bool:
    """Can a text be cut into these words and signs? A pattern tries all cuts of 谢谢谢谢: 6 seconds for 60 signs."""
    furthest, cuts = 0, {0}
    for at, sign in enumerate(text):
        if at > furthest:
            return False
        if at in cuts:
            cuts.update(at + len(word) for word in words.get(sign, ()) if text.startswith(word, at))
            if not sign.isalnum():
                cuts.add(at + 1)
            furthest = max(cuts)
    return len(text) in cuts


_DIGIT = re.compile(r"\d")
_LATIN_WORD = re.compile(r"[a-z]+")
