"""The rating a reply states in numbers, stars or idioms: fractions, ranges, corrections, 满分, zero stars.

`mentions.py` tells which numbers are ratings at all; here they become one score on the asked scale. The scale itself
said back is none, and a corrected, refused or bargained number gives way to the one meant (rules 4 and 5).
The patterns are in words/numbers.yaml.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from messages.reading import mentions, scales
from messages.reading.firsts import compile_any
from messages.reading.lexicon import load
from messages.reading.mentions import SAYS_SO, STANDS_ALONE, TRAILS
from messages.reading.normalise import LONG, where_people_rate
from messages.reading.numerals import HAN, worth
from messages.reading.values import Question, Scale


class Given(NamedTuple):
    """A rating that was found: its score on the asked scale, or None when it does not fit on it."""

    score: scales.Number | None
    words: str
    sure: bool = True
    off_scale: bool = False
    alone: bool = False


_HAS_NUMBER = re.compile(
    r"[\d⭐★*💯]|满分|满星|负分|顶格|最[高低]分|半颗?星|百分|[零光]蛋|[颗个粒]半"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|zero|tens|fives|fours|hundred)\b|star|marks|score|points|perfect"
    rf"|[{HAN}].{{0,3}}[分星心]|[{HAN}]到[{HAN}]|(?:给|打|评|选|答|复|改).{{0,4}}[{HAN}]|^.{{0,3}}[{HAN}]+.{{0,4}}$"
)
_STARS = re.compile(r"(?:[⭐★] ?)+(?P<half>[½]|半|\.5)?")
_STARS_COUNTED = re.compile(rf"[\d{HAN}] ?颗?$")
_ASTERISKS = re.compile(r"\*{2,5}(?P<half>)")
_REPEATED = re.compile(r"^(\d{1,2})(?:[ ,，.!。]+\1)+(?=[ .!。~]*$|[ ]?[,!。~] ?[^\W\d])")
_ENUMERATION = re.compile(r"1[.、)]\s*[^\d\s].+2[.、)]\s*[^\d\s]")
_WENT_SHORT = re.compile(  # "paid for 3 got 2"
    r"\b(?:ordered|paid for|booked|bought|asked for|needed) [^,.]{0,20}?\d+\b"
    r"[^\d]{0,30}\b(?:got|came|received|arrived|sent)\b"
)
_BARE = re.compile(r"(\d{1,3}(?:\.\d)?) ?分?[。.!~]*")
_SPOKEN_POINT = re.compile(r"(?P<before>\D{0,6})(?P<whole>\d{1,2})点(?P<part>[1-9])分?(?P<after>\D{0,6})")  # 9点5吧
_PERCENT = re.compile(r"%|per ?cent")
_STARRED = re.compile(r"星|⭐|★|star")
_WORDS = re.compile(r"[a-z]+")
_DIGITS = re.compile(r"\d+")


_IN_ENGLISH = r"(?:\d{1,3}(?:\.\d)?|one|two|three|four|five|six|seven|eight|nine|ten)"


@cache
def patterns(name: str) -> tuple[re.Pattern[str], ...]:
    """The patterns of words/numbers.yaml under a name."""
    spec = load("numbers")
    lines = [spec[name]] if isinstance(spec[name], str) else spec[name]
    fill = {"{han}": f"[{HAN}]{{1,3}}", "{giving}": spec["giving"], "{number}": _IN_ENGLISH}
    return tuple(compile_any([_filled(line, fill)]) for line in lines)


def _filled(line: str, fill: dict[str, str]) -> str:
    for name, value in fill.items():
        line = line.replace(name, value)
    return line


def bare(text: str, question: Question) -> Given | None:
    """The rating of a text that is a number on the scale and nothing else."""
    found = _BARE.fullmatch(text) if len(text) <= LONG and question.scale is not Scale.TEXT else None
    if not found or not scales.is_on(question.scale, float(found[1])):
        return None
    return Given(scales.tidy(float(found[1])), text, alone=True)


def find(text: str, question: Question) -> Given | None:
    """The rating that a text (without apostrophes) gives, or None."""
    if question.scale is Scale.TEXT or not _HAS_NUMBER.search(text):
        return None
    text = where_people_rate(text)
    alone = bare(text, question)
    if alone is not None:
        return alone
    spoken = _SPOKEN_POINT.fullmatch(text) if "点" in text else None
    if spoken and mentions.is_courtesy(spoken["before"]) and mentions.is_courtesy(spoken["after"]):
        return _given(float(f"{spoken['whole']}.{spoken['part']}"), question, text)
    several = len(_NUMERAL.findall(text)) > 1
    if not several and not _more_than_a_number().search(text):
        return _meant(text.strip(), mentions.find(text.strip()), question)
    if any(pattern.fullmatch(text) for pattern in patterns("echo")):
        return Given(None, text, off_scale=True)
    if several and (_ENUMERATION.search(text) or _WENT_SHORT.search(text)):
        return None
    for read in _OF_SEVERAL if several else _OF_ONE:
        given = read(text, question)
        if given is not None:
            return given
    return None


@cache
def _more_than_a_number() -> re.Pattern[str]:
    """What the readers of one number look for beside it: most replies have none of it, which one look tells for all."""
    looked_for = [pattern for name in ("echo", "take_off", "top", "bottom", "bargain") for pattern in patterns(name)]
    return compile_any([_GROUP_NAME.sub("(?:", pattern.pattern) for pattern in (*looked_for, _STARS, _ASTERISKS)])


_GROUP_NAME = re.compile(r"\(\?P<\w+>")


def ratings(text: str) -> list[float]:
    """All numbers of a text that are clearly ratings, in order."""
    return [m.value for m in mentions.find(text) if m.strength >= STANDS_ALONE and not m.refused]


def _given(value: float, question: Question, words: str, *, sure: bool = True) -> Given:
    if scales.is_on(question.scale, value):
        return Given(scales.tidy(value), words.strip(), sure=sure)
    return Given(None, words.strip(), off_scale=True)


def _top(question: Question) -> int:
    return scales.ENDS[question.scale][1]


def _overall(text: str, question: Question) -> Given | None:
    """Of several numbers the one that the customer calls the overall one: "food 9, service 5, overall I'd go 7"."""
    found = patterns("overall")[0].search(text)
    if not found or len(_DIGITS.findall(text)) < 2:
        return None
    value, whole = worth(found["value"] or found["first"]), worth(found["whole"] or "")
    if value is None:
        return None
    return _of_whole(value, whole, question, found.group()) if whole else _given(value, question, found.group())


def _taken_off(text: str, question: Question) -> Given | None:
    """ "满分扣一分" is one below the top; "扣一分，给4分" says itself what is left."""
    found = patterns("take_off")[0].search(text)
    if not found:
        return None
    rest = text[: found.start()] + text[found.end() :]
    named = patterns("taken_from")[0].fullmatch(text[: found.start()])
    from_top = patterns("top")[0].search(rest) or (named and worth(named["top"]) == _top(question))
    if not from_top and not patterns("take_off_alone")[0].fullmatch(rest):
        return None
    how_many = found["han"] or found["latin"]
    taken = _TAKEN.get(how_many) or worth(how_many)
    return None if taken is None else _given(_top(question) - taken, question, found.group())


_TAKEN = {"a": 1.0, "半": 0.5}


def _settled(text: str, question: Question) -> Given | None:
    """Of two numbers the one that the customer settles on: "more like a 3 than a 4", "3 sorry finger slipped 4"."""
    for pattern in patterns("settled"):
        found = pattern.search(text)
        value = worth(found["value"]) if found else None
        if found and value is not None and scales.is_on(question.scale, value):
            return _given(value, question, text[found.start("value") : found.end()])
    return None


def _less(text: str, question: Question) -> Given | None:
    """ "would be a 5 but minus 1"."""
    found = patterns("less")[0].search(text)
    whole, off = (worth(found["whole"]), worth(found["off"])) if found else (None, None)
    if found is None or whole is None:
        return None
    left = whole - (0.5 if off is None else off)
    return _given(left, question, found.group()) if scales.is_on(question.scale, left) else None


_FRACTION_CUE = re.compile(r"/| of |outta|满分|总分|[分星][里中之]|制|分.{0,6}[给打]")


def _fraction(text: str, question: Question) -> Given | None:
    if not _FRACTION_CUE.search(text):
        return None
    for pattern in patterns("fractions"):
        given = None
        for match in pattern.finditer(text):
            part, whole = worth(match["part"]), worth(match["whole"])
            if part is not None and whole and _is_scale(whole, part, question, match.group() == text.strip(" .。!")):
                given = _of_whole(part, whole, question, match.group())
        if given:
            return given
    return None


def _is_scale(whole: float, part: float, question: Question, alone: bool) -> bool:
    """Is b of "a/b" a number of steps, and not a day, a price, a count of people?"""
    return whole == _top(question) or whole in {5, 10, 100} or (alone and whole in _OTHER_SCALES)


_OTHER_SCALES = frozenset({3, 4, 6, 7, 8, 12, 15, 20, 25, 50})  # 16/20 and 3 out of 4, where nothing else is said


def _of_whole(part: float, whole: float, question: Question, words: str) -> Given:
    if whole == _top(question) and scales.is_on(question.scale, part):
        return Given(scales.tidy(part), words.strip())
    return Given(scales.of_fraction(question.scale, part, whole), words.strip())


def _idiom(text: str, question: Question) -> Given | None:
    low, high = scales.ENDS[question.scale]
    bottom = patterns("bottom")[0].search(text)
    if bottom and not patterns("not_bottom")[0].search(text[: bottom.start()].rstrip()):
        return Given(low, bottom.group())
    if question.scale is Scale.HUNDRED and re.search(r"(?<!\d)(?!100)\d{1,2}(?!\d)", text):
        return None
    return next((Given(high, top) for top in _tops(text)), None)


def _tops(text: str) -> Iterator[str]:
    """Idioms of the top that are meant: not "满分是几", "不能给满分", "百分百满意", "满分10分我给8分"."""
    for found in patterns("top")[0].finditer(text):
        before, after = text[: found.start()], text[found.end() :]
        if patterns("top_is_adverb")[0].match(after) or patterns("not_top")[0].search(before):
            continue
        if found.group() == "满分" and patterns("top_is_question")[0].match(after):
            continue
        if not any(mention.strength == SAYS_SO for mention in mentions.find(after)):
            yield found.group()


def _stars(text: str, question: Question) -> Given | None:
    found = _STARS.search(text) or _ASTERISKS.fullmatch(text)
    if not found or _STARS_COUNTED.search(text[: found.start()]):
        return None
    if len(found.group()) <= 2 and _DIGITS.search(text):
        return None
    count = sum(found.group().count(star) for star in "⭐★*") + bool(found["half"]) / 2
    if _top(question) > 5 >= count:
        return Given(scales.of_fraction(question.scale, count, 5), found.group())
    return _given(count, question, found.group())


def _range(text: str, question: Question) -> Given | None:
    """ "8-9", "3 or 4", "七八分": the middle."""
    for pattern in patterns("ranges"):
        for found in pattern.finditer(text):
            tens = "十" if found.groupdict().get("tens") else ""
            low, high = worth(found["lo"] + tens), worth(found["hi"] + tens)
            if low is None or high is None or not _is_range(text, found, low, high, question):
                continue
            if low > high and re.search(r"to|到", found.group()):
                return Given(scales.tidy(high), found.group().strip())
            if (low, high) == scales.ENDS[question.scale]:
                return Given(None, found.group(), off_scale=True)
            return Given(scales.tidy((low + high) / 2), found.group().strip())
    return None


def _is_range(text: str, found: re.Match[str], low: float, high: float, question: Question) -> bool:
    if not (scales.is_on(question.scale, low) and scales.is_on(question.scale, high)):
        return False
    if found.groupdict().get("unit"):
        return not mentions.is_counted(text, found.start(), found.end())
    before, after = text[: found.start()], text[found.end() :]
    if abs(high - low) > 2 and question.scale is not Scale.HUNDRED:
        return False
    if mentions.is_courtesy(f"{before} {after}"):
        return True
    ends = (after.lstrip()[:1] or ",") in ",.。!;，\n"
    return ends and mentions.is_courtesy(before) and not mentions.is_counted(text, found.start(), found.end())


def _plain(text: str, question: Question) -> Given | None:
    """One number; of several the corrected one, else the one that says it is a rating."""
    text = text.strip()
    repeated = _REPEATED.match(text)
    if repeated:
        text = repeated[1] + text[repeated.end() :]
    return _meant(text, mentions.find(patterns("bargain")[0].sub(",", text)), question)


def _meant(text: str, found: list[mentions.Mention], question: Question) -> Given | None:
    """The one of the numbers found that the customer means."""
    meant = [mention for mention in found if not mention.refused]
    if not meant:
        return None
    best = max(mention.strength for mention in meant)
    if best == TRAILS and len(found) > 1:
        return None
    strong = [mention for mention in meant if mention.strength == best]
    agreed = len({mention.value for mention in strong}) == 1
    corrected = not agreed and _says_sorry(text)
    chosen = meant[-1] if corrected else strong[0] if best == STANDS_ALONE else strong[-1]
    in_percent = _PERCENT.search(chosen.words) is not None
    if in_percent and chosen.value > 100:
        return Given(_top(question), chosen.words.strip())
    if in_percent and _top(question) != 100 and chosen.value >= 0:
        return Given(scales.of_fraction(question.scale, chosen.value, 100), chosen.words.strip())
    if _top(question) > 5 >= chosen.value and _STARRED.search(chosen.words):
        return Given(scales.of_fraction(question.scale, chosen.value, 5), chosen.words.strip())
    return _given(chosen.value, question, chosen.words, sure=best > TRAILS and (agreed or corrected))


_OF_SEVERAL = (_overall, _settled, _less, _taken_off, _fraction, _idiom, _stars, _range, _plain)
_OF_ONE = (_taken_off, _idiom, _stars, _plain)  # a range, a fraction, an overall number: each needs a second one
_NUMERAL = compile_any([r"\d+", f"[{HAN}]", "zero|one|two|three|four|five|six|seven|eight|nine|ten|hundred"])


def _says_sorry(text: str) -> bool:
    """Does the customer correct a number?"""
    if patterns("correction_sign")[0].search(text) or any(word in text for word in mentions.list_of("zh", "sorry")):
        return True
    return not frozenset(mentions.list_of("en", "sorry")).isdisjoint(_WORDS.findall(text))


def is_alone(text: str) -> bool:
    """Is this text a number and courtesy, nothing else?"""
    return any(
        mention.strength == SAYS_SO and not text[: mention.start].strip() for mention in mentions.find(text)
    ) and (mentions.is_courtesy(re.sub(r"\d+(?:\.\d)?", "", text)))
