"""The conversation: a reply has been read; what follows? (DESIGN 7 and 8; R106, R116, R118, R121-R125)

`hear` takes what is open with this customer and one Reading, and answers with decisions. It asks once what an unclear
reply meant, then hands over to a person; it never books a satisfied score for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from flows import callback, score
from flows.actions import TaskAction
from flows.annoyance import ANNOYED
from flows.appointment import at_wish, later_slot, wish_in
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
    NoteAnnoyance,
    NoteLate,
    OpenTicket,
    OptIn,
    OptOut,
    PingNow,
    PingSuperior,
    Say,
    SuppressNumber,
)
from flows.program import Program, Question
from flows.states import SurveyState
from flows.triggers import Unanswered
from flows.windows import ANY_TIME, OwnTimes
from messages.reading import ABOUT_STAFF, Category, Intent, Reading, Scale

NOT_THEIRS = "says that the number is not theirs"
"""Why an address is never used again, whoever writes from it later."""


@dataclass(frozen=True)
class Conversation:
    """What is open with one customer on one channel when a reply comes."""

    program: Program
    zone: ZoneInfo
    survey: str | None = None
    """Id of the survey that the reply belongs to; None: the reply is a free message."""
    asked: str | None = None
    """Id of the question asked last."""
    closes_at: datetime | None = None
    answered: tuple[str, ...] = ()
    clarified: int = 0
    handed_over: bool = False
    """A person has been asked to read what was unclear, and the customer was told so."""
    late: bool = False
    """The survey's closing date has passed: what comes now is noted, and counts nowhere (R58)."""
    correcting: bool = False
    """The survey was answered a moment ago: a clear score now corrects it."""
    corrects: tuple[str, ...] = ()
    """Which answers a correction is about: those of the last reply; none named: the question asked last."""
    over: bool = False
    """The survey was answered earlier: words still belong to it, a score no longer does."""
    resurvey_of: int = 0
    """Ticket that this survey asks again about; 0: a first survey."""
    live_ticket: bool = False
    """A ticket of this customer and program is not closed yet."""
    own_ticket: bool = False
    """This survey opened the live ticket."""
    only_for_score: bool = False
    """Nothing but the score that can still be corrected opened the live ticket, and nobody has taken it."""
    call_before: datetime | None = None
    """When the live ticket promises a call."""
    opted_out: bool = False
    """Asked before to get no more messages, and was told so."""
    own: OwnTimes = ANY_TIME
    """When the customer wants to be reached."""
    on_page: bool = False
    """Answered on the survey page: all questions at once, and the page says thanks."""

    @property
    def questions(self) -> tuple[Question, ...]:
        if self.survey is None:
            return ()
        survey = self.program.surveys[self.survey]
        return survey.questions if self.on_page else survey.asked

    @property
    def waits(self) -> bool:
        """Does the survey still wait for answers?"""
        return self.survey is not None and not (self.late or self.correcting or self.over)

    def needs_person(self, reading: Reading) -> bool:
        """Does the reply complain in words, and is this no survey that only notes what is said?"""
        notes = self.survey is not None and self.program.surveys[self.survey].complaints == "note"
        return reading.category is Category.COMPLAINT and not notes

    @property
    def asked_last(self) -> Question | None:
        """The question whose scale a score is on that nobody asked for any more: the last one with a scale."""
        known = [each for each in self.questions if each.id in (*self.answered, self.asked)]
        return next((each for each in reversed(known) if each.scale is not Scale.TEXT), None)

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """The asked question and those after it; what a reply may fill, in order."""
        if self.on_page:
            return self.questions
        if self.over:
            return ()
        if self.correcting:
            return tuple(question for question in self.questions if question.id in (self.corrects or (self.asked,)))
        return tuple(question for question in self.questions if question.id not in self.answered)


def hear(talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar) -> list[Decision]:
    """Everything that follows from one reply, in the order in which it is done."""
    decisions = list(_hear(talk, reading, text, at, calendar))
    if ANNOYED in reading.flags:
        decisions.append(NoteAnnoyance("words of annoyance"))
    return decisions + list(_alerts(talk, reading, text, at, calendar, decisions))


def suggested(program: Program, reading: Reading) -> TaskAction | None:
    """The task that a suggestion calls for (R120), also beside a complaint: the idea is heard by itself."""
    return program.replies.suggestion if Category.SUGGESTION in reading.categories else None


def see(talk: Conversation) -> list[Decision]:
    """What follows from a picture without words: a person looks at it; a survey that waits asks once what it means."""
    because = "a picture without words"
    decisions: list[Decision] = [HoldForPerson(because)]
    if talk.waits and talk.clarified == 0:
        decisions.append(Clarify(because))
    return decisions


def _hear(talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar) -> Iterator[Decision]:
    if not text.strip():
        yield Ignore("empty")
        return
    if reading.kind == ANNOYED:
        yield from _annoyed(talk, reading)
        return
    booked = list(_book(talk, reading))
    yield from _kept(talk, booked)
    if booked and reading.intent in (Intent.CALLBACK, Intent.HELP):
        yield from _settle(talk, finished=not _remaining(talk, booked), unhappy=False)
    match reading.intent:
        case Intent.OPT_OUT:
            yield OptOut("asked to get no more messages")
            if talk.waits and not booked:
                yield MoveSurvey(SurveyState.WITHDRAWN, "opted out")
            if not talk.opted_out:
                yield Say("opt_out_confirmed", "opt_out", "confirmed once")
            if booked:
                yield from _unhappy_or_done(talk, reading, booked, text, at, calendar, quiet=True)
            elif talk.needs_person(reading):
                because = "a complaint beside the opt-out"
                yield from _to_person(talk, reading, text, at, calendar, "complaint", because, quiet=True)
        case Intent.OPT_IN:
            yield OptIn("asked to get messages again")
            yield Say("opt_in_confirmed", "opt_in", "confirmed")
        case Intent.CALLBACK:
            yield from _to_person(talk, reading, text, at, calendar, "callback", "asks to be called")
        case Intent.WRONG_PERSON:
            yield SuppressNumber(NOT_THEIRS)
            if talk.waits:
                yield MoveSurvey(SurveyState.WITHDRAWN, "wrong person")
            yield Say("wrong_person", "wrong_person", "apologised")
        case Intent.HELP if _asks(reading) or _watched(talk, reading):
            yield from _to_person(talk, reading, text, at, calendar, "question", "asks a question that needs an answer")
        case Intent.HELP:
            yield Say("help", "help", "asked how this works")
        case Intent.SCORE if booked:
            yield from _unhappy_or_done(talk, reading, booked, text, at, calendar)
        case Intent.SCORE if talk.over and said_low(talk, reading):
            yield KeepComment(reading, "a low score after the survey was answered")
            because = f"{reading.score:g} said after the survey was answered"
            yield from _to_person(talk, reading, text, at, calendar, "low_score", because)
        case Intent.COMMENT:
            yield from _comment(talk, reading, text, at, calendar)
        case _ if talk.on_page or reading.category is Category.COMPLAINT or _watched(talk, reading):
            yield from _comment(talk, reading, text, at, calendar)
        case _:
            yield from _unclear(talk, reading, text, at, calendar)


def _annoyed(talk: Conversation, reading: Reading) -> Iterator[Decision]:
    """Nothing but annoyance with us: kept, and answered without the promise of a call (R83)."""
    because = "words of annoyance"
    yield NoteLate(reading, because) if talk.late else KeepComment(reading, because)
    if talk.live_ticket:
        yield AddToTicket(because)
    if not (talk.on_page or talk.opted_out):
        yield Say("annoyed", "annoyed", "answered at once, without a call")
    yield CancelFollowUps(because, _reminders(talk.program), theirs=True)


def _asks(reading: Reading) -> bool:
    """A question that needs an answer, and not only how to reply."""
    return reading.kind == "question" or any(because.startswith("help:") for because in reading.because)


def said_low(talk: Conversation, reading: Reading) -> bool:
    """Is it a low score on the scale of the question that was asked last?"""
    question = talk.asked_last
    trusted = reading.intent is Intent.SCORE and reading.score is not None and not reading.needs_person
    low = talk.program.replies.low
    return trusted and question is not None and score.is_low(low, reading.points, reading.level, question)


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
    elif reading.score is not None and questions and not (talk.correcting and len(questions) > 1):
        question = questions[0]
        because = f"{reading.score:g} on {question.scale}: {', '.join(reading.because)}"
        yield BookAnswer(question.id, reading, reading.score, reading.points, reading.level, because)


def _kept(talk: Conversation, booked: list[BookAnswer]) -> Iterator[Decision]:
    """The answers as they are kept: in the survey, or beside it where it has closed."""
    for answer in booked:
        yield NoteLate(answer.reading, answer.because) if talk.late else answer


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
                talk.program, reading, at, talk.zone, calendar, kind=flag, topic=topic, because=because, own=talk.own
            )
            in_queue = True
        yield PingNow(alert.ping, f"{callback.ALERT}{flag}", at, because)
    if in_queue and ABOUT_STAFF in reading.flags:
        yield PingSuperior(f"{callback.ALERT}{ABOUT_STAFF}", "a complaint about somebody of the staff")


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
        about = _asked_about(talk, booked)
        yield from _to_person(talk, reading, text, at, calendar, kind, because, quiet=quiet, about=about)
        return
    if talk.resurvey_of and not remaining:
        yield CloseTicket(f"asked again: {booked[-1].because}")
    elif talk.correcting and talk.own_ticket:
        yield _corrected(talk, booked[-1])
    if quiet or talk.on_page:
        return
    if talk.late:
        yield Say("late_thanks", "thanks", "answered after the closing date")
    elif remaining and not talk.correcting:
        yield AskQuestion(remaining[0].id, "next question")
    elif talk.correcting and talk.own_ticket and not talk.resurvey_of:
        still_promised = None if talk.only_for_score else talk.call_before
        known = {"score_text": f"{booked[-1].score:g}", "promised_at": still_promised}
        yield Say("corrected", "thanks", "corrected a score that had opened a ticket", known)
    else:
        lowest = min((answer.level for answer in booked if answer.level is not None), default=None)
        yield Say(score.thanks_template(talk.program, lowest), "thanks", "thanked at once")


def _corrected(talk: Conversation, answer: BookAnswer) -> Decision:
    """A better score in place of the one that opened the ticket: it closes where nothing else is in it."""
    because = f"the customer corrected the score: {answer.because}"
    return CloseTicket(because) if talk.only_for_score else AddToTicket(because)


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
    if talk.needs_person(reading):
        return "complaint", "a complaint beside the score"
    flag = _watched(talk, reading)
    return (flag, f"{flag} words beside the score") if flag else None


def _asked_about(talk: Conversation, booked: list[BookAnswer]) -> str | None:
    """What the question was about that got a low answer, where the words themselves do not say."""
    low = next((answer for answer in booked if _is_low(talk, answer)), None)
    return next((each.topic for each in talk.questions if low is not None and each.id == low.question), None)


def _settle(talk: Conversation, *, finished: bool, unhappy: bool, left: bool = False) -> Iterator[Decision]:
    """The end of the survey, where this reply is one; a late answer or a correction ends nothing."""
    if not talk.waits:
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
    about: str | None = None,
) -> Iterator[Decision]:
    """Apology at once, then the queue: the next round where this was asked again, one ticket otherwise."""
    program = talk.program
    topic = score.topic_of(program, text) or about
    wish = wish_in(text, at, program, talk.zone) if kind == "callback" and not reading.urgent else None
    wished_at = wish.at if wish else None
    because = _named(because, wished_at, talk.zone)
    if talk.resurvey_of and talk.live_ticket:
        again = callback.next_round(program, at, talk.zone, calendar, because, talk.own)
        yield replace(again, wished_at=wished_at)
        answer_at = again.call_before
    elif talk.live_ticket:
        yield AddToTicket(because, wished_at)
        if not quiet:
            yield from _more_for_person(reading, wished_at)
        yield CancelFollowUps("a person is on it", _reminders(program), theirs=True)
        return
    else:
        opened = callback.open_ticket(
            program, reading, at, talk.zone, calendar, kind=kind, topic=topic, because=because, own=talk.own
        )
        opened = at_wish(opened, wish, program, at, talk.zone)
        yield opened
        answer_at = opened.call_before
    template = _promise(program, reading, kind, wished_at)
    if not quiet:
        promise = {"expected_answer_at": answer_at, "promised_at": wished_at or answer_at}
        yield Say(template, "apology", "answered at once", promise)
        if template == program.replies.apology and program.replies.ask_details and not talk.resurvey_of:
            yield Say(program.replies.ask_details, "details", "asked what happened")
    yield CancelFollowUps("a person is on it", _reminders(program), theirs=True)


def _more_for_person(reading: Reading, wished_at: datetime | None) -> Iterator[Decision]:
    """More for a ticket that is open: an emergency is answered even then, and so is a time for the call."""
    if reading.urgent:
        yield Say("urgent_reply", "apology", "urgent, and a person is on it")
    elif wished_at is not None:
        yield Say("callback_at", "apology", "named a time for the call", {"promised_at": wished_at})


def _promise(program: Program, reading: Reading, kind: str, wished_at: datetime | None) -> str:
    """The template that answers somebody whom a person will call."""
    if reading.urgent:
        return "urgent_reply"
    if wished_at is not None:
        return "callback_at"
    if ANNOYED in reading.flags and kind != "callback":
        return "annoyed"
    if kind == "question" and not reading.flags:
        return "question_passed_on"
    return "callback_promised" if kind in ("callback", "question") else program.replies.apology


def _named(because: str, wished_at: datetime | None, zone: ZoneInfo) -> str:
    """The reason with the time that the customer named."""
    return because if wished_at is None else f"{because} at {wished_at.astimezone(zone):%Y-%m-%d %H:%M}"


def _reminders(program: Program) -> tuple[str, ...]:
    return tuple(flow.id for flow in program.flows if isinstance(flow.on, Unanswered))


def _comment(talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar) -> Iterator[Decision]:
    because = f"{reading.category or 'comment'}: {', '.join(reading.because)}"
    asked = talk.open_questions[0] if talk.open_questions and not talk.on_page else None
    booked: list[BookAnswer] = []
    if asked and asked.scale is Scale.TEXT:
        booked = [BookAnswer(asked.id, reading, None, None, None, because)]
        yield from _kept(talk, booked)
    else:
        yield NoteLate(reading, because) if talk.late else KeepComment(reading, because)
    flag = _watched(talk, reading)
    if flag or talk.needs_person(reading):
        if talk.waits:
            yield MoveSurvey(SurveyState.ANSWERED, "answered in words")
        kind = "complaint" if reading.category is Category.COMPLAINT or not flag else flag
        because = "a complaint in words" if kind == "complaint" else f"{kind} words in the reply"
        yield from _to_person(talk, reading, text, at, calendar, kind, because)
    elif talk.live_ticket and not talk.resurvey_of:
        yield AddToTicket("more words from the customer")
    elif reading.needs_person:
        yield HoldForPerson("free words that should not be trusted alone")
    elif booked and talk.waits and (remaining := _remaining(talk, booked)):
        yield AskQuestion(remaining[0].id, "next question")
    elif talk.late:
        yield HoldForPerson("words after the closing date")
        yield Say("late_thanks", "thanks", "wrote after the closing date")
    else:
        if booked:
            yield from _settle(talk, finished=True, unhappy=False)
        if not talk.on_page:
            yield Say("comment_thanks", "comment", "thanked for the words")


def _unclear(talk: Conversation, reading: Reading, text: str, at: datetime, calendar: Calendar) -> Iterator[Decision]:
    if reading.kind in ("greeting", "thanks", "refusal"):
        yield Ignore(f"{reading.kind}: no answer to a question")
    elif talk.live_ticket and not talk.resurvey_of:
        wish = wish_in(text, at, talk.program, talk.zone)
        wished_at = wish.at if wish else None
        yield AddToTicket(_named("more words from the customer", wished_at, talk.zone), wished_at)
        yield from _more_for_person(reading, wished_at)
    elif reading.kind == "busy":
        yield _ask_later(talk, text, at, calendar)
    elif talk.waits and talk.clarified == 0:
        yield Clarify(f"unclear: {', '.join(reading.because) or 'nothing to go by'}")
    elif talk.waits and not talk.handed_over:
        yield MoveSurvey(SurveyState.NEEDS_PERSON, "unclear after one clarifying question")
        yield HoldForPerson("unclear twice")
        yield Say("unclear_to_person", "unclear", "a person will read it")
    else:
        yield HoldForPerson(
            "unclear, and a person reads it" if talk.waits else "a free message that says nothing clear"
        )


def _ask_later(talk: Conversation, text: str, at: datetime, calendar: Calendar) -> Decision:
    """One later attempt for somebody who has no time now, while the survey is open (PROGRAMS 4.4)."""
    if not talk.waits or talk.handed_over or talk.closes_at is None:
        return Ignore("busy: no answer to a question")
    found = later_slot(text, at, talk.closes_at, talk.program, talk.zone, calendar, talk.own)
    if found is None:
        return Ignore("busy until the survey closes")
    slot, told = found
    return AskLater(slot, "; ".join(("busy: asked again later", *slot.reasons)), told)
