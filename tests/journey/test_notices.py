"""Staff are told once of what the house cannot mend by itself, and of silence."""

from typing import Any

import pytest

from bot.journey import notices as subject
from bot.journey import senders, sending
from bot.journey.notices import tell_staff, watch_silence
from bot.store import settings
from tests.journey.provider import DOWN, WRONG_KEY, Exchange, dispatch, notices, waits
from tests.journey.story import Story, in_session


def tell(story: Story, key: str, **known: Any) -> None:
    variables = {"reason": "a limit", "count": 3}
    in_session(
        story.runtime, tell_staff, story.runtime, "staff/limit_reached", key, variables, story.clock.now(), **known
    )


def silent(story: Story, minutes: int = 16) -> None:
    """Minutes go by without work; then the house looks."""
    story.later(minutes=minutes)
    watch_silence(story.runtime)


def test_the_same_notice_is_told_once_to_each(story: Story) -> None:
    story.hire("小王", "operator", phone="+8613800000001")
    story.hire("Ann", "operator", phone="+8613800000002", language="en")
    story.hire("老张", "manager", phone="+8613800000003")
    for _ in range(3):
        tell(story, "limit")
    tell(story, "another")
    told = notices(story)
    assert sorted(row.address for row in told) == ["+8613800000001"] * 2 + ["+8613800000002"] * 2
    assert len({row.body for row in told}) == 2


@pytest.mark.parametrize("length", [10, 100, 130, 500])
def test_a_long_key_tells_everybody_and_keeps_notices_apart(story: Story, length: int) -> None:
    for n in range(3):
        story.hire(f"小王{n}", "operator", phone=f"+861380000000{n}")
    tell(story, "x" * length + "1")
    tell(story, "x" * length + "2")
    tell(story, "x" * length + "2")
    assert len(notices(story)) == 6


def test_without_staff_the_trouble_is_in_the_trail_at_least(story: Story) -> None:
    Exchange(story, answer=lambda _: DOWN)
    waits(story, *(f"text {n}" for n in range(10)))
    story.work()
    assert not notices(story)
    assert story.told("paused") == ["paused: sms default: no connection"]


# ----- silence


def test_silence_is_told_once_until_something_leaves(story: Story) -> None:
    # given texts that wait for a provider whose key is wrong, and an operator who is reached by chat
    story.hire("小王", "operator")
    provider = Exchange(story, answer=lambda _: WRONG_KEY)
    waits(story, "a", "b")
    story.work()
    before = len(notices(story))
    silent(story, 10)
    assert len(notices(story)) == before
    for _ in range(6):
        silent(story)
    assert len(notices(story)) == before + 1
    assert len(story.told("silence")) == 1

    # when they leave, and silence comes back, it is told again
    provider.answer = lambda _: None
    senders.resume(story.runtime, "sms", "", "小王")
    story.work()
    watch_silence(story.runtime)
    assert story.told("sound") == ["sound: messages leave again"]
    waits(story, "c")
    silent(story)
    assert len(notices(story)) == before + 2


def test_the_alarm_itself_breaks_no_silence(story: Story) -> None:
    # given staff who are reached by another channel than the one that is silent
    story.hire("小王", "operator")
    Exchange(story)
    waits(story, "a", channel="letter")
    for _ in range(5):
        silent(story)
        dispatch(story)
    assert len(notices(story)) == 1
    assert {row.state for row in notices(story)} == {"delivered"}
    assert not story.told("sound")


@pytest.mark.parametrize("why", ["stopped", "switched off", "later", "nothing due"])
def test_there_is_no_alarm_without_a_reason(story: Story, why: str) -> None:
    story.hire("小王", "operator")
    if why != "nothing due":
        waits(story, "a")
    if why == "stopped":
        sending.set_stopped(story.runtime, "小王", True)
    if why == "switched off":
        story.runtime.settings = story.runtime.settings.model_copy(update={"alarm_after_minutes": 0})
    silent(story, 5 if why == "later" else 60)
    assert not notices(story)


def test_one_that_leaves_is_no_silence(story: Story) -> None:
    story.hire("小王", "operator")
    Exchange(story)
    waits(story, "stuck", channel="letter")
    for n in range(4):
        waits(story, f"text {n}")
        dispatch(story)
        story.later(minutes=10)
        watch_silence(story.runtime)
    assert not notices(story)


def test_a_planned_follow_up_that_nobody_prepares_is_silence_too(story: Story) -> None:
    story.hire("小王", "operator")
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:20")
    watch_silence(story.runtime)
    assert story.told("silence") == ["silence: 1 due, none sent in 15 minutes"]
    with story.runtime.db.read() as session:
        assert settings.read(session, subject.SILENCE)["waiting"] == 1
