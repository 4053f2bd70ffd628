"""The conversation: a reply has been read; what follows? (DESIGN 7 and 8; R106, R116, R118, R121-R125)

`hear` takes what is open with this customer and one Reading, and answers with decisions. It asks once what an unclear
reply meant, then hands over to a person; it never books a satisfied score for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flows import callback, score
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
from flows.program import Program, Question, Unanswered
from flows.states import SurveyState
from messages.reading import Category, Intent, Reading, Scale

NOT_THEIRS = "says that the number is not theirs"
"""Why an address is never used again, whoever writes from it later."""


@dataclass(frozen=True)
class Conversation:
    """What is open with one customer on one channel when a reply comes."""

    program: Program
    zone: ZoneInfo
    survey: str | None = None
    """Id of the open survey; None: the reply is a free message."""
    asked: str | None = None
    """Id of the question asked last."""
    answered: tuple[str, ...] = ()
    clarified: int = 0
    late: bool = False
    """The survey's closing date has passed."""
    correcting: bool = False
    """The survey was answered a moment ago: a clear score now corrects it."""
    resurvey_of: int = 0
    """Ticket that this survey asks again about; 0: a first survey."""
    live_ticket: bool = False
    """A ticket of this customer and program is not closed yet."""
    opted_out: bool = False
    """Asked before to get no more messages, and was told so."""
    on_page: bool = False
    """Answered on the survey page: all questions at once, and the page says thanks."""

    @property
    def questions(self) -> tuple[Question, ...]:
        if self.survey is None:
            return ()
        survey = self.program.surveys[self.survey]
        return survey.questions if self.on_page else survey.asked

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """The asked question and those after it; what a reply may fill, in order."""
        if self.on_page:
            return self.questions
        if self.correcting:
            return tuple(question for question in self.questions if question.id == self.asked)
        return tuple(question for question in self.questions if question.id not in self.answered)


def hear(talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar) -> list[Decision]:
    """Everything that follows from one reply, in the order in which it is done."""
    decisions = list(_hear(talk, reading, text, at, calendar))
    return decisions + list(_alerts(talk, reading, text, at, calendar, decisions))


def see(talk: Conversation) -> list[Decision]:
    """What follows from a picture without words: a person looks at it; a survey that waits asks once what it means."""
    because = "a picture without words"
    decisions: list[Decision] = [HoldForPerson(because)]
    if talk.survey and not talk.late and not talk.correcting and talk.clarified == 0:
        decisions.append(Clarify(because))
    return decisions


def _hear(talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar) -> Iterator[Decision]:
    if not text.strip():
        yield Ignore("empty")
        return
    booked = list(_book(talk, reading))
    yield from booked
    if booked and reading.intent in (Intent.CALLBACK, Intent.HELP):
        yield from _settle(talk, finished=not _remaining(talk, booked), unhappy=False)
    match reading.intent:
        case Intent.OPT_OUT:
            yield OptOut("asked to get no more messages")
            if talk.survey and not booked:
                yield MoveSurvey(SurveyState.WITHDRAWN, "opted out")
            if not talk.opted_out:
                yield Say("opt_out_confirmed", "opt_out", "confirmed once")
            if booked:
                yield from _unhappy_or_done(talk, reading, booked, text, at, calendar, quiet=True)
            elif reading.category is Category.COMPLAINT:
                because = "a complaint beside the opt-out"
                yield from _to_person(talk, reading, text, at, calendar, "complaint", because, quiet=True)
        case Intent.OPT_IN:
            yield OptIn("asked to get messages again")
            yield Say("opt_in_confirmed", "opt_in", "confirmed")
        case Intent.CALLBACK:
            yield from _to_person(talk, reading, text, at, calendar, "callback", "asks to be called")
        case Intent.WRONG_PERSON:
            yield SuppressNumber(NOT_THEIRS)
            if talk.survey:
                yield MoveSurvey(SurveyState.WITHDRAWN, "wrong person")
            yield Say("wrong_person", "wrong_person", "apologised")
        case Intent.HELP if reading.kind == "question" or _watched(talk, reading):
            yield from _to_person(talk, reading, text, at, calendar, "question", "asks a question that needs an answer")
        case Intent.HELP:
            yield Say("help", "help", "asked how this works")
        case Intent.SCORE if booked:
            yield from _unhappy_or_done(talk, reading, booked, text, at, calendar)
        case Intent.COMMENT:
            yield from _comment(talk, reading, text, at, calendar)
        case _ if talk.on_page or reading.category is Category.COMPLAINT or _watched(talk, reading):
            yield from _comment(talk, reading, text, at, calendar)
        case _:
            yield from _unclear(talk, reading)


def _book(talk: Conversation, reading: Reading) -> Iterator[BookAnswer]:
    """Fill open questions in order; a score that should not be trusted alone is not booked."""
    if not talk.survey or reading.needs_person:
        return
    questions = talk.open_questions
    if reading.answers is not None:
        for question, value in zip(questions, reading.answers, strict=False):
            if value is not None:
                points, level = _on_scale(question, value)
                yield BookAnswer(question.id, reading, value, points, level, f"{value:g} on {question.scale}")
    elif reading.score is not None and questions:
        question = questions[0]
        because = f"{reading.score:g} on {question.scale}: {', '.join(reading.because)}"
        yield BookAnswer(question.id, reading, reading.score, reading.points, reading.level, because)


def _on_scale(question: Question, value: float) -> tuple[int, int]:
    """(points 0-100, level 1-5) of a score on the question's scale (DESIGN 9)."""
    points = round(value * _POINTS_PER_STEP.get(question.scale, 0))
    return points, max(1, points // 20)


_POINTS_PER_STEP = {
    Scale.FIVE: 20,
    Scale.LEVEL5: 20,
    Scale.ZERO_TO_TEN: 10,
    Scale.ONE_TO_TEN: 10,
    Scale.HUNDRED: 1,
    Scale.YESNO: 100,
}


def scored(question: Question, value: float, because: str) -> Reading:
    """The reading of a score that is certain: tapped on a page, or coded by a person."""
    points, level = _on_scale(question, value)
    return Reading(intent=Intent.SCORE, score=value, points=points, level=level, confidence=1.0, because=(because,))


def _watched(talk: Conversation, reading: Reading) -> str | None:
    """The first flag of the reply for which the program wants a person, whatever the score."""
    alerts = talk.program.replies.alerts
    return next((flag for flag in reading.flags if flag in alerts), None)


def _alerts(
    talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar, decided: list[Decision]
) -> Iterator[Decision]:
    """Words that a program watches for notify somebody at once, whatever the score (R121)."""
    in_queue = talk.live_ticket or any(isinstance(each, OpenTicket | NextRound) for each in decided)
    for flag in reading.flags:
        alert = talk.program.replies.alerts.get(flag)
        if alert is None:
            continue
        because = f"{flag} words in the reply"
        if not in_queue:
            topic = score.topic_of(talk.program, text)
            yield callback.open_ticket(
                talk.program, reading, at, talk.zone, calendar, kind=flag, topic=topic, because=because
            )
            in_queue = True
        yield PingNow(alert.ping, f"{callback.ALERT}{flag}", at, because)


def _unhappy_or_done(
    talk: Conversation,
    reading: Reading,
    booked: list[BookAnswer],
    text: str,
    at: datetime,
    calendar: Calendar,
    *,
    quiet: bool = False,
) -> Iterator[Decision]:
    """A low answer or a complaint goes to a person; else the next question, or thanks."""
    remaining = _remaining(talk, booked)
    trouble = _trouble(talk, reading, booked)
    yield from _settle(talk, finished=not remaining, unhappy=trouble is not None, left=quiet)
    if trouble is not None:
        kind, because = trouble
        yield from _to_person(talk, reading, text, at, calendar, kind, because, quiet=quiet)
        return
    if talk.resurvey_of and not remaining:
        yield CloseTicket(f"asked again: {booked[-1].because}")
    if quiet or talk.on_page:
        return
    if talk.late:
        yield Say("late_thanks", "thanks", "answered after the closing date")
    elif remaining and not talk.correcting:
        yield AskQuestion(remaining[0].id, "next question")
    else:
        yield Say(score.thanks_template(talk.program, booked[-1].level), "thanks", "thanked at once")


def _remaining(talk: Conversation, booked: list[BookAnswer]) -> list[Question]:
    """What is still to be asked; a page has shown everything, and what was left out there is not asked again."""
    if talk.on_page:
        return []
    answered = {answer.question for answer in booked}
    return [question for question in talk.open_questions if question.id not in answered]


def _trouble(talk: Conversation, reading: Reading, booked: list[BookAnswer]) -> tuple[str, str] | None:
    """(kind of ticket, reason) when an answer needs a person; a mixed reply follows its complaint (R118)."""
    low = next((answer for answer in booked if _is_low(talk, answer)), None)
    if low is not None:
        return "low_score", low.because
    if reading.category is Category.COMPLAINT:
        return "complaint", "a complaint beside the score"
    flag = _watched(talk, reading)
    return (flag, f"{flag} words beside the score") if flag else None


def _settle(talk: Conversation, *, finished: bool, unhappy: bool, left: bool = False) -> Iterator[Decision]:
    """The end of the survey, where this reply is one; a late answer or a correction ends nothing."""
    if talk.correcting or talk.late:
        return
    if finished:
        yield MoveSurvey(SurveyState.ANSWERED, "every question has its answer")
    elif unhappy:
        yield MoveSurvey(SurveyState.ANSWERED, "no further questions to somebody who is unhappy")
    elif left:
        yield MoveSurvey(SurveyState.WITHDRAWN, "opted out")


def _is_low(talk: Conversation, answer: BookAnswer) -> bool:
    assert talk.survey is not None
    question = talk.program.surveys[talk.survey].question(answer.question)
    return score.is_low(talk.program.replies.low, answer.points, answer.level, question)


def _to_person(
    talk: Conversation,
    reading: Reading,
    text: str,
    at: datetime,
    calendar: Calendar,
    kind: str,
    because: str,
    *,
    quiet: bool = False,
) -> Iterator[Decision]:
    """Apology at once, then the queue: the next round where this was asked again, one ticket otherwise."""
    program = talk.program
    topic = score.topic_of(program, text)
    if talk.resurvey_of and talk.live_ticket:
        decided = callback.next_round(program, at, talk.zone, calendar, because)
        yield decided
        template, answer_at = program.replies.apology, decided.call_before
    elif talk.live_ticket:
        yield AddToTicket(because)
        if reading.urgent and not quiet:
            yield Say("urgent_reply", "apology", "urgent, and a person is on it")
        yield CancelFollowUps("an open complaint waits for a person", _reminders(program))
        return
    else:
        opened = callback.open_ticket(
            program, reading, at, talk.zone, calendar, kind=kind, topic=topic, because=because
        )
        yield opened
        template, answer_at = program.replies.apology, opened.call_before
    if reading.urgent:
        template = "urgent_reply"
    elif kind in ("callback", "question"):
        template = "callback_promised"
    if not quiet:
        promise = {"expected_answer_at": answer_at, "promised_at": answer_at}
        yield Say(template, "apology", "answered at once", promise)
        if template == program.replies.apology and program.replies.ask_details and not talk.resurvey_of:
            yield Say(program.replies.ask_details, "details", "asked what happened")
    yield CancelFollowUps("an open complaint waits for a person", _reminders(program))


def _reminders(program: Program) -> tuple[str, ...]:
    return tuple(flow.id for flow in program.flows if isinstance(flow.on, Unanswered))


def _comment(talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar) -> Iterator[Decision]:
    because = f"{reading.category or 'comment'}: {', '.join(reading.because)}"
    asked = talk.open_questions[0] if talk.open_questions and not talk.on_page else None
    booked: list[BookAnswer] = []
    if asked and asked.scale is Scale.TEXT:
        booked = [BookAnswer(asked.id, reading, None, None, None, because)]
        yield from booked
    else:
        yield KeepComment(reading, because)
    flag = _watched(talk, reading)
    if flag or reading.category is Category.COMPLAINT:
        if talk.survey and not talk.late and not talk.correcting:
            yield MoveSurvey(SurveyState.ANSWERED, "answered in words")
        kind = "complaint" if reading.category is Category.COMPLAINT or not flag else flag
        because = "a complaint in words" if kind == "complaint" else f"{kind} words in the reply"
        yield from _to_person(talk, reading, text, at, calendar, kind, because)
    elif talk.live_ticket and not talk.resurvey_of:
        yield AddToTicket("more words from the customer")
    elif reading.needs_person:
        yield HoldForPerson("free words that should not be trusted alone")
    elif booked and (remaining := _remaining(talk, booked)):
        yield AskQuestion(remaining[0].id, "next question")
    else:
        if booked:
            yield from _settle(talk, finished=True, unhappy=False)
        if not talk.on_page:
            yield Say("comment_thanks", "comment", "thanked for the words")


def _unclear(talk: Conversation, reading: Reading) -> Iterator[Decision]:
    if reading.kind in ("greeting", "thanks", "busy"):
        yield Ignore(f"{reading.kind}: no answer to a question")
    elif talk.live_ticket and not talk.resurvey_of:
        yield AddToTicket("more words from the customer")
    elif talk.survey and not talk.late and not talk.correcting and talk.clarified == 0:
        yield Clarify(f"unclear: {', '.join(reading.because) or 'nothing to go by'}")
    elif talk.survey and not talk.correcting:
        if not talk.late:
            yield MoveSurvey(SurveyState.NEEDS_PERSON, "unclear after one clarifying question")
        yield HoldForPerson("unclear twice")
        yield Say("unclear_to_person", "unclear", "a person will read it")
    else:
        yield HoldForPerson("a free message that says nothing clear")
