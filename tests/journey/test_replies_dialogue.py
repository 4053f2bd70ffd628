"""The conversation around a survey: corrected, commented, put off, asked back, and two surveys at once."""

import pytest

from bot.channels.contract import Flag, Received
from bot.journey import inbox
from bot.store.tables import AnswerRow, FollowUpRow, InboundRow, PingRow, SurveyRow, TicketRow
from tests.journey.story import ON_SQLITE, PHONE, Story, local

pytestmark = ON_SQLITE


@pytest.fixture
def asked(story: Story) -> Story:
    """A customer whose survey has arrived this minute, Monday 9 November at nine, and a member of staff."""
    story.customer()
    story.hire("孙丽", "service")
    story.asked()
    return story


@pytest.fixture
def asked_twice(story: Story) -> Story:
    """Two surveys wait: that of the repair came on Friday, that of the purchase on Monday at nine."""
    story.customer(programs=("retail_aftersales", "auto_repair"))
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-03 12:00")
    story.event("repair_paid", vehicle="蓝色轿车")
    story.live_until("2026-11-09 09:01")
    assert [row.survey for row in story.rows(SurveyRow)] == ["repair", "purchase"]
    return story


def answers(story: Story) -> list[tuple[int, str, float | None]]:
    return [(row.survey_id, row.question, row.score) for row in story.rows(AnswerRow, current=True)]


# ----- an answer changed within ten minutes


def test_a_slip_upwards_closes_the_ticket_and_keeps_the_history(asked: Story) -> None:
    # given a low score by mistake, and its ticket
    asked.reply("1")
    asked.later(minutes=3)

    # when the customer corrects it
    asked.reply("不好意思按错了，5分")

    # then the new score stands beside the old one, and nobody calls
    assert [(row.score, row.current) for row in asked.rows(AnswerRow)] == [(1.0, False), (5.0, True)]
    ticket = asked.one(TicketRow)
    assert ticket.state == "closed"
    assert "the customer corrected the score: 5 on 1-5" in ticket.reason
    assert "已按5分更正" in asked.texts()[-1]
    assert "planned" not in asked.states(PingRow)

    # and a second thought downwards opens another
    asked.later(minutes=3)
    asked.reply("还是1分吧")
    assert asked.states(TicketRow) == ["closed", "open"]
    assert asked.scores() == [1.0]


def test_a_ticket_that_somebody_has_taken_is_not_closed_under_them(asked: Story) -> None:
    asked.reply("1")
    asked.claim(1)
    asked.later(minutes=3)
    asked.reply("按错了，是5分")
    ticket = asked.one(TicketRow)
    assert (ticket.state, ticket.words) == ("claimed", "1\n按错了，是5分")
    assert "仍会" in asked.texts()[-1]


def test_a_complaint_is_not_taken_back_by_a_better_score(asked: Story) -> None:
    asked.reply("2 等太久了")
    asked.later(minutes=3)
    asked.reply("按错了，是4分")
    assert asked.one(TicketRow).state == "open"
    assert asked.scores() == [4.0]


def test_after_ten_minutes_the_ticket_stays(asked: Story) -> None:
    asked.reply("1")
    asked.later(minutes=11)
    asked.reply("按错了，是5分")
    assert asked.one(TicketRow).state == "open"
    assert answers(asked)[0] == (1, "overall", 1.0)


@pytest.mark.parametrize("text", ["按错了，是1分", "1", "不满意"])
def test_a_low_score_that_comes_too_late_to_correct_reaches_a_person(asked: Story, text: str) -> None:
    asked.reply("5")
    asked.later(minutes=30)
    asked.reply(text)
    assert answers(asked)[0] == (1, "overall", 5.0)
    assert asked.ticket().kind == "low_score"
    assert "抱歉" in asked.texts()[-1]


# ----- words after the score


def test_words_after_the_score_are_attached_to_it_until_the_survey_closes(asked: Story) -> None:
    asked.reply("3")
    asked.later(hours=2)
    asked.reply("送货员态度很好")
    asked.later(days=2)
    asked.reply("建议周末也送货")
    comment = asked.one(AnswerRow, question="comment", current=True)
    assert comment.survey_id == asked.survey().id
    assert comment.text == "送货员态度很好\n建议周末也送货"
    assert comment.category == "suggestion"
    assert asked.scores()[0] == 3.0


def test_a_complaint_after_the_score_is_attached_and_reaches_a_person(asked: Story) -> None:
    asked.reply("5")
    asked.later(hours=2)
    asked.reply("用了一次就坏了，质量太差")
    assert asked.ticket().survey_id == asked.survey().id
    assert asked.ticket().category == "complaint"


# ----- no time now


def test_who_is_busy_is_asked_once_more_and_never_a_second_time(asked: Story) -> None:
    # when the customer is in a meeting
    asked.reply("在开会，改天再说")
    assert len(asked.texts()) == 1, "nobody is disturbed to be told so"

    # then the question comes again the next morning, the same survey
    asked.live_until("2026-11-10 09:00")
    assert asked.times() == ["2026-11-09 09:00", "2026-11-10 09:00"]
    assert len(asked.rows(SurveyRow)) == 1

    # and once only
    asked.reply("还在忙")
    asked.live_until("2026-11-12 12:00")
    assert len(asked.texts()) == 2
    assert "ignored: busy: asked again once already" in asked.told("ignored")

    # and the answer counts
    asked.reply("4")
    assert asked.scores() == [4.0]


def test_the_customer_names_the_time(asked: Story) -> None:
    asked.reply("正在开车，晚上七点再问我")
    assert "19:00" in asked.texts()[-1]
    asked.live_until("2026-11-09 19:00")
    assert asked.times()[-1] == "2026-11-09 19:00"
    assert "电饭煲" in asked.texts()[-1]


def test_an_answer_calls_the_later_question_off(asked: Story) -> None:
    asked.reply("在忙，明天再说")
    asked.later(hours=1)
    asked.reply("5")
    asked.live_until("2026-11-20 12:00")
    assert asked.states(FollowUpRow, occasion=f"later:{asked.survey().id}") == ["cancelled"]
    assert all("1-5" not in text for text in asked.texts()[1:])


def test_stop_calls_the_later_question_off(asked: Story) -> None:
    asked.reply("在忙，明天再说")
    asked.reply("退订")
    asked.live_until("2026-11-20 12:00")
    assert asked.states(FollowUpRow, occasion=f"later:{asked.survey().id}") == ["suppressed"]


# ----- a question back, and the time of a call


def test_a_question_reaches_a_person_and_the_survey_stays_open(asked: Story) -> None:
    asked.reply("请问保修期多久？")
    assert asked.ticket().kind == "question"
    assert "解答" in asked.texts()[-1]
    assert asked.survey().state == "open"
    asked.later(minutes=5)
    asked.reply("5")
    assert asked.scores() == [5.0]
    assert asked.ticket().state == "open", "the question still waits for its answer"


def test_call_me_at_five_stands_on_the_ticket_and_reminds_its_owner(asked: Story) -> None:
    asked.reply("下午五点给我打电话")
    ticket = asked.ticket()
    assert local(ticket.wished_at) == "2026-11-09 17:00"
    assert "17:00" in asked.texts()[-1]
    (ping,) = asked.simulator.phone("+8613800001000")
    assert "17:00" in ping.body
    asked.live_until("2026-11-09 17:00")
    assert ("11-09 17:00", "wished time 11-09 17:00", "service", "sent") in asked.pings()


def test_a_time_named_after_the_apology_is_noted(asked: Story) -> None:
    asked.reply("2 太慢了")
    asked.later(minutes=5)
    asked.reply("在上班，明天下午三点再打给我吧")
    assert local(asked.ticket().wished_at) == "2026-11-10 15:00"
    assert "15:00" in asked.texts()[-1]


# ----- two surveys at once


def test_a_reply_answers_the_survey_that_came_last(asked_twice: Story) -> None:
    asked_twice.reply("5")
    repair, purchase = (row.state for row in asked_twice.rows(SurveyRow))
    assert (repair, purchase) == ("open", "answered")


def test_a_correction_stays_with_the_survey_just_answered(asked_twice: Story) -> None:
    asked_twice.reply("5")
    asked_twice.later(minutes=2)
    asked_twice.reply("不好意思，是4分")
    assert answers(asked_twice) == [(2, "overall", 4.0)]
    assert asked_twice.states(SurveyRow) == ["open", "answered"]


def test_words_after_the_score_stay_with_the_survey_just_answered(asked_twice: Story) -> None:
    asked_twice.reply("5")
    asked_twice.later(minutes=2)
    asked_twice.reply("送货员态度很好")
    assert answers(asked_twice) == [(2, "overall", 5.0), (2, "comment", None)]


def test_the_same_score_again_answers_the_other_survey(asked_twice: Story) -> None:
    asked_twice.reply("5")
    asked_twice.later(minutes=1)
    asked_twice.reply("5")
    assert answers(asked_twice) == [(2, "overall", 5.0), (1, "overall", 5.0)]


def test_later_on_the_other_survey_is_answered(asked_twice: Story) -> None:
    asked_twice.reply("5")
    asked_twice.later(minutes=30)
    asked_twice.reply("4")
    assert answers(asked_twice) == [(2, "overall", 5.0), (1, "overall", 4.0)]


def test_an_unclear_reply_is_asked_about_where_it_most_likely_belongs(asked_twice: Story) -> None:
    asked_twice.reply("嗯啊那个啥")
    assert [row.clarified for row in asked_twice.rows(SurveyRow)] == [0, 1]


# ----- yes, 1 and the provider's own word


@pytest.mark.parametrize("word", ["YES", "1", "是"])
def test_yes_comes_back_only_while_nothing_is_asked(asked: Story, word: str) -> None:
    # while the survey is open it is an answer, or a riddle, and never a sign-up
    asked.reply(word)
    assert asked.trail("opted_in") == []

    # once the customer has said STOP it brings them back
    asked.later(hours=1)
    asked.reply("STOP")
    assert asked.person().opted_out_at is not None
    asked.later(hours=1)
    asked.reply(word)
    assert asked.person().opted_out_at is None


def test_the_providers_word_wins_over_the_score(asked: Story) -> None:
    said = Received(
        provider="simulator",
        provider_message_id="SM7",
        channel="sms",
        from_address=PHONE,
        body="5",
        flag=Flag.OPT_OUT,
    )
    inbox.receive(asked.runtime, said)
    asked.work()
    assert asked.person().opted_out_at is not None
    assert asked.rows(AnswerRow) == []
    assert asked.states(InboundRow) == ["read"]
