"""Nothing that anybody can send raises, or is read differently the second time.

The promise is 10,000 examples; HUIFANG_EXAMPLES=10000 generates that many. How long it takes: `huifang bench reading`.
"""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.bench.hostile import LONG
from messages.reading import Question, Reading, Scale, read

EXAMPLES = int(os.environ.get("HUIFANG_EXAMPLES", "1500"))
ANY_TEXT = st.text(st.characters(codec=None), max_size=400)
UNSEEN = st.text(st.sampled_from("\u200b\u200c\u200d\u202a\u202e\u2066\u2069\ufeff\u00ad\u0301\ufe0f\U000e0041ab5好"))
SEEDS = """满意|不|很|5|10|分|/10|stop|退订|别|发|👍|⭐|非常|call me|help|?|五|十|星|1.|2.|-|满分|not very|satisfied
|打错了|应该是|火|smoke|１|⑤|好|差|%|,|。|呵呵|yes|是|5\ufe0f\u20e3|\u202e|\u200b|\ufeff|\u0301"""
FIELD_WORDS = st.lists(st.sampled_from([*SEEDS.split("|"), "\ud83d"]), max_size=40).map(" ".join)
TEN_KILOBYTES = st.builds(lambda text, times: (text * times)[:10_000], ANY_TEXT | FIELD_WORDS, st.integers(1, 2_000))
QUESTIONS = st.builds(
    Question,
    scale=st.sampled_from(Scale),
    language=st.sampled_from([None, "zh", "en", "es", "xx"]),
    country=st.sampled_from([None, "CN", "US", "FR"]),
    opted_out=st.booleans(),
    n_questions=st.integers(1, 5),
    survey_open=st.booleans(),
)


@given(text=ANY_TEXT | FIELD_WORDS | UNSEEN | TEN_KILOBYTES, question=QUESTIONS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_text_is_read_and_the_reading_is_sound(text: str, question: Question) -> None:
    reading = read(text, question)

    assert reading == read(text, question)
    _is_sound(reading, question)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("question", [Question(Scale.FIVE, n_questions=n) for n in (1, 3)], ids=["one", "three"])
def test_ten_kilobytes_of_anything_are_read(text: str, question: Question) -> None:
    _is_sound(read(text, question), question)


def _is_sound(reading: Reading, question: Question) -> None:
    assert 0 <= reading.confidence <= 1
    assert -1 <= reading.polarity <= 1
    assert reading.score is None or reading.answers is None
    assert question.scale is not Scale.TEXT or reading.score is None
    assert reading.points is None or 0 <= reading.points <= 100
    assert reading.level is None or 1 <= reading.level <= 5
    assert reading.because
    assert reading.category is None or reading.category == reading.categories[0]
    assert reading.answers is None or len(reading.answers) == question.n_questions


@pytest.mark.parametrize("before", [5, 18])
def test_what_a_long_letter_says_in_its_middle_is_never_a_satisfied_score(before: int) -> None:
    told = "那天我们一家人去了店里，先在门口登记，然后坐下来看了看，"
    reading = read(f"接待满意，{told * before}但总体非常不满意，{told * 9}", Question(Scale.FIVE))
    assert reading.score == 2 or reading.needs_person
