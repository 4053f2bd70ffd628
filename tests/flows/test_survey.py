"""A reply has been read: what follows? Each intent, the ticket, the second question, the second round."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from flows.actions import TaskAction
from flows.calendar import Calendar
from flows.decisions import (
    AddToTicket,
    AskLater,
    AskQuestion,
    BookAnswer,
    CancelFollowUps,
    Clarify,
    CloseTicket,
    Decision,
    HoldForPerson,
    Ignore,
    KeepComment,
    MoveSurvey,
    NextRound,
    NoteLate,
    OpenTicket,
    OptIn,
    OptOut,
    PingNow,
    Say,
    SuppressNumber,
)
from flows.program import Program, Question, Survey
from flows.states import SurveyState
from flows.survey import Conversation, hear, suggested
from messages.reading import Category, Intent, Reading, Scale

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 10, 8, 10, 15, tzinfo=SHANGHAI)
D = TypeVar("D")


def score(value: float, **more: Any) -> Reading:
    """A score on 1-5."""
    known = {"points": int(20 * value), "level": max(1, int(value)), "confidence": 0.9, "because": (f"{value:g}",)}
    return Reading(intent=Intent.SCORE, score=value, **{**known, **more})


def words(category: Category | None = None, **more: Any) -> Reading:
    return Reading(intent=Intent.COMMENT, category=category, because=("words",), **more)


COMPLAINT = words(Category.COMPLAINT)
PRAISE = words(Category.PRAISE)
UNCLEAR = Reading(intent=Intent.UNCLEAR)


@pytest.fixture
def asked(retail: Program) -> Conversation:
    """The purchase survey is open, and its first question waits."""
    return Conversation(retail, SHANGHAI, survey="purchase", asked="overall")


@pytest.fixture
def asked_again(retail: Program) -> Conversation:
    """Ticket 5 was handled, and the customer is asked again."""
    return Conversation(retail, SHANGHAI, survey="handled", asked="overall", resurvey_of=5, live_ticket=True)


@pytest.fixture
def nothing_open(retail: Program) -> Conversation:
    return Conversation(retail, SHANGHAI)


def heard(talk: Conversation, reading: Reading, text: str = "some words") -> list[Decision]:
    return hear(talk, reading, text, AT, Calendar())


def only(decisions: list[Decision], kind: type[D]) -> D:
    found = [each for each in decisions if isinstance(each, kind)]
    assert len(found) == 1, decisions
    return found[0]


def kinds(decisions: list[Decision]) -> list[str]:
    return [type(each).__name__ for each in decisions]


def said(decisions: list[Decision]) -> list[str]:
    return [each.template for each in decisions if isinstance(each, Say)]


def became(decisions: list[Decision]) -> list[SurveyState]:
    return [each.state for each in decisions if isinstance(each, MoveSurvey)]


# --- Scores


@pytest.mark.parametrize(
    ("value", "template"), [(5, "thanks_satisfied"), (4, "thanks_satisfied"), (3, "thanks_neutral")]
)
def test_a_good_score_is_booked_and_thanked_at_once(asked: Conversation, value: int, template: str) -> None:
    decisions = heard(asked, score(value))
    booked = only(decisions, BookAnswer)
    assert (booked.question, booked.score, booked.points) == ("overall", value, 20 * value)
    assert became(decisions) == [SurveyState.ANSWERED]
    assert said(decisions) == [template]
    assert "OpenTicket" not in kinds(decisions)


@pytest.mark.parametrize("value", [1, 2])
def test_a_low_score_gets_an_apology_and_one_ticket(asked: Conversation, value: int) -> None:
    decisions = heard(asked, score(value), "客服回得慢")
    ticket = only(decisions, OpenTicket)
    assert (ticket.kind, ticket.owner_role, ticket.topic) == ("low_score", "service", "service")
    assert said(decisions) == ["apology"]
    assert only(decisions, Say).variables["expected_answer_at"] == ticket.call_before
    assert became(decisions) == [SurveyState.ANSWERED]
    assert only(decisions, CancelFollowUps).flows == ("purchase_reminder",)


def test_22_2_a_mixed_reply_follows_its_complaint(asked: Conversation) -> None:
    mixed = words(
        Category.COMPLAINT, categories=(Category.PRAISE, Category.COMPLAINT, Category.SUGGESTION), polarity=0.1
    )
    decisions = heard(asked, mixed, "东西不错,客服回得慢,建议加人")
    assert only(decisions, KeepComment).reading.categories == mixed.categories
    ticket = only(decisions, OpenTicket)
    assert (ticket.kind, ticket.category, ticket.topic) == ("complaint", "complaint", "service")
    assert said(decisions) == ["apology"]


def test_a_good_score_beside_a_complaint_follows_the_complaint(asked: Conversation) -> None:
    decisions = heard(asked, score(4, category=Category.COMPLAINT))
    assert only(decisions, BookAnswer).score == 4
    assert only(decisions, OpenTicket).kind == "complaint"
    assert said(decisions) == ["apology"]


def test_a_score_that_should_not_be_trusted_is_not_booked(asked: Conversation) -> None:
    decisions = heard(asked, score(5, needs_person=True))
    assert kinds(decisions) == ["Clarify"]


def test_a_score_without_an_open_question_is_never_booked(nothing_open: Conversation) -> None:
    assert kinds(heard(nothing_open, score(5))) == ["HoldForPerson"]


def test_an_untrusted_score_with_a_complaint_still_reaches_a_person(nothing_open: Conversation) -> None:
    decisions = heard(nothing_open, score(1, category=Category.COMPLAINT, needs_person=True))
    assert only(decisions, OpenTicket).kind == "complaint"


# --- Several questions


@pytest.fixture
def asked_three(retail: Program) -> Conversation:
    """Two scored questions and an open one are asked in the conversation."""
    questions = (
        Question(id="goods", scale=Scale.FIVE, text={"en": "Goods?"}),
        Question(id="again", scale=Scale.YESNO, text={"en": "Again?"}),
        Question(id="why", scale=Scale.TEXT, text={"en": "Why?"}),
    )
    surveys = {**retail.surveys, "three": Survey(questions=questions, ask=3)}
    program = retail.model_copy(update={"surveys": surveys})
    return Conversation(program, SHANGHAI, survey="three", asked="goods")


def test_the_next_question_follows_a_good_answer(asked_three: Conversation) -> None:
    decisions = heard(asked_three, score(5))
    assert kinds(decisions) == ["BookAnswer", "AskQuestion"]
    assert only(decisions, AskQuestion).question == "again"


def test_one_reply_fills_several_questions_in_order(asked_three: Conversation) -> None:
    several = Reading(intent=Intent.SCORE, answers=(4, None, None))
    assert [each.question for each in heard(asked_three, several) if isinstance(each, BookAnswer)] == ["goods"]
    talk = replace(asked_three, answered=("why",))
    assert said(heard(talk, Reading(intent=Intent.SCORE, answers=(3, 1)))) == ["thanks_neutral"], "the lowest decides"
    several = Reading(intent=Intent.SCORE, answers=(4, 1, None))
    decisions = heard(asked_three, several)
    booked = [(each.question, each.points, each.level) for each in decisions if isinstance(each, BookAnswer)]
    assert booked == [("goods", 80, 4), ("again", 100, 5)]
    assert only(decisions, AskQuestion).question == "why"


def test_nobody_unhappy_is_asked_further_questions(asked_three: Conversation) -> None:
    decisions = heard(asked_three, score(1))
    assert became(decisions) == [SurveyState.ANSWERED]
    assert "AskQuestion" not in kinds(decisions)
    only(decisions, OpenTicket)


def test_words_answer_an_open_question_and_end_the_survey(asked_three: Conversation) -> None:
    talk = replace(asked_three, asked="why", answered=("goods", "again"))
    decisions = heard(talk, PRAISE, "挺好的")
    assert only(decisions, BookAnswer).question == "why"
    assert became(decisions) == [SurveyState.ANSWERED]
    assert said(decisions) == ["comment_thanks"]


def test_a_no_is_low_only_where_the_question_is_critical(asked_three: Conversation) -> None:
    talk = replace(asked_three, asked="again", answered=("goods",))
    no = Reading(intent=Intent.SCORE, score=0, points=0, level=1)
    assert "OpenTicket" not in kinds(heard(talk, no))
    survey = talk.program.surveys["three"]
    critical = tuple(question.model_copy(update={"critical": True}) for question in survey.questions)
    surveys = {"three": survey.model_copy(update={"questions": critical})}
    talk = replace(talk, program=talk.program.model_copy(update={"surveys": surveys}))
    only(heard(talk, no), OpenTicket)


# --- The survey page


def test_a_page_asks_nothing_more_and_says_thanks_itself(asked: Conversation) -> None:
    talk = replace(asked, on_page=True)
    tapped = Reading(intent=Intent.SCORE, answers=(5, 4, None, 3, None))
    decisions = heard(talk, tapped)
    booked = [each.question for each in decisions if isinstance(each, BookAnswer)]
    assert booked == ["overall", "quality", "price"]
    assert became(decisions) == [SurveyState.ANSWERED]
    assert said(decisions) == []


def test_a_low_answer_on_the_page_opens_a_ticket_like_any_other(asked: Conversation) -> None:
    tapped = Reading(intent=Intent.SCORE, answers=(4, 2, None, None, None))
    decisions = heard(replace(asked, on_page=True), tapped)
    only(decisions, OpenTicket)
    assert said(decisions) == ["apology"]


# --- Unclear


def test_an_unclear_reply_gets_one_clarifying_question_and_then_a_person(asked: Conversation) -> None:
    assert kinds(heard(asked, UNCLEAR)) == ["Clarify"]
    decisions = heard(replace(asked, clarified=1), UNCLEAR)
    assert became(decisions) == [SurveyState.NEEDS_PERSON]
    only(decisions, HoldForPerson)
    assert said(decisions) == ["unclear_to_person"]


def test_who_was_handed_over_is_told_so_once(asked: Conversation) -> None:
    decisions = heard(replace(asked, clarified=1, handed_over=True), UNCLEAR)
    assert kinds(decisions) == ["HoldForPerson"]
    assert only(heard(replace(asked, clarified=1, handed_over=True), score(4)), BookAnswer).score == 4


def test_an_unclear_free_message_waits_for_a_person_without_a_question(nothing_open: Conversation) -> None:
    decisions = heard(nothing_open, UNCLEAR)
    only(decisions, HoldForPerson)
    assert not any(isinstance(each, Clarify | Say) for each in decisions)


@pytest.mark.parametrize("kind", ["greeting", "thanks"])
def test_courtesy_is_no_answer_and_asks_for_none(asked: Conversation, kind: str) -> None:
    assert kinds(heard(asked, replace(UNCLEAR, kind=kind))) == ["Ignore"]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_reply_is_ignored(asked: Conversation, text: str) -> None:
    assert heard(asked, UNCLEAR, text) == [Ignore("empty")]


# --- Comments


@pytest.mark.parametrize("category", [Category.PRAISE, Category.SUGGESTION, None])
def test_words_without_a_complaint_are_kept_and_thanked_for(asked: Conversation, category: Category | None) -> None:
    decisions = heard(asked, words(category))
    assert kinds(decisions) == ["KeepComment", "Say"]
    assert said(decisions) == ["comment_thanks"]


def test_a_complaint_needs_no_open_survey(nothing_open: Conversation) -> None:
    decisions = heard(nothing_open, COMPLAINT)
    only(decisions, OpenTicket)
    assert became(decisions) == []
    assert said(decisions) == ["apology"]


def test_words_that_should_not_be_trusted_wait_for_a_person(asked: Conversation) -> None:
    decisions = heard(asked, words(None, needs_person=True))
    only(decisions, HoldForPerson)
    assert said(decisions) == []


# --- Wishes


def test_an_opt_out_is_confirmed_once_and_ends_the_survey(asked: Conversation) -> None:
    decisions = heard(asked, Reading(intent=Intent.OPT_OUT))
    only(decisions, OptOut)
    assert became(decisions) == [SurveyState.WITHDRAWN]
    assert said(decisions) == ["opt_out_confirmed"]


def test_a_low_score_said_beside_an_opt_out_is_kept_and_reaches_a_person_in_silence(asked: Conversation) -> None:
    decisions = heard(asked, replace(score(1), intent=Intent.OPT_OUT))
    only(decisions, OptOut)
    only(decisions, BookAnswer)
    only(decisions, OpenTicket)
    assert said(decisions) == ["opt_out_confirmed"]
    assert became(decisions) == [SurveyState.ANSWERED]


def test_after_an_opt_out_no_further_question_waits(asked_three: Conversation) -> None:
    decisions = heard(asked_three, replace(score(5), intent=Intent.OPT_OUT))
    assert became(decisions) == [SurveyState.WITHDRAWN]
    assert "AskQuestion" not in kinds(decisions)


def test_an_opt_in_is_confirmed(nothing_open: Conversation) -> None:
    decisions = heard(nothing_open, Reading(intent=Intent.OPT_IN))
    only(decisions, OptIn)
    assert said(decisions) == ["opt_in_confirmed"]


def test_who_wants_a_call_is_promised_one(asked: Conversation) -> None:
    decisions = heard(asked, Reading(intent=Intent.CALLBACK))
    ticket = only(decisions, OpenTicket)
    assert ticket.kind == "callback"
    assert said(decisions) == ["callback_promised"]
    assert only(decisions, Say).variables["promised_at"] == ticket.call_before


def test_a_score_beside_the_wish_for_a_call_answers_the_survey(asked: Conversation) -> None:
    decisions = heard(asked, replace(score(4), intent=Intent.CALLBACK))
    assert only(decisions, BookAnswer).score == 4
    assert became(decisions) == [SurveyState.ANSWERED]
    only(decisions, OpenTicket)


@pytest.mark.parametrize("intent", [Intent.CALLBACK, Intent.COMMENT])
def test_an_emergency_is_answered_as_one(asked: Conversation, intent: Intent) -> None:
    decisions = heard(asked, Reading(intent=intent, category=Category.COMPLAINT, urgent=True))
    assert only(decisions, OpenTicket).urgent
    assert said(decisions) == ["urgent_reply"]


def test_a_question_goes_to_a_person_and_a_call_for_help_to_the_help_text(asked: Conversation) -> None:
    question = heard(asked, Reading(intent=Intent.HELP, kind="question"))
    assert only(question, OpenTicket).kind == "question"
    assert became(question) == [], "the survey stays open"
    assert said(question) == ["question_passed_on"]
    only(heard(asked, Reading(intent=Intent.HELP, because=("help: how much",))), OpenTicket)
    assert kinds(heard(asked, Reading(intent=Intent.HELP))) == ["Say"]


def test_a_stranger_is_asked_nothing_again(asked: Conversation) -> None:
    decisions = heard(asked, Reading(intent=Intent.WRONG_PERSON))
    only(decisions, SuppressNumber)
    assert became(decisions) == [SurveyState.WITHDRAWN]
    assert said(decisions) == ["wrong_person"]


# --- A ticket is open already


def test_a_second_complaint_joins_the_open_ticket(asked: Conversation) -> None:
    decisions = heard(replace(asked, live_ticket=True), COMPLAINT)
    only(decisions, AddToTicket)
    assert not any(isinstance(each, OpenTicket | Say) for each in decisions)


@pytest.mark.parametrize("reading", [UNCLEAR, PRAISE])
def test_other_words_join_the_open_ticket_and_are_not_questioned(asked: Conversation, reading: Reading) -> None:
    decisions = heard(replace(asked, live_ticket=True), reading)
    only(decisions, AddToTicket)
    assert said(decisions) == []


def test_an_emergency_is_answered_even_then(asked: Conversation) -> None:
    decisions = heard(replace(asked, live_ticket=True), words(Category.COMPLAINT, urgent=True))
    only(decisions, AddToTicket)
    assert said(decisions) == ["urgent_reply"]


# --- Asked again after the handling


def test_2_4_a_low_second_answer_opens_the_next_round(asked_again: Conversation) -> None:
    decisions = heard(asked_again, score(2))
    round_ = only(decisions, NextRound)
    assert round_.due_at > AT
    assert round_.pings
    assert said(decisions) == ["apology"]
    assert not any(isinstance(each, OpenTicket | CloseTicket) for each in decisions)


@pytest.mark.parametrize(("value", "template"), [(4, "thanks_satisfied"), (3, "thanks_neutral")])
def test_2_4_a_better_second_answer_closes_the_ticket(asked_again: Conversation, value: int, template: str) -> None:
    decisions = heard(asked_again, score(value))
    only(decisions, CloseTicket)
    assert said(decisions) == [template]


def test_a_complaint_in_words_opens_the_next_round_too(asked_again: Conversation) -> None:
    only(heard(asked_again, COMPLAINT), NextRound)


def test_an_unclear_second_answer_closes_nothing(asked_again: Conversation) -> None:
    assert kinds(heard(asked_again, UNCLEAR)) == ["Clarify"]


def test_who_takes_a_good_second_answer_back_gets_a_new_ticket(asked_again: Conversation) -> None:
    talk = replace(asked_again, live_ticket=False, correcting=True, answered=("overall",))
    only(heard(talk, score(1)), OpenTicket)


# --- Late and corrected


def test_a_correction_counts_for_the_question_answered_last(asked: Conversation) -> None:
    decisions = heard(replace(asked, correcting=True, answered=("overall",)), score(2))
    assert only(decisions, BookAnswer).question == "overall"
    assert became(decisions) == []
    only(decisions, OpenTicket)


def test_a_late_answer_is_kept_and_thanked_for_but_opens_nothing_again(asked: Conversation) -> None:
    late = replace(asked, late=True)
    decisions = heard(late, score(5))
    assert kinds(decisions) == ["NoteLate", "Say"]
    assert said(decisions) == ["late_thanks"]
    low = heard(late, score(1))
    only(low, NoteLate)
    only(low, OpenTicket)
    assert became(low) == became(heard(late, UNCLEAR)) == []
    assert said(heard(late, UNCLEAR)) == []


def test_late_words_are_noted_and_read_by_a_person(asked: Conversation) -> None:
    decisions = heard(replace(asked, late=True), PRAISE)
    assert kinds(decisions) == ["NoteLate", "HoldForPerson", "Say"]
    assert said(decisions) == ["late_thanks"]


def test_a_late_answer_asks_no_next_question(asked_three: Conversation) -> None:
    assert kinds(heard(replace(asked_three, late=True), score(5))) == ["NoteLate", "Say"]


# --- Corrected within ten minutes


@pytest.fixture
def slip(asked: Conversation) -> Conversation:
    """A low score has opened a ticket a moment ago; nobody has taken it, and nothing else is in it."""
    return replace(
        asked,
        answered=("overall",),
        correcting=True,
        live_ticket=True,
        own_ticket=True,
        only_for_score=True,
        call_before=AT,
    )


def test_a_slip_upwards_closes_the_ticket_that_it_opened_and_says_that_nobody_calls(slip: Conversation) -> None:
    decisions = heard(slip, score(4), "sorry, 4")
    assert kinds(decisions) == ["BookAnswer", "CloseTicket", "Say"]
    assert only(decisions, CloseTicket).because.startswith("the customer corrected the score: 4 on 1-5")
    assert said(decisions) == ["corrected"]
    assert only(decisions, Say).variables == {"score_text": "4", "promised_at": None}


def test_a_ticket_with_more_in_it_stays_open_and_knows_of_the_correction(slip: Conversation) -> None:
    decisions = heard(replace(slip, only_for_score=False), score(4), "sorry, 4")
    assert kinds(decisions) == ["BookAnswer", "AddToTicket", "Say"]
    assert only(decisions, Say).variables["promised_at"] == AT


def test_a_correction_among_low_scores_joins_the_ticket(slip: Conversation) -> None:
    decisions = heard(slip, score(1), "sorry, 1")
    only(decisions, AddToTicket)
    assert "CloseTicket" not in kinds(decisions)


def test_a_correction_does_not_touch_the_ticket_of_something_else(slip: Conversation) -> None:
    decisions = heard(replace(slip, own_ticket=False, only_for_score=False), score(4), "sorry, 4")
    assert kinds(decisions) == ["BookAnswer", "Say"]
    assert said(decisions) == ["thanks_satisfied"]


def test_a_complaint_beside_the_correction_keeps_the_ticket(slip: Conversation) -> None:
    decisions = heard(slip, score(4, category=Category.COMPLAINT), "sorry, 4, but the box was broken")
    only(decisions, AddToTicket)
    assert "CloseTicket" not in kinds(decisions)


def test_one_number_for_several_answers_corrects_none_of_them(asked_three: Conversation) -> None:
    talk = replace(asked_three, answered=("goods", "again"), correcting=True, corrects=("goods", "again"))
    assert kinds(heard(talk, score(4), "sorry, 4")) == ["HoldForPerson"]
    several = Reading(intent=Intent.SCORE, answers=(4, 1))
    booked = [each.question for each in heard(talk, several) if isinstance(each, BookAnswer)]
    assert booked == ["goods", "again"]


# --- Words after the answer


@pytest.fixture
def answered(asked: Conversation) -> Conversation:
    """The survey was answered an hour ago, and its closing date has not come."""
    return replace(asked, answered=("overall",), over=True)


def test_words_after_the_answer_are_kept_beside_it(answered: Conversation) -> None:
    decisions = heard(answered, PRAISE)
    assert kinds(decisions) == ["KeepComment", "Say"]


def test_a_complaint_after_the_answer_opens_a_ticket(answered: Conversation) -> None:
    decisions = heard(answered, COMPLAINT)
    only(decisions, KeepComment)
    only(decisions, OpenTicket)
    assert became(decisions) == []


def test_a_score_after_the_answer_is_no_answer(answered: Conversation) -> None:
    assert kinds(heard(answered, score(4))) == ["HoldForPerson"]


def test_a_low_score_after_the_answer_reaches_a_person(answered: Conversation) -> None:
    decisions = heard(answered, score(2))
    assert "BookAnswer" not in kinds(decisions)
    assert only(decisions, OpenTicket).kind == "low_score"


# --- No time now


def busy(talk: Conversation, text: str, at: datetime = AT) -> list[Decision]:
    return hear(talk, replace(UNCLEAR, kind="busy", because=("busy",)), text, at, Calendar())


@pytest.fixture
def in_time(asked: Conversation) -> Conversation:
    """The purchase survey closes in twelve days."""
    return replace(asked, closes_at=AT + timedelta(days=12))


def local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("text", "due", "told"),
    [
        ("改天再说", "10-09 09:00", False),
        ("busy", "10-09 09:00", False),
        ("明天下午再说", "10-09 14:00", True),
        ("晚上八点前再问我", "10-09 09:00", False),
        ("I am driving, ask me after 6pm", "10-08 18:00", True),
        ("周日上午十点再问吧", "10-11 10:00", True),
        ("in a meeting, ask me on sunday", "10-12 09:00", False),
        ("晚上十点再说", "10-09 09:00", False),
    ],
)
def test_who_has_no_time_is_asked_once_more(in_time: Conversation, text: str, due: str, told: bool) -> None:
    decisions = busy(in_time, text)
    later = only(decisions, AskLater)
    assert kinds(decisions) == ["AskLater"]
    assert (local(later.slot.due_at), later.told) == (due, told)
    assert later.slot.expires_at == in_time.closes_at


def test_a_time_outside_the_windows_is_a_soft_override(in_time: Conversation) -> None:
    assert "soft override" in only(busy(in_time, "下班后再说"), AskLater).because
    assert "soft override" not in only(busy(in_time, "明天下午再说"), AskLater).because


def test_nobody_is_asked_again_after_the_closing_date(in_time: Conversation) -> None:
    assert kinds(busy(replace(in_time, closes_at=AT + timedelta(hours=3)), "改天再说")) == ["Ignore"]


@pytest.mark.parametrize("state", [{"handed_over": True}, {"correcting": True}, {"over": True}, {"late": True}])
def test_busy_is_a_promise_only_while_the_survey_waits(in_time: Conversation, state: dict[str, bool]) -> None:
    assert kinds(busy(replace(in_time, **state), "改天再说")) == ["Ignore"]


def test_busy_people_with_a_ticket_say_when_to_call(in_time: Conversation) -> None:
    decisions = busy(replace(in_time, live_ticket=True), "在开会，下午三点吧")
    assert local(only(decisions, AddToTicket).wished_at or AT) == "10-08 15:00"
    assert said(decisions) == ["callback_at"]


# --- The time of a call


CALL = Reading(intent=Intent.CALLBACK)


@pytest.mark.parametrize(
    ("text", "wished"),
    [
        ("call me at 5", "10-08 17:00"),
        ("下午三点给我打电话", "10-08 15:00"),
        ("call me after 6pm", "10-08 18:00"),
        ("明天上午回电", "10-09 09:00"),
    ],
)
def test_a_call_at_a_named_time_stands_on_the_ticket(asked: Conversation, text: str, wished: str) -> None:
    decisions = heard(asked, CALL, text)
    ticket = only(decisions, OpenTicket)
    assert ticket.wished_at is not None
    assert local(ticket.wished_at) == wished
    assert ticket.because == f"asks to be called at 2026-{wished}"
    assert (f"wished time {wished}", "service") in [(ping.step, ping.role) for ping in ticket.pings]
    assert said(decisions) == ["callback_at"]
    assert only(decisions, Say).variables["promised_at"] == ticket.wished_at


@pytest.mark.parametrize("text", ["给我打电话", "call me at 11pm", "call me"])
def test_a_call_without_a_time_that_can_be_kept_is_promised_as_ever(asked: Conversation, text: str) -> None:
    decisions = heard(asked, CALL, text)
    assert only(decisions, OpenTicket).wished_at is None
    assert said(decisions) == ["callback_promised"]


def test_a_wish_later_than_the_promise_moves_the_promise(asked: Conversation) -> None:
    ticket = only(heard(asked, CALL, "下周五下午三点回电"), OpenTicket)
    assert ticket.wished_at is not None
    assert local(ticket.wished_at) == "10-16 15:00"
    assert ticket.due_at >= ticket.wished_at
    assert ticket.call_before >= ticket.wished_at
    assert max(ping.due_at for ping in ticket.pings) > ticket.wished_at


def test_call_me_before_five_shortens_the_promise(asked: Conversation) -> None:
    ticket = only(heard(asked, CALL, "call me before 5"), OpenTicket)
    assert ticket.wished_at is None
    assert local(ticket.call_before) == "10-08 17:00"


def test_an_emergency_waits_for_no_hour(asked: Conversation) -> None:
    ticket = only(heard(asked, replace(CALL, urgent=True), "gas leak, call me at 5"), OpenTicket)
    assert ticket.wished_at is None


def test_a_time_for_an_open_ticket_is_noted_and_confirmed(asked: Conversation) -> None:
    decisions = heard(replace(asked, live_ticket=True), CALL, "call me at 5")
    assert local(only(decisions, AddToTicket).wished_at or AT) == "10-08 17:00"
    assert said(decisions) == ["callback_at"]


# --- Words that a hospital watches for


@pytest.fixture
def patient(hospital: Program) -> Conversation:
    return Conversation(hospital, SHANGHAI, survey="hospital", asked="overall")


def test_1_5_medical_words_reach_the_doctor_at_once(patient: Conversation) -> None:
    decisions = heard(patient, score(2, category=Category.COMPLAINT, flags=("medical",)), "不太满意,伤口还疼")
    ping = only(decisions, PingNow)
    assert (ping.roles, ping.step, ping.at) == (("attending_doctor", "manager"), "alert:medical", AT)
    assert kinds(decisions).index("OpenTicket") < kinds(decisions).index("PingNow")
    assert only(decisions, OpenTicket).flags == ("medical",)
    assert said(decisions) == ["apology"]


@pytest.mark.parametrize(
    "reading",
    [
        score(5, flags=("medical",)),
        words(None, flags=("medical",)),
        replace(UNCLEAR, flags=("medical",)),
        Reading(intent=Intent.OPT_OUT, flags=("medical",)),
    ],
    ids=["score", "comment", "unclear", "opt_out"],
)
def test_medical_words_open_a_ticket_whatever_else_is_said(patient: Conversation, reading: Reading) -> None:
    decisions = heard(patient, reading)
    assert only(decisions, OpenTicket).kind == "medical"
    only(decisions, PingNow)
    assert not {"thanks_satisfied", "comment_thanks", "clarify"} & set(said(decisions))


def test_a_patient_who_asks_what_to_do_is_promised_a_call_and_not_told_how_to_answer(patient: Conversation) -> None:
    decisions = heard(patient, Reading(intent=Intent.HELP, flags=("medical",)), "出血了，怎么办")
    only(decisions, OpenTicket)
    only(decisions, PingNow)
    assert said(decisions) == ["callback_promised"]


def test_medical_words_join_an_open_ticket(patient: Conversation) -> None:
    decisions = heard(replace(patient, live_ticket=True), words(None, flags=("medical",)))
    only(decisions, AddToTicket)
    only(decisions, PingNow)


def test_medical_words_in_a_second_answer_keep_the_ticket_open(hospital: Program) -> None:
    talk = Conversation(hospital, SHANGHAI, survey="handled", asked="overall", resurvey_of=5, live_ticket=True)
    decisions = heard(talk, score(5, flags=("medical",)))
    only(decisions, NextRound)
    assert "CloseTicket" not in kinds(decisions)


def test_an_emergency_is_told_to_the_leaders_as_well(patient: Conversation) -> None:
    decisions = heard(patient, words(None, urgent=True, flags=("medical", "emergency")))
    pinged = [each.roles for each in decisions if isinstance(each, PingNow)]
    assert pinged == [("attending_doctor", "manager"), ("top_manager",)]
    only(decisions, OpenTicket)
    assert said(decisions) == ["urgent_reply"]


def test_a_flag_that_the_program_does_not_watch_for_changes_nothing(asked: Conversation) -> None:
    decisions = heard(asked, score(5, flags=("medical",)))
    assert not any(isinstance(each, PingNow | OpenTicket) for each in decisions)


# --- A survey that only notes what is said, a suggestion, annoyance


@pytest.mark.parametrize(
    ("reading", "needs_person"),
    [
        (COMPLAINT, False),
        (score(4, category=Category.COMPLAINT), False),
        (score(2), True),
        (Reading(intent=Intent.CALLBACK, category=Category.COMPLAINT), True),
    ],
    ids=["words", "words beside a score", "low score", "wish to be called"],
)
def test_18_4_a_survey_of_reasons_notes_what_is_said(asked: Conversation, reading: Reading, needs_person: bool) -> None:
    program = asked.program
    survey = program.surveys["purchase"].model_copy(update={"complaints": "note"})
    program = program.model_copy(update={"surveys": {**program.surveys, "purchase": survey}})
    decisions = heard(replace(asked, program=program), reading)
    assert ("OpenTicket" in kinds(decisions)) is needs_person
    assert ("apology" in said(decisions)) is (needs_person and reading.intent is Intent.SCORE)


def test_r120_a_suggestion_beside_a_complaint_calls_for_its_task_as_well(retail: Program) -> None:
    task = TaskAction(kind="visit", name={"en": "Talk it over"}, role="manager")
    program = retail.model_copy(update={"replies": retail.replies.model_copy(update={"suggestion": task})})
    both = words(Category.COMPLAINT, categories=(Category.COMPLAINT, Category.SUGGESTION))
    assert suggested(program, both) is task
    assert suggested(program, COMPLAINT) is None


def test_r83_who_is_annoyed_is_promised_no_call(asked: Conversation) -> None:
    assert said(heard(asked, words(Category.COMPLAINT, kind="annoyed", flags=("annoyed",)))) == ["annoyed"]
    beside = heard(asked, words(Category.COMPLAINT, flags=("annoyed",)))
    only(beside, OpenTicket)
    assert said(beside) == ["annoyed"]
