"""How people write: two tables of replies, one a language, each with what it means."""

import pytest

from messages.reading import read
from tests.messages.reading.cases import HERE, Case, cases


@pytest.mark.parametrize("case", [*cases("zh"), *cases("en")], ids=lambda case: f"{case.text} on {case.question.scale}")
def test_a_reply_is_read_as_people_mean_it(case: Case) -> None:
    reading = read(case.text, case.question)

    assert not case.miss(reading), reading.because


def refusals() -> list[tuple[str, str]]:
    lines = (HERE / "refusals.txt").read_text(encoding="utf-8").splitlines()
    return [(line[:2], line[5:]) for line in lines if line and not line.startswith("#")]


def test_the_list_of_refusals_is_long_enough_to_mean_something() -> None:
    assert len(refusals()) >= 300


@pytest.mark.parametrize(("language", "text"), refusals(), ids=lambda value: value)
def test_whoever_wants_peace_gets_peace(language: str, text: str) -> None:
    from messages.reading import Question, Scale

    reading = read(text, Question(Scale.FIVE, language=language))

    assert reading.intent == "opt_out", reading.because
