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
    for read in (_the_same_for_all, _labelled_yes_no, _labelled, _listed, _run_together, _named, _in_words, _loose):
        answers = read(text if read in (_in_words, _listed) else latin, question)
        if answers is not None:
            return answers, read in (_in_words, _listed, _run_together)
    return None


def _checked(values: list[float | None], question: Question) -> Answers | None:
    if not values or all(value is None for value in values):
        return None
    return tuple(None if v is None or not scales.is_on(question.scale, v) else scales.tidy(v) for v in values)


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
