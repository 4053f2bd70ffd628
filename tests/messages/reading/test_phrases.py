"""Whoever wants peace gets peace, and nobody else: the lists of refusals and of what only looks like one."""

from itertools import chain

import pytest

from messages.reading.evaluate import Phrase, parse_phrases, read_phrases
from tests.messages.reading.cases import HERE


def listed(name: str, language: str) -> list[Phrase]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    phrases = chain.from_iterable(parse_phrases(line) for line in lines if not line.startswith("#"))
    return [phrase for phrase in phrases if phrase.where == language]


@pytest.mark.parametrize(("language", "fewest"), [("zh", 280), ("en", 250), ("es", 30), ("fr", 30)])
def test_whoever_wants_peace_gets_peace(language: str, fewest: int) -> None:
    refusals = listed("refusals.txt", language)
    told = read_phrases(refusals)

    assert len({phrase.text for phrase in refusals}) >= fewest
    assert told.right >= 0.99, told.misses()


@pytest.mark.parametrize(("language", "fewest"), [("zh", 75), ("en", 70)])
def test_nobody_is_struck_off_who_asked_for_nothing(language: str, fewest: int) -> None:
    lookalikes = listed("lookalikes.txt", language)

    assert len({phrase.text for phrase in lookalikes}) >= fewest
    assert read_phrases(lookalikes).misses() == ""
