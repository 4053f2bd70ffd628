"""Surveys (one conversation each) and their answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, exists, func, or_, text, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.rows import (
    chunks,
    core,
    for_update,
    insert_many,
    insert_many_once,
    move_many,
    rows_by,
    stands,
    table_of,
)
from bot.store.tables import AnswerRow, ContactPointRow, FollowUpRow, MessageRow, SurveyRow
from flows.states import MessageState, SurveyState

_CURRENT = text("answer.current")
"""As the index of the current answers says it: `= 1`, which SQLAlchemy writes on SQLite, would read the whole table."""


def open_many(session: Session, rows: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Open surveys; follow-up id -> survey id."""
    blank = {"ticket_id": 0, "round": 0, "clarified": 0, "state": str(SurveyState.OPEN), "answered_at": None}
    return insert_many_once(session, SurveyRow, [{**blank, **row} for row in rows], "follow_up_id")


def by_ids(session: Session, survey_ids: Iterable[int]) -> dict[int, SurveyRow]:
    return {row.id: row for row in rows_by(session, SurveyRow, col(SurveyRow.id), survey_ids)}


def with_answers(session: Session, survey_ids: Iterable[int]) -> set[int]:
    """Which of these have an answer already."""
    found: set[int] = set()
    for chunk in chunks(dict.fromkeys(survey_ids)):
        found.update(core(session).execute(_with_answers(), {"wanted": chunk}).scalars())
    return found


@cache
def _with_answers() -> Any:
    survey_id = table_of(AnswerRow).c.survey_id
    return core_select(survey_id).where(survey_id.in_(bindparam("wanted", expanding=True)), _CURRENT)


def get(session: Session, survey_id: int) -> SurveyRow | None:
    return session.get(SurveyRow, survey_id)


def by_token(session: Session, token: str) -> SurveyRow | None:
    return session.exec(select(SurveyRow).where(SurveyRow.token == token)).first()


def latest_of_customer(session: Session, customer_id: int, channel: str, address: str) -> SurveyRow | None:
    """The survey that a reply from this address most likely answers: the newest that still waits, else the newest.

    One whose text still waits in the outbox has not been asked yet; one of another contact person is theirs.
    """
    known = {"customer": customer_id, "channel": channel, "address": address}
    return session.execute(_latest(), known).scalars().first()


@cache
def _latest() -> Any:
    waiting = (str(SurveyState.OPEN), str(SurveyState.NEEDS_PERSON))
    unsent = exists().where(
        col(MessageRow.follow_up_id) == col(SurveyRow.follow_up_id),
        stands(table_of(MessageRow), MessageState.READY),
        col(MessageRow.attempts) == 0,
    )
    return (
        select(SurveyRow)
        .where(*_spoken_with(), ~unsent)
        .order_by(col(SurveyRow.state).in_(waiting).desc(), col(SurveyRow.opened_at).desc(), col(SurveyRow.id).desc())
        .limit(1)
    )


def lapsed(session: Session, now: datetime, limit: int) -> Sequence[SurveyRow]:
    """Surveys whose closing date has passed, locked until the transaction ends; what others hold is passed over."""
    statement = for_update(session, _lapsed(), skip_locked=True)
    return session.execute(statement, {"now": now, "most": limit}).scalars().all()


@cache
def _lapsed() -> Any:
    closes_at = table_of(SurveyRow).c.closes_at
    return (
        select(SurveyRow)
        .where(stands(table_of(SurveyRow), SurveyState.OPEN), closes_at <= bindparam("now", type_=closes_at.type))
        .order_by(closes_at)
        .limit(bindparam("most"))
    )


def in_the_middle(session: Session, customer_ids: Iterable[int], now: datetime) -> list[tuple[int, str, int]]:
    """(customer, channel, contact person or 0) of the surveys with an answer, or a question asked back, and more to
    come.
    """
    found: list[tuple[int, str, int]] = []
    for chunk in chunks(dict.fromkeys(customer_ids)):
        rows = core(session).execute(_in_the_middle(), {"wanted": chunk, "now": now})
        found.extend((customer_id, channel, person_id) for customer_id, channel, person_id in rows)
    return found


@cache
def _in_the_middle() -> Any:
    survey, follow_up, answer = table_of(SurveyRow), table_of(FollowUpRow), table_of(AnswerRow)
    return (
        core_select(survey.c.customer_id, survey.c.channel, follow_up.c.person_id)
        .join(follow_up, follow_up.c.id == survey.c.follow_up_id)
        .where(
            survey.c.customer_id.in_(bindparam("wanted", expanding=True)),
            stands(survey, SurveyState.OPEN),
            survey.c.closes_at > bindparam("now", type_=survey.c.closes_at.type),
            or_(survey.c.clarified > 0, exists(answer.c.id).where(answer.c.survey_id == survey.c.id, _CURRENT)),
        )
    )


def ask(session: Session, survey_id: int, question: str) -> None:
    """Note which question was asked last."""
    table = table_of(SurveyRow)
    session.execute(update(table).where(table.c.id == survey_id).values(asked=question))


def change_channel(session: Session, survey_id: int, channel: str) -> None:
    """The conversation goes on elsewhere: that is where its answers come from."""
    table = table_of(SurveyRow)
    core(session).execute(update(table).where(table.c.id == survey_id).values(channel=channel))


def note_clarified(session: Session, survey_id: int) -> None:
    table = table_of(SurveyRow)
    session.execute(update(table).where(table.c.id == survey_id).values(clarified=table.c.clarified + 1))


def withdraw_others(session: Session, customer_id: int, but: int, person_id: int = 0) -> None:
    """Withdraw every waiting survey but one of a customer, or of one contact person, in every program."""
    waiting = (str(SurveyState.OPEN), str(SurveyState.NEEDS_PERSON))
    statement = select(SurveyRow.id).where(
        SurveyRow.customer_id == customer_id, SurveyRow.id != but, col(SurveyRow.state).in_(waiting)
    )
    if person_id:
        statement = statement.join(FollowUpRow, col(FollowUpRow.id) == col(SurveyRow.follow_up_id)).where(
            FollowUpRow.person_id == person_id
        )
    move_many(session, SurveyRow, session.exec(statement).all(), SurveyState.WITHDRAWN)


def withdraw_unsent(session: Session, follow_up_ids: Iterable[int]) -> None:
    """Withdraw the surveys whose message will not be sent."""
    rows = rows_by(session, SurveyRow, col(SurveyRow.follow_up_id), follow_up_ids)
    move_many(session, SurveyRow, [row.id for row in rows], SurveyState.WITHDRAWN)


def book(session: Session, values: Mapping[str, Any]) -> None:
    """Keep an answer; an earlier one to the same question is no longer current."""
    key = {"of_survey": values["survey_id"], "of_question": values["question"]}
    core(session).execute(_outdate(), key)
    blank = {"inbound_id": 0, "score": None, "points": None, "level": None, "category": None, "current": True}
    insert_many(session, AnswerRow, [{**blank, **values}])


@cache
def _outdate() -> Any:
    table = table_of(AnswerRow)
    same = (table.c.survey_id == bindparam("of_survey"), table.c.question == bindparam("of_question"))
    return update(table).where(*same, _CURRENT).values(current=False)


def answers_of(session: Session, survey_id: int) -> Sequence[AnswerRow]:
    """The current answers of one survey, oldest first."""
    return session.execute(_answers(), {"survey": survey_id}).scalars().all()


@cache
def _answers() -> Any:
    return select(AnswerRow).where(AnswerRow.survey_id == bindparam("survey"), _CURRENT).order_by(col(AnswerRow.id))


def answers_of_customer(session: Session, customer_id: int) -> Sequence[AnswerRow]:
    return session.exec(select(AnswerRow).where(AnswerRow.customer_id == customer_id).order_by(col(AnswerRow.id))).all()


def of_address(session: Session, customer_id: int, channel: str, address: str) -> Sequence[SurveyRow]:
    """The surveys that may be answered from this address, oldest first."""
    known = {"customer": customer_id, "channel": channel, "address": address}
    return session.execute(_of_address(), known).scalars().all()


@cache
def _of_address() -> Any:
    return select(SurveyRow).where(*_spoken_with()).order_by(col(SurveyRow.opened_at))


def _spoken_with() -> tuple[Any, ...]:
    """The surveys of a customer on a channel, without those of other contact persons than who has the address."""
    channel: Any = bindparam("channel")
    whose = core_select(col(ContactPointRow.person_id)).where(
        col(ContactPointRow.channel) == channel, col(ContactPointRow.address) == bindparam("address")
    )
    of_another = exists().where(
        col(FollowUpRow.id) == col(SurveyRow.follow_up_id),
        col(FollowUpRow.person_id) != 0,
        col(FollowUpRow.person_id).not_in(whose),
    )
    return col(SurveyRow.customer_id) == bindparam("customer"), col(SurveyRow.channel) == channel, ~of_another


def of_customer(session: Session, customer_id: int) -> Sequence[SurveyRow]:
    return session.exec(
        select(SurveyRow).where(SurveyRow.customer_id == customer_id).order_by(col(SurveyRow.opened_at))
    ).all()


def counts_by_level(session: Session) -> dict[int, int]:
    """Current answers by level, for the town."""
    statement = (
        select(AnswerRow.level, func.count())
        .where(col(AnswerRow.current), col(AnswerRow.level).is_not(None))
        .group_by(col(AnswerRow.level))
    )
    return {level: count for level, count in session.execute(statement)}
