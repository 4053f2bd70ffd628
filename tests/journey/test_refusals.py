"""What follows from a definite no: the address is remembered, it is tried again, another way, or listed; once each."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from bot.channels.contract import Accepted, NotSent, Outcome, Outgoing, Receipt, Received, Refused, Sign, Unknown
from bot.journey import doubt, inbox, receipts, sending
from bot.journey.consents import refuse_messages, speaks_alone
from bot.journey.intake import cancel_event
from bot.journey.outreach import prepare_due
from bot.runtime import Runtime
from bot.store import customers, links, staff
from bot.store.tables import (
    AttemptRow,
    ConsentRow,
    ContactPointRow,
    FollowUpRow,
    MessageRow,
    SenderRow,
    SurveyRow,
)
from flows.states import RANK, MessageState
from tests.journey.provider import Exchange, dispatch, live, waits
from tests.journey.story import ON_SQLITE, PHONE, Story, local, raised, side_by_side

pytestmark = ON_SQLITE

CHAT = "chat 42"
BUSY = Refused("30003", again_after=(600.0, 7200.0), suppress_at_last=True)
GONE = Refused("30005", suppress=True)


@pytest.fixture
def sms(story: Story) -> Exchange:
    return taking(story, "sms")


@pytest.fixture
def telegram(story: Story) -> Exchange:
    return taking(story, "telegram")


def taking(story: Story, name: str) -> Exchange:
    """A provider that takes everything and tells by receipts what became of it."""
    exchange = Exchange(story, name)
    exchange.answer = lambda _: Accepted(f"{name}-{len(exchange.calls)}")
    return exchange


def asked(story: Story, *, chat: str = CHAT) -> None:
    """A survey has gone out, Monday 9 November at nine, to a customer with a phone and a chat."""
    customer = story.customer()
    if chat:
        with story.runtime.db.write() as session:
            person = customers.people_of(session, customer)[0]
            assert customers.add_point(session, customer, person.id, "telegram", chat)
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:00")
    story.work()


def receipt(story: Story, state: str, refused: Refused | None = None, *, of: int = -1, id_: str = "") -> bool:
    """A receipt comes for one of the attempts, the newest unless said otherwise; did it change anything?"""
    attempts = sorted(story.rows(AttemptRow), key=lambda row: (row.message_id, row.number))
    attempt = attempts[of]
    known = Receipt(attempt.id, id_ or attempt.provider_id or "", state, refused)  # type: ignore[arg-type]
    return bool(receipts.note_receipts(story.runtime, [known]))


def first_channel(story: Story) -> str:
    channel: str = story.rows(MessageRow)[0].channel
    return channel


def other(channel: str) -> str:
    return {"sms": "telegram", "telegram": "sms"}[channel]


# ----- tried again


def test_what_did_not_arrive_is_tried_again_as_the_table_says_and_then_given_up(story: Story, sms: Exchange) -> None:
    # given a survey for a phone that is switched off, and no other way
    asked(story, chat="")

    # when each receipt of failure comes three times, with late ones of an earlier state between them
    for n in range(3):
        assert len(sms.calls) == n + 1
        assert receipt(story, "undelivered", BUSY)
        for state in ("undelivered", "sent", "undelivered", "accepted"):
            assert not receipt(story, state, BUSY if state == "undelivered" else None)
        live(story, hours=3)

    # then it was tried twice more, and no more
    assert len(sms.calls) == 3
    assert len({body for body in sms.bodies}) == 1
    assert story.states() == ["undelivered"] * 3
    assert story.follow_up("purchase").state == "unreachable"
    assert story.survey().state == "withdrawn"
    assert story.one(ContactPointRow).suppressed_because == "30003"
    assert [line.what for line in story.trail("retry", "unreachable")] == ["retry", "retry", "unreachable"]


def test_the_times_of_the_table_are_kept(story: Story, sms: Exchange) -> None:
    asked(story, chat="")
    start = story.clock.now()
    receipt(story, "undelivered", BUSY)
    live(story, minutes=10)
    receipt(story, "undelivered", BUSY)
    live(story, hours=2)
    assert sms.seconds(start) == [0, 600, 600 + 7200]


def test_a_later_try_that_arrives_ends_it(story: Story, sms: Exchange) -> None:
    asked(story, chat="")
    receipt(story, "undelivered", BUSY)
    assert story.follow_up("purchase").state == "ready"
    live(story, minutes=10)
    receipt(story, "delivered")
    assert story.states() == ["undelivered", "delivered"]
    assert story.follow_up("purchase").state == "sent"
    assert story.survey().state == "open"
    # the reminder was planned once
    assert len(story.rows(FollowUpRow, flow="purchase_reminder")) == 1


def test_a_stop_in_between_stops_the_later_try(story: Story, sms: Exchange) -> None:
    asked(story, chat="")
    receipt(story, "undelivered", BUSY)
    inbox.receive(story.runtime, Received("twilio", "SM1", "sms", PHONE, "退订"))
    live(story, hours=3)
    assert story.states(purpose="survey") == ["undelivered", "suppressed"]
    assert story.follow_up("purchase").state == "suppressed"


@pytest.mark.parametrize("refused", [BUSY, GONE, Refused("30008")], ids=["again", "bad address", "no"])
def test_who_has_answered_is_not_asked_again(story: Story, sms: Exchange, telegram: Exchange, refused: Refused) -> None:
    # given an answer by the link, and only then a receipt that the text has not arrived
    asked(story)
    inbox.receive(story.runtime, Received("x", "SM1", first_channel(story), story.rows(MessageRow)[0].address, "5"))
    story.work()
    assert story.follow_up("purchase").state == "answered"
    attempt = story.rows(AttemptRow, message_id=story.rows(MessageRow)[0].id)[0]
    receipts.note_receipts(story.runtime, [Receipt(attempt.id, attempt.provider_id or "", "undelivered", refused)])
    live(story, hours=5)

    # then nothing is asked again, and the answer stands
    assert len(story.rows(MessageRow, purpose="survey")) == 1
    assert story.follow_up("purchase").state == "answered"
    assert story.survey().state == "answered"


def test_a_cancelled_follow_up_is_not_tried_again(story: Story, sms: Exchange, telegram: Exchange) -> None:
    asked(story)
    receipt(story, "undelivered", BUSY)
    assert cancel_event(story.runtime, "test", "e1", "the order was cancelled")
    live(story, hours=5)
    assert story.states(purpose="survey") == ["undelivered", "cancelled"]
    assert len(sms.calls) + len(telegram.calls) == 1


# ----- another way


def test_a_final_failure_goes_to_the_next_channel_once_and_then_is_listed(
    story: Story, sms: Exchange, telegram: Exchange
) -> None:
    asked(story)
    first = first_channel(story)

    # when the first channel fails for good
    assert receipt(story, "undelivered", GONE)
    assert not receipt(story, "undelivered", GONE)
    story.work()

    # then the other one carries the same survey
    rows = story.rows(MessageRow)
    assert [(row.channel, row.state) for row in rows] == [(first, "undelivered"), (other(first), "accepted")]
    assert rows[0].survey_id == rows[1].survey_id
    assert story.follow_up("purchase").state == "sent"
    assert story.survey().channel == other(first)
    assert story.one(ContactPointRow, channel=first).suppressed_at is not None
    assert story.told("fallback") == [f"fallback: {first} failed (30005): goes by {other(first)}"]

    # when the other one fails as well, it is listed, and never comes back to the first
    assert receipt(story, "failed", GONE)
    live(story, hours=3)
    assert len(story.rows(MessageRow)) == 2
    assert story.follow_up("purchase").state == "unreachable"
    assert story.survey().state == "withdrawn"


def test_an_answer_on_the_second_channel_is_understood(story: Story, sms: Exchange, telegram: Exchange) -> None:
    asked(story)
    receipt(story, "undelivered", GONE)
    story.work()
    second = story.rows(MessageRow)[1]
    inbox.receive(story.runtime, Received("x", "M1", second.channel, second.address, "2 等太久了"))
    story.work()
    assert story.scores() == [2.0]
    assert story.ticket().state == "open"
    assert story.follow_up("purchase").state == "answered"


def test_a_late_delivered_of_the_first_does_no_harm(story: Story, sms: Exchange, telegram: Exchange) -> None:
    asked(story)
    receipt(story, "failed", GONE)
    story.work()
    assert not receipt(story, "delivered", of=0)
    assert receipt(story, "delivered", of=1)
    assert story.states() == ["failed", "delivered"]
    assert story.follow_up("purchase").state == "sent"


def test_a_no_at_once_goes_another_way_too(story: Story, sms: Exchange, telegram: Exchange) -> None:
    def no(_: Outgoing) -> Outcome:
        return GONE

    sms.answer = telegram.answer = no
    asked(story)
    assert sorted(row.channel for row in story.rows(MessageRow)) == ["sms", "telegram"]
    assert story.states() == ["failed", "failed"]
    assert story.follow_up("purchase").state == "unreachable"
    assert len(sms.calls) == len(telegram.calls) == 1


def test_tries_are_used_up_before_another_way_is_taken(story: Story, sms: Exchange, telegram: Exchange) -> None:
    asked(story)
    first = first_channel(story)
    for _ in range(3):
        receipt(story, "undelivered", BUSY)
        live(story, hours=3)
    assert [row.channel for row in story.rows(MessageRow)] == [first] * 3 + [other(first)]


def test_a_text_that_did_not_arrive_does_not_count_for_the_weekly_cap(
    story: Story, sms: Exchange, telegram: Exchange
) -> None:
    # given a cap of three in seven days, and a survey that took three texts to arrive
    asked(story)
    for _ in range(2):
        receipt(story, "undelivered", BUSY)
        live(story, hours=2)
    receipt(story, "delivered")

    # when two more surveys are due
    story.event("purchase", at="2026-11-02 12:00", amount=1, item="茶壶")
    story.event("purchase", at="2026-11-02 12:00", amount=1, item="茶杯")
    story.work()
    assert not [line for line in story.told("moved") if "weekly cap" in line]


# ----- opted out


def test_who_opted_out_at_the_provider_gets_nothing_more(story: Story, sms: Exchange) -> None:
    # given three texts that the provider refuses, and one more survey that is planned
    asked(story, chat="")
    story.purchase()
    story.event("purchase", at="2026-11-02 12:00", amount=1)
    prepare_due(story.runtime)
    stop = Refused("21610", opted_out=True)
    assert receipt(story, "undelivered", stop)
    live(story, hours=24 * 10)

    # then the ledger says so once, and everything is stopped with a reason
    assert story.person().opted_out_at is not None
    assert [(row.action, row.scope, row.source) for row in story.rows(ConsentRow, action="withdrawn")] == [
        ("withdrawn", "all", "provider")
    ]
    assert len(sms.calls) == 1
    assert set(story.states(FollowUpRow, customer_id=1)) <= {"unreachable", "suppressed"}
    assert set(story.states(SurveyRow)) == {"withdrawn"}


def test_opted_out_said_of_two_texts_is_written_once(story: Story, sms: Exchange) -> None:
    customer = story.customer()
    sms.answer = lambda _: Refused("21610", opted_out=True)
    waits(story, "a", "b", customer_id=customer, address=PHONE)
    story.work()
    assert len(story.rows(ConsentRow, action="withdrawn")) == 1


# ----- staff


def notice(story: Story, **known: Any) -> int:
    """A notice to a member of staff who has a phone and a chat; their id."""
    member_id = story.hire("小王", "operator", phone="+8613800000001")
    with story.runtime.db.write() as session:
        member = staff.get(session, member_id)
        assert member is not None
        member.chat = "chat 7"
    waits(story, "notice", purpose="staff", staff_id=member_id, channel="telegram", address="chat 7", **known)
    return member_id


def test_a_notice_that_fails_goes_by_the_other_address_once(story: Story, sms: Exchange, telegram: Exchange) -> None:
    notice(story)
    telegram.answer = lambda _: Refused("blocked", suppress=True)
    sms.answer = lambda _: GONE
    live(story, minutes=10)
    assert [message.address for _, message in telegram.calls] == ["chat 7"]
    assert [message.address for _, message in sms.calls] == ["+8613800000001"]


def test_a_notice_whose_tries_are_used_up_goes_by_the_other_address(
    story: Story, sms: Exchange, telegram: Exchange
) -> None:
    notice(story)
    telegram.answer = lambda _: Refused("busy", again_after=(60.0,))
    sms.answer = lambda _: Refused("busy", again_after=(60.0, 60.0))
    live(story, minutes=30)
    assert len(telegram.calls) == 2
    assert len(sms.calls) == 3


def test_a_members_stop_at_the_provider_harms_no_customer(story: Story, sms: Exchange, telegram: Exchange) -> None:
    notice(story)
    telegram.answer = lambda _: Refused("stop", opted_out=True)
    story.work()
    assert not story.rows(ConsentRow)
    assert [message.address for _, message in sms.calls] == ["+8613800000001"]


# ----- receipts


def test_a_receipt_that_is_faster_than_the_answer_counts_once(story: Story) -> None:
    # given a provider whose receipt comes while the call is still running
    exchange = Exchange(story)

    async def send(message: Outgoing) -> Outcome:
        receipts.note_receipts(story.runtime, [Receipt(message.attempt_id, "SM1", "delivered")])
        return Accepted("SM1")

    exchange.send = send  # type: ignore[method-assign]
    asked(story, chat="")
    assert story.states() == ["delivered"]
    assert story.one(MessageRow).provider_id == "SM1"
    assert story.follow_up("purchase").state == "sent"
    assert len(story.trail("message")) == 1


def test_a_failure_that_is_faster_than_the_answer_goes_another_way_once(story: Story, telegram: Exchange) -> None:
    exchange = Exchange(story)

    async def send(message: Outgoing) -> Outcome:
        receipts.note_receipts(story.runtime, [Receipt(message.attempt_id, "SM1", "failed", GONE)])
        return Refused("30005", suppress=True)

    exchange.send = send  # type: ignore[method-assign]
    asked(story)
    assert len(story.rows(MessageRow)) == 2
    assert len(telegram.calls) == 1
    assert story.follow_up("purchase").state == "sent"


def test_a_failure_of_an_earlier_attempt_says_nothing_of_the_newer_one(
    story: Story, sms: Exchange, telegram: Exchange
) -> None:
    # given a survey that was lost from sight and sent again
    answers: list[Outcome] = [Unknown("timeout")]
    for exchange in (sms, telegram):
        exchange.answer = lambda _: answers.pop(0) if answers else Accepted("second")
    telegram.listed = sms.listed = []
    asked(story)
    live(story, minutes=30)
    assert story.states() == ["accepted"]

    # when the first attempt fails after all, the second one still counts
    assert not receipt(story, "undelivered", GONE, of=0, id_="first")
    assert not receipt(story, "cancelled", of=0, id_="first")
    assert story.states() == ["accepted"]
    assert receipt(story, "delivered", of=1, id_="second")
    assert len(story.rows(MessageRow)) == 1


def test_a_wrong_set_up_told_by_a_receipt_pauses_the_sender(story: Story, sms: Exchange) -> None:
    asked(story, chat="")
    receipt(story, "failed", Refused("30007", sign=Sign.STOP))
    assert story.one(SenderRow).paused_at is not None


def test_a_failure_told_later_does_not_lift_a_pause(story: Story, sms: Exchange) -> None:
    asked(story, chat="")
    sms.answer = lambda _: NotSent("away", sign=Sign.TROUBLE)
    waits(story, *(f"text {n}" for n in range(10)))
    story.work()
    receipt(story, "failed", Refused("30005"), of=0)
    assert story.one(SenderRow).paused_at is not None


# ----- at the same time


def test_outcomes_and_receipts_in_any_order_never_wait_for_each_other(story: Story) -> None:
    # given a provider that tells in groups, out of order, while calls are still being settled
    known: list[Receipt] = []
    sms = Exchange(story)

    def tell(message: Outgoing) -> Outcome:
        number = int(message.body.split()[1])
        known.append(Receipt(message.attempt_id, f"SM{number}", "sent" if number % 3 else "failed", None))
        return Accepted(f"SM{number}") if number % 2 else Refused("no", again_after=(1.0,))

    sms.answer = tell
    customer = story.customer()
    waits(story, *(f"text {n}" for n in range(60)), customer_id=customer)

    def send() -> None:
        for _ in range(8):
            asyncio.run(sending.dispatch(replace(story.runtime), limit=10))

    def hear(runtime: Runtime) -> None:
        for _ in range(30):
            receipts.note_receipts(runtime, list(reversed(known[-20:])))

    outcomes = side_by_side(send, send, lambda: hear(story.runtime), lambda: hear(replace(story.runtime)))
    assert not raised(outcomes)
    assert not [row for row in story.rows(MessageRow) if row.state == "sending"]


def test_two_reconcilers_and_a_dispatcher_leave_one_effect(story: Story) -> None:
    # given surveys of which the provider lost half, and shows the others in its list
    sms = Exchange(story)
    lost = Unknown("timeout")
    sms.answer = lambda _: lost if len(sms.calls) <= 20 else None
    waits(story, *(f"text {n}" for n in range(20)))
    dispatch(story)
    for _ in range(30):
        story.later(minutes=1)

        def look() -> None:
            asyncio.run(doubt.reconcile(replace(story.runtime), limit=7))

        def send() -> None:
            asyncio.run(sending.dispatch(replace(story.runtime)))

        assert not raised(side_by_side(look, look, send))
    assert set(story.states()) == {"delivered"}
    assert len(sms.calls) == 40
    assert {row.attempts for row in story.rows(MessageRow)} == {2}


def test_a_reconciler_that_is_slow_does_not_undo_what_others_decided(story: Story) -> None:
    # given a look-up that takes so long that another reconciler decides, and the new attempt is on its way
    sms = Exchange(story)
    sms.answer = lambda _: Unknown("timeout")
    waits(story, "a")
    dispatch(story)
    find, depth = sms.find, 0

    async def slow(address: str, since: Any) -> Any:
        nonlocal depth
        depth += 1
        if depth == 1:
            story.later(minutes=5)
            while story.states() == ["unknown"]:
                await doubt.reconcile(story.runtime)
                story.later(minutes=2)
            sms.answer = lambda _: None
            await sending.dispatch(story.runtime)
        return await find(address, since)

    sms.find = slow  # type: ignore[method-assign]
    story.later(minutes=11)
    asyncio.run(doubt.reconcile(story.runtime))
    live(story, hours=1)
    assert story.states() == ["delivered"]
    assert len(sms.calls) == 2


def test_the_wait_for_the_next_try_is_kept_over_the_closing_of_the_window(story: Story, sms: Exchange) -> None:
    asked(story, chat="")
    story.at("2026-11-09 20:55")
    receipt(story, "undelivered", BUSY)
    story.live_until("2026-11-10 12:00")
    assert story.told("moved") == ["moved: outside window"]
    assert [local(at) for at, _ in sms.calls] == ["2026-11-09 09:00", "2026-11-10 09:00"]


# ----- whatever happens


STEPS = ("accept", "not sent", "lose", "refuse", "again", "stop", "receipt", "reconcile", "switch", "time")


def run_through(story: Story, fate: random.Random, channels: dict[str, Exchange]) -> None:
    """Forty things happen in a random order; after each of them no state has fallen in rank."""
    ranks: dict[int, int] = {}

    def answer(_: Outgoing) -> Outcome:
        number = sum(len(each.calls) for each in channels.values())
        return fate.choice(
            [
                Accepted(f"p{number}"),
                NotSent("busy", retry_after=5),
                Unknown("timeout"),
                GONE,
                BUSY,
                Accepted(f"q{number}"),
            ]
        )

    for exchange in channels.values():
        exchange.answer = answer
    for _ in range(40):
        match fate.choice(STEPS):
            case "receipt":
                attempts = sorted(story.rows(AttemptRow), key=lambda row: (row.message_id, row.number))
                if attempts:
                    one = fate.choice(attempts)
                    state = fate.choice(["accepted", "sent", "delivered", "undelivered", "failed", "cancelled"])
                    no = fate.choice([GONE, BUSY]) if state in ("undelivered", "failed") else None
                    known = Receipt(one.id, one.provider_id or "late", state, no)  # type: ignore[arg-type]
                    receipts.note_receipts(story.runtime, [known] * fate.choice([1, 3]))
            case "reconcile":
                asyncio.run(doubt.reconcile(story.runtime))
            case "switch":
                sending.set_stopped(story.runtime, "小王", fate.random() < 0.4)
            case "time":
                story.later(minutes=fate.choice([1, 11, 61]))
            case _:
                dispatch(story)
        for row in story.rows(MessageRow):
            rank = RANK.get(MessageState(row.state), 5)
            came_back = row.state == "ready" and ranks.get(row.id, 0) <= RANK[MessageState.SENDING]
            assert rank >= ranks.get(row.id, 0) or came_back, (row.id, row.state)
            ranks[row.id] = rank
    sending.set_stopped(story.runtime, "小王", False)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_every_follow_up_ends_where_a_person_sees_it(
    story: Story, sms: Exchange, telegram: Exchange, seed: int
) -> None:
    asked(story)
    run_through(story, random.Random(seed), {"sms": sms, "telegram": telegram})

    # when the providers are well again and a day goes by
    for exchange in (sms, telegram):
        exchange.answer = lambda message: Accepted(message.attempt_id, delivered=True)
    live(story, hours=30)

    # then nothing is under way any more, and no channel had the survey twice without a reason
    states = set(story.states(purpose="survey"))
    assert states <= {"accepted", "sent", "delivered", "undelivered", "failed", "held", "cancelled", "expired"}
    assert story.follow_up("purchase").state in ("sent", "held", "unreachable", "cancelled", "expired")
    keys = [row.dedupe_key for row in story.rows(MessageRow)]
    assert len(keys) == len(set(keys))
    first = [row for row in story.rows(MessageRow, follow_up_id=story.follow_up("purchase").id) if row.channel == "sms"]
    assert max((row.again for row in first), default=0) <= len(BUSY.again_after)


def test_one_of_several_persons_who_refuses_stays_silent_with_old_and_new_addresses(story: Story) -> None:
    customer, now = story.customer(), story.runtime.clock.now()
    with story.runtime.db.write() as session:
        other = customers.add_person(session, customer, "Li", "head")
        assert customers.add_point(session, customer, other, "sms", "+8613800012002")
        row = customers.lock(session, [customer])[customer]
        (person,) = customers.persons_by_ids(session, [other]).values()
        refuse_messages(session, story.runtime, row, "reply", "STOP", now, speaks_alone(session, customer, person, 0))
        assert row.opted_out_at is None
        assert customers.add_point(session, customer, other, "telegram", "chat 77")
        links.come_back(session, customer, "telegram", "chat 77", now)
        links.use_again(session, "sms", "+8613800012002")
        silent = {("sms", "+8613800012002"), ("telegram", "chat 77")}
        assert customers.silent_addresses(session, [customer]) == silent
        assert {point.person_id for point in customers.points_of(session, [customer])[customer]}.isdisjoint({other})
        customers.hear_person_again(session, other)
        assert customers.silent_addresses(session, [customer]) == set()
