"""Nothing that anybody can send raises, takes long, or is read differently the second time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.reading import Question, Reading, Scale, read

ANY_TEXT = st.text(st.characters(codec=None), max_size=400)
SEEDS = """满意|不|很|5|10|分|/10|stop|退订|别|发|👍|⭐|非常|call me|help|?|五|十|星|1.|2.|-|满分|not very|satisfied
|打错了|应该是|火|smoke|１|⑤|好|差|%|,|。|呵呵|yes|是|5\ufe0f\u20e3|\u202e|\u200b|\ufeff|\u0301"""
FIELD_WORDS = st.lists(st.sampled_from([*SEEDS.split("|"), "\ud83d"]), max_size=40).map(" ".join)
QUESTIONS = st.builds(
    Question,
    scale=st.sampled_from(Scale),
    language=st.sampled_from([None, "zh", "en", "es", "xx"]),
    country=st.sampled_from([None, "CN", "US", "FR"]),
    opted_out=st.booleans(),
    n_questions=st.integers(1, 5),
    survey_open=st.booleans(),
)


@given(text=ANY_TEXT | FIELD_WORDS, question=QUESTIONS)
@settings(max_examples=1_500, deadline=None)
def test_any_text_is_read_and_the_reading_is_sound(text: str, question: Question) -> None:
    reading = read(text, question)

    assert reading == read(text, question)
    _is_sound(reading, question)


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


LONG = {
    "one letter": "a" * 10_000,
    "one number": "5" * 10_000,
    "numbers": "5 " * 5_000,
    "satisfied": "满意" * 5_000,
    "not": "不" * 10_000,
    "not in English": "not very " * 1_100,
    "can I": "can i " * 1_700,
    "please stop": "please stop " * 800,
    "how what": "how what when why is it so " * 380,
    "quotes": "'" * 10_000,
    "commas": "," * 10_000,
    "marks on marks": "e" + "\u0301\u0323" * 5_000,
    "bidi": "\u202e\u2066" * 5_000,
    "surrogates": "\ud83d" * 10_000,
    "ligatures that grow": "\ufdfa" * 10_000,
    "emoji": "👍🏽" * 3_000,
    "stars": "⭐" * 10_000,
    "slashes": "1/" * 5_000,
    "dashes": "1-" * 5_000,
    "blanks": " \t\u3000" * 3_300,
    "lines": "5\n" * 5_000,
    "numerals": "一二三" * 3_300,
    "wait": "waited for over an hour and still not " * 260,
    "again and again": "别再给我" * 2_500,
    "did not": "didnt ever even actually yet really " * 280,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("questions", [1, 3])
def test_ten_kilobytes_of_anything_take_a_moment(text: str, questions: int) -> None:
    question = Question(Scale.FIVE, n_questions=questions)
    read(text, question)

    spent = min(_seconds(text, question) for _ in range(3))

    assert spent < 0.05, f"{spent * 1000:.1f} ms"  # 5 ms on an idle machine, ten times that on a busy one


def _seconds(text: str, question: Question) -> float:
    begun = time.process_time()
    read(text, question)
    return time.process_time() - begun
