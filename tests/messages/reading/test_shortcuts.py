"""What most replies are is told by one look; it is read no differently than by all the rules."""

from hypothesis import given
from hypothesis import strategies as st

from messages.reading import Question, Scale, levels, ratings
from messages.reading.normalise import fold, laid_out
from tests.messages.reading.cases import cases

ALMOST_NUMBERS = st.text(st.sampled_from("0123456789.-!~。分 半点/%"), min_size=1, max_size=8)
LABELLED = st.sampled_from([case.text for language in ("zh", "en") for case in cases(language)])


@given(text=ALMOST_NUMBERS | LABELLED, scale=st.sampled_from(Scale))
def test_a_bare_number_rates_as_all_the_rules_would_rate_it(text: str, scale: Scale) -> None:
    folded, question = fold(text), Question(scale)
    told = ratings.bare_number(folded, question)

    assert told is None or told == ratings.find(laid_out(folded), question)


def test_most_numbers_are_told_by_one_look() -> None:
    for text in ("5", "4 分", "3分！", "10.", "9.5", "１０分"):
        assert ratings.bare_number(fold(text), Question(Scale.ZERO_TO_TEN)) is not None, text


def test_a_level_word_alone_is_the_level_that_its_grammar_composes() -> None:
    for language in ("zh", "en"):
        for word in levels.grammar(language).classes:
            composed = levels._find((word,), levels.grammar(language), whole_only=False)
            assert levels.find((word,), language) == composed, word
