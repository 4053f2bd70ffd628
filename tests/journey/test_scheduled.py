"""Scheduled mode: the provider has a text some minutes before it goes out, and gives it back until then."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.channels.contract import Accepted, NotSent, Outcome, Outgoing, Receipt, Received, Trace, Unknown
from bot.journey import doubt, inbox, intake, receipts, scheduled, sending
from bot.journey.outreach import prepare_due
from bot.store.tables import AttemptRow, ConsentRow, EventRow, MessageRow
from tests.journey.provider import Exchange, dispatch, live, waits
from tests.journey.story import PHONE, Story, local, raised, side_by_side

AHEAD = timedelta(seconds=330)


@pytest.fixture
def provider(story: Story) -> Exchange:
    return Exchange(story, ahead=AHEAD)


def due(story: Story, at: str = "2026-11-09 09:00") -> None:
    """A survey whose follow-up was due on Monday 9 November at nine."""
    story.customer()
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at(at)


def withdraw(story: Story) -> int:
    return asyncio.run(scheduled.withdraw(story.runtime))


def audit(story: Story) -> int:
    return asyncio.run(scheduled.audit(story.runtime))


def copy(story: Story, id_: str, *, delivered: bool = False) -> Trace:
    """The provider's copy of the one text."""
    return Trace(id_, story.rows(MessageRow)[0].body, story.clock.now(), delivered)


def tell(story: Story, state: str, id_: str) -> bool:
    attempt = story.rows(AttemptRow)[-1]
    return bool(receipts.note_receipts(story.runtime, [Receipt(attempt.id, id_, state)]))  # type: ignore[arg-type]


# ----- when it leaves


def test_what_is_not_urgent_is_given_to_the_provider_ahead_of_its_time(story: Story, provider: Exchange) -> None:
    due(story)
    story.work()
    (called, message), leaves = provider.calls[0], story.clock.now() + AHEAD
    assert (called, message.send_at) == (story.clock.now(), leaves)
    row = story.one(MessageRow)
    assert (row.state, row.leaves_at, row.sent_at) == ("accepted", leaves, leaves)
    assert story.follow_up("purchase").state == "sent"


@pytest.mark.parametrize("purpose", ["reply", "staff"])
def test_an_answer_and_a_notice_leave_at_once(story: Story, provider: Exchange, purpose: str) -> None:
    waits(story, "a", purpose=purpose)
    story.work()
    assert provider.calls[0][1].send_at is None
    assert story.one(MessageRow).leaves_at is None


def test_the_window_is_judged_at_the_instant_at_which_it_leaves(story: Story, provider: Exchange) -> None:
    # given a survey three minutes before the window closes at noon
    due(story, "2026-11-09 11:57")
    story.work()
    # then it would leave too late, and waits for the next opening
    assert not provider.calls
    assert local(story.one(MessageRow).due_at) == "2026-11-09 14:00"
    live(story, hours=3)
    assert local(provider.calls[0][1].send_at) == "2026-11-09 14:05"


def test_the_deadline_is_judged_at_the_instant_at_which_it_leaves(story: Story, provider: Exchange) -> None:
    soon = story.clock.now() + timedelta(minutes=5)
    waits(story, "too late", expires_at=soon)
    waits(story, "in time", expires_at=soon + timedelta(minutes=1))
    story.work()
    assert provider.bodies == ["in time"]
    assert sorted(story.states()) == ["accepted", "expired"]


# ----- taken back


def test_a_stop_takes_back_what_is_scheduled(story: Story, provider: Exchange) -> None:
    due(story)
    story.work()
    story.later(minutes=2)
    inbox.receive(story.runtime, Received("twilio", "SM9", "sms", PHONE, "退订"))
    story.work()
    assert withdraw(story) == 1
    assert provider.withdrawn == ["sms-1"]
    assert story.one(MessageRow, purpose="survey").state == "cancelled"
    assert story.follow_up("purchase").state == "suppressed"
    assert story.survey().state == "withdrawn"
    assert len(story.rows(ConsentRow, action="withdrawn")) == 1

    # and it is asked for once
    assert withdraw(story) == 0
    assert provider.withdrawn == ["sms-1"]


def test_a_cancelled_follow_up_takes_back_what_is_scheduled(story: Story, provider: Exchange) -> None:
    due(story)
    story.work()
    event = story.one(EventRow)
    assert intake.cancel_event(story.runtime, event.source, event.external_id, "order cancelled") >= 1
    assert story.follow_up("purchase").state == "cancelled"
    assert withdraw(story) == 1
    assert story.states() == ["cancelled"]
    assert "cancelled: withdrawn before it went out: order cancelled" in story.told("cancelled")


def test_the_stop_switch_brings_everything_back_and_it_goes_out_once_after_it(story: Story, provider: Exchange) -> None:
    # given a survey that is scheduled, and another one in the outbox
    due(story)
    story.work()
    sending.set_stopped(story.runtime, "小王", True)
    waits(story, "waits")

    # when everything is stopped for an hour
    for _ in range(3):
        withdraw(story)
        live(story, minutes=20)
    assert provider.withdrawn == ["sms-1"]
    assert story.states() == ["cancelled", "ready", "ready"]
    assert len(provider.calls) == 1

    # when it goes on, both go out once
    sending.set_stopped(story.runtime, "小王", False)
    live(story, hours=1)
    assert story.states() == ["cancelled", "accepted", "accepted"]
    assert len(provider.calls) == 3
    assert story.follow_up("purchase").state == "sent"
    assert story.survey().state == "open"


@pytest.mark.parametrize("died", [True, False], ids=["the process dies", "the receipt is faster"])
def test_a_receipt_of_withdrawal_loses_nothing(story: Story, provider: Exchange, died: bool) -> None:
    # given a scheduled survey that the switch takes back
    due(story)
    story.work()
    sending.set_stopped(story.runtime, "小王", True)

    async def withdraw_(provider_id: str) -> bool:
        tell(story, "cancelled", provider_id)
        if died:
            raise SystemExit
        return True

    provider.withdraw = withdraw_  # type: ignore[method-assign]
    if died:
        with pytest.raises(SystemExit):
            withdraw(story)
    else:
        withdraw(story)

    # then it waits in the outbox, and goes out once
    assert story.states() == ["cancelled", "ready"]
    sending.set_stopped(story.runtime, "小王", False)
    live(story, hours=1)
    assert len(provider.calls) == 2


def test_what_cannot_be_taken_back_now_is_tried_until_its_end_is_known(story: Story, provider: Exchange) -> None:
    due(story)
    story.work()
    sending.set_stopped(story.runtime, "小王", True)
    tries = 0

    async def away(_: str) -> bool:
        nonlocal tries
        tries += 1
        raise OSError("no route")

    provider.withdraw = away  # type: ignore[method-assign]
    for _ in range(8):
        withdraw(story)
        story.later(minutes=1)
    assert tries == 8  # also after its time: nobody knows yet whether it went out
    assert story.states() == ["accepted"]

    # when the receipt says that it did, nobody asks any more
    assert tell(story, "delivered", "sms-1")
    withdraw(story)
    assert tries == 8
    assert story.states() == ["delivered"]


# ----- the stop switch and a long batch


def test_the_switch_works_within_a_second_in_the_middle_of_a_batch(story: Story) -> None:
    # given a hundred texts, and a provider that takes a fifth of a second for each, one at a time
    provider = Exchange(story)
    provider.at_once = 1
    stopped_at: list[datetime] = []

    def slow(_: Outgoing) -> Outcome | None:
        story.later(seconds=0.2)
        if len(provider.calls) == 7:
            sending.set_stopped(story.runtime, "小王", True)
            stopped_at.append(story.clock.now())
        return None

    provider.answer = slow
    waits(story, *(f"text {n}" for n in range(100)))
    dispatch(story)

    # then nothing begins later than a second after it, and what had not begun is in the outbox
    assert all((at - stopped_at[0]).total_seconds() <= 1 for at, _ in provider.calls)
    assert len(provider.calls) < 15
    assert set(story.states()) == {"delivered", "ready"}

    # when it goes on, each of them leaves once
    provider.answer = lambda _: None
    sending.set_stopped(story.runtime, "小王", False)
    live(story, minutes=1)
    assert len(provider.calls) == len(set(provider.bodies)) == 100


# ----- doubt


def test_behind_the_short_fence_what_left_no_copy_is_tried_again(story: Story, provider: Exchange) -> None:
    provider.answer = lambda _: Unknown("timeout") if len(provider.calls) == 1 else None
    due(story)
    start = story.clock.now()
    live(story, minutes=5)
    assert provider.seconds(start) == [0, 60]
    assert story.states() == ["accepted"]
    assert [row.outcome for row in sorted(story.rows(AttemptRow), key=lambda row: row.number)] == ["absent", "accepted"]


def test_a_copy_in_the_list_is_proof(story: Story, provider: Exchange) -> None:
    provider.answer = lambda _: Unknown("timeout")
    due(story)
    story.work()
    provider.listed = [copy(story, "SM7")]
    live(story, minutes=5)
    assert len(provider.calls) == 1
    assert (story.one(MessageRow).state, story.one(MessageRow).provider_id) == ("accepted", "SM7")


def test_marketing_in_doubt_is_held_for_a_person(story: Story, provider: Exchange) -> None:
    provider.answer = lambda _: Unknown("timeout")
    waits(story, "offer", purpose="greeting")
    live(story, minutes=10)
    assert story.states() == ["held"]
    assert len(provider.calls) == 1


def test_a_second_copy_is_taken_back_and_its_receipt_harms_nothing(story: Story, provider: Exchange) -> None:
    # given a survey that was sent twice, since the first copy came into the list too late
    provider.answer = lambda _: Unknown("timeout") if len(provider.calls) == 1 else Accepted("SM2")
    due(story)
    live(story, seconds=70)
    assert story.one(MessageRow).provider_id == "SM2"
    assert audit(story) == 0  # too early: its own copy may not be listed yet
    provider.listed = [copy(story, "SM1"), copy(story, "SM2")]
    story.later(seconds=50)

    # when copies are looked for
    assert audit(story) == 1
    assert provider.withdrawn == ["SM1"]
    assert audit(story) == 0

    # then the receipt of the one that was taken back says nothing of the other
    first = min(story.rows(AttemptRow), key=lambda row: row.number)
    assert not receipts.note_receipts(story.runtime, [Receipt(first.id, "SM1", "cancelled")])
    assert story.states() == ["accepted"]
    assert tell(story, "delivered", "SM2")


def test_a_second_copy_that_cannot_be_taken_back_is_looked_for_again(story: Story, provider: Exchange) -> None:
    provider.answer = lambda _: Unknown("timeout") if len(provider.calls) == 1 else Accepted("SM2")
    due(story)
    live(story, seconds=70)
    story.later(seconds=50)
    provider.listed = [copy(story, "SM1"), copy(story, "SM2")]
    answers = [False, True]

    async def unwilling(provider_id: str) -> bool:
        provider.withdrawn.append(provider_id)
        return answers.pop(0)

    provider.withdraw = unwilling  # type: ignore[method-assign]
    assert [audit(story), audit(story), audit(story)] == [0, 1, 0]
    assert provider.withdrawn == ["SM1", "SM1"]


def test_two_who_withdraw_at_once_put_one_text_back(story: Story, provider: Exchange) -> None:
    due(story)
    prepare_due(story.runtime)
    story.work()
    sending.set_stopped(story.runtime, "小王", True)

    def take() -> None:
        asyncio.run(scheduled.withdraw(replace(story.runtime)))

    def hear() -> None:
        tell(story, "cancelled", "sms-1")

    assert not raised(side_by_side(take, take, hear))
    assert story.states() == ["cancelled", "ready"]


def test_a_text_that_was_back_once_is_still_tried_as_often_as_the_table_says(story: Story, provider: Exchange) -> None:
    due(story)
    story.work()
    sending.set_stopped(story.runtime, "小王", True)
    withdraw(story)
    sending.set_stopped(story.runtime, "小王", False)
    live(story, minutes=1)
    assert story.rows(MessageRow)[-1].again == 0


def test_a_late_not_sent_gives_nothing_back_that_a_newer_attempt_has(story: Story, provider: Exchange) -> None:
    # given a process that stood still before its call, until others had resolved the doubt
    waits(story, "a")
    stood_still = False

    async def send(message: Outgoing) -> Outcome:
        nonlocal stood_still
        if not stood_still:
            stood_still = True
            for _ in range(5):
                story.later(seconds=61)
                await doubt.reconcile(story.runtime)
            assert story.states() == ["ready"]
            await sending.dispatch(story.runtime)
            return NotSent("its turn came too late", retry_after=0)
        return Accepted("SM2")

    provider.send = send  # type: ignore[method-assign]
    dispatch(story)
    assert story.states() == ["accepted"]
    assert story.one(MessageRow).provider_id == "SM2"
