"""How people write: two tables of replies, one a language, each with what it means."""

import pytest

from messages.reading import read
from tests.messages.reading.cases import Case, cases


@pytest.mark.parametrize("case", [*cases("zh"), *cases("en")], ids=lambda case: f"{case.text} on {case.question.scale}")
def test_a_reply_is_read_as_people_mean_it(case: Case) -> None:
    reading = read(case.text, case.question)

    assert not case.miss(reading), reading.because
