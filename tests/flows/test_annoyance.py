"""Annoyed by calls, or no more messages at all: the house must not mistake one for the other (R83, R84)."""

import pytest

from flows.annoyance import ANNOYED, apart_from_annoyance, words_of_annoyance
from flows.load import load_program, shipped_program_text
from messages.reading import ABOUT_STAFF, Intent, Question, Reading, Scale, read

REAL_ESTATE = load_program(shipped_program_text("real_estate"), "real_estate.yaml")


def heard(text: str) -> Reading:
    question = Question(Scale.FIVE, alert_words={ANNOYED: words_of_annoyance(REAL_ESTATE)})
    return apart_from_annoyance(REAL_ESTATE, read(text, question), text, question)


@pytest.mark.parametrize(
    "text",
    [
        "别老打电话了",
        "天天打电话烦死了",
        "总打电话干嘛",
        "你们这是骚扰",
        "不要打电话,发短信就行",
        "联系得太频繁了，少一点吧",
        "stop calling me",
    ],
)
def test_r83_who_refuses_calls_is_annoyed_and_not_out(text: str) -> None:
    reading = heard(text)
    assert (reading.kind, reading.intent, reading.needs_person) == (ANNOYED, Intent.COMMENT, False)


@pytest.mark.parametrize(
    "text",
    [
        "退订",
        "别再打了",
        "别老打电话了，退订",
        "别老打电话 T",
        "别打电话了也别再发了",
        "不要骚扰我",
        "please leave me alone",
        "别烦我",
        "电话太多了，别烦我",
        "Stop calling me. STOP",
    ],
)
def test_r84_who_refuses_more_than_calls_is_out(text: str) -> None:
    assert heard(text).intent is Intent.OPT_OUT


def test_what_else_is_said_counts() -> None:
    assert heard("2分,别老打电话").score == 2
    complaint = heard("顾问态度太差,别老打电话")
    assert (complaint.kind, complaint.category) == (None, "complaint")
    assert complaint.flags == (ANNOYED, ABOUT_STAFF)
