"""Folds a reply into one spelling: what people type in a hundred ways becomes one text the word files can name.

Each character is folded by itself (compatibility forms, case, accents, Traditional to Simplified, circled numerals),
so the cost is linear for any input and decomposed text cannot slow it down. Bidi marks, zero-width characters,
variation selectors and skin tones vanish. Nothing here knows what a word means.
"""

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from messages.reading import faces
from messages.reading.lexicon import load
from messages.reading.slips import spellings

MOST_READ = 600  # beyond this only the beginning and the end of a text are read: nobody rates in the middle of a letter
_HEAD, _TAIL = 400, 199
LONG = 240
_RATED_HEAD, _RATED_TAIL = 140, 80

_CIRCLED = {
    **{chr(0x2776 + i): f" {i + 1} " for i in range(10)},  # ❶
    **{chr(0x2780 + i): f" {i + 1} " for i in range(10)},  # ➀
    **{chr(0x278A + i): f" {i + 1} " for i in range(10)},  # ➊
    **{chr(0x24F5 + i): f" {i + 1} " for i in range(10)},  # ⓵
    **{chr(0x2460 + i): f" {i + 1} " for i in range(10)},  # ①
    **{chr(0x2160 + i): str(i + 1) for i in range(10)},  # Ⅰ
    **{chr(0x2170 + i): str(i + 1) for i in range(10)},  # ⅰ
    **{chr(0x2488 + i): f" {i + 1}. " for i in range(10)},  # ⒈
    **{chr(0x2474 + i): f" {i + 1} " for i in range(10)},  # ⑴
    **{chr(0x3220 + i): "一二三四五六七八九十"[i] for i in range(10)},  # ㈠
}
_SIGNS = {
    "½": ".5", "⓪": "0", "⓿": "0", "🔟": "10", "％": "%", "⁄": "/", "∕": "/", "÷": "/", "〇": "零", "○": "○",
    "“": '"', "”": '"', "「": '"', "」": '"', "『": '"', "』": '"', "【": '"', "】": '"', "《": '"', "》": '"',
    "‘": "'", "’": "'", "´": "'", "`": "'", "＇": "'", "ʼ": "'",
    "—": "-", "–": "-", "−": "-", "‐": "-", "‑": "-", "―": "-", "〜": "~", "～": "~", "∼": "~",
    "…": "...", "⋯": "...", "\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\t": " ", "\u3000": " ",
    "🌟": "⭐", "✭": "★", "✨": "✨", "ß": "ss", "×": "x",
    "⭐": "⭐", "️": "", "🅰": "a", "🅱": "b",
}  # fmt: skip
_GONE = {"Cf", "Cc", "Mn", "Me", "Cs", "Co", "Cn"}
_REMEMBERED = 0x20000  # nobody writes beyond, and remembering all of Unicode took 90 MB
_LAST_LATIN, _MORE_LATIN = 0x024F, range(0x1E00, 0x1F00)


@cache
def _simplified() -> dict[str, str]:
    """Traditional character -> Simplified, from words/characters.txt."""
    table: dict[str, str] = {}
    text = (files("messages.reading") / "words" / "characters.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            simplified, traditional = line.split("\t")
            table.update(dict.fromkeys(traditional, simplified))
    return table


class _Folding(dict[int, str]):
    """str.translate's table, filled with each character the first time it is met."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if code < _REMEMBERED:
            self[code] = folded
        return folded


def _fold(char: str) -> str:
    known = _SIGNS.get(char) or _CIRCLED.get(char)
    if known is not None:
        return known
    category = unicodedata.category(char)
    if category in _GONE or 0x1F3FB <= ord(char) <= 0x1F3FF:
        return ""
    if category.startswith("Z"):
        return " "
    decimal = unicodedata.decimal(char, None)
    if decimal is not None:
        return str(decimal)
    folded = unicodedata.normalize("NFKC", char).casefold()[:8]
    return "".join(_simplified().get(c, c) for c in map(_without_accent, folded))


def _without_accent(char: str) -> str:
    if ord(char) > _LAST_LATIN and ord(char) not in _MORE_LATIN:
        return char
    return unicodedata.normalize("NFKD", char)[0]


_FOLDING = _Folding()
_COMMA_IN_DIGITS = re.compile(r"(?<=\d)\uff0c(?=\d)")  # two numbers, where 5,000 is one
_FLOOD = 20  # of one sign in a row: more says no more, and 800 times 不 took 4 ms
_FLOODED = re.compile(rf"(.)\1{{{_FLOOD},}}")
_BLANKS = re.compile(r"[ ]{2,}| ?\n\s*")
_BETWEEN_HAN = re.compile(r" (?<=[一-鿿] ) *(?=[一-鿿])")  # blank first: other signs are passed over fast
_HAN = re.compile(r"[㐀-鿿]")
_WORD = re.compile(r"[a-z]+")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_DIGIT_IN_WORD = re.compile(r"[a-z]\d")
_SPELLED = re.compile(r"(?<!\w)[a-z]++(?:\d++[a-z]*+)?+(?!\w)")
_ONES = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_NUMBER_WORDS = frozenset({*_TENS, "point"})
_ONE, _TEN = "|".join(_ONES), "|".join(_TENS)
_NUMBER_IN_WORDS = re.compile(
    rf"\b(?P<tens>{_TEN})(?:[ -]?(?P<ones>{_ONE}))?(?= ?per ?cent|[ %,.!]|$)"
    r"(?! ?(?:min|hour|day|week|month|year|quid|pound|dollar|buck))"
    rf"|\b(?P<whole>{_ONE}|\d) point (?P<part>{_ONE}|\d)\b"
)
_SMS_FOR = re.compile(r"\b(thanks|thank you|cheers|time|looking|waiting|wait|asked|paid|ready) 4 (?=[a-z])")
_SMS_TO = re.compile(r"(?:(?<=^)|(?<=[,.] ))2 (?=(?:be|b) (?:honest|fair|frank))")
_CLAUSE_ENDS = re.compile(r"[,.。!;?，、\n:~()]+|\.\.\.| - ")


class Message(NamedTuple):
    """One reply, folded and laid out for the rules.

    `text` as typed; `wordless` without faces and `faces` their levels; `han` for the Chinese rules with its characters
    in `signs`; `latin` (no apostrophes, SMS spellings replaced) for the English ones with its `words`.
    """

    text: str
    wordless: str
    faces: tuple[float, ...]
    han: str
    signs: frozenset[str]
    latin: str
    words: tuple[str, ...]


def fold(text: str) -> str:
    """The text in one spelling, blanks collapsed, at most MOST_READ characters of it."""
    if len(text) > MOST_READ:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    if "\uff0c" in text:
        text = _COMMA_IN_DIGITS.sub("\uff0c ", text)
    folded = text.translate(_FOLDING)
    if "  " in folded or "\n" in folded:
        folded = _BLANKS.sub(_one_blank, folded)
    if len(folded) > _FLOOD:
        folded = _FLOODED.sub(_a_few, folded)
    return folded.strip()[:MOST_READ]


def _a_few(match: re.Match[str]) -> str:
    return match.group()[:_FLOOD]


def _one_blank(match: re.Match[str]) -> str:
    return "\n" if "\n" in match.group() else " "


def message(text: str) -> Message:
    """Fold a reply and lay it out for the rules of each language."""
    return laid_out(fold(text))


def laid_out(folded: str) -> Message:
    """A folded reply, laid out for the rules of each language."""
    wordless, levels = faces.split(folded)
    if not _HAN.search(folded):
        return _latin_message(folded, wordless, levels)
    han = _plain_chinese(_joined(folded))
    wordless = _plain_chinese(_joined(wordless)) if wordless != folded else han
    latin = han.replace("'", "")
    return Message(folded, wordless, tuple(levels), han, frozenset(han), latin, tuple(_WORD.findall(latin)))


def _joined(text: str) -> str:
    """Without the blanks between Chinese characters."""
    return _BETWEEN_HAN.sub("", text) if " " in text else text


def _latin_message(folded: str, wordless: str, levels: list[float]) -> Message:
    latin, words = _spelled(_shortened(folded.replace("'", "")))
    wordless = latin if wordless == folded else _spelled(_shortened(wordless.replace("'", "")))[0]
    return Message(folded, wordless, tuple(levels), "", frozenset(), latin, words)


def _shortened(text: str) -> str:
    """At most two of a letter: sooooo -> soo."""
    return _STRETCHED.sub(r"\1\1", text) if _STRETCHED.search(text) else text


def _spelled(text: str) -> tuple[str, tuple[str, ...]]:
    """SMS spellings replaced by the words the rules know: u -> you, gr8 -> great."""
    words = tuple(_WORD.findall(text))
    spelled = spellings()
    if not spelled.keys().isdisjoint(words) or _DIGIT_IN_WORD.search(text):
        text = _SPELLED.sub(lambda match: spelled.get(match.group(), match.group()), text)
        words = tuple(_WORD.findall(text))
    if not _NUMBER_WORDS.isdisjoint(words):
        text = _NUMBER_IN_WORDS.sub(_in_digits, text)
        words = tuple(_WORD.findall(text))
    if " 4 " in text:
        text = _SMS_FOR.sub(r"\1 for ", text)
    if "2 b" in text:
        text = _SMS_TO.sub("to ", text)
    return text, words


def _in_digits(match: re.Match[str]) -> str:
    """eighty five -> 85, six point five -> 6.5."""
    if match["tens"]:
        return str(_TENS[match["tens"]] + _ONES.get(match["ones"] or "", 0))
    whole, part = (str(_ONES.get(match[name], match[name])) for name in ("whole", "part"))
    return f"{whole}.{part}"


def _plain_chinese(text: str) -> str:
    """Cantonese and Taiwan words replaced by the words the rules know."""
    variants = _variants()
    if variants.keys().isdisjoint(text):
        return text
    for sign in sorted(variants.keys() & frozenset(text)):
        for old, new in variants[sign]:
            text = text.replace(old, new)
    return text


@cache
def _variants() -> dict[str, tuple[tuple[str, str], ...]]:
    """Variants by their first character, longest first."""
    table: dict[str, list[tuple[str, str]]] = {}
    for old, new in sorted(load("zh")["variants"].items(), key=lambda pair: -len(pair[0])):
        table.setdefault(old[0], []).append((old, str(new)))
    return {sign: tuple(pairs) for sign, pairs in sorted(table.items())}


def where_people_rate(text: str) -> str:
    """The beginning and the end of a long text: numbers in the middle of a letter rate nothing, level words do."""
    return text if len(text) <= LONG else f"{text[:_RATED_HEAD]}\n{text[-_RATED_TAIL:]}"


def clauses_of(text: str) -> tuple[str, ...]:
    """The clauses of a folded text."""
    return tuple([clause for clause in _CLAUSE_ENDS.split(text) if clause.strip()])
