"""How much may leave in a day, for a campaign and for how much money: the rest waits, and staff know."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.channels.contract import NotSent, Outgoing, Sender
from bot.journey import sending
from bot.journey.outreach import prepare_due
from bot.store.tables import FollowUpRow, MessageRow, TallyRow
from tests.journey.provider import DOWN, Exchange, dispatch, live, notices, state_of, waits
from tests.journey.story import PHONE, Story, local, raised, side_by_side


def limited(story: Story, **limits: Any) -> None:
    """The settings of this house from now on."""
    story.runtime.settings = story.runtime.settings.model_copy(update=limits)


def used(story: Story, scope: str) -> tuple[int, int]:
    """(messages, segments) that have left, in all."""
    rows = story.rows(TallyRow, scope=scope)
    return sum(row.messages for row in rows), sum(row.segments for row in rows)


def surveys_due(story: Story, count: int) -> None:
    """So many customers bought something a week ago: their surveys are due now, Monday 9 November at nine."""
    for n in range(count):
        story.customer(f"c{n}", f"+86139000003{n:02}")
    story.at("2026-11-02 12:00")
    for n in range(count):
        story.purchase(f"c{n}")
    story.at("2026-11-09 09:00")


def test_what_is_over_the_limit_of_a_day_waits_until_the_next_morning(story: Story) -> None:
    # given five surveys that are due, two a day, and an operator
    story.hire("小王", "operator", phone="+8613800000001")
    limited(story, most_per_day=2)
    surveys_due(story, 5)

    # when the day goes by
    story.live_until("2026-11-09 23:00")

    # then two have arrived, three wait with a reason, and the operator was told once
    texts = story.rows(MessageRow, purpose="survey")
    assert sorted(row.state for row in texts) == ["delivered"] * 2 + ["ready"] * 3
    assert {local(row.due_at) for row in texts if row.state == "ready"} == {"2026-11-10 00:00"}
    assert story.told("moved") == ["moved: the limit for a day, 2, is reached"] * 3
    assert len(notices(story)) == 1

    # when two more days go by, two go out each day, in the window, and staff hear once a day
    story.live_until("2026-11-11 23:00")
    times = sorted(story.times(f"+86139000003{n:02}")[0] for n in range(5))
    assert times == ["2026-11-09 09:00"] * 2 + ["2026-11-10 09:00"] * 2 + ["2026-11-11 09:00"]
    assert len(notices(story)) == 2


def test_a_limit_holds_no_answer_and_no_notice(story: Story) -> None:
    limited(story, most_per_day=1)
    provider = Exchange(story)
    waits(story, "a", "b")
    waits(story, "answer", purpose="reply")
    waits(story, "notice", purpose="staff")
    story.work()
    assert set(provider.bodies) == {"answer", "notice", "a"}


def test_what_came_back_does_not_count(story: Story) -> None:
    # given a limit of three, and a provider that is away for the first two calls
    limited(story, most_per_day=3)
    provider = Exchange(story)
    provider.answer = lambda _: DOWN if len(provider.calls) <= 2 else None
    waits(story, "a", "b")
    story.work()
    assert used(story, "day") == (0, 0)

    # when it is back, three go out
    waits(story, "c", "d")
    live(story, hours=1)
    assert used(story, "day") == (3, 3)
    assert sorted(story.states()) == ["delivered"] * 3 + ["ready"]


def test_what_a_campaign_may_send_is_counted_over_all_its_days(story: Story) -> None:
    limited(story, most_per_campaign=3)
    surveys_due(story, 5)
    story.live_until("2026-11-12 23:00")
    assert sorted(story.states(purpose="survey")) == ["delivered"] * 3 + ["ready"] * 2
    because = "moved: the limit for retail_aftersales:purchase, 3, is reached"
    assert set(story.told("moved")) == {because, "moved: outside window"}


def test_money_holds_automatic_texts_and_answers_but_no_notice(story: Story) -> None:
    # given enough for three segments exactly, and a chat that costs nothing
    limited(story, spend_per_day=0.15, price_per_segment=0.05)
    sms, telegram = Exchange(story), Exchange(story, "telegram")
    waits(story, "one")
    waits(story, "two", segments=2)
    story.work()
    assert sms.bodies == ["one", "two"]

    waits(story, "three")
    waits(story, "answer", purpose="reply")
    waits(story, "notice", purpose="staff")
    waits(story, "chat", channel="telegram")
    story.work()
    assert sms.bodies == ["one", "two", "notice"]
    assert telegram.bodies == ["chat"]

    # when it is tomorrow in the house's zone, they go out
    live(story, hours=16)
    assert {state_of(story, "three"), state_of(story, "answer")} == {"delivered"}


def test_a_text_too_dear_for_what_is_left_does_not_hold_a_cheap_one(story: Story) -> None:
    limited(story, spend_per_day=1.0, price_per_segment=0.5)
    provider = Exchange(story)
    waits(story, "dear", segments=3)
    waits(story, "cheap")
    story.work()
    assert provider.bodies == ["cheap"]


def test_who_waits_beyond_the_deadline_is_listed_as_missed(story: Story) -> None:
    limited(story, most_per_day=1)
    surveys_due(story, 2)
    story.work()
    (waiting,) = story.rows(MessageRow, state="ready")
    with story.runtime.db.write() as session:
        row = session.get(MessageRow, waiting.id)
        assert row is not None
        row.expires_at = story.clock.now() + timedelta(hours=8)
    story.live_until("2026-11-10 12:00")
    assert sorted(story.states(purpose="survey")) == ["delivered", "expired"]
    assert sorted(story.states(FollowUpRow, flow="purchase")) == ["expired", "sent"]
    assert "missed: expired" in story.told()


def test_what_is_held_by_a_limit_uses_up_no_slot_of_its_number(story: Story) -> None:
    # given one segment a second, a limit that is used up, and an answer behind ten texts
    limited(story, most_per_day=1)
    provider = Exchange(story, senders=(Sender("+1001", per_second=1, by_segments=True),))
    waits(story, "first")
    story.work()
    story.later(seconds=5)
    waits(story, *(f"text {n}" for n in range(10)))
    start = story.clock.now()
    for _ in range(10):
        dispatch(story)
    waits(story, "answer", purpose="reply")
    dispatch(story)
    assert (provider.bodies, provider.calls[-1][0]) == (["first", "answer"], start)


def test_a_country_that_is_not_allowed_gets_nothing(story: Story) -> None:
    limited(story, countries="CN, us")
    provider = Exchange(story)
    waits(story, "paris", address="+33612345678")
    waits(story, "beijing", address=PHONE)
    waits(story, "new york", address="+12125550100")
    story.work()
    assert sorted(provider.bodies) == ["beijing", "new york"]
    assert story.told("skipped") == ["skipped: messages to FR are not allowed"]


def test_a_customer_abroad_is_listed_with_the_reason(story: Story) -> None:
    limited(story, countries="US")
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:00")
    prepare_due(story.runtime)
    assert story.follow_up("purchase").state == "unreachable"
    assert story.told("unreachable") == ["unreachable: no usable channel; sms: messages to CN are not allowed"]


def test_dispatchers_at_the_same_moment_keep_to_the_limit(story: Story) -> None:
    limited(story, most_per_day=7, spend_per_day=100.0)
    provider = Exchange(story)
    waits(story, *(f"text {n}" for n in range(40)))
    outcomes = side_by_side(*[lambda: asyncio.run(sending.dispatch(replace(story.runtime), limit=5))] * 4)
    assert not raised(outcomes)
    live(story, seconds=1)
    assert len(provider.calls) == 7
    assert used(story, "day") == (7, 7)


def test_claims_and_what_comes_back_never_wait_for_each_other(story: Story) -> None:
    # given two channels whose texts count in different ways, and a provider that gives half of them back
    limited(story, most_per_day=1000, spend_per_day=100.0)

    def half(message: Outgoing) -> NotSent | None:
        return NotSent("busy", retry_after=0) if hash(message.attempt_id) % 2 else None

    Exchange(story, answer=half), Exchange(story, "telegram", answer=half)
    for n in range(60):
        waits(story, f"{n}", channel=("sms", "telegram")[n % 2], purpose=("reply", "service", "greeting")[n % 3])

    def send() -> None:
        for _ in range(20):
            asyncio.run(sending.dispatch(replace(story.runtime), limit=7))

    assert not raised(side_by_side(send, send, send))
    live(story, minutes=1)
    assert set(story.states()) == {"delivered"}
    assert used(story, "day") == (40, 40)
    assert used(story, "cost") == (30, 30)


@pytest.mark.parametrize("scope", ["day", "cost"])
def test_without_a_limit_nothing_is_counted(story: Story, scope: str) -> None:
    Exchange(story)
    waits(story, "a")
    story.work()
    assert used(story, scope) == (0, 0)
