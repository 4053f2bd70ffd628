"""Faces, thumbs, hearts, stars: emoji, emoticons and WeChat codes as a level, when nothing else is said."""

import re
from collections.abc import Sequence
from functools import cache

from messages.reading.firsts import any_word_of
from messages.reading.lexicon import load, words_of

_ASCII_FACE = re.compile(
    r"(?<![a-z0-9])(?:(?P<good>[:;=8x]['\"]?[-o^]?[)d\]>p*3]+|\^_*\^|\(\^.{0,2}\^\)|<3+|\\o/|:-?>|[:=]]|xd+|c:)"
    r"|(?P<bad>[:;=8x]['\"]?[-o^]?[(\[<c@]+|>[:.]?[(<]+|t[_.]t|d[:;]|;_;|-_+-|qaq|qwq|orz|:'\(|[:=]-?[/\\|]))(?![a-z0-9])",
)
_KAOMOJI = re.compile(
    r"(?:[~σヽ\\\\<oヾmdづ╯ノ凸╮¯ ̄_]{0,3})\((?=[^()]{0,12}[^\s\w()'\",.!?;:+/*-])"
    r"(?:[^()a-z\d一-鿿]|[wodツ益皿口艹])[^()\n]{0,10}?\)"
    r"[\\\\/~ノ╯づっ╭︵_ ̄¯*:・゚✧ノ]{0,6}(?:\( ?┻━┻)?|(?<!\w)(?P<eyes>[ಠಥ•◕눈])[_ω‿▽](?P=eyes)"
)
_EYES_AND_CHEEKS = frozenset("(ಠಥ•◕눈")  # no drawn face is without one of these
_FLAT = re.compile(r"[:=]-?[/\\|]|-_+-")


@cache
def _levels() -> dict[str, float]:
    table: dict[str, float] = {}
    for level, signs in load("faces")["faces"].items():
        table.update(dict.fromkeys(words_of(signs), float(level)))
    return table


@cache
def _codes() -> re.Pattern[str]:
    codes = "|".join(re.escape(code) for code in _wechat())
    return re.compile(rf"[\[/:]+(?:{codes})\]?|/:(?:{codes})")


@cache
def _wechat() -> dict[str, float]:
    table: dict[str, float] = {}
    for level, names in load("faces")["wechat"].items():
        table.update(dict.fromkeys(words_of(names), float(level)))
    return table


@cache
def _looks() -> tuple[tuple[str, float], ...]:
    """Signs that tell the mood of a drawn face like (≧▽≦), the angry ones first."""
    return tuple((sign, float(level)) for level, signs in load("faces")["kaomoji"].items() for sign in words_of(signs))


def _kaomoji_level(face: str) -> float:
    return next((level for sign, level in _looks() if sign in face), 3.0)


@cache
def _neutral() -> frozenset[str]:
    return frozenset(words_of(load("faces")["no_meaning"]))


@cache
def _emoji() -> re.Pattern[str]:
    """Any emoji: one that tells a level, or one that tells nothing."""
    return re.compile(f"(?P<told>{any_word_of(_levels())})|{any_word_of(_neutral())}")


@cache
def _signs() -> frozenset[str]:
    """Signs without one of which a text shows no face: one look spares most replies five."""
    emoji = (sign[0] for sign in (*_levels(), *_neutral()))
    return frozenset({"[", "/", *_EYES_AND_CHEEKS, *_FACE_SIGNS, *emoji})


def split(text: str) -> tuple[str, list[float]]:
    """The text without its faces, and the level each face gives."""
    if _signs().isdisjoint(text) and text not in _LETTERS:
        return text.strip(), []
    levels: list[float] = []
    if "[" in text or "/" in text:
        text = _codes().sub(lambda m: _take(levels, _wechat()[re.sub(r"[\[\]/:]", "", m.group())]), text)
    if not text.isascii():
        if not _EYES_AND_CHEEKS.isdisjoint(text):
            text = _KAOMOJI.sub(lambda m: _take(levels, _kaomoji_level(m.group())), text)
        text = _emoji().sub(lambda m: _take(levels, _levels()[m["told"]]) if m["told"] else " ", text)
    if _may_hold_ascii_face(text):
        text = _ASCII_FACE.sub(lambda m: _take(levels, _ascii_level(m)), text)
    return text.strip(), levels


def _may_hold_ascii_face(text: str) -> bool:
    return not _FACE_SIGNS.isdisjoint(text) or text in _LETTERS


_FACE_SIGNS = frozenset(":;=^<_\\(")
_LETTERS = frozenset({"qaq", "qwq", "orz", "xd"})


def _ascii_level(match: re.Match[str]) -> float:
    if _FLAT.fullmatch(match.group()):
        return 3.0 if "_" not in match.group() else 2.5
    return 4.5 if match.group("good") else 1.5


def _take(levels: list[float], level: float) -> str:
    levels.append(level)
    return " "


def level_of(levels: Sequence[float]) -> float:
    """Several faces: the same one repeated says it louder, mixed ones are averaged."""
    mean = sum(levels) / len(levels)
    if len(levels) > 1 and mean >= 4:
        return 5.0
    if len(levels) > 1 and mean <= 2:
        return 1.0
    return float(round(mean)) if mean != 2.5 else 2.0
