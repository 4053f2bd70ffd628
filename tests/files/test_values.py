"""Cells as people and spreadsheets write them."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.files.values import (
    Cell,
    Unreadable,
    flag_of,
    instant_of,
    number_of,
    phone_of,
    text_of,
    value_of,
    weekdays_of,
    windows_of,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1,234.50", 1234.5),
        ("1,234", 1234),
        ("1,234,567", 1234567),
        ("￥99", 99),
        ("¥ 1,299.00", 1299.0),
        ("99元", 99),
        ("$12.5", 12.5),
        ("12.50 EUR", 12.5),
        ("12,50", 12.5),
        ("1.234,50", 1234.5),
        ("(12.00)", -12.0),
        ("-8", -8),
        ("-￥8", -8),
        ("１２３", 123),
        ("007", 7),
        (3, 3),
        (2.5, 2.5),
    ],
)
def test_a_number(cell: Cell, number: float) -> None:
    assert number_of(cell) == number


@pytest.mark.parametrize("cell", ["", "abc", "1,23,4", "1.2.3", "nan", "inf", "1e5", "12%", "一百", "=1+1", "--1"])
def test_no_number(cell: str) -> None:
    with pytest.raises(Unreadable):
        number_of(cell)


@pytest.mark.parametrize("cell", ["是", "yes", "Y", "TRUE", "1", "√", True, "有", 1])
def test_yes(cell: Cell) -> None:
    assert flag_of(cell) is True


@pytest.mark.parametrize("cell", ["否", "No", "n", "false", "0", "×", False, "无", 0])
def test_no(cell: Cell) -> None:
    assert flag_of(cell) is False


@pytest.mark.parametrize(
    ("cell", "windows"),
    [
        ("18:00-20:00", ["18:00-20:00"]),
        ("18：00至20：00", ["18:00-20:00"]),
        ("9:00 ~ 11:30，18:00-24:00", ["09:00-11:30", "18:00-24:00"]),
    ],
)
def test_times_of_day(cell: str, windows: list[str]) -> None:
    assert windows_of(cell) == windows


@pytest.mark.parametrize(
    ("cell", "days"),
    [
        ("周一、周六", "mon sat"),
        ("星期天", "sun"),
        ("周一至周五", "mon tue wed thu fri"),
        ("六和日", "sat sun"),
        ("Sat-Mon", "mon sat sun"),
        ("tues, Thursday", "tue thu"),
    ],
)
def test_weekdays(cell: str, days: str) -> None:
    assert " ".join(weekdays_of(cell)) == days


@pytest.mark.parametrize("cell", ["evenings", "18-20", "20:00-18:00", "09:00-11:00 10:00-12:00"])
def test_no_times_of_day(cell: str) -> None:
    with pytest.raises(Unreadable, match=r"write|overlap|starts|read"):
        windows_of(cell)


@pytest.mark.parametrize("cell", ["someday", "mo", "monk", "周八"])
def test_no_weekday(cell: str) -> None:
    with pytest.raises(Unreadable, match="is no weekday"):
        weekdays_of(cell)


def test_neither_yes_nor_no() -> None:
    with pytest.raises(Unreadable, match="maybe"):
        flag_of("maybe")


@pytest.mark.parametrize(
    ("cell", "at"),
    [
        ("2026-09-01", "2026-09-01T12:00:00+08:00"),
        ("2026/9/1", "2026-09-01T12:00:00+08:00"),
        ("2026.9.1", "2026-09-01T12:00:00+08:00"),
        ("20260901", "2026-09-01T12:00:00+08:00"),
        (20260901, "2026-09-01T12:00:00+08:00"),
        ("2026年9月1日", "2026-09-01T12:00:00+08:00"),
        ("2026-09-01 10:30", "2026-09-01T10:30:00+08:00"),
        ("2026-09-01 10:30:15", "2026-09-01T10:30:15+08:00"),
        ("2026/9/1 9:05", "2026-09-01T09:05:00+08:00"),
        ("2026年9月1日 下午3点20分", "2026-09-01T15:20:00+08:00"),
        ("2026-09-01 3:20 PM", "2026-09-01T15:20:00+08:00"),
        ("2026-09-01 12:05 AM", "2026-09-01T00:05:00+08:00"),
        ("20260901103000", "2026-09-01T10:30:00+08:00"),
        ("202609011030", "2026-09-01T10:30:00+08:00"),
        ("2026-09-01T10:30:00Z", "2026-09-01T10:30:00+00:00"),
        ("2026-09-01T10:30:00+02:00", "2026-09-01T10:30:00+02:00"),
        ("2026-09-01 00:00:00", "2026-09-01T00:00:00+08:00"),
        ("46266", "2026-09-01T12:00:00+08:00"),
        (46266.4375, "2026-09-01T10:30:00+08:00"),
        (datetime(2026, 9, 1, 10, 30), "2026-09-01T10:30:00+08:00"),  # noqa: DTZ001 - as a spreadsheet has it
        (datetime(2026, 9, 1), "2026-09-01T12:00:00+08:00"),  # noqa: DTZ001
        (date(2026, 9, 1), "2026-09-01T12:00:00+08:00"),
    ],
)
def test_an_instant(cell: Cell, at: str) -> None:
    assert instant_of(cell, SHANGHAI).isoformat() == at


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "soon",
        "2026-13-01",
        "2026-02-30",
        "2026-09-01 25:00",
        "9/1/2026",
        "01.09.2026",
        "12345",
        "2026",
        "2026-09-01x",
    ],
)
def test_no_instant(cell: str) -> None:
    with pytest.raises(Unreadable):
        instant_of(cell, SHANGHAI)


def test_day_or_month_first_is_asked_not_guessed() -> None:
    with pytest.raises(Unreadable) as refused:
        instant_of("9/1/2026", SHANGHAI)
    assert "day or month first" in refused.value.reason
    assert "date_format" in refused.value.remedy
    assert instant_of("9/1/2026", SHANGHAI, "%d/%m/%Y").date() == date(2026, 1, 9)


@pytest.mark.parametrize("clock", ["10:30", time(10, 30), 0.4375, timedelta(hours=10, minutes=30), "10时30分", "1030"])
def test_a_time_in_a_column_of_its_own(clock: Cell) -> None:
    assert instant_of("2026-09-01", SHANGHAI, None, clock).isoformat() == "2026-09-01T10:30:00+08:00"


@pytest.mark.parametrize(
    ("cell", "phone"),
    [
        (13800000000.0, "13800000000"),
        (13800000000, "13800000000"),
        ("13800000000.0", "13800000000"),
        ("138 0000 0000", "138 0000 0000"),
        ("+86 138-0000-0000", "+86 138-0000-0000"),
        ("'+8613800000000", "+8613800000000"),
        ("１３８００００００００", "13800000000"),
        ("(010) 6655-1234", "(010) 6655-1234"),
        (None, ""),
    ],
)
def test_a_phone(cell: Cell, phone: str) -> None:
    assert phone_of(cell) == phone


@pytest.mark.parametrize(
    "cell", ["1.38E+10", "1.38001E10", "none", "13800000000/13900000000", "13800000000、13900000000"]
)
def test_no_phone(cell: str) -> None:
    with pytest.raises(Unreadable):
        phone_of(cell)


@pytest.mark.parametrize(
    ("cell", "text"),
    [(5.0, "5"), (5.5, "5.5"), (True, "yes"), (None, ""), (" 张三 ", "张三"), ("'=1+1", "=1+1"), ("'tis", "'tis")],
)
def test_a_text(cell: Cell, text: str) -> None:
    assert text_of(cell) == text


def test_a_date_of_an_event_is_kept_as_its_day() -> None:
    assert value_of("date", "2026/9/1", SHANGHAI) == "2026-09-01"
    assert value_of("flag", "是", SHANGHAI) is True
    assert value_of("text", 12.0, SHANGHAI) == "12"
