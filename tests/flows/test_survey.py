"""A reply has been read: what follows? Each intent, the ticket, the second question, the second round."""

from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from flows.calendar import Calendar
from flows.decisions import (
    AddToTicket,
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
    OpenTicket,
    OptIn,
    OptOut,
    PingNow,
    Say,
    SuppressNumber,
)
from flows.program import Program, Question, Survey
from flows.states import SurveyState
from flows.survey import Conversation, hear
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


def test_an_unclear_free_message_waits_for_a_person_without_a_question(nothing_open: Conversation) -> None:
    decisions = heard(nothing_open, UNCLEAR)
    only(decisions, HoldForPerson)
    assert not any(isinstance(each, Clarify | Say) for each in decisions)


@pytest.mark.parametrize("kind", ["greeting", "thanks", "busy"])
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
    assert kinds(decisions) == ["BookAnswer", "Say"]
    assert said(decisions) == ["late_thanks"]
    only(heard(late, score(1)), OpenTicket)
    assert became(heard(late, UNCLEAR)) == []


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
