"""What the provider itself says of a text, taps on buttons, and pictures: each before any reading."""

from pathlib import Path

import pytest

from bot.channels.contract import Flag
from bot.shelf import stock
from bot.store import staff
from bot.store.tables import AnswerRow, ConsentRow, InboundRow, MessageRow, StaffRow, SurveyRow, TicketRow
from flows.load import shipped_program_text
from tests.journey.chat import CHAT, OTHER, hear
from tests.journey.story import ON_SQLITE, PHONE, Story

pytestmark = ON_SQLITE

OWNER = "+8613800001001"


@pytest.fixture
def asked(story: Story) -> Story:
    """A customer whose survey has arrived by SMS this minute."""
    story.customer()
    story.hire("孙丽", "service", phone=OWNER)
    story.asked()
    return story


@pytest.fixture
def chatting(story: Story) -> Story:
    """A customer who has a chat and no phone; their survey has arrived there this minute."""
    story.customer(phone="", telegram=CHAT)
    story.hire("孙丽", "service", phone=OWNER)
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:00")
    story.work()
    assert len(story.texts(CHAT)) == 1
    return story


@pytest.fixture
def three_questions(story: Story, tmp_path: Path) -> Story:
    """The same, with a program that asks three questions in the conversation."""
    file = tmp_path / "retail_aftersales.yaml"
    file.write_text(shipped_program_text("retail_aftersales").replace("ask: 1", "ask: 3", 1), encoding="utf-8")
    stock(story.runtime.db, [str(file)], story.clock.now())
    story.customer(phone="", telegram=CHAT)
    story.at("2026-11-02 12:00")
    story.purchase()
    story.at("2026-11-09 09:00")
    story.work()
    return story


def by_sms(story: Story, body: str, flag: Flag, phone: str = PHONE) -> None:
    hear(story, body, phone, flag=flag, channel="sms")


# ----- opted out and in at the provider


def test_the_providers_opt_out_is_honoured_and_not_confirmed_again(asked: Story) -> None:
    by_sms(asked, "STOP", Flag.OPT_OUT)
    assert asked.person().opted_out_at is not None
    assert asked.survey().state == "withdrawn"
    assert len(asked.texts()) == 1
    assert asked.rows(MessageRow, purpose="reply") == []
    assert [(row.action, row.scope) for row in asked.rows(ConsentRow)] == [("withdrawn", "all")]


def test_the_providers_word_wins_over_any_reading(asked: Story) -> None:
    by_sms(asked, "5", Flag.OPT_OUT)
    assert asked.person().opted_out_at is not None
    assert asked.rows(AnswerRow) == []


def test_the_providers_opt_in_is_honoured_and_not_confirmed_again(asked: Story) -> None:
    by_sms(asked, "STOP", Flag.OPT_OUT)
    by_sms(asked, "START", Flag.OPT_IN)
    assert asked.person().opted_out_at is None
    assert asked.person().marketing_consent_at is None
    assert len(asked.texts()) == 1


def test_yes_to_a_question_is_an_answer_though_the_provider_takes_it_for_an_opt_in(asked: Story) -> None:
    by_sms(asked, "5", Flag.OPT_IN)
    assert asked.scores() == [5.0]
    assert asked.rows(ConsentRow) == []


def test_help_was_answered_by_the_provider(asked: Story) -> None:
    by_sms(asked, "HELP", Flag.HELP)
    assert len(asked.texts()) == 1
    assert asked.states(InboundRow) == ["read"]
    assert "ignored: asked for help, and the provider answered" in asked.told()


@pytest.mark.parametrize("flag", [Flag.OPT_OUT, Flag.OPT_IN, Flag.HELP])
def test_the_flag_of_somebody_unknown_is_noted(asked: Story, flag: Flag) -> None:
    by_sms(asked, "STOP", flag, "+8613911111111")
    assert asked.states(InboundRow) == ["read"]
    assert asked.trail("ignored")[-1].because.endswith("somebody unknown")
    assert asked.rows(ConsentRow) == []


def test_a_member_of_staff_who_opts_out_acknowledges_nothing(asked: Story) -> None:
    asked.reply("2 太慢")
    by_sms(asked, "STOP", Flag.OPT_OUT, OWNER)
    assert asked.trail("acknowledged") == []
    assert "ignored: opted out at the provider: 孙丽" in asked.told()


# ----- taps on a survey


def tap(story: Story, score: int, index: int = 0, chat: str = CHAT, token: str = "") -> None:
    hear(story, str(score), chat, tapped=f"{token or story.survey().token}:{index}:{score}")


def test_a_tap_is_an_answer(chatting: Story) -> None:
    tap(chatting, 5)
    assert chatting.scores() == [5.0]
    assert chatting.survey().state == "answered"
    assert len(chatting.texts(CHAT)) == 2


def test_a_low_tap_opens_a_ticket_and_apologises(chatting: Story) -> None:
    tap(chatting, 1)
    assert chatting.ticket().kind == "low_score"
    assert "抱歉" in chatting.texts(CHAT)[-1]


def test_the_same_tap_twice_counts_once_and_is_answered_once(chatting: Story) -> None:
    tap(chatting, 1)
    texts = len(chatting.texts(CHAT))
    tap(chatting, 1)
    assert len(chatting.rows(AnswerRow)) == 1
    assert len(chatting.rows(TicketRow)) == 1
    assert len(chatting.texts(CHAT)) == texts


def test_a_second_tap_within_ten_minutes_corrects_the_first(chatting: Story) -> None:
    tap(chatting, 5)
    chatting.later(minutes=9)
    tap(chatting, 1)
    assert chatting.scores() == [1.0]
    assert [(row.score, row.current) for row in chatting.rows(AnswerRow)] == [(5.0, False), (1.0, True)]
    assert len(chatting.rows(TicketRow)) == 1


def test_a_later_tap_is_a_free_message_for_a_person(chatting: Story) -> None:
    tap(chatting, 5)
    chatting.later(minutes=11)
    tap(chatting, 1)
    assert chatting.scores() == [5.0]
    assert chatting.states(InboundRow) == ["read", "person"]


def test_a_tap_after_the_closing_date_is_late_like_a_typed_answer(chatting: Story) -> None:
    chatting.live_until("2026-11-24 09:00")
    assert chatting.survey().state == "lapsed"
    tap(chatting, 4)
    assert chatting.rows(AnswerRow) == []
    assert chatting.states(InboundRow) == ["person"]
    assert chatting.one(InboundRow).body == "4"


def test_a_tap_from_another_persons_chat_is_refused_quietly(chatting: Story) -> None:
    chatting.customer("c2", phone="", telegram=OTHER)
    tap(chatting, 1, chat=OTHER)
    assert chatting.rows(AnswerRow) == []
    assert chatting.texts(OTHER) == []
    (line,) = chatting.trail("ignored")
    assert (line.because, line.customer_id) == ("a button of a survey that is not theirs", 2)


def test_a_tap_from_an_unknown_chat_is_refused_quietly(chatting: Story) -> None:
    tap(chatting, 1, chat="999")
    assert chatting.rows(AnswerRow) == []
    assert chatting.texts("999") == []
    assert chatting.states(InboundRow) == ["read"]


@pytest.mark.parametrize(
    "data", ["{}:0:6", "{}:0:0", "{}:7:5", "{}:0", "{}:0:5:5", "{}:0:-1", "nothing:0:5", "{}:0:٣x"]
)
def test_a_button_that_the_survey_does_not_have_is_refused(chatting: Story, data: str) -> None:
    hear(chatting, "?", tapped=data.format(chatting.survey().token))
    assert chatting.rows(AnswerRow) == []
    assert chatting.survey().state == "open"
    assert len(chatting.texts(CHAT)) == 1


def test_a_tap_answers_its_own_survey_and_not_the_newest(chatting: Story) -> None:
    # given a second survey that waits
    first = chatting.survey().token
    chatting.at("2026-11-10 12:00")
    chatting.purchase()
    chatting.live_until("2026-11-17 09:00")
    assert chatting.states(SurveyRow) == ["open", "open"]

    # when the buttons of the first are tapped
    tap(chatting, 4, token=first)

    # then the second still waits
    assert chatting.states(SurveyRow) == ["answered", "open"]


def test_a_tap_counts_whatever_channel_its_survey_was_sent_on(asked: Story) -> None:
    asked.customer(telegram=CHAT)
    tap(asked, 4)
    assert asked.scores() == [4.0]


def current(story: Story) -> dict[str, float | None]:
    return {row.question: row.score for row in story.rows(AnswerRow) if row.current}


def test_a_tap_brings_the_next_question(three_questions: Story) -> None:
    tap(three_questions, 5)
    assert three_questions.survey().asked == "quality"
    assert "商品质量怎么样" in three_questions.texts(CHAT)[-1]
    tap(three_questions, 4, index=1)
    tap(three_questions, 4, index=2)
    assert current(three_questions) == {"overall": 5.0, "quality": 4.0, "service": 4.0}
    assert three_questions.survey().state == "answered"


def test_the_first_question_may_be_corrected_while_the_second_waits(three_questions: Story) -> None:
    tap(three_questions, 5)
    three_questions.later(minutes=5)
    tap(three_questions, 4)
    assert current(three_questions) == {"overall": 4.0}
    tap(three_questions, 5, index=1)
    assert current(three_questions) == {"overall": 4.0, "quality": 5.0}


def test_after_ten_minutes_the_first_answer_stands_while_the_second_waits(three_questions: Story) -> None:
    tap(three_questions, 5)
    three_questions.later(minutes=11)
    tap(three_questions, 1)
    assert current(three_questions) == {"overall": 5.0}
    assert three_questions.states(InboundRow) == ["read", "person"]
    tap(three_questions, 4, index=1)
    assert current(three_questions) == {"overall": 5.0, "quality": 4.0}


def test_a_question_may_be_tapped_before_its_turn(three_questions: Story) -> None:
    tap(three_questions, 5, index=1)
    assert current(three_questions) == {"quality": 5.0}
    assert three_questions.survey().asked == "overall"
    tap(three_questions, 1)
    assert current(three_questions) == {"quality": 5.0, "overall": 1.0}
    assert len(three_questions.rows(TicketRow)) == 1


@pytest.mark.parametrize("index", [3, 4])
def test_a_question_that_only_the_page_asks_has_no_button(three_questions: Story, index: int) -> None:
    tap(three_questions, 5, index=index)
    assert current(three_questions) == {}


# ----- staff


@pytest.fixture
def staffed(story: Story) -> Story:
    """A ticket of which a member of staff was told in their chat."""
    story.customer()
    story.hire("孙丽", "service", phone=OWNER)
    with story.runtime.db.write() as session:
        assert staff.link_chat(session, 1, CHAT)
    story.unhappy()
    return story


def test_linked_staff_are_pinged_in_their_chat_with_buttons(staffed: Story) -> None:
    assert "请回电" in staffed.texts(CHAT)[0]
    assert staffed.texts(OWNER) == []
    ping = staffed.one(MessageRow, purpose="staff")
    assert (ping.channel, ping.address) == ("telegram", CHAT)
    assert ping.buttons == [[["接单", "staff:claim 1"], ["知道了", "staff:ok"]]]


def test_staff_without_a_chat_are_pinged_by_phone_without_buttons(asked: Story) -> None:
    asked.reply("2 太慢")
    ping = asked.one(MessageRow, purpose="staff")
    assert (ping.channel, ping.address, ping.buttons) == ("sms", OWNER, [])


def test_staff_claim_by_a_tap(staffed: Story) -> None:
    hear(staffed, "接单", tapped="staff:claim 1")
    assert staffed.ticket().claimed_by == 1
    assert staffed.texts(CHAT)[-1] == "#1 ✓"


def test_staff_acknowledge_by_a_tap(staffed: Story) -> None:
    hear(staffed, "知道了", tapped="staff:ok")
    assert staffed.told("acknowledged") == ["acknowledged: by 孙丽"]
    assert staffed.ticket().state == "open"


def test_staff_type_in_their_chat_what_they_type_by_sms(staffed: Story) -> None:
    hear(staffed, "claim 1")
    hear(staffed, "done 1 换了新的")
    assert staffed.ticket().state == "resolved"


def test_a_claimed_ticket_offers_no_button_to_claim_it(staffed: Story) -> None:
    hear(staffed, tapped="staff:claim 1")
    staffed.live_until("2026-11-10 21:10")
    ping = staffed.rows(MessageRow, purpose="staff")[-1]
    assert ping.buttons == [[["知道了", "staff:ok"]]]


def test_the_phone_number_still_works_beside_the_chat(staffed: Story) -> None:
    staffed.reply("claim 1", OWNER)
    assert staffed.ticket().claimed_by == 1


@pytest.mark.parametrize("tapped", ["staff:claim 1", ""])
def test_a_command_from_a_chat_that_is_not_linked_gets_the_hint_alone(staffed: Story, tapped: str) -> None:
    hear(staffed, "claim 1", OTHER, tapped=tapped)
    assert staffed.ticket().state == "open"
    (text,) = staffed.texts(OTHER)
    assert "关联这个聊天" in text


def test_a_customers_tap_on_a_button_for_staff_does_nothing(staffed: Story) -> None:
    staffed.customer("c2", phone="", telegram=OTHER)
    hear(staffed, "接单", OTHER, tapped="staff:claim 1")
    assert staffed.ticket().state == "open"
    assert staffed.texts(OTHER) == []


def test_a_chat_with_the_number_of_a_member_of_staff_as_its_id_is_not_theirs(staffed: Story) -> None:
    hear(staffed, "claim 1", OWNER)
    assert staffed.ticket().state == "open"


def test_somebody_who_is_staff_and_customer_is_staff_when_typing_and_customer_when_tapping(staffed: Story) -> None:
    # given a member of staff who is a customer in the same chat, with a survey that waits there
    staffed.customer("c2", phone="", telegram=CHAT)
    staffed.purchase("c2")
    staffed.live_until("2026-11-16 10:00")
    (survey,) = staffed.rows(SurveyRow, customer_id=2)

    # when they type a number, it is for their tickets; when they tap, it is an answer
    hear(staffed, "5")
    assert staffed.rows(AnswerRow, customer_id=2) == []
    tap(staffed, 5, token=survey.token)
    assert [row.score for row in staffed.rows(AnswerRow, customer_id=2)] == [5.0]
    assert staffed.one(StaffRow).chat == CHAT


# ----- pictures


def test_a_picture_without_words_asks_once_where_a_survey_waits(asked: Story) -> None:
    hear(asked, "", PHONE, media=1, channel="sms")
    assert asked.states(InboundRow) == ["person"]
    assert "请教" in asked.texts()[-1]
    hear(asked, "", PHONE, media=2, channel="sms")
    assert len(asked.texts()) == 2
    assert asked.survey().state == "open"
    asked.reply("4")
    assert asked.scores() == [4.0]


def test_a_picture_without_words_is_kept_for_a_person_and_not_answered(story: Story) -> None:
    story.customer()
    hear(story, " ", PHONE, media=1, channel="sms")
    assert story.states(InboundRow) == ["person"]
    assert story.told("held") == ["held: a picture without words"]
    assert story.texts() == []


def test_a_picture_with_words_is_read_by_its_words(asked: Story) -> None:
    hear(asked, "5", PHONE, media=1, channel="sms")
    assert asked.scores() == [5.0]
