"""STOP and its kin in every country that carriers and regulators name, however they are typed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from messages.keywords import Command, command_of
from messages.reading.evaluate import Phrase, parse_phrases, read_phrases
from messages.reading.values import Intent

TABLE = Path(__file__).parent / "reading" / "keywords.txt"
KEYWORDS = [
    phrase
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
    for phrase in parse_phrases(line)
]
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


def typed(word: str) -> Iterator[str]:
    """One keyword as people type it: case, width, punctuation, quotes, blanks, what phones add unseen."""
    yield from (word, word.upper(), word.lower(), word.capitalize(), word.translate(FULL_WIDTH))
    yield from (f"{word}.", f"{word}!!!", f"{word}。", f"{word}！", f"{word}~", f"({word})", f"-- {word}")
    yield from (f'"{word}"', f"“{word}”", f"「{word}」", f"【{word}】", f"'{word}'")
    yield from (f"  {word}  ", f"{word}\n", f"\u3000{word}", f"\ufeff{word}\u200b", f"\u202e{word}\u202c")


@pytest.mark.parametrize("phrase", KEYWORDS, ids=lambda phrase: f"{phrase.where} {phrase.text} {phrase.state}")
def test_every_keyword_of_every_country_is_understood_however_it_is_typed(phrase: Phrase) -> None:
    told = read_phrases(replace(phrase, text=text) for text in typed(phrase.text))

    assert told.misses() == ""


def test_the_table_has_every_country_and_every_meaning() -> None:
    places = {phrase.where for phrase in KEYWORDS if phrase.want.intent is Intent.OPT_OUT and not phrase.want.denied}
    english, spanish = {"en-US", "en-CA", "en-GB", "en-AU"}, {"es-ES", "es-MX", "es-US"}
    assert places == english | spanish | {"fr-FR", "fr-CA", "zh-CN", "zh-TW", "zh-HK"}
    for meaning in (Intent.OPT_IN, Intent.HELP):
        assert places <= {phrase.where for phrase in KEYWORDS if phrase.want.intent is meaning}


@pytest.mark.parametrize("word", ["UNSUB", "取消訂閱", "ARRÊT", "no más mensajes"])
def test_a_keyword_counts_whatever_language_it_was_asked_in(word: str) -> None:
    assert {command_of(word, language=language) for language in ("zh", "en", "es", "fr", None)} == {Command.OPT_OUT}


@pytest.mark.parametrize("letter", ["R", "T", "N"])
def test_single_letters_count_only_for_china(letter: str) -> None:
    assert command_of(letter, country="CN") is Command.OPT_OUT
    assert command_of(letter, language="zh") is Command.OPT_OUT
    assert command_of(letter, country="US") is None
    assert command_of(letter, language="en") is None


def test_a_command_said_twice_or_loudly_is_one_command() -> None:
    assert command_of("TD TD", country="CN") is Command.OPT_OUT
    assert command_of("STOP!!! STOP") is Command.OPT_OUT
    assert command_of("退！订！") is Command.OPT_OUT


@pytest.mark.parametrize("text", ["stop by any time", "the bus stop", "取消订单", "help yourself", "end to end", ""])
def test_a_word_inside_a_sentence_is_no_command(text: str) -> None:
    assert command_of(text) is None
