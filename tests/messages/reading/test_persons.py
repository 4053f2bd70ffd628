"""A complaint that blames somebody who works for the business, and one that only names them."""

import pytest

from messages.reading import ABOUT_STAFF, Question, Scale, read


@pytest.mark.parametrize(
    "text",
    [
        "我要投诉你们客服",
        "投诉那个姓王的师傅",
        "顾问态度太差",
        "导游骂人",
        "服务态度恶劣",
        "3分,业务员骗人",
        "I want to complain about your staff",
        "your driver was very rude",
        "rude receptionist, never again",
        "he swore at me",
    ],
)
def test_somebody_is_blamed(text: str) -> None:
    assert read(text, Question(Scale.FIVE)).flags == (ABOUT_STAFF,)


@pytest.mark.parametrize(
    "text",
    [
        "师傅态度很好,但是车没修好",
        "向客服投诉没人理",
        "客服没骂人,但是东西坏了",
        "投诉电梯太慢",
        "导游很好",
        "客服不凶",
        "The technician was not rude but the bill was too high",
        "the guide was friendly, the hotel was dirty",
    ],
)
def test_nobody_is_blamed(text: str) -> None:
    assert read(text, Question(Scale.FIVE)).flags == ()
