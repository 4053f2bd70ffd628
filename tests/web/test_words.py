"""The catalogues: both languages say the same things, and pages ask for nothing that is not there."""

import re
import string
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest

from bot.words import LANGUAGES, catalogue, words_in

EN, ZH = catalogue("en"), catalogue("zh")


def sources() -> str:
    """The text of every page and module of the web."""
    web = resources.files("bot.web")
    files = [*web.iterdir(), *web.joinpath("pages").iterdir(), resources.files("bot").joinpath("words.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.name.endswith((".py", ".html")))


def test_both_languages_have_the_same_keys() -> None:
    assert set(EN) == set(ZH)


def test_both_languages_fill_in_the_same_values() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}

    for key in sorted(EN):
        if not key.startswith(("offset.", "time.days", "customers.found", "trail.planned_set")):
            assert fields(EN[key]) == fields(ZH[key]), key


def test_every_key_that_a_page_names_is_there() -> None:
    named = set(re.findall(r"""\b(?:w|words|self)(?:\.html)?\(\s*["']([a-z_]+\.[a-z_.0-9]+)["']\s*[,)]""", sources()))
    assert len(named) > 100
    assert named <= set(EN), f"add to bot/text/*.json: {sorted(named - set(EN))}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_spans_are_said_in_two_units(language: str) -> None:
    words = words_in(language)
    said = [words.span(timedelta(minutes=minutes)) for minutes in (0, 5, 60, 200, 60 * 72, 60 * 75)]
    assert (
        said
        == {
            "en": ["less than a minute", "5 min", "1 h", "3 h 20 min", "3 days", "3 days 3 h"],
            "zh": ["不到1分钟", "5分钟", "1小时", "3小时 20分钟", "3天", "3天 3小时"],
        }[language]
    )


def test_moments_are_those_of_the_zone() -> None:
    at = datetime(2026, 9, 27, 22, 5, tzinfo=UTC)
    assert words_in("en").moment(at, "Asia/Shanghai") == "Mon 28 Sep 06:05"
    assert words_in("zh").moment(at, "Europe/London") == "9月27日 周日 23:05"


REASONS = [
    ("weekly cap -> moved", "一周次数已满，改期"),
    ("weekly cap: not allowed before its deadline", "一周次数已满：截止前没有可发的时段"),
    ("every 1mo", "每1个月一次"),
    ("asked again: 5 on 1-5: number 5, praise: kind", "再次询问：按1-5评5分：数字“5”、称赞“kind”"),
    ("service did not acknowledge: manager is next", "无人应答，转下一级"),
    ("drawn for period:2026-07-01; late", "抽样选中（period:2026-07-01）；迟到，顺延"),
    ("ticket 3 cannot be claimed: 孙丽 has it", "工单3已由孙丽接下"),
    ("behind: 0 of 2 (visit, call) in 2026-11-01 to 2026-11-30", "2026-11-01至2026-11-30应有拜访、电话2次，现有0次"),
    ("something nobody has thought of", "something nobody has thought of"),
]


@pytest.mark.parametrize(("reason", "said"), REASONS)
def test_reasons_of_the_trail_are_said_in_chinese(reason: str, said: str) -> None:
    assert words_in("zh").because(reason) == said
