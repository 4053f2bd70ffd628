"""Several answers in one message: "5 5 4", "1.4 2.5 3.5", "1是2否3是4是", "554", "都给5分", "满意 满意 一般".

The patterns are in words/numbers.yaml. Readers are tried from the clearest form to the loosest.
"""

import re

from messages.reading import faces, levels, mentions, numbers, scales
from messages.reading.lexicon import load, words_of
from messages.reading.numerals import HAN, worth
from messages.reading.scales import Number
from messages.reading.values import Question, Scale

Answers = tuple[Number | None, ...]

_LONGEST = 160  # characters; answers to many questions are short
_VALUE = rf"(?:10|100|\d(?:\.5)?|\d\d(?!\d)|[{HAN}])"


def find(text: str, latin: str, question: Question) -> tuple[Answers, bool] | None:
    """One score or None per question in order, and whether the message is nothing but that list."""
    if question.n_questions < 2 or question.scale is Scale.TEXT or len(text) > _LONGEST:
        return None
    clearest = (_placed, _placed_in_english, _numbered, _the_same_for_all, _labelled_yes_no, _labelled)
    for read in (*clearest, _listed, _run_together, _list_ahead, _named, _in_words, _loose):
        answers = read(text if read in (_in_words, _listed) else latin, question)
        if answers is not None:
            return answers, read in (_in_words, _listed, _run_together, _numbered) or _is_all_placed(text)
    return None


def _checked(values: list[float | None], question: Question) -> Answers | None:
    if not values or all(value is None for value in values):
        return None
    return tuple(None if v is None or not scales.is_on(question.scale, v) else scales.tidy(v) for v in values)


_TOGETHER = re.compile(
    rf"(?P<places>(?:第[\d{HAN}](?:个|题|项)?[和跟与、, ]*){{2,}})"
    rf"(?:都|均|全)(?:是|给|打)*(?P<value>\d{{1,3}}|[{HAN}])(?:分|星)?"
)
_PLACED = re.compile(
    r"(?P<which>前面?|后面?|最后|末尾?|头|第|其[他它余]|剩下?|余下|别的|另外"
    r"|(?:全都|全部?|都|均)(?=.{0,2}\d|.{0,2}满))(?:的)?"
    rf"(?P<count>\d(?=个|题|项|问|条|道|样)|[{HAN}](?=个|题|项|问|条|道|样))?(?:个|题|项|问题?|条|道|样|方面)*"
    r"(?:的|呢|我|得|都|全部?|均|统统|各|一律|是|给|打|选|为|评|算|[:,= ])*"
    rf"(?P<value>\d{{1,3}}(?:\.\d)?|[{HAN}]{{1,3}}(?=[分星,。;、 ]|$)|[一-鿿]+)(?:分|星)?"
)


def _placed(text: str, question: Question) -> Answers | None:
    """ "前两个5，最后一个3", "第二个3，其他都5": places and the rest."""
    values: list[float | None] = [None] * question.n_questions
    rest: float | None = None
    pairs = 0
    for found in _TOGETHER.finditer(text):
        for sign in re.findall(rf"第([\d{HAN}])", found["places"]):
            place = int(worth(sign) or 0)
            if not 1 <= place <= question.n_questions:
                return None
            values[place - 1] = worth(found["value"])
            pairs += 1
    for found in _PLACED.finditer(_TOGETHER.sub(",", text)):
        which, count, value = found["which"], worth(found["count"] or "一"), _value_of(found["value"], question)
        if value is None or count is None:
            continue
        if which[0] not in "前后最末头第":
            if pairs or "除" in text:
                rest = value
            continue
        places = _places(which, int(count), question.n_questions)
        if not places or (which == "第" and not found["count"]):
            return None
        pairs += 1
        for place in places:
            values[place] = value
    if pairs + (rest is not None) < 2 and None in values:
        return None
    return _checked([rest if value is None else value for value in values], question)


def _is_all_placed(text: str) -> bool:
    for placed in (_PLACED, _IN_PLACE):
        if placed.search(text) and not _LETTER.search(_AND.sub("", placed.sub("", text))):
            return True
    return False


_LETTER, _AND = re.compile(r"[^\W\d]"), re.compile(r"\b(?:and|but|the)\b")


def _places(which: str, count: int, size: int) -> range:
    if not 1 <= count <= size:
        return range(0)
    if which == "第":
        return range(count - 1, count)
    return range(count) if which in "前头" else range(size - count, size)


def _value_of(word: str, question: Question) -> float | None:
    """A number, the top, or a level word."""
    number = worth(word)
    if number is not None:
        return number
    if word == "满分":
        return scales.ENDS[question.scale][1]
    level = levels.find((word,), "zh")
    return scales.of_level(question.scale, level.level) if level and level.whole else None


_NUMBERED = re.compile(r"(?:(?P<no>\d)\.(?P<value>\d{1,3})(?:分|$|[ ,;、]+))")


def _numbered(text: str, question: Question) -> Answers | None:
    """ "1.9 2.10": each question's number, a point, its answer."""
    text = text.strip(" .。!~")
    found = list(_NUMBERED.finditer(text))
    if [int(m["no"]) for m in found] != list(range(1, question.n_questions + 1)) or _NUMBERED.sub("", text).strip():
        return None
    return _checked([float(m["value"]) for m in found], question)


def _the_same_for_all(text: str, question: Question) -> Answers | None:
    if numbers.patterns("all_full")[0].search(text):
        return (scales.ENDS[question.scale][1],) * question.n_questions
    for pattern in numbers.patterns("all_the_same"):
        found = pattern.search(text)
        value = worth(found["value"]) if found else None
        if value is not None and scales.is_on(question.scale, value):
            return (scales.tidy(value),) * question.n_questions
    return None


def _labelled_yes_no(text: str, question: Question) -> Answers | None:
    if question.scale is not Scale.YESNO:
        return None
    pairs = [(int(m["no"]), m["value"]) for m in numbers.patterns("labelled_yes_no")[0].finditer(text)]
    if len(pairs) < 2 and not (pairs and len(text) < 6):
        words = [_yes_no(word) for word in re.findall(r"不是|没有|[a-z]+|[一-鿿]|\d", text)]
        known = [word for word in words if word is not None]
        return tuple(known) if len(known) == question.n_questions == len(words) else None
    return _by_number({no: _yes_no(value) for no, value in pairs}, question)


def _yes_no(word: str) -> int | None:
    for language in ("zh", "en"):
        spec = load(language)["yesno"]
        if word in words_of(spec["yes"]):
            return 1
        if word in words_of(spec["no"]):
            return 0
    return None


def _by_number(pairs: dict[int, float | None], question: Question) -> Answers | None:
    if not pairs or max(pairs) > question.n_questions:
        return None
    return _checked([pairs.get(no) for no in range(1, question.n_questions + 1)], question)


def _labelled(text: str, question: Question) -> Answers | None:
    """ "1.4 2.5 3.5", "1. 3 2. 4", "Q1 5 Q2 4", "第一题5分，第二题4分": question, then answer."""
    pairs: list[tuple[int, float]] = []
    at = 0
    for found in numbers.patterns("labelled")[0].finditer(text):
        if found.start() < at:
            continue
        number = worth(found["no"])
        value = worth(found["value"])
        if value is None:
            level = levels.find((found["value"],), "zh") or levels.find((found["value"],), "en")
            value = scales.of_level(question.scale, level.level) if level and level.whole else None
        if number is None or value is None:
            continue
        pairs.append((int(number), value))
        at = found.end()
    order = [number for number, _ in pairs]
    if len(pairs) < 2 or order != sorted(set(order)) or order[0] != 1:
        return None
    if len(pairs) < question.n_questions and len(re.findall(r"\d+", text)) == question.n_questions:
        return None
    return _by_number(dict(pairs), question)


_NOT_A_NUMBER = frozenset({"and", "then", "thanks", "please"})
_UNIT = r"(?: ?(?:分|星))?"
_BETWEEN = r"(?:[\s,，、/;；|。&+-]|and|\.\s)+"
_PLACES = {
    "first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "fifth": 4, "5th": 4,
    "last": -1, "final": -1,
}  # fmt: skip
_SAID = r"(?P<{}>\d{{1,3}}(?:\.5)?|one|two|three|four|five|six|seven|eight|nine|ten)"
_WHERE = (
    r"(?P<{}>" + "|".join(_PLACES) + r"|rest|others?|remaining|everything else)"
    r"(?: (?P<{}>two|three|four|2|3|4))?(?: (?:ones?|questions?|q|parts?|answers?|bits?|things?|items?))?"
)
_IN_PLACE = re.compile(
    rf"{_SAID.format('value')} (?:for|on|to) (?:the |all the |my )?(?:other (?P<other>one|two|three|four|2|3|4|ones?)"
    rf"|{_WHERE.format('place', 'count')})"
    rf"|(?:the )?{_WHERE.format('place_before', 'count_before')}"
    r"(?: (?:is|was|are|were|gets?|get|a|an|id|i|say|give|would be|all))*[ :=-]+"
    rf"{_SAID.format('value_after')}(?![a-z\d])"
)


def _placed_in_english(text: str, question: Question) -> Answers | None:
    """ "4 for the first, 5 for the other two", "first one 5, second 2", "last one 3, the rest 5"."""
    values: list[float | None] = [None] * question.n_questions
    rest: float | None = None
    pairs = 0
    for found in _IN_PLACE.finditer(text):
        value = worth(found["value"] or found["value_after"])
        place = _PLACES.get(found["place"] or found["place_before"] or "")
        pairs += 1
        if place is None:
            rest = value
            continue
        count = int(worth(found["count"] or found["count_before"] or "one") or 1)
        start = place if place >= 0 else question.n_questions - count
        if not 0 <= start < start + count <= question.n_questions:
            return None
        values[start : start + count] = [value] * count
    if pairs < 2:
        return None
    return _checked([rest if value is None else value for value in values], question)


_LIST_AHEAD = re.compile(rf"\W*(?P<list>{_VALUE}(?:[\s,/&+]+{_VALUE})+)(?:\s*[-,.:;(\n]+\s*|\s+)(?=[a-z]{{3}})")


def _list_ahead(text: str, question: Question) -> Answers | None:
    """ "4 5 2 - the delivery was late": as many digits as questions, then words."""
    found = _LIST_AHEAD.match(text)
    return _listed(found["list"], question) if found and not mentions.is_counted(text, *found.span("list")) else None


_LIST = re.compile(rf"^\W*(?:{_VALUE}|[a-z]+){_UNIT}(?:{_BETWEEN}(?:{_VALUE}|[a-z]+){_UNIT})*\W*$")
_ITEM = re.compile(rf"(?<![\d.]){_VALUE}(?![\d])|[a-z]+")


def _listed(text: str, question: Question) -> Answers | None:
    """ "5 5 4", "5,4,5", "五 四 五", "five four five", "5 - 4"."""
    values: list[float | None] = []
    if not _LIST.match(text):
        return None
    for found in _ITEM.findall(text):
        value = worth(found)
        if value is not None:
            values.append(value)
        elif found not in _NOT_A_NUMBER:
            return None
    return _checked(values, question) if len(values) == question.n_questions else None


def _run_together(text: str, question: Question) -> Answers | None:
    """n digits without separators are n answers."""
    digits = text.strip(" .。!,，~")
    if len(digits) != question.n_questions:
        return None
    if digits.isdigit():
        return _checked([float(c) for c in digits], question)
    values = [worth(c) for c in digits]
    return _checked(values, question) if all(v is not None for v in values) else None


def _named(text: str, question: Question) -> Answers | None:
    """ "态度5分，速度4分，价格3分", "service 5, food 4, price 3": as many ratings as questions, in order."""
    found = [float(value) for value in numbers.ratings(text)]
    if len(found) == question.n_questions:
        return _checked(list(found), question)
    return None


def _loose(text: str, question: Question) -> Answers | None:
    """ "服务5 环境4", "food 4 service 5": bare numbers, none of which counts anything."""
    found = [m for m in re.finditer(r"(?<![\d.])\d{1,3}(?![\d.])", text) if not mentions.is_counted(text, *m.span())]
    values: list[float | None] = [worth(m.group()) for m in found]
    return _checked(values, question) if len(values) == question.n_questions else None


def _in_words(text: str, question: Question) -> Answers | None:
    """ "满意 满意 一般", "good, good, ok" and "👍👍👎"."""
    left, shown = faces.split(text)
    if not left.strip() and len(shown) == question.n_questions:
        return tuple(scales.of_level(question.scale, level) for level in shown)
    parts = [part.strip() for part in re.split(r"[,，、;；。/\n]+", text) if part.strip()]
    if len(parts) != question.n_questions:
        parts = [part for part in re.split(r"[\s,，、;；。/]+", text) if part]
    if len(parts) != question.n_questions:
        return None
    values: list[float | None] = []
    for part in parts:
        level = levels.find((part,), "en" if part.isascii() else "zh")
        if level is None or not level.whole:
            number = worth(part.rstrip("分星"))
            if number is None:
                return None
            values.append(number)
        else:
            values.append(scales.of_level(question.scale, level.level))
    return _checked(values, question)


def spread(score: Number, text: str, question: Question) -> Answers:
    """One rating for several questions: of all of them when the customer says so, else of the first alone."""
    if numbers.patterns("all_words")[0].search(text):
        return (score,) * question.n_questions
    return (score, *(None,) * (question.n_questions - 1))
