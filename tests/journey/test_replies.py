"""Steps 5 to 7: a reply counts once, in its order, and the customer's own word decides."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bot.channels.contract import Received
from bot.errors import Conflict, InputError, NotFound
from bot.journey import inbox, replies
from bot.store import customers, settings, surveys
from bot.store.agenda import STOPPED
from bot.store.tables import (
    AnswerRow,
    ConsentRow,
    ContactPointRow,
    FollowUpRow,
    InboundRow,
    MessageRow,
    PingRow,
    SurveyRow,
    TaskRow,
    TicketRow,
)
from tests.journey.story import PHONE, Story, local, raised, side_by_side


@pytest.fixture
def asked(story: Story) -> Story:
    """A customer whose survey has arrived this minute, Monday 9 November at nine, and a member of staff."""
    story.customer()
    story.hire("孙丽", "service")
    story.asked()
    return story


def answers(story: Story) -> list[tuple[str, float | None, bool]]:
    return [(row.question, row.score, row.current) for row in story.rows(AnswerRow)]


# ----- stored once


def test_a_reply_delivered_ten_times_is_processed_once(asked: Story) -> None:
    # when the provider delivers the same message again and again, before and after it was read
    stored = [asked.reply("2 等太久了", id_="SM1") for _ in range(10)]

    # then it counts once, is answered once, and opens one ticket
    assert stored == [True] + [False] * 9
    assert len(asked.rows(InboundRow)) == 1
    assert len(asked.rows(MessageRow, purpose="reply")) == 1
    assert len(asked.rows(TicketRow)) == 1
    assert answers(asked) == [("overall", 2.0, True)]


def test_a_reply_delivered_by_ten_at_once_is_stored_once(asked: Story) -> None:
    outcomes = side_by_side(*[lambda: asked.reply("4", id_="SM1", read=False)] * 10)
    assert not raised(outcomes)
    assert outcomes.count(True) == 1


def test_the_same_id_of_two_providers_is_two_replies(asked: Story) -> None:
    for provider in ("one", "other"):
        known = {"provider_message_id": "7", "channel": "sms", "from_address": PHONE, "body": "4"}
        assert inbox.receive(asked.runtime, Received(provider=provider, **known))


def test_readers_at_once_read_each_reply_once(asked: Story) -> None:
    # given a few replies of several customers
    for number in range(2, 8):
        asked.customer(f"c{number}", f"+861390000000{number}")
        asked.reply("你们太差了，我要投诉", f"+861390000000{number}", read=False)

    # when four readers begin together
    outcomes = side_by_side(*[lambda: replies.read_waiting(asked.runtime)] * 4)

    # then each customer has one ticket and one answer
    assert not raised(outcomes)
    assert len(asked.rows(TicketRow)) == 6
    assert asked.states(InboundRow) == ["read"] * 6
    assert len(asked.rows(MessageRow, purpose="reply")) == 6


def test_two_replies_of_one_customer_keep_their_order(asked: Story) -> None:
    # given "2" and, a moment later, "sorry, 4"
    asked.reply("2", read=False)
    asked.reply("不好意思按错了，4分", read=False)

    # when two readers begin together
    outcomes = side_by_side(*[lambda: replies.read_waiting(asked.runtime)] * 2)

    # then the later word stands
    assert not raised(outcomes)
    assert asked.scores() == [4.0]
    assert [row.score for row in asked.rows(AnswerRow)] == [2.0, 4.0]


@pytest.mark.parametrize(
    ("body", "raw"),
    [("5\x00", {}), ("5", {"Body": "5\x00", "Number": float("nan")}), ("5\ud83d", {"x": ["\ud83d"]})],
    ids=["NUL", "NUL in the raw form", "half a character"],
)
def test_what_no_database_takes_is_stored_without_it(asked: Story, body: str, raw: dict[str, Any]) -> None:
    known = {"provider": "p", "provider_message_id": "1", "channel": "sms", "from_address": PHONE}
    assert inbox.receive(asked.runtime, Received(**known, body=body, raw=raw))
    asked.work()
    assert asked.scores() == [5.0]


def test_a_reply_that_cannot_be_read_stops_no_other(asked: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a reader that fails at one text
    read = replies.read

    def fragile(text: str, question: Any) -> Any:
        if text == "毒":
            raise ZeroDivisionError
        return read(text, question)

    monkeypatch.setattr(replies, "read", fragile)
    asked.customer("c2", "+8613900000002")

    # when that text comes first
    asked.reply("毒", "+8613900000002", read=False)
    asked.reply("5")

    # then the other one is read, and the first waits for a person
    assert asked.states(InboundRow) == ["person", "read"]
    assert asked.scores() == [5.0]
    assert "held: could not be read: ZeroDivisionError" in asked.told()


# ----- scored


@pytest.mark.parametrize("text", ["5", "5分", "非常满意", "5，很好"])
def test_a_good_answer_is_thanked_once(asked: Story, text: str) -> None:
    asked.reply(text)
    assert asked.scores() == [5.0]
    assert asked.survey().state == "answered"
    assert asked.follow_up("purchase").state == "answered"
    assert len(asked.texts()) == 2
    assert asked.rows(TicketRow) == []


def test_a_low_answer_is_answered_within_a_minute_and_opens_exactly_one_ticket(asked: Story) -> None:
    # when the customer is unhappy at ten past nine
    asked.later(minutes=10)
    asked.reply("2 等太久了")

    # then the apology is on the phone within the minute, and names the time of the call
    assert asked.times()[-1] == "2026-11-09 09:10"
    assert "抱歉" in asked.texts()[-1]

    # and one ticket is open for the owner, who is pinged at once
    ticket = asked.one(TicketRow)
    assert (ticket.state, ticket.kind, ticket.owner_role, ticket.words) == (
        "open",
        "low_score",
        "service",
        "2 等太久了",
    )
    assert (local(ticket.due_at), local(ticket.call_before)) == ("2026-11-12 09:10", "2026-11-12 09:10")
    assert asked.pings()[0] == ("11-09 09:10", "0%", "service", "sent")
    (ping,) = asked.rows(MessageRow, purpose="staff")
    assert "2 等太久了" in ping.body
    assert PHONE not in ping.body, "a ping shows a masked number"


def test_a_complaint_while_a_ticket_is_open_adds_to_it(asked: Story) -> None:
    asked.reply("2 等太久了")
    asked.later(hours=1)
    asked.reply("而且包装也破了，太差了")
    ticket = asked.one(TicketRow)
    assert ticket.words == "2 等太久了\n而且包装也破了，太差了"
    assert len(asked.rows(MessageRow, purpose="reply")) == 1


@pytest.mark.parametrize("minutes", [1, 9])
def test_a_correction_within_ten_minutes_replaces_the_score(asked: Story, minutes: int) -> None:
    asked.reply("5")
    asked.later(minutes=minutes)
    asked.reply("不好意思，是4分")
    assert asked.scores() == [4.0]
    assert answers(asked) == [("overall", 5.0, False), ("overall", 4.0, True)]
    assert asked.rows(TicketRow) == []


def test_a_correction_downwards_opens_the_ticket_after_all(asked: Story) -> None:
    asked.reply("5")
    asked.later(minutes=2)
    asked.reply("按错了，是1分")
    assert asked.scores() == [1.0]
    assert len(asked.rows(TicketRow)) == 1


def test_what_comes_later_than_ten_minutes_is_a_free_message(asked: Story) -> None:
    asked.reply("5")
    asked.later(minutes=11)
    asked.reply("3")
    assert asked.scores() == [5.0]


def test_a_late_score_is_noted_thanked_for_and_counts_nowhere(asked: Story) -> None:
    # when the survey has closed after fourteen days
    asked.live_until("2026-11-24 09:00")
    assert asked.survey().state == "lapsed"
    asked.reply("4")

    # then the score stands in the trail and beside the reply, and in no answer
    assert asked.rows(AnswerRow) == []
    assert asked.survey().state == "lapsed"
    assert asked.follow_up("purchase").state == "sent"
    assert [line.data["score"] for line in asked.trail("late")] == [4]
    assert asked.rows(InboundRow)[-1].survey_id == asked.survey().id
    assert "已经结束" in asked.texts()[-1]


def test_a_low_late_score_reaches_a_person_all_the_same(asked: Story) -> None:
    asked.live_until("2026-11-24 09:00")
    asked.reply("1")
    assert asked.rows(AnswerRow) == []
    assert asked.ticket().kind == "low_score"
    assert "抱歉" in asked.texts()[-1]


def test_what_comes_much_later_is_a_free_message(asked: Story) -> None:
    asked.live_until("2026-12-09 09:00")
    texts = len(asked.texts())
    asked.reply("4")
    assert asked.trail("late") == []
    assert asked.states(InboundRow) == ["person"]
    assert len(asked.texts()) == texts


def test_an_unclear_reply_gets_one_question_and_then_a_person(asked: Story) -> None:
    # when the customer says something that means nothing
    asked.reply("嗯啊那个啥")
    assert "请教" in asked.texts()[-1]
    assert asked.survey().state == "open"

    # and again
    asked.reply("哼")
    texts = len(asked.texts())

    # then a person reads it, and nobody is asked a third time
    assert asked.survey().state == "needs_person"
    assert asked.states(InboundRow) == ["read", "person"]
    asked.reply("哈")
    assert len(asked.texts()) == texts
    assert asked.rows(AnswerRow) == []


def test_a_clear_word_after_the_question_is_booked(asked: Story) -> None:
    asked.reply("嗯啊那个啥")
    asked.reply("4")
    assert asked.scores() == [4.0]
    assert asked.survey().state == "answered"


def test_a_picture_without_words_is_no_answer(asked: Story) -> None:
    asked.reply("")
    assert asked.survey().state == "open"
    assert asked.states(InboundRow) == ["read"]
    assert asked.rows(AnswerRow) == []


def test_a_reply_to_a_greeting_is_never_scored(story: Story) -> None:
    story.customer()
    story.live_until("2026-10-01 11:00")
    assert len(story.texts()) == 1
    story.reply("5")
    story.reply("祝你们也节日快乐")
    assert story.rows(AnswerRow) == []
    assert story.rows(TicketRow) == []


def test_an_unknown_address_is_kept_for_a_person_and_told_nothing(story: Story) -> None:
    story.reply("你好，我是谁？", "+8613911111111")
    assert story.states(InboundRow) == ["person"]
    assert story.texts("+8613911111111") == []
    assert story.told("held") == ["held: a message from an unknown address"]


# ----- consent


def test_stop_ends_everything_in_every_program_and_is_confirmed_once(story: Story) -> None:
    # given a customer of two programs, with a survey on the phone and others planned
    story.customer(programs=("retail_aftersales", "auto_repair"), marketing_consent=True)
    story.asked()
    story.event("repair_paid", vehicle="蓝色轿车")
    story.purchase()

    # when STOP comes, and again the next day
    story.reply("退订")
    story.later(days=1)
    story.reply("td")
    story.live_until("2027-01-10 00:00")

    # then there was one confirmation and nothing after it
    assert len(story.texts()) == 2
    assert "不再" in story.texts()[-1]
    assert set(story.states(FollowUpRow)) <= {"sent", "suppressed", "cancelled"}
    assert story.person().opted_out_at is not None
    assert story.person().marketing_consent_at is None
    assert story.survey().state == "withdrawn"
    assert [row.action for row in story.rows(ConsentRow)][:2] == ["given", "withdrawn"]


def test_stop_withdraws_open_surveys_of_every_program(story: Story) -> None:
    story.customer(programs=("retail_aftersales", "auto_repair"))
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-06 12:00")
    story.event("repair_paid", vehicle="蓝色轿车")
    story.live_until("2026-11-09 09:00")
    assert story.states(SurveyRow) == ["open", "open"]
    story.reply("退订")
    assert story.states(SurveyRow) == ["withdrawn", "withdrawn"]


def test_a_score_beside_stop_is_kept_and_the_stop_honoured(asked: Story) -> None:
    asked.reply("2 太差了 退订")
    assert asked.person().opted_out_at is not None
    assert asked.scores() == [2.0]
    assert len(asked.rows(TicketRow)) == 1
    assert len(asked.rows(MessageRow, purpose="reply")) == 1


@pytest.mark.parametrize("word", ["订阅", "START"])
def test_only_the_customers_own_word_opts_in_again(asked: Story, word: str) -> None:
    # given somebody who said STOP
    asked.reply("退订")

    # when others talk about them, and they themselves only chat
    asked.customer(marketing_consent=True)
    asked.purchase()
    asked.later(minutes=1)
    asked.reply("4")
    assert asked.person().opted_out_at is not None

    # then the explicit word brings them back, and is confirmed
    asked.reply(word)
    assert asked.person().opted_out_at is None
    assert asked.person().marketing_consent_at is None, "marketing needs a consent of its own"
    asked.later(days=1)
    asked.purchase()
    asked.live_until("2026-11-18 00:00")
    assert asked.texts()[-1].startswith("李女士")


def test_the_wrong_person_is_left_alone(asked: Story) -> None:
    asked.reply("打错了，我不是李敏，没买过东西")
    assert asked.one(ContactPointRow).suppressed_at is not None
    assert asked.survey().state == "withdrawn"
    asked.purchase()
    asked.live_until("2026-11-20 00:00")
    assert len(asked.texts()) == 2


# ----- the page


def page(story: Story, comment: str = "", **scores: float) -> str:
    return replies.answer_on_page(story.runtime, story.survey().token, scores, comment)


def test_a_tap_on_the_page_counts_like_a_reply(asked: Story) -> None:
    assert page(asked, overall=5) == "answered"
    assert asked.scores() == [5.0]
    assert asked.follow_up("purchase").state == "answered"
    asked.work()
    assert len(asked.texts()) == 1, "the page says thanks, not the phone"


def test_the_same_form_sent_twice_counts_once(asked: Story) -> None:
    assert page(asked, overall=2, comment="慢") == "answered"
    assert page(asked, overall=2, comment="慢") == "answered"
    assert len(asked.rows(TicketRow)) == 1
    assert len([row for row in asked.rows(AnswerRow) if row.question == "overall"]) == 1


def test_the_same_form_sent_by_four_at_once_counts_once(asked: Story) -> None:
    outcomes = side_by_side(*[lambda: page(asked, overall=2)] * 4)
    assert not raised(outcomes)
    assert set(outcomes) == {"answered"}
    assert len(asked.rows(AnswerRow)) == 1
    assert len(asked.rows(TicketRow)) == 1


def test_a_low_tap_opens_a_ticket_and_apologises_on_the_phone(asked: Story) -> None:
    page(asked, overall=1)
    asked.work()
    assert asked.ticket().kind == "low_score"
    assert "抱歉" in asked.texts()[-1]


def test_all_questions_of_the_page_are_booked(asked: Story) -> None:
    page(asked, overall=5)
    page(asked, quality=4, service=3, price=5, comment="送货可以再快一点")
    found = {row.question: row.score for row in asked.rows(AnswerRow) if row.current}
    assert found == {"overall": 5.0, "quality": 4.0, "service": 3.0, "price": 5.0} | (
        {key: None for key in found if key in ("comment", "opinion")}
    )


def test_one_low_answer_among_good_ones_opens_the_ticket(asked: Story) -> None:
    page(asked, overall=5, service=1)
    assert len(asked.rows(TicketRow)) == 1


def test_a_closed_survey_takes_nothing(asked: Story) -> None:
    asked.live_until("2026-11-24 09:00")
    with pytest.raises(Conflict):
        page(asked, overall=5)
    assert asked.rows(AnswerRow) == []
    assert asked.rows(InboundRow) == []


def test_a_withdrawn_survey_takes_nothing(asked: Story) -> None:
    asked.reply("退订")
    with pytest.raises(Conflict):
        page(asked, overall=5)


def test_a_link_that_nobody_has_sent_is_not_known(asked: Story) -> None:
    with pytest.raises(NotFound):
        replies.answer_on_page(asked.runtime, "nothing", {"overall": 5}, "")


@pytest.mark.parametrize("score", [0, 6, -1, 99, float("nan")])
def test_a_score_that_the_scale_does_not_have_is_refused(asked: Story, score: float) -> None:
    with pytest.raises(InputError, match="scale"):
        page(asked, overall=score)
    assert asked.rows(AnswerRow) == []
    assert asked.rows(InboundRow) == []


def test_an_empty_form_is_no_answer(asked: Story) -> None:
    with pytest.raises(InputError):
        page(asked, comment="  ")
    assert asked.follow_up("purchase").state == "sent"


def test_stop_written_on_the_page_is_a_stop(asked: Story) -> None:
    page(asked, comment="退订")
    assert asked.person().opted_out_at is not None


def test_the_page_answers_nobody_who_has_no_address_left(asked: Story) -> None:
    # given a number that died after the survey had arrived
    with asked.runtime.db.write() as session:
        customers.suppress_address(session, "sms", PHONE, asked.clock.now(), "dead number")
    # when the link is used
    page(asked, overall=1)
    asked.work()
    # then there is a ticket, and no text without an address
    assert len(asked.rows(TicketRow)) == 1
    assert all(row.address for row in asked.rows(MessageRow))


# ----- a person codes it


@pytest.fixture
def unclear(asked: Story) -> Story:
    """Two unclear replies: the second waits for a person."""
    asked.reply("嗯啊那个啥")
    asked.reply("哼")
    return asked


def waiting(story: Story) -> int:
    row_id: int = story.one(InboundRow, state="person").id
    return row_id


def test_a_person_books_what_was_meant(unclear: Story) -> None:
    replies.code_reply(unclear.runtime, waiting(unclear), "孙丽", 2)
    assert unclear.scores() == [2.0]
    assert unclear.survey().state == "answered"
    assert len(unclear.rows(TicketRow)) == 1
    assert unclear.states(InboundRow) == ["read", "coded"]
    assert [(row.kind, row.state) for row in unclear.rows(TaskRow)] == [("unclear_reply", "done")]


def test_a_person_may_say_that_it_was_no_answer(unclear: Story) -> None:
    replies.code_reply(unclear.runtime, waiting(unclear), "孙丽", None)
    assert unclear.rows(AnswerRow) == []
    assert unclear.states(InboundRow) == ["read", "coded"]
    assert unclear.states(TaskRow) == ["done"]


def test_of_four_who_code_one_reply_one_is_first(unclear: Story) -> None:
    inbound_id = waiting(unclear)
    outcomes = side_by_side(*[lambda: replies.code_reply(unclear.runtime, inbound_id, "孙丽", 2)] * 4)
    assert [type(each) for each in raised(outcomes)] == [NotFound] * 3
    assert len(unclear.rows(AnswerRow)) == 1


def test_a_code_that_the_scale_does_not_have_is_refused(unclear: Story) -> None:
    with pytest.raises(InputError):
        replies.code_reply(unclear.runtime, waiting(unclear), "孙丽", 9)
    assert unclear.states(InboundRow) == ["read", "person"]


def test_a_message_that_answers_nothing_can_only_be_put_away(story: Story) -> None:
    story.reply("你好，我是谁？", "+8613911111111")
    replies.code_reply(story.runtime, waiting(story), "孙丽", None)
    assert story.states(InboundRow) == ["coded"]


# ----- which survey


def test_the_newest_survey_that_waits_is_answered_first(story: Story) -> None:
    story.customer()
    story.asked()
    story.at("2026-11-03 12:00")
    story.purchase()
    story.live_until("2026-11-16 09:00")
    first, second = (row.id for row in story.rows(SurveyRow))
    story.reply("5")
    assert story.one(SurveyRow, id=second).state == "answered"
    story.later(minutes=1)
    story.reply("1")
    assert story.one(SurveyRow, id=first).state in ("open", "answered")


def test_a_reply_never_answers_the_survey_of_another_channel(story: Story) -> None:
    story.customer(telegram="4711")
    story.asked()
    inbox.receive(
        story.runtime,
        Received(
            provider="telegram",
            provider_message_id="1",
            channel="telegram",
            from_address="4711",
            body="5",
        ),
    )
    story.work()
    assert story.rows(AnswerRow) == []
    assert story.survey().state == "open"


def test_words_for_an_old_ticket_reach_the_new_one(asked: Story) -> None:
    """A re-survey of a closed ticket is answered while another ticket is open: the words go to the open one."""
    manager = asked.hire("总", "manager")
    asked.reply("2 慢")
    asked.claim(manager)
    asked.resolve(manager)
    asked.live_until("2026-11-10 09:00")
    from bot.journey import callbacks

    callbacks.override_close(asked.runtime, asked.ticket().id, manager, "说好了")
    with asked.runtime.db.write() as session:
        for row in surveys.of_customer(session, 1):
            assert row.state in ("answered", "open")
        settings.write(session, STOPPED, {"stopped": False})
    asked.reply("你们太差了，我要投诉")
    first, second = asked.rows(TicketRow)
    assert (first.state, second.state) == ("closed", "open")
    asked.later(minutes=1)
    asked.reply("1 还是坏的")
    first, second = asked.rows(TicketRow)
    assert "还是坏的" in second.words
    assert "还是坏的" not in first.words


def test_a_reply_and_a_close_at_once_lose_no_complaint(asked: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staff close a ticket while a complaint of the same customer is read: it is on an open ticket afterwards."""
    from bot.journey import callbacks
    from bot.store import tickets

    manager = asked.hire("总", "manager")
    asked.reply("2 慢")
    asked.reply("还有，质量太差了，坏了", read=False)
    live, reached, go_on = tickets.live, threading.Event(), threading.Event()

    def slow_live(*args: Any) -> Any:
        found = live(*args)
        reached.set()
        go_on.wait(0.5)
        return found

    monkeypatch.setattr(tickets, "live", slow_live)
    steps: list[Callable[[], object]] = [
        lambda: replies.read_waiting(asked.runtime),
        lambda: (reached.wait(5), callbacks.override_close(asked.runtime, 1, manager, "说好了")),
    ]
    outcomes = side_by_side(*steps)
    assert not raised(outcomes)
    words = "质量太差了"
    rows = asked.rows(TicketRow)
    assert any(words in row.words for row in rows)
    assert rows[0].closed_at is not None
    assert asked.rows(PingRow)
