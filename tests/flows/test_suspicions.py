"""When a violation is suspected: watched words, a complaint about a topic, a "no", an event, a breach; and when not."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.calendar import Calendar
from flows.load import load_program, shipped_program_text
from flows.program import Program
from flows.survey import Conversation, hear
from flows.suspicions import in_breach, in_event, in_reply
from messages.reading import Intent, Question, Reading, Scale, read

AT = datetime(2026, 11, 25, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def services() -> Program:
    return load_program(shipped_program_text("business_services"), "business_services.yaml")


def suspected(program: Program, reading: Reading, text: str, china: Calendar, **known: Any) -> list[str]:
    """The kinds of violations that an answer to the check of a visit makes us suspect."""
    talk = Conversation(program, ZoneInfo("Asia/Shanghai"), survey="visit", asked="overall", **known)
    decided = hear(talk, reading, text, AT, china)
    return [each.kind for each in in_reply(talk, reading, text, decided)]


def read_here(program: Program, text: str) -> Reading:
    """A typed reply as it is read: five levels were asked for, and the program watches for words."""
    watched = {flag: tuple(sum(alert.words.values(), ())) for flag, alert in program.replies.alerts.items()}
    return read(text, Question(scale=Scale.FIVE, language="zh", alert_words=watched))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("没有人来拜访过我", ["fake_visit"]),
        ("材料填错了,重跑一趟,不满意", ["materials"]),
        ("2，材料填错了", ["materials"]),
        ("没有人来过，材料也填错了", ["fake_visit"]),
        ("5，材料准备得很齐全", []),
        ("材料填得又快又好，谢谢", []),
        ("请打电话告诉我要带什么材料", []),
        ("1", []),
        ("态度太差", []),
    ],
)
def test_what_a_reply_makes_us_suspect(services: Program, china: Calendar, text: str, kinds: list[str]) -> None:
    assert suspected(services, read_here(services, text), text, china) == kinds


@pytest.mark.parametrize(
    ("scores", "kinds"),
    [((4.0, 0.0, 5.0, 5.0), ["fake_visit"]), ((4.0, 1.0, 5.0, 2.0), ["materials"]), ((2.0, 1.0), [])],
)
def test_low_answers_on_the_page_are_about_their_questions(
    services: Program, china: Calendar, scores: tuple[float, ...], kinds: list[str]
) -> None:
    reading = Reading(intent=Intent.SCORE, answers=scores, confidence=1.0, because=("tapped on the page",))
    assert suspected(services, reading, "answered on the page", china, on_page=True) == kinds


def test_more_words_for_an_open_ticket_are_heard_as_well(services: Program, china: Calendar) -> None:
    text = "材料填错了,重跑一趟,不满意"
    assert suspected(services, read_here(services, text), text, china, live_ticket=True) == ["materials"]


def test_an_event_and_a_breach_name_their_kinds(services: Program) -> None:
    assert [each.kind for each in in_event(services, "visit_denied")] == ["fake_visit"]
    assert list(in_event(services, "staff_visit")) == []
    assert list(in_breach(services, "visit_call", "call")) == []


def test_the_last_sanction_stands_for_all_further_cases(services: Program) -> None:
    fake_visit = services.violations["fake_visit"]
    assert [fake_visit.sanction(number)["zh"] for number in (3, 4)] == ["辞退", "辞退"]
    assert fake_visit.model_copy(update={"sanctions": ()}).sanction(1) == {}
