"""What a reply to an announced appointment says: it stands, another time, somebody must call, or something else."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from flows.appointment_reply import Answer, Confirmed, Declined, Doubt, Proposed, answer_to, time_of_day
from flows.load import load_program, shipped_program_text
from messages.reading import Question, Scale

ZONE = ZoneInfo("Asia/Shanghai")
PROGRAM = load_program(shipped_program_text("generic_company"), "generic_company")
PLANNED = datetime(2026, 12, 10, 14, tzinfo=ZONE)  # a Thursday
NOW = datetime(2026, 12, 9, 10, tzinfo=ZONE)


def answer(text: str) -> Answer | None:
    language = "en" if text.isascii() else "zh"
    question = Question(scale=Scale.TEXT, language=language, country="CN")
    return answer_to(text, question, PLANNED, NOW, PROGRAM, ZONE, PROGRAM.calendar())


@pytest.mark.parametrize(
    "text", ["好的", "可以的", "行", "没问题", "收到，谢谢", "yes", "OK", "周四见", "好的，明天下午两点", "嗯"]
)
def test_yes_or_the_planned_time_named_again_confirms_it(text: str) -> None:
    assert answer(text) == Confirmed()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("改到周五", "12-11 14:00"),  # a day without a time keeps the hour
        ("能不能改到周五", "12-11 14:00"),
        ("周五上午", "12-11 09:00"),  # which cannot be kept here
        ("周五下午三点可以吗", "12-11 15:00"),
        ("下午四点吧", "12-10 16:00"),  # a time without a day keeps the day
        ("12月15日", "12-15 14:00"),
        ("推迟到下周一", "12-14 14:00"),
        ("推迟一天", "12-11 14:00"),
        ("晚两个小时行吗", "12-10 16:00"),
        ("往后推一天，没空", "12-11 14:00"),
        ("a day later please", "12-11 14:00"),
        ("明天不行，周五可以", "12-11 14:00"),
        ("不好意思明天开会，后天上午行吗", "12-11 09:00"),
        ("next Friday at 3", "12-18 15:00"),
        ("Can we make it Friday?", "12-11 14:00"),
        ("Thursday doesn't work, Friday at 3 would be fine", "12-11 15:00"),
        ("I'm away on Thursday, how about Monday morning?", "12-14 09:00"),
    ],
)
def test_another_moment_is_proposed(text: str, at: str) -> None:
    proposed = answer(text)
    assert isinstance(proposed, Proposed)
    assert (f"{proposed.at.astimezone(ZONE):%m-%d %H:%M}", proposed.doubt) == (at, None)


@pytest.mark.parametrize(
    ("text", "doubt"), [("周六下午", "off_day"), ("今天上午九点", "past"), ("周五晚上八点半", "outside_hours")]
)
def test_a_time_that_needs_a_second_look_is_proposed_and_marked(text: str, doubt: Doubt) -> None:
    proposed = answer(text)
    assert isinstance(proposed, Proposed)
    assert proposed.doubt == doubt


@pytest.mark.parametrize(
    "text",
    [
        "不方便",
        "不行",
        "no",
        "没空",
        "明天我出差",
        "我要改期",
        "改到12月8日",
        "can't make it",
        "Wednesday not possible",
    ],
)
def test_a_no_without_a_time_to_come_is_declined(text: str) -> None:
    assert answer(text) == Declined()


@pytest.mark.parametrize(
    "text",
    [
        "退订",
        "请打电话给我",
        "不满意",
        "1",
        "5",
        "几点来？",
        "是明天下午两点吗？",
        "周五太差了",
        "你们上周五说来没来，什么态度",
        "你们的产品质量太差，周五别来了",
    ],
)
def test_what_is_about_something_else_is_left_to_the_reader(text: str) -> None:
    assert answer(text) is None


@pytest.mark.parametrize(
    ("words", "at"), [("14:00", "14:00"), ("9:30", "09:30"), ("下午两点", "14:00"), (None, "18:00"), ("随时", "18:00")]
)
def test_the_time_of_day_that_an_attribute_says(words: object, at: str) -> None:
    assert f"{time_of_day(words, time(18)):%H:%M}" == at
