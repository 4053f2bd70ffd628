"""Who carries a message and when: rates belong to senders, and a sender in trouble pauses and goes on."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.channels.contract import Accepted, NotSent, Outgoing, Received, Refused, Sender, Sign, Unknown
from bot.errors import NotFound
from bot.journey import inbox, senders, sending
from bot.store import staff
from bot.store.tables import AttemptRow, MessageRow, SenderRow
from tests.journey.provider import DOWN, WRONG_KEY, Exchange, dispatch, live, notices, state_of, waits
from tests.journey.story import PHONE, Story, raised, side_by_side

SLOW = (Sender("+1001", per_second=1, by_segments=True),)
POOL = tuple(Sender(f"+100{n}", per_second=100, by_segments=True) for n in range(3))
BOT = (Sender("bot", per_second=25, per_address=1.0),)


def down(_: Outgoing) -> NotSent:
    return DOWN


# ----- rates


def test_a_number_carries_what_fits_in_a_second_and_the_rest_stays_with_us_in_order(story: Story) -> None:
    # given four texts, and a number that carries one segment a second
    provider, start = Exchange(story, senders=SLOW), story.clock.now()
    waits(story, "a", "b", "c", "d")

    # when the house works at this moment
    story.work()
    # then one has left, and the others are still ours
    assert provider.bodies == ["a"]
    assert story.states() == ["delivered", "ready", "ready", "ready"]

    # when time goes by, one left in every second, first in line first
    live(story, seconds=10)
    assert provider.bodies == ["a", "b", "c", "d"]
    assert provider.seconds(start) == [0, 1, 2, 3]


def test_three_segments_take_three_seconds(story: Story) -> None:
    provider, start = Exchange(story, senders=SLOW), story.clock.now()
    waits(story, "long", segments=3)
    waits(story, "short", "last")
    live(story, seconds=10)
    assert (provider.bodies, provider.seconds(start)) == (["long", "short", "last"], [0, 3, 4])


def test_a_reply_that_comes_later_overtakes_what_waits_for_the_number(story: Story) -> None:
    provider = Exchange(story, senders=SLOW)
    waits(story, "a", "b", "c")
    story.work()
    waits(story, "answer", purpose="reply")
    live(story, seconds=10)
    assert provider.bodies == ["a", "answer", "b", "c"]


def test_an_address_always_gets_the_same_number_and_the_pool_shares_the_work(story: Story) -> None:
    provider = Exchange(story, senders=POOL)
    for day in range(3):
        for person in range(30):
            waits(story, f"{person} on {day}", address=f"+8613900000{person:03}")
        live(story, minutes=1)
    numbers: dict[str, set[str]] = {}
    for _, message in provider.calls:
        numbers.setdefault(message.address, set()).add(message.sender)
    assert len(provider.calls) == 90
    assert all(len(each) == 1 for each in numbers.values())
    assert {each for some in numbers.values() for each in some} == {sender.name for sender in POOL}


@pytest.mark.parametrize("number", [sender.name for sender in POOL])
def test_an_answer_leaves_by_the_number_that_was_written_to(story: Story, number: str) -> None:
    provider = Exchange(story, senders=POOL)
    story.customer()
    inbox.receive(story.runtime, Received("twilio", "SM1", "sms", PHONE, "帮助", to_address=number))
    story.work()
    assert [message.sender for _, message in provider.calls] == [number]


def test_one_chat_gets_one_text_a_second_and_nobody_else_waits_for_it(story: Story) -> None:
    provider, start = Exchange(story, "telegram", senders=BOT), story.clock.now()
    waits(story, "a1", "a2", "a3", channel="telegram", address="chat a")
    waits(story, "b1", channel="telegram", address="chat b")
    live(story, seconds=10)
    assert sorted(zip(provider.seconds(start), provider.bodies, strict=True)) == [
        (0, "a1"),
        (0, "b1"),
        (1, "a2"),
        (2, "a3"),
    ]


def test_a_bot_sends_no_more_than_its_rate_in_a_second(story: Story) -> None:
    provider, start = Exchange(story, "telegram", senders=BOT), story.clock.now()
    waits(story, *(f"text {n}" for n in range(60)), channel="telegram")
    live(story, seconds=10)
    assert Counter(provider.seconds(start)) == {0: 25, 1: 25, 2: 10}


def test_calls_of_one_second_are_spread_over_it(story: Story) -> None:
    # given ten texts for a number that carries ten a second, in a time that passes while somebody sleeps
    provider, start = Exchange(story, senders=(Sender("+1001", per_second=10, by_segments=True),)), story.clock.now()
    provider.at_once = 1
    waits(story, *(f"text {n}" for n in range(10)))
    clock = story.clock

    async def sleep(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    clock.sleep = sleep  # type: ignore[method-assign]
    dispatch(story)
    assert provider.seconds(start) == pytest.approx([n / 10 for n in range(10)], abs=0.001)


def test_dispatchers_at_the_same_moment_never_give_one_slot_twice(story: Story) -> None:
    # given a rate of five a second, forty texts, and a sender that nobody has used before
    provider = Exchange(story, senders=(Sender("+1001", per_second=5, by_segments=True),))
    waits(story, *(f"text {n}" for n in range(40)))
    for second in range(1, 4):
        # when four processes send at the same moment
        work = [lambda: asyncio.run(sending.dispatch(replace(story.runtime)))] * 4
        outcomes = side_by_side(*work)
        # then five have left for each second that has passed
        assert not raised(outcomes)
        assert len(provider.calls) == 5 * second
        story.later(seconds=1)
    assert len(story.rows(AttemptRow)) == len({message.body for _, message in provider.calls}) == 15


# ----- trouble


def test_ten_troubles_in_a_row_pause_a_sender_and_tell_staff_once(story: Story) -> None:
    # given two operators and a manager, and a provider that cannot be reached
    story.hire("小王", "operator", phone="+8613800000001")
    story.hire("小李", "operator", phone="+8613800000002")
    story.hire("老张", "manager", phone="+8613800000003")
    provider = Exchange(story, answer=down)
    waits(story, *(f"text {n}" for n in range(9)))
    live(story, seconds=1)
    # nine are not enough
    assert not notices(story)

    # when the tenth call fails too, and minutes go by
    waits(story, "tenth")
    live(story, minutes=5)

    # then each operator is told once, and one call a minute tries
    assert sorted(row.address for row in notices(story)) == ["+8613800000001", "+8613800000002"]
    (row,) = story.rows(SenderRow)
    assert (row.paused_at is not None, row.paused_because) == (True, "no connection")
    assert len(provider.calls) in (10 + 4, 10 + 5)

    # when it can be reached again
    provider.answer = lambda _: None
    live(story, minutes=3)

    # then it goes on by itself, and everything arrives
    (row,) = story.rows(SenderRow)
    assert (row.paused_at, row.troubles) == (None, 0)
    assert set(story.states()) == {"delivered"}
    assert [line.what for line in story.trail("paused", "resumed")] == ["paused", "resumed"]


def test_a_success_in_between_begins_the_count_anew(story: Story) -> None:
    provider = Exchange(story, answer=lambda message: None if message.body == "good" else DOWN)
    waits(story, *(f"text {n}" for n in range(9)))
    story.work()
    waits(story, "good")
    story.work()
    assert story.one(SenderRow).troubles == 0
    provider.answer = lambda message: DOWN if message.body.startswith("new") else None
    waits(story, *(f"new {n}" for n in range(9)))
    story.work()
    assert not story.trail("paused")


def test_everybody_is_told_where_nobody_is_an_operator(story: Story) -> None:
    story.hire("老张", "manager")
    Exchange(story, answer=down)
    waits(story, *(f"text {n}" for n in range(10)))
    story.work()
    assert len(notices(story)) == 1


def test_one_probe_at_a_time_goes_out_even_while_another_channel_is_busy(story: Story) -> None:
    # given a paused number, and a chat bot that has something to send in every second
    sms, telegram = Exchange(story, answer=down), Exchange(story, "telegram", senders=BOT)
    waits(story, *(f"text {n}" for n in range(10)))
    story.work()
    assert len(sms.calls) == 10
    for second in range(130):
        waits(story, f"chat {second}", channel="telegram")
        live(story, seconds=1)

    # then the bot has sent all, and the number has tried twice
    assert len(telegram.calls) == 130
    assert len(sms.calls) == 12


def test_ten_minutes_without_the_provider_lose_nothing_and_tell_staff_once(story: Story) -> None:
    # given fifty texts and one more in every fifteen seconds, over SMS; the chat goes on meanwhile
    story.hire("小王", "operator")
    sms = Exchange(story, senders=(Sender("+1001", per_second=2, by_segments=True),), answer=down)
    telegram = Exchange(story, "telegram", senders=BOT)
    waits(story, *(f"text {n}" for n in range(50)))
    for step in range(40):
        waits(story, f"later {step}")
        waits(story, f"chat {step}", channel="telegram")
        live(story, seconds=15)
    assert len(telegram.calls) == 40

    # when the provider is back
    sms.answer = lambda _: None
    before = len(sms.calls)
    live(story, minutes=5)

    # then everything has arrived once, in the order in which it came, and staff heard of it once
    assert set(story.states()) == {"delivered"}
    came = [body for body in sms.bodies[before:] if not body.startswith("【")]
    assert Counter(came)["text 49"] == 1
    assert len([row for row in story.rows(MessageRow, channel="sms") if not row.staff_id]) == 90
    assert len(notices(story)) == 1


def test_timeouts_pause_as_well_and_every_doubt_is_resolved(story: Story) -> None:
    story.hire("小王", "operator")
    provider = Exchange(story, answer=lambda _: Unknown("timeout"))
    waits(story, *(f"text {n}" for n in range(12)))
    live(story, minutes=5)
    assert len(notices(story)) == 1
    provider.answer = lambda _: None
    live(story, minutes=60)
    assert set(story.states()) == {"delivered"}


def test_what_comes_back_by_our_own_doing_neither_pauses_nor_resumes(story: Story) -> None:
    Exchange(story, answer=down)
    waits(story, *(f"text {n}" for n in range(10)))
    story.work()
    late = NotSent("its turn came too late", retry_after=0)
    senders.note_outcomes(story.runtime, [senders.Told("sms", "default", "+1", late)] * 20)
    assert story.one(SenderRow).paused_at is not None
    Exchange(story, "telegram")
    senders.note_outcomes(story.runtime, [senders.Told("telegram", "default", "+1", late)] * 20)
    assert len(story.rows(SenderRow)) == 1


# ----- set up wrongly


def test_a_wrong_key_waits_for_a_person_and_nothing_is_lost(story: Story) -> None:
    # given a provider that refuses our key
    story.hire("小王", "operator")
    provider = Exchange(story, answer=lambda _: WRONG_KEY)
    waits(story, "a", "b", "c")
    story.work()
    calls = len(provider.calls)

    # when a day goes by nobody tries, even if the key were right by now
    provider.answer = lambda _: None
    live(story, hours=24)
    assert len(provider.calls) == calls
    assert {state_of(story, body) for body in "abc"} == {"ready"}
    assert len(notices(story)) == 1

    # when a person says that it is mended
    senders.resume(story.runtime, "sms", "default", "小王")
    story.work()
    assert {state_of(story, body) for body in "abc"} == {"delivered"}
    assert story.told("resumed") == ["resumed: sms default: by 小王"]
    with pytest.raises(NotFound):
        senders.resume(story.runtime, "sms", "default", "小王")


def test_a_late_success_does_not_lift_what_waits_for_a_person(story: Story) -> None:
    Exchange(story)
    told = [senders.Told("sms", "default", "+1", outcome) for outcome in (DOWN, WRONG_KEY, Accepted("p1"))]
    for each in told:
        senders.note_outcomes(story.runtime, [each])
    (row,) = story.rows(SenderRow)
    assert row.paused_at is not None
    assert row.probe_at is None


def test_a_closed_country_holds_its_own_numbers_only(story: Story) -> None:
    # given a provider that may not send to France
    story.hire("小王", "operator", phone="+8613800000009")
    closed = NotSent("no permission", retry_after=0, sign=Sign.STOP_COUNTRY)
    provider = Exchange(story, answer=lambda message: closed if message.address.startswith("+33") else None)
    waits(story, "paris", address="+33612345678")
    waits(story, "beijing", address=PHONE)
    story.work()
    waits(story, "lyon", address="+33612345679")
    waits(story, "shanghai", address="+8613900000009")
    live(story, minutes=30)

    # then only France waits, and staff know it
    waiting = {body: state_of(story, body) for body in ("paris", "lyon", "beijing", "shanghai")}
    assert waiting == {"paris": "ready", "lyon": "ready", "beijing": "delivered", "shanghai": "delivered"}
    assert [message.address for _, message in provider.calls].count("+33612345678") == 1
    assert len(notices(story)) == 1
    assert "to FR" in notices(story)[0].body

    # when a person has opened it, those that were set aside go at once
    provider.answer = lambda _: None
    senders.resume(story.runtime, "sms", "", "小王")
    story.work()
    assert {state_of(story, body) for body in ("paris", "lyon")} == {"delivered"}
    with story.runtime.db.read() as session:
        assert senders.paused(session) == []


@pytest.mark.parametrize("senders_", [SLOW, (Sender("default"),)], ids=["with a rate", "without a rate"])
def test_a_sender_that_is_asked_to_slow_down_rests(story: Story, senders_: tuple[Sender, ...]) -> None:
    provider, start = Exchange(story, senders=senders_), story.clock.now()
    provider.answer = lambda _: (
        NotSent("slow down", retry_after=40, sign=Sign.REST) if len(provider.calls) < 2 else None
    )
    waits(story, "a")
    story.work()
    waits(story, "b", "c")
    live(story, minutes=2)
    assert provider.seconds(start)[0] == 0
    assert min(provider.seconds(start)[1:]) == 40
    assert set(story.states()) == {"delivered"}
    assert not story.trail("paused")


# ----- one of a pool


def test_while_one_number_is_paused_the_others_keep_their_addresses_and_take_its_own(story: Story) -> None:
    # given thirty people, each with a number of the pool
    provider = Exchange(story, senders=POOL)
    people = [f"+8613900000{person:03}" for person in range(30)]
    for person in people:
        waits(story, f"first {person}", address=person)
    story.work()
    homes = {message.address: message.sender for _, message in provider.calls}

    # when the provider takes nothing from one of the numbers
    provider.answer = lambda message: DOWN if message.sender == "+1001" else None
    for n in range(10):
        senders.note_outcomes(story.runtime, [senders.Told("sms", "+1001", f"+1{n}", DOWN)])
    for person in people:
        waits(story, f"second {person}", address=person)
    story.work()

    # then those of the others stay where they are, and its own go by the others
    now = {message.address: message.sender for _, message in provider.calls if message.body.startswith("second")}
    assert set(now.values()) == {"+1000", "+1002"}
    assert all(now[person] == homes[person] for person in people if homes[person] != "+1001")

    # when it works again, it finds out by itself, though the others are open all the time
    provider.answer = lambda _: None
    for minute in range(3):
        for person in people:
            waits(story, f"third {person} {minute}", address=person)
        live(story, minutes=2)
    assert [line.what for line in story.trail("paused", "resumed")] == ["paused", "resumed"]
    assert {message.address: message.sender for _, message in provider.calls} == homes


def test_a_pool_in_trouble_is_one_trouble(story: Story) -> None:
    story.hire("小王", "operator")
    Exchange(story, senders=POOL, answer=down)
    waits(story, *(f"text {n}" for n in range(90)))
    live(story, minutes=3)
    assert len(story.trail("paused")) == 3
    assert len(notices(story)) == 1


def test_staff_hear_of_a_channel_in_trouble_by_another_one(story: Story) -> None:
    story.hire("小王", "operator", phone="+8613800000001")
    with story.runtime.db.write() as session:
        member = staff.everybody(session)[0]
        member.chat = "chat 7"
        session.add(member)
    sms, telegram = Exchange(story), Exchange(story, "telegram", answer=down)
    waits(story, *(f"text {n}" for n in range(10)), channel="telegram")
    story.work()
    assert len(telegram.calls) == 10
    assert [message.address for _, message in sms.calls] == ["+8613800000001"]


def test_two_who_note_outcomes_at_once_never_wait_for_each_other(story: Story) -> None:
    provider = Exchange(story, senders=POOL)
    names = [sender.name for sender in POOL] + [f"+200{n}" for n in range(5)]
    waits(story, *(f"text {n}" for n in range(60)))

    def note(order: list[str]) -> None:
        for _ in range(5):
            told = [senders.Told("sms", name, "+1", Refused("no", sign=Sign.TROUBLE)) for name in order]
            senders.note_outcomes(replace(story.runtime), told)

    def send() -> None:
        for _ in range(5):
            asyncio.run(sending.dispatch(replace(story.runtime)))

    outcomes = side_by_side(lambda: note(names), lambda: note(names[::-1]), send, send)
    assert not raised(outcomes)
    assert {row.name for row in story.rows(SenderRow)} == set(names)
    assert len(story.rows(AttemptRow)) == len(provider.calls)
