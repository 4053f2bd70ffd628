"""When the customer wants it: days and times in the words of both languages, counted from their local clock."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.reading.moments import FURTHEST, moment_in

NOW = datetime(2026, 11, 9, 10, 15)  # noqa: DTZ001 - the customer's wall clock, a Monday
CASES = [
    # a time of day: the next one that the clock shows, as people mean it when they speak of a call
    ("call me at 5", "11-09 17:00"),
    ("call me at 9", "11-10 09:00"),
    ("ring me at half past three", "11-09 15:30"),
    ("14:30", "11-09 14:30"),
    ("at 17.30 please", "11-09 17:30"),
    ("7am tomorrow", "11-10 07:00"),
    ("call me between 4 and 6", "11-09 16:00"),
    ("3点打给我", "11-09 15:00"),
    ("下午三点半给我打电话", "11-09 15:30"),
    ("１５：３０給我回電", "11-09 15:30"),
    ("10点1刻", "11-10 10:15"),
    ("晚上9点", "11-09 21:00"),
    ("中午12点", "11-09 12:00"),
    # from, until
    ("call me after 6pm", "11-09 18:00-"),
    ("any time after 3", "11-09 15:00-"),
    ("今晚八点以后", "11-09 20:00-"),
    ("call me before 5", "11-09 -17:00"),
    ("五点前回电", "11-09 -17:00"),
    ("before noon", "11-09 -12:00"),
    ("中午前给我电话", "11-09 -12:00"),
    # parts of a day
    ("tomorrow morning", "11-10 09:00-12:00"),
    ("this evening", "11-09 18:00-21:00"),
    ("after work", "11-09 18:00-20:00"),
    ("周三上午", "11-11 09:00-12:00"),
    ("11月12号下午", "11-12 14:00-18:00"),
    ("下班后", "11-09 18:00-20:00"),
    ("明早", "11-10 08:00-10:00"),
    # days
    ("明天", "11-10"),
    ("后天", "11-11"),
    ("大后天", "11-12"),
    ("过两天再说", "11-11"),
    ("下周", "11-16"),
    ("周末", "11-14"),
    ("next week", "11-16"),
    ("on friday at 3", "11-13 15:00"),
    ("nov 12", "11-12"),
    ("12 nov 3pm", "11-12 15:00"),
    ("on the 15th at 4", "11-15 16:00"),
    ("明天下午三点", "11-10 15:00"),
    ("下周二下午2点", "11-17 14:00"),
    # from now
    ("in half an hour", "11-09 10:45-"),
    ("in 2 hours please", "11-09 12:15-"),
    ("give me 10 mins", "11-09 10:25-"),
    ("半小时后", "11-09 10:45-"),
    ("两个半小时后打", "11-09 12:45-"),
    ("等我十分钟", "11-09 10:25-"),
]


def said(text: str, now: datetime = NOW) -> str | None:
    """A moment in short: day, and the times between which."""
    moment = moment_in(text, now)
    if moment is None:
        return None
    start = f"{moment.start:%H:%M}" if moment.start else ""
    end = f"{moment.end:%H:%M}" if moment.end else ""
    times = start if start == end else f"{start}-{end}"
    return f"{moment.day:%m-%d} {times}".strip()


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_moment_is_found(text: str, expected: str) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "call me",
        "给我打电话",
        "I waited 3 hours",
        "等了3个小时",
        "a 5 star hotel",
        "at 5 star prices",
        "改天再说",
        "晚点",
        "later",
        "3号楼",
        "call me in february",
        "2月30日",
        "",
    ],
)
def test_no_moment_is_made_up(text: str) -> None:
    assert said(text) is None


def test_a_part_of_the_day_that_is_over_means_tomorrow() -> None:
    evening = NOW.replace(hour=21, minute=30)
    assert said("下午", evening) == "11-10 14:00-18:00"
    assert said("in the morning", evening) == "11-10 09:00-12:00"
    assert said("今天下午", evening) is None


def test_the_words_are_the_customers_own() -> None:
    moment = moment_in("麻烦明天下午三点给我回电话", NOW)
    assert moment is not None
    assert moment.words == "明天下午三点"


_PIECES = st.sampled_from(
    [
        *"0123456789:.月号日点半时周下上明天后年前一二三十两 ",
        "at ",
        "in ",
        "after ",
        "pm",
        "am",
        "小时",
        "分钟",
        "half ",
        "nov",
        "week",
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join), st.datetimes(datetime(2024, 1, 1), datetime(2035, 12, 31)))  # noqa: DTZ001
def test_whatever_is_said_it_never_raises_and_never_lies_in_the_past(text: str, now: datetime) -> None:
    moment = moment_in(text, now)
    if moment is not None:
        assert now.date() <= moment.day <= now.date() + FURTHEST


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    moment_in(text, NOW)
