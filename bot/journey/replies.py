"""Step 6: a reply is read. Step 7: it is scored, and what follows is done.

`read_waiting` takes what `inbox.py` has stored: one reply at a time, oldest first, each in one transaction that locks
its customer. What the provider itself says of a text (its flag), and a button, come before any reading. Who is behind
a chat: linking.py. Next: callbacks.py.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlmodel import Session

from bot.channels.contract import Flag
from bot.errors import Conflict, InputError, NotFound
from bot.journey import (
    appointments,
    callbacks,
    conversations,
    linking,
    tasks,
    ticket_tasks,
    unclear,
    violations,
    wording,
)
from bot.journey.apply import apply
from bot.journey.conversations import CORRECTED_WITHIN, Standing
from bot.journey.subject import Subject, note, who_wrote
from bot.phones import country_of
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, follow_ups, inbound, staff, surveys, tickets, trail
from bot.store.db import PASSING
from bot.store.storable import storable_text
from bot.store.tables import CustomerRow, InboundRow, StaffRow, SurveyRow
from flows.annoyance import ANNOYED, apart_from_annoyance, words_of_annoyance
from flows.decisions import BookAnswer, KeepComment, MoveSurvey, OpenTicket, Say
from flows.own_times import own_times
from flows.program import Program
from flows.program import Question as ProgramQuestion
from flows.score import topic_of
from flows.states import FollowUpState, SurveyState
from flows.survey import Conversation, hear, said_low, scored, see, suggested
from messages.reading import Category, Intent, Question, Reading, Scale, read
from messages.reading.scales import is_on

log = structlog.get_logger()
BATCH = 200
LONGEST_COMMENT = 4000
_TAP = re.compile(r"([^:]+):([0-9]{1,3}):([0-9]{1,3})")
"""What comes back from a button of a survey: its token, which of its questions, the score."""


# ----- steps 6 and 7


def read_waiting(runtime: Runtime, limit: int = BATCH) -> int:
    """Read what was stored and not yet read; how many replies."""
    runtime.shelf.refresh()
    with runtime.db.read() as session:
        waiting = inbound.unread_ids(session, limit)
    for inbound_id in waiting:
        try:
            _read_one(runtime, inbound_id)
        except PASSING:
            raise
        except Exception as error:  # whatever it is, the replies behind it must not wait for it
            log.error("reply set aside", inbound=inbound_id, error=type(error).__name__)
            _set_aside(runtime, inbound_id, f"could not be read: {type(error).__name__}")
    return len(waiting)


def _set_aside(runtime: Runtime, inbound_id: int, because: str) -> None:
    """Leave a reply to a person."""
    with runtime.db.write() as session:
        reply = inbound.take(session, inbound_id)
        if reply is None:
            return
        customer = customers.by_address(session, reply.channel, reply.from_address)
        customer_id = customer.id if customer else 0
        inbound.mark(session, reply.id, "person", customer_id=customer_id)
        trail.write(session, [trail.line(runtime.clock.now(), "held", because, customer_id=customer_id)])


def _read_one(runtime: Runtime, inbound_id: int) -> None:
    """1 take the reply  2 who writes?  3 its flag or button, else read it against what was asked  4 decide  5 write.

    Members of staff are staff first: what they type is for their tickets, also where they are customers beside that;
    a button says by itself whom it is for. The customer is locked before any other row.
    """
    with runtime.db.write() as session:
        reply = inbound.take(session, inbound_id)
        if reply is None:
            return
        if reply.flag == Flag.START:
            linking.open_chat(session, runtime, reply)
            return
        if reply.flag == Flag.CONTACT:
            linking.share_contact(session, runtime, reply)
            return
        customer = customers.by_address(session, reply.channel, reply.from_address)
        if customer is not None:
            customer = customers.lock(session, [customer.id])[customer.id]
        member = staff.writing_from(session, reply.channel, reply.from_address)
        if reply.flag:
            _obey(session, runtime, reply, customer, member)
        elif reply.tapped:
            _read_tap(session, runtime, reply, customer, member)
        elif member is not None:
            inbound.mark(session, reply.id, "read", staff_id=member.id)
            callbacks.hear_staff(session, runtime, member, reply, reply.body)
        elif customer is not None and not _about_appointment(session, runtime, customer, reply):
            _read_text(session, runtime, customer, reply)
        elif customer is None:
            _keep_for_person(session, runtime, reply)


def _keep_for_person(session: Session, runtime: Runtime, reply: InboundRow) -> None:
    """Words from somebody whom nobody knows."""
    inbound.mark(session, reply.id, "person")
    trail.write(session, [trail.line(runtime.clock.now(), "held", "a message from an unknown address")])
    linking.hint(session, runtime, reply)


def _about_appointment(session: Session, runtime: Runtime, customer: CustomerRow, reply: InboundRow) -> bool:
    """Whether the reply was about an appointment, and is dealt with; an answer to a survey that waits is none."""
    task = appointments.announced(session, runtime, customer, reply)
    if task is None:
        return False
    _, talk = _conversation(session, runtime, customer, reply, _likeliest(session, customer, reply))
    question = _question(talk, customer, reply)
    if talk.waits and read(reply.body, question).intent is Intent.SCORE:
        return False
    return appointments.hear(session, runtime, task, customer, reply, question)


def _read_text(session: Session, runtime: Runtime, customer: CustomerRow, reply: InboundRow) -> None:
    """Of the conversations that the reply may belong to, the first whose question it answers; else the likeliest."""
    found, surveys_here = [], conversations.likeliest_first(session, customer, reply)
    if conversations.standing_of(surveys_here[0], reply.received_at) not in (Standing.WAITING, Standing.JUST_ANSWERED):
        answers_call = _in_place_of_call(session, runtime, customer, reply)
        surveys_here = [answers_call] if answers_call else surveys_here
    for survey in surveys_here:
        subject, talk = _conversation(session, runtime, customer, reply, survey)
        if reply.media and not reply.body.strip():
            _look_at(session, subject, talk, reply)
            return
        found.append((subject, talk, _read(talk, customer, reply)))
        if _answers(session, *found[-1]):
            break
    else:
        found = found[:1]
    _hear(session, found[-1][0], found[-1][1], reply, found[-1][2], text=reply.body)


def _in_place_of_call(session: Session, runtime: Runtime, customer: CustomerRow, reply: InboundRow) -> SurveyRow | None:
    """The question that staff are to ask just now, as if it had been sent, where the reply is a clear score on it."""
    asked = ticket_tasks.asked_by_staff(session, runtime, customer.id)
    if asked is None:
        return None
    subject, task = asked
    reading = _read(ticket_tasks.talk_of(subject), customer, reply)
    if reading.intent is not Intent.SCORE or reading.score is None or reading.needs_person:
        return None
    return ticket_tasks.open_survey(session, subject, task, reply.channel)


def _read(talk: Conversation, customer: CustomerRow, reply: InboundRow) -> Reading:
    """The reply as read; to a survey that is answered, a low score is still one, and all else is words."""
    question = _question(talk, customer, reply)
    asked = talk.asked_last if talk.over else None
    if asked is not None:
        reading = read(reply.body, replace(question, scale=asked.scale, levels=levels_of(asked, customer.language)))
        if said_low(talk, reading):
            return reading
    reading = read(reply.body, question)
    if _answers_the_first(reading):
        question = replace(question, n_questions=1)
        reading = read(reply.body, question)
    return apart_from_annoyance(talk.program, reading, reply.body, question)


def _answers_the_first(reading: Reading) -> bool:
    """One answer where several questions are open: they are asked one by one, so it belongs to the first."""
    given = [place for place, score in enumerate(reading.answers or ()) if score is not None]
    return given == [0] and reading.needs_person


def _answers(session: Session, subject: Subject, talk: Conversation, reading: Reading) -> bool:
    """Is it an answer here? Not what its question does not know, nor a score said a moment ago already."""
    if talk.correcting and subject.survey is not None and reading.score is not None:
        given = {answer.question: answer.score for answer in surveys.answers_of(session, subject.survey.id)}
        return [given.get(question.id) for question in talk.open_questions] != [reading.score]
    return reading.intent is not Intent.UNCLEAR or reading.kind is not None


def _look_at(session: Session, subject: Subject, talk: Conversation, reply: InboundRow) -> None:
    """A picture without words."""
    survey_id = subject.survey.id if subject.survey else 0
    inbound.mark(session, reply.id, "read", customer_id=subject.customer.id, survey_id=survey_id)
    apply(session, subject, see(talk))


# ----- what the provider says of a text


def _obey(
    session: Session, runtime: Runtime, reply: InboundRow, customer: CustomerRow | None, member: StaffRow | None
) -> None:
    """The provider's own word wins over any reading; what it has answered already is not answered again."""
    if reply.flag == Flag.LEFT:
        inbound.mark(session, reply.id, "read", customer_id=customer.id if customer else 0)
        linking.leave(session, runtime, reply, customer, member)
    elif customer is None:
        inbound.mark(session, reply.id, "read", staff_id=member.id if member else 0)
        who = member.name if member else "somebody unknown"
        trail.write(session, [trail.line(runtime.clock.now(), "ignored", f"{_FLAG[Flag(reply.flag)]}: {who}")])
    elif reply.flag == Flag.CAME_BACK:
        linking.come_back(session, runtime, reply, customer)
    elif reply.flag == Flag.HELP:
        inbound.mark(session, reply.id, "read", customer_id=customer.id)
        line = trail.line(runtime.clock.now(), "ignored", _FLAG[Flag.HELP], customer_id=customer.id)
        trail.write(session, [line])
    else:
        _obey_consent(session, runtime, customer, reply)


_FLAG = {
    Flag.OPT_OUT: "opted out at the provider",
    Flag.OPT_IN: "opted in at the provider",
    Flag.HELP: "asked for help, and the provider answered",
    Flag.CAME_BACK: "opened the chat again",
}


def _obey_consent(session: Session, runtime: Runtime, customer: CustomerRow, reply: InboundRow) -> None:
    """Opted out or in at the provider, which has confirmed it: the ledger says so, and nothing is said.

    YES is an answer where a question waits and nobody had opted out: there is nothing to come back from.
    """
    subject, talk = _conversation(session, runtime, customer, reply, _likeliest(session, customer, reply))
    if reply.flag == Flag.OPT_IN and not talk.opted_out:
        reading = read(reply.body, _question(talk, customer, reply))
        if reading.intent is Intent.SCORE:
            _hear(session, subject, talk, reply, reading, text=reply.body)
            return
    intent = Intent.OPT_OUT if reply.flag == Flag.OPT_OUT else Intent.OPT_IN
    reading = Reading(intent=intent, confidence=1.0, because=(_FLAG[Flag(reply.flag)],))
    _hear(session, subject, talk, reply, reading, text=reply.body or reply.flag, quiet=True)


# ----- buttons


def _read_tap(
    session: Session, runtime: Runtime, reply: InboundRow, customer: CustomerRow | None, member: StaffRow | None
) -> None:
    """A button of a notice is a command of linked staff; one of a survey is the answer of its customer alone."""
    command = reply.tapped.removeprefix(callbacks.BUTTON)
    if command != reply.tapped:
        if member is not None:
            inbound.mark(session, reply.id, "read", staff_id=member.id)
            callbacks.hear_staff(session, runtime, member, reply, command)
        else:
            _ignore(session, runtime, reply, customer, "a button for staff, tapped by somebody else")
            if customer is None:
                linking.hint(session, runtime, reply)
        return
    tap = _TAP.fullmatch(reply.tapped)
    survey = surveys.by_token(session, tap[1]) if tap else None
    if tap is None or survey is None or customer is None or survey.customer_id != customer.id:
        _ignore(session, runtime, reply, customer, "a button of a survey that is not theirs")
        return
    asked = runtime.shelf.version(survey.program_version_id).surveys[survey.survey].asked
    index, score = int(tap[2]), float(tap[3])
    if index >= len(asked) or not is_on(asked[index].scale, score):
        _ignore(session, runtime, reply, customer, "a button that this survey does not have")
        return
    _book_tap(session, runtime, customer, reply, survey, asked[index], score)


def _book_tap(
    session: Session,
    runtime: Runtime,
    customer: CustomerRow,
    reply: InboundRow,
    survey: SurveyRow,
    question: ProgramQuestion,
    score: float,
) -> None:
    """Hear the tapped score as if it had been typed; the same one again changes nothing.

    A question that has its answer takes another for CORRECTED_WITHIN; later, and when the survey is closed, a tap is
    what a typed score is then: a free message, which a person may read.
    """
    before = next((row for row in surveys.answers_of(session, survey.id) if row.question == question.id), None)
    if before is not None and before.score == score:
        _ignore(session, runtime, reply, customer, "the same button again")
        return
    subject, talk = _conversation(session, runtime, customer, reply, survey)
    reply.body = reply.body or f"{score:g}"  # what a person reads of it
    if talk.correcting or (before is not None and reply.received_at - before.at <= CORRECTED_WITHIN):
        talk = replace(talk, asked=question.id, correcting=True, corrects=())
    elif before is not None or not talk.waits:
        subject.survey, talk = None, replace(talk, survey=None, asked=None, answered=(), late=False, over=False)
    reading = scored(question, score, "tapped a button")
    if talk.survey is not None and talk.open_questions and talk.open_questions[0].id != question.id:
        answers = tuple(score if each.id == question.id else None for each in talk.open_questions)
        reading = replace(reading, score=None, points=None, level=None, answers=answers)
    _hear(session, subject, talk, reply, reading, text=reply.body)


def _ignore(session: Session, runtime: Runtime, reply: InboundRow, customer: CustomerRow | None, because: str) -> None:
    customer_id = customer.id if customer else 0
    inbound.mark(session, reply.id, "read", customer_id=customer_id)
    trail.write(session, [trail.line(runtime.clock.now(), "ignored", because, customer_id=customer_id)])


# ----- what follows from a reading


def _hear(
    session: Session,
    subject: Subject,
    talk: Conversation,
    reply: InboundRow,
    reading: Reading,
    *,
    text: str,
    state: str = "read",
    quiet: bool = False,
) -> None:
    """Note the reading on the reply and in the trail, then do what follows from it; `quiet`: without any answer."""
    inbound.mark(
        session,
        reply.id,
        state,
        customer_id=subject.customer.id,
        survey_id=subject.survey.id if subject.survey else 0,
        reading=reading.as_dict(),
    )
    seen = _seen(talk.program, reply, reading, text)
    note(session, subject, "reply", ", ".join(reading.because) or str(reading.intent), data=seen)
    decisions = hear(talk, reading, text, reply.received_at, subject.calendar)
    apply(session, subject, [each for each in decisions if not (quiet and isinstance(each, Say))])
    violations.suspect_by_reply(session, subject, talk, reading, text, decisions)
    if any(isinstance(each, OpenTicket) for each in decisions):
        ticket_tasks.open_report(session, subject)
    if any(isinstance(each, MoveSurvey) and each.state is SurveyState.NEEDS_PERSON for each in decisions):
        unclear.open_task(session, subject)
    if talk.handed_over and any(isinstance(each, BookAnswer | KeepComment) for each in decisions):
        unclear.let_go(session, subject)
    action = suggested(talk.program, reading)
    if action is not None:
        key, because = f"suggestion:{reply.id}", "a suggestion in the reply"
        about = tasks.For(key=key, because=because, on=subject.today, words=text)
        tasks.open_for(session, subject, about, action)


def _seen(program: Program, reply: InboundRow, reading: Reading, text: str) -> dict[str, Any]:
    """What the trail keeps of a reading; the topic, of a complaint alone."""
    complains = Category.COMPLAINT in reading.categories
    return {
        "inbound": reply.id,
        "channel": reply.channel,
        "intent": str(reading.intent),
        "score": reading.score,
        "level": reading.level,
        "categories": _categories(reading),
        "topic": topic_of(program, text) if complains else None,
        "flags": list(reading.flags),
    }


def _categories(reading: Reading) -> list[str]:
    """What is said, and what the reply is where it says nothing of us (R117); a score alone has no category."""
    said = [str(category) for category in reading.categories]
    if reading.intent is Intent.OPT_OUT:
        return [*said, "opt_out"]
    if reading.intent is Intent.HELP:
        return [*said, "question"]
    if reading.intent is Intent.UNCLEAR:
        return said or ["greeting" if reading.kind in ("greeting", "thanks") else "unclear"]
    return said


def _conversation(
    session: Session, runtime: Runtime, customer: CustomerRow, reply: InboundRow, survey: SurveyRow | None
) -> tuple[Subject, Conversation]:
    """What stands between this customer and the survey that the reply may belong to; None: a free message (R123)."""
    now = reply.received_at
    standing = conversations.standing_of(survey, now)
    correcting = standing is Standing.JUST_ANSWERED or (reply.provider == "page" and standing is Standing.ANSWERED)
    if standing is Standing.GONE:
        survey = None
    in_force = _program_of(session, runtime, customer, survey)
    enrolment = customers.enrolment(session, customer.id, in_force.program.id)
    subject = Subject(runtime, in_force, customer, enrolment, runtime.clock.now(), inbound=reply, survey=survey)
    subject.person = who_wrote(session, reply)
    subject.ticket = live = tickets.live(session, customer.id, in_force.program.id)
    asked_again = survey is not None and live is not None and survey.ticket_id == live.id
    answers = surveys.answers_of(session, survey.id) if survey else ()
    talk = Conversation(
        program=in_force.program,
        zone=ZoneInfo(customer.zone),
        survey=survey.survey if survey else None,
        asked=survey.asked if survey else None,
        closes_at=survey.closes_at if survey else None,
        answered=tuple(answer.question for answer in answers),
        clarified=survey.clarified if survey else 0,
        handed_over=survey is not None and survey.state == SurveyState.NEEDS_PERSON,
        late=standing is Standing.LATE,
        correcting=correcting,
        corrects=conversations.last_answered(answers) if correcting else (),
        over=standing is Standing.ANSWERED and not correcting,
        resurvey_of=live.id if live and asked_again else 0,
        live_ticket=live is not None,
        own_ticket=survey is not None and live is not None and live.survey_id == survey.id,
        only_for_score=standing is Standing.JUST_ANSWERED and conversations.only_for_score(session, live, survey),
        call_before=live.call_before if live else None,
        opted_out=customer.opted_out_at is not None or customers.is_silent(session, reply.channel, reply.from_address),
        own=own_times(customer.windows),
    )
    return subject, talk


def _likeliest(session: Session, customer: CustomerRow, reply: InboundRow) -> SurveyRow | None:
    """The survey that a reply most likely belongs to."""
    return next(iter(conversations.likeliest_first(session, customer, reply)))


def _program_of(session: Session, runtime: Runtime, customer: CustomerRow, survey: SurveyRow | None) -> InForce:
    """The program whose question this answers; else the one that wrote to the customer last."""
    if survey is not None:
        return InForce(survey.program_version_id, runtime.shelf.version(survey.program_version_id))
    for row in follow_ups.of_customer(session, customer.id, limit=20):
        if row.sent_at is not None or row.state == FollowUpState.ANSWERED:
            return InForce(row.program_version_id, runtime.shelf.version(row.program_version_id))
    return linking.home(session, runtime, customer.id)


def _question(talk: Conversation, customer: CustomerRow, reply: InboundRow) -> Question:
    """How the reply is to be read: the scale that was asked, where the number is from, which words to watch for."""
    open_questions = talk.open_questions
    scale = open_questions[0].scale if open_questions else Scale.TEXT
    return Question(
        scale=scale,
        language=customer.language,
        country=country_of(reply.from_address),
        opted_out=talk.opted_out,
        n_questions=max(1, len(open_questions)) if not talk.correcting else 1,
        levels=levels_of(open_questions[0], customer.language) if open_questions else (),
        alert_words=alert_words(talk.program),
        survey_open=bool(open_questions) and not talk.late,
    )


def levels_of(question: ProgramQuestion, language: str) -> tuple[str, ...]:
    """The words that were offered, best first; a five-level question offers the five levels unless it says more."""
    if question.levels:
        return question.levels.get(language) or next(iter(question.levels.values()))
    return wording.level_words(language) if question.scale is Scale.LEVEL5 else ()


def alert_words(program: Program) -> dict[str, tuple[str, ...]]:
    """Flag -> its words in every language; those of annoyance with us are one more."""
    watched = {flag: alert.words for flag, alert in program.replies.alerts.items()}
    every = {flag: tuple(word for words in known.values() for word in words) for flag, known in watched.items()}
    annoyed = words_of_annoyance(program)
    return {**every, ANNOYED: annoyed} if annoyed else every


# ----- answers that are no text: the survey page, and a person who codes an unclear reply


def answer_on_page(runtime: Runtime, token: str, scores: Mapping[str, float], comment: str) -> str:
    """Book what was tapped and written on the survey page; the survey's state afterwards.

    It goes the same way as a typed reply: stored first, then heard. The same form sent twice counts once.
    NotFound: no such link. Conflict: the survey is closed. InputError: a score is not on its question's scale, or
    nothing was tapped or written.
    """
    runtime.shelf.refresh()
    comment = storable_text(comment)[:LONGEST_COMMENT]
    if not scores and not comment.strip():
        raise InputError([{"field": "comment", "reason": "is empty", "remedy": "tap an answer or write a few words"}])
    with runtime.db.write() as session:
        survey = surveys.by_token(session, token)
        if survey is None:
            raise NotFound("this link is not known")
        customer = customers.lock(session, [survey.customer_id])[survey.customer_id]
        session.refresh(survey)  # somebody may have answered while we waited
        _check_scores(runtime.shelf.version(survey.program_version_id).surveys[survey.survey].questions, scores)
        before = inbound.on_page(session, survey.id)
        if before and before[-1].raw.get("scores") == dict(scores) and before[-1].body == comment:
            return survey.state
        stored = inbound.add(
            session,
            {
                "provider": "page",
                "provider_message_id": f"{token}:{len(before) + 1}",
                "channel": survey.channel,
                "from_address": _address_of(session, survey),
                "to_address": "page",
                "body": comment,
                "raw": {"scores": dict(scores)},
                "received_at": runtime.clock.now(),
            },
        )
        reply = inbound.take(session, stored) if stored is not None else None
        if reply is None:
            return survey.state
        subject, talk = _conversation(session, runtime, customer, reply, survey)
        if talk.survey is None or talk.late:
            raise Conflict("this survey is closed")
        talk = replace(talk, on_page=True)
        reading = _page_reading(talk, customer, scores, comment)
        _hear(session, subject, talk, reply, reading, text=comment or "answered on the page")
        fresh = surveys.get(session, survey.id)
        assert fresh is not None
        session.refresh(fresh)
        return fresh.state


def _address_of(session: Session, survey: SurveyRow) -> str:
    """Where whoever was asked can be answered: an address of the contact person, or of the customer; none: nowhere."""
    asked_by = follow_ups.briefs(session, [survey.follow_up_id]).get(survey.follow_up_id)
    person_id = asked_by.person_id if asked_by else 0
    points = customers.points_of(session, [survey.customer_id]).get(survey.customer_id, [])
    meant = [point for point in points if person_id in (0, point.person_id)]
    here = [point for point in meant if point.channel == survey.channel]
    return next((point.address for point in (*here, *meant)), "")


def _page_reading(talk: Conversation, customer: CustomerRow, scores: Mapping[str, float], comment: str) -> Reading:
    """The comment as read, with the tapped scores in the order of the questions."""
    question = Question(scale=Scale.TEXT, language=customer.language, alert_words=alert_words(talk.program))
    words = apart_from_annoyance(talk.program, read(comment, question), comment, question)
    if not scores:
        return words
    answers = tuple(scores.get(question.id) for question in talk.open_questions)
    return replace(
        words,
        intent=Intent.SCORE,
        kind=None,
        score=None,
        answers=answers,
        confidence=1.0,
        needs_person=False,
        because=("tapped on the page", *words.because),
    )


def _check_scores(questions: Sequence[ProgramQuestion], scores: Mapping[str, float]) -> None:
    """InputError for a score that its question's scale does not have."""
    faults = [
        {"field": each.id, "reason": f"{scores[each.id]:g} is not on the scale {each.scale}", "remedy": "mend it"}
        for each in questions
        if each.id in scores and not is_on(each.scale, scores[each.id])
    ]
    if faults:
        raise InputError(faults)


def code_reply(runtime: Runtime, inbound_id: int, staff_name: str, score: float | None) -> None:
    """A person says what an unclear reply meant (R124): a score on the asked scale, or None for "no answer".

    NotFound: no such reply waits for a person. Conflict: nothing is asked any more. InputError: the score is not on
    the asked scale.
    """
    runtime.shelf.refresh()
    with runtime.db.write() as session:
        reply = inbound.take(session, inbound_id, state="person")
        if reply is None:
            raise NotFound("no such reply waits for a person")
        customer = customers.by_address(session, reply.channel, reply.from_address)
        inbound.mark(session, inbound_id, "coded")
        if customer is None:
            return
        customer = customers.lock(session, [customer.id])[customer.id]
        subject, talk = _conversation(session, runtime, customer, reply, _likeliest(session, customer, reply))
        unclear.done(session, subject, staff_name)
        if score is None:
            return
        if talk.late or not talk.open_questions:
            raise Conflict("no question of this customer is open any more")
        question = talk.open_questions[0]
        _check_scores([question], {question.id: score})
        reading = scored(question, score, f"coded by {staff_name}")
        _hear(session, subject, talk, reply, reading, text=reply.body, state="coded")
