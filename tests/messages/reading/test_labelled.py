"""The labelled survey replies are read as their labels say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messages.reading import Question, Scale, read

HERE = Path(__file__).parent


def labelled() -> Iterator[Any]:
    for line in (HERE / "replies.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield pytest.param(row, id=f"{row['tag']}-{row['id']}")


@pytest.mark.parametrize("row", list(labelled()))
def test_a_labelled_reply_is_read_as_its_label_says(row: dict[str, Any]) -> None:
    expect = row["expect"]
    question = Question(Scale(row["question_scale"]), language=row["lang"], n_questions=row.get("n_questions", 1))

    reading = read(row["text"], question)

    assert reading.intent == expect["intent"], reading.because
    assert reading.category == expect["category"], reading.because
    assert reading.urgent == expect.get("urgent", False)
    if "range" in expect:
        low, high = expect["range"]
        assert reading.score is not None
        assert low <= reading.score <= high
    else:
        assert reading.score == expect["score"], reading.because
    assert list(reading.answers or []) == expect.get("answers", [])
