"""Step 5: a reply is stored once. Step 6: it is read. Step 7: it is scored, and what follows is done.

`receive` is all that a webhook waits for: one row, unique by the provider's message id. `read_waiting` comes later:
one reply at a time, oldest first, each in one transaction that locks its customer. Next: callbacks.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import structlog
from sqlmodel import Session

from bot.errors import Conflict, InputError, NotFound
from bot.journey import callbacks, wording
from bot.journey.apply import apply, note
from bot.journey.subject import Subject
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, follow_ups, inbound, surveys, tickets, trail
from bot.store.db import PASSING
from bot.store.storable import storable, storable_text
from bot.store.tables import CustomerRow, InboundRow, SurveyRow
from flows.program import Program
from flows.program import Question as ProgramQuestion
from flows.states import FollowUpState, SurveyState
from flows.survey import Conversation, hear, scored
from messages.reading import Intent, Question, Reading, Scale, read
from messages.reading.scales import is_on

log = structlog.get_logger()
BATCH = 200
LONGEST_COMMENT = 4000
CORRECTED_WITHIN = timedelta(minutes=10)
"""A clear score so soon after the first one corrects it ("sorry, 4")."""


# ----- step 5


def receive(
    runtime: Runtime,
    *,
    provider: str,
    provider_message_id: str,
    channel: str,
    from_address: str,
    to_address: str = "",
    body: str,
    raw: Mapping[str, Any] | None = None,
) -> bool:
    """Store one reply durably; False when this very message was stored before (R126)."""
    with runtime.db.write() as session:
        stored = inbound.add(
            session,
            {
                "provider": provider,
                "provider_message_id": provider_message_id,
                "channel": channel,
                "from_address": storable_text(from_address)[:128],
                "to_address": storable_text(to_address)[:128],
                "body": storable_text(body),
                "raw": storable(raw or {}),
                "received_at": runtime.clock.now(),
            },
        )
    return stored is not None


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
    """1 take the reply  2 lock its customer  3 read it against what was asked  4 decide  5 write."""
    with runtime.db.write() as session:
        reply = inbound.take(session, inbound_id)
        if reply is None:
            return
        member = customers.staff_by_address(session, reply.from_address)
        if member is not None:
            inbound.mark(session, reply.id, "read", staff_id=member.id)
            callbacks.hear_staff(session, runtime, member, reply)
            return
        customer = customers.by_address(session, reply.channel, reply.from_address)
        if customer is None:
            inbound.mark(session, reply.id, "person")
            trail.write(session, [trail.line(runtime.clock.now(), "held", "a message from an unknown address")])
            return
        customer = customers.lock(session, [customer.id])[customer.id]
        subject, talk = _conversation(session, runtime, customer, reply)
        reading = read(reply.body, _question(talk, customer, reply))
        _hear(session, subject, talk, reply, reading, text=reply.body)


def _hear(
    session: Session,
    subject: Subject,
    talk: Conversation,
    reply: InboundRow,
    reading: Reading,
    *,
    text: str,
    state: str = "read",
) -> None:
    """Note the reading on the reply and in the trail, then do what follows from it."""
    inbound.mark(
        session,
        reply.id,
        state,
        customer_id=subject.customer.id,
        survey_id=subject.survey.id if subject.survey else 0,
        reading=reading.as_dict(),
    )
    note(session, subject, "reply", ", ".join(reading.because) or str(reading.intent), data=_seen(reply, reading))
    apply(session, subject, hear(talk, reading, text, reply.received_at, subject.calendar))


def _seen(reply: InboundRow, reading: Reading) -> dict[str, Any]:
    return {
        "inbound": reply.id,
        "channel": reply.channel,
        "intent": str(reading.intent),
        "score": reading.score,
        "level": reading.level,
        "categories": [str(category) for category in reading.categories],
        "flags": list(reading.flags),
    }


def _conversation(
    session: Session, runtime: Runtime, customer: CustomerRow, reply: InboundRow, survey: SurveyRow | None = None
) -> tuple[Subject, Conversation]:
    """What is open with this customer on this channel: the newest survey that waits, or nothing (R123)."""
    now = reply.received_at
    survey = survey or surveys.latest_of_customer(session, customer.id, reply.channel)
    waiting = survey is not None and survey.state in (SurveyState.OPEN, SurveyState.NEEDS_PERSON)
    correcting = _just_answered(survey, now) or (reply.provider == "page" and _takes_more(survey, now))
    if survey is not None and not ((waiting and now < survey.closes_at) or correcting):
        survey = None
    in_force = _program_of(session, runtime, customer, survey)
    enrolment = customers.enrolment(session, customer.id, in_force.program.id)
    subject = Subject(runtime, in_force, customer, enrolment, runtime.clock.now(), inbound=reply, survey=survey)
    subject.ticket = live = tickets.live(session, customer.id, in_force.program.id)
    asked_again = survey is not None and live is not None and survey.ticket_id == live.id
    talk = Conversation(
        program=in_force.program,
        zone=ZoneInfo(customer.zone),
        survey=survey.survey if survey else None,
        asked=survey.asked if survey else None,
        answered=tuple(answer.question for answer in surveys.answers_of(session, survey.id)) if survey else (),
        clarified=survey.clarified if survey else 0,
        correcting=correcting,
        resurvey_of=live.id if live and asked_again else 0,
        live_ticket=live is not None,
        opted_out=customer.opted_out_at is not None,
    )
    return subject, talk


def _takes_more(survey: SurveyRow | None, now: datetime) -> bool:
    """An answered survey's page takes more answers and words until its closing date."""
    return survey is not None and survey.state == SurveyState.ANSWERED and now < survey.closes_at


def _just_answered(survey: SurveyRow | None, now: datetime) -> bool:
    return (
        survey is not None
        and survey.state == SurveyState.ANSWERED
        and survey.answered_at is not None
        and now - survey.answered_at <= CORRECTED_WITHIN
    )


def _program_of(session: Session, runtime: Runtime, customer: CustomerRow, survey: SurveyRow | None) -> InForce:
    """The program whose question this answers; else the one that wrote to the customer last."""
    if survey is not None:
        return InForce(survey.program_version_id, runtime.shelf.version(survey.program_version_id))
    for row in follow_ups.of_customer(session, customer.id, limit=20):
        if row.sent_at is not None or row.state == FollowUpState.ANSWERED:
            return InForce(row.program_version_id, runtime.shelf.version(row.program_version_id))
    for enrolment in customers.enrolments_of(session, customer.id):
        for each in runtime.shelf.in_force:
            if each.program.id == enrolment.program_id:
                return each
    return runtime.shelf.in_force[0]


def _question(talk: Conversation, customer: CustomerRow, reply: InboundRow) -> Question:
    """How the reply is to be read: the scale that was asked, where the number is from, which words to watch for."""
    open_questions = talk.open_questions
    scale = open_questions[0].scale if open_questions else Scale.TEXT
    return Question(
        scale=scale,
        language=customer.language,
        country=country_of(reply.from_address),
        opted_out=customer.opted_out_at is not None,
        n_questions=max(1, len(open_questions)) if not talk.correcting else 1,
        levels=levels_of(open_questions[0], customer.language) if open_questions else (),
        alert_words=alert_words(talk.program),
        survey_open=talk.survey is not None,
    )


def levels_of(question: ProgramQuestion, language: str) -> tuple[str, ...]:
    """The words that were offered, best first; a five-level question offers the five levels unless it says more."""
    if question.levels:
        return question.levels.get(language) or next(iter(question.levels.values()))
    return wording.level_words(language) if question.scale is Scale.LEVEL5 else ()


def alert_words(program: Program) -> dict[str, tuple[str, ...]]:
    """Flag -> its words in every language."""
    alerts = program.replies.alerts.items()
    return {flag: tuple(word for words in alert.words.values() for word in words) for flag, alert in alerts}


def country_of(address: str) -> str | None:
    """The country of a phone number (ISO 3166), or None."""
    try:
        number = phonenumbers.parse(address, None)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.region_code_for_country_code(number.country_code or 0)


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
        point = next(iter(customers.points_of(session, [customer.id]).get(customer.id, [])), None)
        stored = inbound.add(
            session,
            {
                "provider": "page",
                "provider_message_id": f"{token}:{len(before) + 1}",
                "channel": survey.channel,
                "from_address": point.address if point else "",
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
        if talk.survey is None:
            raise Conflict("this survey is closed")
        talk = replace(talk, on_page=True)
        reading = _page_reading(talk, customer, scores, comment)
        _hear(session, subject, talk, reply, reading, text=comment or "answered on the page")
        fresh = surveys.get(session, survey.id)
        assert fresh is not None
        session.refresh(fresh)
        return fresh.state


def _page_reading(talk: Conversation, customer: CustomerRow, scores: Mapping[str, float], comment: str) -> Reading:
    """The comment as read, with the tapped scores in the order of the questions."""
    words = read(comment, Question(scale=Scale.TEXT, language=customer.language, alert_words=alert_words(talk.program)))
    if not scores:
        return words
    answers = tuple(scores.get(question.id) for question in talk.open_questions)
    return replace(
        words,
        intent=Intent.SCORE,
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
        if customer is None or score is None:
            return
        customer = customers.lock(session, [customer.id])[customer.id]
        subject, talk = _conversation(session, runtime, customer, reply)
        if talk.survey is None or not talk.open_questions:
            raise Conflict("no question of this customer is open any more")
        question = talk.open_questions[0]
        _check_scores([question], {question.id: score})
        reading = scored(question, score, f"coded by {staff_name}")
        _hear(session, subject, talk, reply, reading, text=reply.body, state="coded")
