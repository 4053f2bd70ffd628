"""Finds the number a customer gave as a rating, and leaves alone every number that is something else.

Explicit ratings (5分, 四星, 8/10, I give you 4) count anywhere; a bare number counts alone, before a comment ("4, a bit
slow") or as a clause of its own ("great service, 5"); a number that counts hours, rooms or people is no score (rule 6).
The scale itself said back ("1-5") is none; a corrected, refused or bargained number gives way to the one meant (rule 5).
"""

import re
from dataclasses import dataclass
from functools import cache

from messages.reading import scales
from messages.reading.lexicon import load, words_of
from messages.reading.values import Question, Scale

_HAN_DIGIT = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_HAN = "零一二两三四五六七八九十百"


@dataclass(frozen=True, slots=True)
class Given:
    """A rating that was found: its value on the asked scale, or None when it does not fit on it."""

    score: scales.Number | None
    words: str
    start: int
    end: int
    sure: bool = True
    off_scale: bool = False


@dataclass(frozen=True, slots=True)
class _Mention:
    value: float
    start: int
    end: int
    words: str
    strength: int  # 3 says it is a rating; 2 alone in its clause or leading; 1 trailing; 0 something else
    refused: bool = False


def han_number(text: str) -> float | None:
    """八十五 -> 85, 两 -> 2, 三点五 -> 3.5, 七八 -> None (that is a range)."""
    whole, _, part = text.partition("点")
    if part:
        head = han_number(whole)
        return None if head is None or part not in _HAN_DIGIT else head + _HAN_DIGIT[part] / 10
    if text in {"百", "一百"}:
        return 100.0
    tens, ten, ones = text.partition("十")
    if ten:
        if any(c not in _HAN_DIGIT for c in tens + ones) or len(tens) > 1 or len(ones) > 1:
            return None
        return float((_HAN_DIGIT[tens] if tens else 1) * 10 + (_HAN_DIGIT[ones] if ones else 0))
    return float(_HAN_DIGIT[text]) if text in _HAN_DIGIT else None


@cache
def _english() -> dict[str, int]:
    return {name: int(value) for name, value in (w.split(":") for w in words_of(load("en")["numbers"]["numbers"]))}


@cache
def _list(language: str, name: str) -> tuple[str, ...]:
    return words_of(load(language)["numbers"][name])


def _ending(language: str, name: str) -> re.Pattern[str]:
    words = "|".join(re.escape(w) for w in sorted(_list(language, name), key=len, reverse=True))
    lead = "" if language == "zh" else r"(?:(?<![a-z0-9]))"
    return re.compile(rf"{lead}(?:{words})$")


@cache
def _before(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return _ending("zh", name), _ending("en", name)


@cache
def _after_trap() -> tuple[re.Pattern[str], re.Pattern[str]]:
    han = "|".join(re.escape(w) for w in sorted(_list("zh", "not_scores_after"), key=len, reverse=True))
    latin = "|".join(re.escape(w) for w in sorted(_list("en", "not_scores_after"), key=len, reverse=True))
    return re.compile(rf" ?(?:{han})"), re.compile(rf"[ -]?(?:{latin})(?![a-z])|[:.]\d|[\"'°]|[ -]?\d|\+|st\b|x\d|ish\b")


_UNIT = re.compile(
    r"(?P<unit> ?分(?!钟|种|之|享|店|公司|开|手|期|别|局|部|类|析|成|明|装|数线|米|配|钱|红|辨|贝|娩|量|行|不清|离)儿?(?:制)?"
    r"| ?(?:颗星|个星|枚星|星级|星)(?!期|巴|座|光|球|级?酒店|级?宾馆|级?饭店|级?大厨|级?景区|形|辰|空)"
    r"| ?[⭐★]| ?(?:stars?|points?|pts?|marks?)(?![a-z])(?! ?(?:hotel|resort|restaurant))|/10(?!\d)|%)(?P<half> ?半)?"
)
_NUMBER = re.compile(
    rf"(?P<arabic>(?<![\d.,:/a-z])(?:-(?=\d{{1,3}}(?!\d)))?\d{{1,3}}(?:\.\d{{1,2}})?(?:\.5)?(?![\d]|[.,]\d|:\d|[a-z]))"
    rf"|(?P<han>[{_HAN}]{{1,4}}(?:点[一二三四五六七八九](?!钟))?)"
    r"|(?P<word>\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|tens|fives|fours)\b)"
    r"(?P<wordhalf> and a half)?"
)
_STARS = re.compile(r"(?:[⭐★] ?)+(?P<half>[☆½]|半)?")
_ECHO = re.compile(r"^[(\[]?\s*(?:从)?(?P<lo>[01一]) ?分?(?:-|~|到|至|to|–|、|,|—| through | - )+ ?(?P<hi>5|10|100|五|十)(?: ?分| stars?| points?)?[)\]]?[?!.。吧啊吗 ]*$")
_COUNTED = re.compile(r"^\s*(?:1\s*[,、/ .]?\s*2\s*[,、/ .]?\s*3\s*[,、/ .]?\s*4\s*[,、/ .]?\s*5(?:\s*[,、/ .]?\s*6\s*[,、/ .]?\s*7.*)?|[12345]\s*[=:].*[12345]\s*[=:].*)$")
_FRACTION = re.compile(
    rf"(?<![\d./-])(?P<part>\d{{1,3}}(?:\.\d)?|[a-z]{{3,5}}) ?(?:/|out of|outta|of) ?(?:a possible )?(?P<whole>\d{{1,3}}|five|ten|hundred)(?![\d/.]| ?(?:the|us|them|people|staff|my|your)\b)"
)
_OF_WHOLE = re.compile(
    rf"(?P<whole>\d{{1,3}}|[{_HAN}]{{1,3}}) ?分?(?:里面?|里头|中|制|满分|之中|当中|为满分|是满分|的话|制的?|的满分|总分)[,，、 ]?(?:我|只能|最多|只|就|也就|勉强|能|可以|大概|的话|想|会|,)*(?:给|打|评|选|得|扣成|是)?(?:你们?|他们|您|个)?(?P<part>\d{{1,3}}(?:\.\d)?|[{_HAN}]{{1,3}}) ?分?"
    rf"|满分(?:是|为)?(?P<whole2>\d{{1,3}}|[{_HAN}]{{1,3}}) ?分?[,，、 ]?(?:我|只能|最多|只|就|也就|勉强|能|可以|大概|的话|想|会|,|那)*(?:给|打|评|选|得)?(?:你们?|他们|您|个)?(?P<part2>\d{{1,3}}(?:\.\d)?|[{_HAN}]{{1,3}}) ?分?"
    rf"|(?P<whole3>\d{{1,3}}|[{_HAN}]{{1,3}}) ?分(?:我|只能|最多|只|就|也就|勉强|能)*(?:给|打)(?:你们?|个)?(?P<part3>\d{{1,3}}(?:\.\d)?|[{_HAN}]{{1,3}}) ?分"
    rf"|out of (?P<whole4>\d{{1,3}}|five|ten)[,:]? ?(?:i(?:d| would)? (?:give|say|rate)(?: it| you)?(?: an?)? |its an? |id say |,)?(?P<part4>\d{{1,3}}(?:\.\d)?|[a-z]{{3,5}})"
)
_RANGE = re.compile(
    rf"(?<![\d.:/-])(?P<lo>\d{{1,3}}|[{_HAN}]{{1,3}}|[a-z]{{3,5}}) ?分?(?: ?(?:-|~|到|至|、|或者?|还是|to|or|maybe|/) ?)(?:a |an |maybe )?(?P<hi>\d{{1,3}}|[{_HAN}]{{1,3}}|[a-z]{{3,5}})(?P<unit> ?分(?!钟)|星(?!期)| ?stars?| ?之间)?(?![\d:])"
    rf"|between (?:a )?(?P<lo3>\d{{1,3}}|[a-z]{{3,5}}) and (?:a )?(?P<hi3>\d{{1,3}}|[a-z]{{3,5}})"
    rf"|(?P<lo2>[一二三四五六七八九])(?P<hi2>[二三四五六七八九])(?P<unit2>分(?!钟)|星(?!期))"
)
_TOP = re.compile(r"满分|(?<!\d)100 ?分(?!钟|之)|一百分|百分百(?!之)|百分之百|(?<!\d)100 ?%|💯|\b(?:full|top|maximum|max) (?:marks?|scores?|points?|stars)\b|\b(?:hundred|100) ?per ?cent\b|(?<!\d)1000?0?0分")
_TOP_IS_ADVERB = re.compile(r"^ ?(?:的)?(?:满意|好|赞|支持|信任|不满|happy|satisf|sure|recommend|pleased|dissat|unsat|不|差|agree)")
_BOTTOM = re.compile(r"零分|(?<![\d.])0 ?分(?!钟)|零星|零颗星|(?<![\d.])0 ?(?:颗星|星(?!期)|stars?\b)|\b(?:zero|no|nil|minus|negative) (?:stars?|points?|marks?)\b(?! hotel)|负分|(?:一|1)分(?:都|也)(?:不|嫌|没|别)(?:想|会|愿|值|配|能)?(?:给|多|有)?|一颗星都不|zero out of")
_NOT_TOP = re.compile(r"(?:不|没|没法|不能|不会|差.{0,2}|没有|无法|不是|离|难|够不上|到不了|本来|原来|原本|以前|cant|not|isnt|no|wont|dont|never|cannot) ?(?:给|打|到|想给|想打|是|能给|get |give |quite |deserve )?(?:你们?)?$|(?:满意度)$")
_TAKE_OFF = re.compile(rf"(?:扣|减|少|差)(?:了|掉|你们?|个)?(?P<han>\d|[一二两三四五])分|(?:minus|less|knock(?:ed)?(?: off)?|take off|took off|deduct(?:ed)?|dock(?:ed)?|lost|drop(?:ped)?) (?P<latin>\d|one|two|a)(?: (?:point|star|mark))?(?: off)?")
_SORRY_SIGN = re.compile(r"->|→|=>|\*$|^\*")


def _number(text: str) -> float | None:
    if text in _english():
        return float(_english()[text])
    if text[:1].isdigit() or text[:1] == "-":
        try:
            return float(text)
        except ValueError:
            return None
    return han_number(text)


def echoes_scale(text: str) -> bool:
    """"1-5", "0 to 10", "1 2 3 4 5": the scale said back is no answer."""
    return bool(_ECHO.match(text) or _COUNTED.match(text))


def find(text: str, latin: str, question: Question) -> Given | None:
    """The rating a reply states in numbers, stars or idioms, or None. `latin` is the text without apostrophes."""
    if question.scale is Scale.TEXT or not _HAS_NUMBER.search(latin):
        return None
    if echoes_scale(text):
        return Given(None, text, 0, len(text), off_scale=True)
    return (
        _taken_off(latin, question)
        or _fraction(latin, question)
        or _idiom(latin, question)
        or _stars(latin, question)
        or _range(latin, question)
        or _plain(latin, question)
    )


_HAS_NUMBER = re.compile(rf"[\d{_HAN}⭐★💯满负]|one|two|three|four|five|six|seven|eight|nine|ten|zero|star|mark|point|score|hundred")


def _given(value: float, question: Question, words: str, span: tuple[int, int], *, sure: bool = True) -> Given:
    if scales.is_on(question.scale, value):
        return Given(scales.tidy(value), words, *span, sure=sure)
    return Given(None, words, *span, off_scale=True)


def _taken_off(text: str, question: Question) -> Given | None:
    """"满分扣一分" is one below the top; "扣一分，给4分" says itself what is left."""
    found = _TAKE_OFF.search(text)
    if not found:
        return None
    rest = text[: found.start()] + text[found.end() :]
    stated = [m for m in _mentions(rest) if m.strength >= 3 and not m.refused]
    top = float(scales.ENDS[question.scale][1])
    if _TOP.search(rest) or not stated:
        if not (_TOP.search(rest) or re.fullmatch(r"[\W\d_]*(?:我|只|就|要|得|吧|i|id|just|only|would)*[\W_]*", rest)):
            return None
        taken = _number(found["han"] or found["latin"].replace("a", "one")) if (found["han"] or found["latin"]) else None
        return None if taken is None else _given(top - taken, question, found.group(), found.span())
    return None


def _fraction(text: str, question: Question) -> Given | None:
    found = None
    for pattern in (_OF_WHOLE, _FRACTION):
        for match in pattern.finditer(text):
            groups = match.groupdict()
            parts = [groups.get(name) for name in ("part", "part2", "part3", "part4")]
            wholes = [groups.get(name) for name in ("whole", "whole2", "whole3", "whole4")]
            part = _number(next((p for p in parts if p), ""))
            whole = _number(next((w for w in wholes if w), ""))
            if part is None or not whole or not _is_whole(whole, part, question, text, match):
                continue
            found = Given(scales.of_fraction(question.scale, part, whole), match.group().strip(), *match.span())
            if whole == scales.ENDS[question.scale][1] and scales.is_on(question.scale, part):
                found = Given(scales.tidy(part), match.group().strip(), *match.span())
        if found:
            break
    return found


def _is_whole(whole: float, part: float, question: Question, text: str, match: re.Match[str]) -> bool:
    """Is b of "a/b" a number of steps, and not a day, a count of people, a price?"""
    if whole == scales.ENDS[question.scale][1]:
        return True
    if whole in {5, 10, 100}:
        return True
    slash_alone = match.group().strip() == text.strip(" .。!")
    return slash_alone and whole in {3, 4, 6, 7, 20} and part > whole


def _idiom(text: str, question: Question) -> Given | None:
    low, high = scales.ENDS[question.scale]
    bottom = _BOTTOM.search(text)
    if bottom and not re.search(r"(?:不是|不会|不至于|没到|总不能)(?:给|打)?$", text[: bottom.start()]):
        return Given(low, bottom.group(), *bottom.span())
    if question.scale is Scale.HUNDRED and re.search(r"(?<!\d)(?!100)\d{1,2}(?!\d)", text):
        return None
    for top in _TOP.finditer(text):
        if _TOP_IS_ADVERB.match(text[top.end() :]) or _NOT_TOP.search(text[: top.start()]):
            continue
        if re.match(r" ?(?:是|多少|几|\d|[一二三四五十]|要|难|吗)", text[top.end() :]) and top.group() == "满分":
            continue
        later = [m for m in _mentions(text[top.end() :]) if m.strength >= 3]
        if later:
            continue
        return Given(high, top.group(), *top.span())
    return None


def _stars(text: str, question: Question) -> Given | None:
    found = _STARS.search(text)
    if not found or re.search(rf"[\d{_HAN}] ?$", text[: found.start()]):
        return None
    count = len(re.findall("[⭐★]", found.group())) + (0.5 if found["half"] and found["half"] != "☆" else 0)
    high = scales.ENDS[question.scale][1]
    if high > 5 and count <= 5:
        return Given(scales.of_fraction(question.scale, count, 5), found.group(), *found.span())
    return _given(count, question, found.group(), found.span())


def _range(text: str, question: Question) -> Given | None:
    for found in _RANGE.finditer(text):
        groups = found.groupdict()
        low = _number(groups["lo"] or groups["lo2"] or groups["lo3"] or "")
        high = _number(groups["hi"] or groups["hi2"] or groups["hi3"] or "")
        if low is None or high is None or not (scales.is_on(question.scale, low) and scales.is_on(question.scale, high)):
            continue
        if (low, high) == scales.ENDS[question.scale]:
            return Given(None, found.group(), *found.span(), off_scale=True)
        clear = bool(groups.get("unit") or groups.get("unit2"))
        if abs(high - low) > 2 and question.scale is not Scale.HUNDRED and not clear:
            continue
        rest = (text[: found.start()], text[found.end() :])
        if not clear and not _is_alone(rest[0] + " " + rest[1]):
            tail = rest[1].lstrip()
            if not (_is_alone(rest[0]) and (tail[:1] in ",.。!;，" or rest[1][:1] in ",.。!;，\n")):
                continue
        if _is_trap(text, found.start(), found.end()):
            continue
        return Given(scales.tidy((low + high) / 2), found.group().strip(), *found.span())
    return None


def _plain(text: str, question: Question) -> Given | None:
    mentions = [m for m in _mentions(text) if m.strength > 0]
    meant = [m for m in mentions if not m.refused]
    if not meant:
        return None
    best = max(m.strength for m in meant)
    if best == 1 and len(mentions) > 1:
        return None
    strong = [m for m in meant if m.strength == best]
    chosen = strong[-1]
    sorry = _says_sorry(text)
    if sorry and len(meant) > 1:
        chosen = meant[-1]
    elif len({m.value for m in strong}) > 1 and not sorry:
        chosen = strong[0] if best == 2 else strong[-1]
    sure = best >= 2 and (sorry or len({m.value for m in strong}) == 1)
    return _given(chosen.value, question, chosen.words, (chosen.start, chosen.end), sure=sure)


def _says_sorry(text: str) -> bool:
    if _SORRY_SIGN.search(text):
        return True
    if any(word in text for word in _list("zh", "sorry")):
        return True
    return not _sorry_words().isdisjoint(re.findall("[a-z]+", text))


@cache
def _sorry_words() -> frozenset[str]:
    return frozenset(_list("en", "sorry"))


def _mentions(text: str) -> list[_Mention]:
    return [m for m in (_mention(text, match) for match in _NUMBER.finditer(text)) if m]


def _mention(text: str, match: re.Match[str]) -> _Mention | None:
    """Is this number a rating, and how clearly?"""
    value = _number(match["arabic"] or match["han"] or match["word"])
    if value is None:
        return None
    start, end = match.span()
    if match["wordhalf"]:
        value += 0.5
    before, after = text[:start], text[end:]
    unit = _UNIT.match(after)
    if unit and not (match["han"] == "十" and _very(after)):
        half = 0.5 if unit["half"] else 0.0
        if _PLACE_BEFORE.search(before):
            return None
        end += unit.end()
        return _Mention(value + half, start, end, text[start:end], 3, _is_refused(before))
    if match["arabic"] and re.match(r" and a half|又?半|点半分", after):
        value += 0.5
        end += re.match(r" and a half|又?半|点半分", after).end()  # type: ignore[union-attr]
        after = text[end:]
    if _is_alone(before) and _is_alone(after):
        return _Mention(value, start, end, match.group(), 3, _is_refused(before))
    if _is_trap(text, start, end):
        return None
    strength = _strength(before, after, han=bool(match["han"]), word=bool(match["word"]))
    return _Mention(value, start, end, match.group(), strength, _is_refused(before)) if strength else None


_PLACE_BEFORE = re.compile(r"第 ?$|评分低于$|低于$")
_PRICE_SIGNS = frozenset("@#$£€¥+")
_CLAUSE_END = frozenset(",.。!;?~，、:\n)-")


def _very(after: str) -> bool:
    """十分 before an adjective means "very", never ten (rule 3)."""
    return bool(re.match(r"分[^,.。!?;、\s吧啊哦呀啦了~]", after))


def _strength(before: str, after: str, *, han: bool, word: bool) -> int:
    head, tail = before.rstrip(), after.lstrip()
    ends = not tail or after[:1] in _CLAUSE_END or tail[:1] in _CLAUSE_END
    gives = _gives(head)
    if ends and gives and (head != before or not _latin_end(head) or head.endswith("=")):
        return 3
    if _is_alone(_last_clause(head)) and ends:
        return 2
    if _is_alone(head):
        if han:
            return 0
        if _is_talk(tail):
            return 1 if word else 2
        return 0
    if gives and re.match(r" (?:from|for|because|as|but|and|overall|thanks|coz|since|though|so|with|just)\b", after):
        return 3
    if ends and not tail.strip(" .。!~") and not han and before.endswith(" ") and not word:
        return 1
    return 0


def _latin_end(text: str) -> bool:
    return text[-1:].isascii() and text[-1:].isalpha()


def _gives(head: str) -> bool:
    han, latin = _before("give")
    head = head.rstrip(":= -\"'(")
    return bool(han.search(head) or latin.search(head))


def _is_refused(before: str) -> bool:
    han, latin = _before("refused")
    clause = _last_clause(before.rstrip())
    words = re.sub(r"(?: ?(?:给|打|评|选|give|rate|be|it|you|a|an|gave|given|say|of|quite|been|是|到|的|要|想|get|deserve|get you|change|my|score|answer))+$", "", clause.rstrip()).rstrip()
    return bool(han.search(clause) or latin.search(clause) or han.search(words) or latin.search(words))


def _last_clause(text: str) -> str:
    return re.split(r"[,.。!;?，、\n]", text)[-1]


def _is_trap(text: str, start: int, end: int) -> bool:
    before, after = text[:start].rstrip(), text[end:]
    han_after, latin_after = _after_trap()
    if han_after.match(after) or latin_after.match(after):
        return True
    han_before, latin_before = _before("not_scores_before")
    if before[-1:] in _PRICE_SIGNS:
        return True
    if _gives(before):
        return False
    return bool(han_before.search(before) or latin_before.search(before))


_PLURAL = re.compile(r"[a-z]{3,}(?<!s)s(?![a-z])")
_NOT_PLURAL = frozenset(
    "was is this his always thanks yes does has less delicious fabulous gracious courteous as its us plus unless perhaps"
    " sometimes hopefully pass class service things besides across towards helps works looks seems feels tastes gives keeps"
    " makes needs takes fixes arrives comes goes says runs lets charges delivers apologies congrats cheers guys kudos ages"
    " loads lots tons staffs".split()
)


def _is_talk(tail: str) -> bool:
    """"4 a bit slow" is a score and a comment; "2 techs came" counts people."""
    first = re.match(r"[a-z]+", tail)
    if not first:
        return not tail[:1].isdigit()
    word = first.group()
    second = re.match(r"[a-z]+ ([a-z]+)", tail)
    words = [word] + ([second.group(1)] if second else [])
    if word in {"item", "thing", "person", "of", "out", "more", "or", "and", "to", "month", "bag", "box", "piece", "guy"}:
        return False
    plural = [w for w in words if _PLURAL.fullmatch(w) and w not in _NOT_PLURAL]
    return not plural


@cache
def _alone_words() -> tuple[frozenset[str], re.Pattern[str]]:
    han = "|".join(sorted(map(re.escape, _list("zh", "alone_talk")), key=len, reverse=True))
    return frozenset(_list("en", "alone_talk")), re.compile(rf"(?:{han}|[\W_])+")


def _is_alone(rest: str) -> bool:
    """Is there nothing beside the number but courtesy and "I give"?"""
    if not rest or not rest.strip(" .,!。，~"):
        return True
    latin, han = _alone_words()
    left = re.sub(r"[a-z']+", lambda m: "" if m.group() in latin else "§", rest)
    if "§" in left or re.search(rf"[\d]", left):
        return False
    return not left.strip() or bool(han.fullmatch(left.strip()))


def number_of(text: str) -> float | None:
    """The value of one numeral: 5, 五, five."""
    return _number(text)


def ratings(text: str) -> list[float]:
    """All numbers of a text that are clearly ratings, in order."""
    return [m.value for m in _mentions(text) if m.strength >= 2 and not m.refused]
