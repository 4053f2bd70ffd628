"""Surveys (one conversation each) and their answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from bot.store.rows import insert_once, move, table_of
from bot.store.tables import AnswerRow, SurveyRow
from flows.states import SurveyState


def open_(session: Session, values: Mapping[str, Any]) -> SurveyRow:
    """The survey of this follow-up; opened when there is none."""
    insert_once(
        session, SurveyRow, {"ticket_id": 0, "round": 0, "clarified": 0, "state": str(SurveyState.OPEN), **values}
    )
    return session.exec(select(SurveyRow).where(SurveyRow.follow_up_id == values["follow_up_id"])).one()


def get(session: Session, survey_id: int) -> SurveyRow | None:
    return session.get(SurveyRow, survey_id)


def by_token(session: Session, token: str) -> SurveyRow | None:
    return session.exec(select(SurveyRow).where(SurveyRow.token == token)).first()


def by_follow_up(session: Session, follow_up_id: int) -> SurveyRow | None:
    return session.exec(select(SurveyRow).where(SurveyRow.follow_up_id == follow_up_id)).first()


def of_occasion(session: Session, customer_id: int, program_id: str, flow: str, occasion: str) -> SurveyRow | None:
    """The survey that another flow opened on the same occasion: what a reminder reminds of."""
    from bot.store.tables import FollowUpRow

    statement = (
        select(SurveyRow)
        .join(FollowUpRow, col(FollowUpRow.id) == col(SurveyRow.follow_up_id))
        .where(
            FollowUpRow.customer_id == customer_id,
            FollowUpRow.program_id == program_id,
            FollowUpRow.flow == flow,
            FollowUpRow.occasion == occasion,
        )
    )
    return session.exec(statement).first()


def latest_of_customer(session: Session, customer_id: int, channel: str) -> SurveyRow | None:
    """The survey that a reply on this channel most likely answers: the newest that still waits, else the newest."""
    waiting = (str(SurveyState.OPEN), str(SurveyState.NEEDS_PERSON))
    statement = (
        select(SurveyRow)
        .where(SurveyRow.customer_id == customer_id, SurveyRow.channel == channel)
        .order_by(col(SurveyRow.state).in_(waiting).desc(), col(SurveyRow.opened_at).desc(), col(SurveyRow.id).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def lapsed(session: Session, now: datetime, limit: int) -> Sequence[SurveyRow]:
    statement = (
        select(SurveyRow)
        .where(SurveyRow.state == SurveyState.OPEN, SurveyRow.closes_at <= now)
        .order_by(col(SurveyRow.closes_at))
        .limit(limit)
    )
    return session.exec(statement).all()


def next_closing(session: Session) -> datetime | None:
    return session.exec(select(func.min(SurveyRow.closes_at)).where(SurveyRow.state == SurveyState.OPEN)).first()


def ask(session: Session, survey_id: int, question: str) -> None:
    """Note which question was asked last."""
    table = table_of(SurveyRow)
    session.execute(update(table).where(table.c.id == survey_id).values(asked=question))


def note_clarified(session: Session, survey_id: int) -> None:
    table = table_of(SurveyRow)
    session.execute(update(table).where(table.c.id == survey_id).values(clarified=table.c.clarified + 1))


def withdraw_open(session: Session, customer_id: int) -> list[int]:
    """Withdraw every waiting survey of a customer; their ids."""
    waiting = (str(SurveyState.OPEN), str(SurveyState.NEEDS_PERSON))
    ids = session.exec(
        select(SurveyRow.id).where(SurveyRow.customer_id == customer_id, col(SurveyRow.state).in_(waiting))
    ).all()
    return [survey_id for survey_id in ids if move(session, SurveyRow, survey_id, SurveyState.WITHDRAWN)]


def book(session: Session, values: Mapping[str, Any]) -> int:
    """Keep an answer; an earlier one to the same question is no longer current."""
    table = table_of(AnswerRow)
    session.execute(
        update(table)
        .where(table.c.survey_id == values["survey_id"], table.c.question == values["question"], table.c.current)
        .values(current=False)
    )
    row = AnswerRow(**values)
    session.add(row)
    session.flush()
    return row.id


def answers_of(session: Session, survey_id: int) -> Sequence[AnswerRow]:
    """The current answers of one survey, oldest first."""
    statement = (
        select(AnswerRow).where(AnswerRow.survey_id == survey_id, col(AnswerRow.current)).order_by(col(AnswerRow.id))
    )
    return session.exec(statement).all()


def answers_of_customer(session: Session, customer_id: int) -> Sequence[AnswerRow]:
    return session.exec(select(AnswerRow).where(AnswerRow.customer_id == customer_id).order_by(col(AnswerRow.id))).all()


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
