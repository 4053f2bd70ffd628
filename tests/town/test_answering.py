"""What the town's customers feel and say."""

from collections import Counter

import pytest

from bot.town.answering import DECK, OPENING, _texts, deal, moods
from messages.reading import Intent, Question, Scale, read


def test_the_shares_hold_in_every_deck() -> None:
    dealt = Counter(moods(range(len(DECK), 21 * len(DECK)), seed=1))
    assert dealt["silent"] / dealt.total() == pytest.approx(0.4)
    assert dealt["satisfied"] > 5 * dealt["low"] > 0
    assert dealt["stop"] > 0
    assert dealt["praise"] > 0


def test_the_first_turns_are_set() -> None:
    assert tuple(moods(range(len(OPENING)), seed=99)) == OPENING


def test_another_seed_deals_other_cards() -> None:
    assert moods(range(100), seed=1) == moods(range(100), seed=1)
    assert moods(range(100), seed=1) != moods(range(100), seed=2)
    assert deal(7, 1) == deal(7, 1)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("mood", ["satisfied", "neutral", "low", "upset", "complaint", "praise", "stop", "callback"])
def test_each_mood_finds_words_that_the_house_understands(mood: str, language: str) -> None:
    texts = _texts(mood, language, "1-5")  # type: ignore[arg-type]
    assert texts
    for text in texts:
        reading = read(text, Question(scale=Scale.FIVE, language=language, survey_open=True))
        match mood:
            case "satisfied":
                assert reading.level is not None
                assert reading.level >= 4
            case "low" | "upset":
                assert reading.level is not None
                assert reading.level <= 2
            case "stop":
                assert reading.intent is Intent.OPT_OUT
            case "callback":
                assert reading.intent is Intent.CALLBACK
            case "complaint" | "praise":
                assert str(reading.category) == mood


def test_a_scale_without_words_of_its_own_stays_silent() -> None:
    assert _texts("satisfied", "zh", "text") == ()
