"""Forms - surveys that somebody was sent, with their answers - as an archive: totals, single ones, and what is deleted;
and the deletions themselves, which people ask for and approve.

A deletion takes away what somebody answered wherever it stands: the survey and its answers, the words of the replies
and of a ticket, the pings about it that quote them, and the lines of the trail that tell them. What stays: that they
were asked, our own messages, and how many forms were deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from bot.store.rows import chunks, core, for_update, insert_once, move, rows_by, stands, table_of
from bot.store.tables import (
    AnswerRow,
    CustomerRow,
    DeletionRow,
    InboundRow,
    MessageRow,
    ProgramVersionRow,
    SurveyRow,
    TicketRow,
    TrailRow,
)
from flows.states import DeletionState, SurveyState, TicketState

CLOSED = (SurveyState.ANSWERED, SurveyState.LAPSED, SurveyState.WITHDRAWN)
"""A survey in one of these waits for nothing any more."""
TELLING = ("reply", "answer", "comment", "late")
"""Kinds of lines of the trail that say what somebody answered."""


# ----- what there is


@dataclass(frozen=True)
class Totals:
    """One survey of one program. `points`: the mean of the answers to each question that has points, of all forms."""

    program_id: str
    survey: str
    asked: int
    answered: int
    points: float | None


def totals(session: Session) -> list[Totals]:
    """Every survey that anybody was sent."""
    of_survey = core_select(
        col(ProgramVersionRow.program_id),
        col(SurveyRow.survey),
        func.count(func.distinct(col(SurveyRow.id))),
        func.count(func.distinct(col(AnswerRow.survey_id))),
        func.avg(col(AnswerRow.points)),
    )
    statement = (
        of_survey.join(ProgramVersionRow, col(ProgramVersionRow.id) == col(SurveyRow.program_version_id))
        .outerjoin(AnswerRow, and_(col(AnswerRow.survey_id) == col(SurveyRow.id), col(AnswerRow.current)))
        .group_by(col(ProgramVersionRow.program_id), col(SurveyRow.survey))
        .order_by(col(ProgramVersionRow.program_id), col(SurveyRow.survey))
    )
    return [
        Totals(program_id, survey, asked, answered, None if points is None else float(points))
        for program_id, survey, asked, answered, points in core(session).execute(statement)
    ]


@dataclass(frozen=True)
class Form:
    """One form: whom it was sent to, and what they answered."""

    row: SurveyRow
    person: CustomerRow
    answers: Sequence[AnswerRow]


def of_survey(session: Session, program_id: str, survey: str, limit: int, offset: int = 0) -> list[Form]:
    """Who was asked, and the answers; the newest first."""
    statement = (
        select(SurveyRow, CustomerRow)
        .join(CustomerRow, col(CustomerRow.id) == col(SurveyRow.customer_id))
        .where(_of_program(program_id), SurveyRow.survey == survey)
        .order_by(col(SurveyRow.id).desc())
        .limit(limit)
        .offset(offset)
    )
    rows = session.exec(statement).all()
    answers: dict[int, list[AnswerRow]] = {}
    found = rows_by(session, AnswerRow, col(AnswerRow.survey_id), [row.id for row, _ in rows])
    for answer in sorted(found, key=lambda answer: answer.id):
        if answer.current:
            answers.setdefault(answer.survey_id, []).append(answer)
    return [Form(row, person, answers.get(row.id, [])) for row, person in rows]


def _of_program(program_id: str) -> ColumnElement[bool]:
    versions = core_select(col(ProgramVersionRow.id)).where(col(ProgramVersionRow.program_id) == program_id)
    return col(SurveyRow.program_version_id).in_(versions)


def oldest_at(session: Session, program_id: str) -> datetime | None:
    """When the first form that is still there was sent."""
    survey, version = table_of(SurveyRow), table_of(ProgramVersionRow)
    statement = (
        core_select(survey.c.opened_at)
        .join(version, version.c.id == survey.c.program_version_id)
        .where(version.c.program_id == program_id)
        .order_by(survey.c.id)
        .limit(1)
    )
    return core(session).execute(statement).scalar_one_or_none()


# ----- what need not be kept


def count_before(session: Session, program_id: str, before: datetime) -> int:
    """How many forms were sent earlier than an instant, and wait for nothing."""
    statement = core_select(func.count()).select_from(SurveyRow).where(*_settled(program_id, before))
    return int(core(session).execute(statement).scalar_one())


def _settled(program_id: str, before: datetime) -> tuple[ColumnElement[bool], ...]:
    """Closed surveys; those of a ticket that is still open stay for whoever deals with it."""
    of_open_ticket = exists().where(
        or_(col(TicketRow.survey_id) == col(SurveyRow.id), col(TicketRow.id) == col(SurveyRow.ticket_id)),
        col(TicketRow.customer_id) == col(SurveyRow.customer_id),
        col(TicketRow.state) != TicketState.CLOSED,
    )
    return (
        _of_program(program_id),
        col(SurveyRow.opened_at) < before,
        col(SurveyRow.state).in_([str(state) for state in CLOSED]),
        ~of_open_ticket,
    )


def delete_before(session: Session, program_id: str, before: datetime, limit: int) -> int:
    """Delete forms that were sent earlier than an instant and wait for nothing; how many, at most `limit`."""
    due = core_select(col(SurveyRow.id), col(SurveyRow.follow_up_id), col(SurveyRow.customer_id))
    due = due.where(*_settled(program_id, before)).order_by(col(SurveyRow.id)).limit(limit)
    rows = core(session).execute(due).all()
    for chunk in chunks(rows):
        _delete(session, [row[0] for row in chunk], [row[1] for row in chunk], {row[2] for row in chunk})
    return len(rows)


def _delete(session: Session, survey_ids: list[int], follow_up_ids: list[int], customer_ids: set[int]) -> None:
    survey, answer, inbound = table_of(SurveyRow), table_of(AnswerRow), table_of(InboundRow)
    ticket, message, trail = table_of(TicketRow), table_of(MessageRow), table_of(TrailRow)
    connection = core(session)
    heard = inbound.c.survey_id.in_(survey_ids) & inbound.c.customer_id.in_(customer_ids)
    replies = list(connection.execute(core_select(inbound.c.id).where(heard)).scalars())
    told = ticket.c.survey_id.in_(survey_ids) & ticket.c.customer_id.in_(customer_ids)
    tickets = list(connection.execute(core_select(ticket.c.id).where(told)).scalars())
    said = or_(trail.c.follow_up_id.in_(follow_up_ids), trail.c.data["inbound"].as_integer().in_(replies))
    theirs = trail.c.customer_id.in_(customer_ids)
    connection.execute(delete(trail).where(theirs, trail.c.what.in_(TELLING), said))
    if tickets:
        pings = message.c.ticket_id.in_(tickets) & (message.c.staff_id != 0)
        connection.execute(update(message).where(pings).values(body=""))
        connection.execute(update(ticket).where(ticket.c.id.in_(tickets)).values(words=""))
    silent = {"body": "", "tapped": "", "raw": {}, "reading": {}}
    connection.execute(update(inbound).where(inbound.c.id.in_(replies)).values(**silent))
    connection.execute(delete(answer).where(answer.c.survey_id.in_(survey_ids)))
    connection.execute(delete(survey).where(survey.c.id.in_(survey_ids)))


# ----- deletions


def ask(session: Session, values: Mapping[str, Any]) -> int | None:
    """The id of a new deletion; None: one of this program waits already."""
    new = {"deleted": 0, "step": 0, "approvers": []}
    return insert_once(session, DeletionRow, {**new, **values})


def live(session: Session, program_id: str) -> DeletionRow | None:
    """The deletion of a program that waits to be approved or done, locked until the transaction ends."""
    statement = select(DeletionRow).where(
        DeletionRow.program_id == program_id,
        stands(table_of(DeletionRow), DeletionState.ASKED, DeletionState.APPROVED),
    )
    locked = for_update(session, statement).execution_options(populate_existing=True)
    return session.execute(locked).scalars().first()


def newest(session: Session, limit: int = 50) -> Sequence[DeletionRow]:
    """The deletions that were asked for, the newest first."""
    return session.exec(select(DeletionRow).order_by(col(DeletionRow.id).desc()).limit(limit)).all()


def note_approval(session: Session, row: DeletionRow, staff_id: int, now: datetime) -> bool:
    """One more of those who approve it has; False: somebody was faster."""
    table = table_of(DeletionRow)
    known = {"step": row.step + 1, "approvers": [*row.approvers, staff_id], "at": now}
    here = (table.c.id == row.id, stands(table, DeletionState.ASKED), table.c.step == row.step)
    return core(session).execute(update(table).where(*here).values(**known)).rowcount > 0


def judge(session: Session, deletion_id: int, target: DeletionState, now: datetime) -> bool:
    """Move it to a state; False: it was in no state to go there."""
    return move(session, DeletionRow, deletion_id, target, at=now)


def approved(session: Session) -> DeletionRow | None:
    """The first that everybody has approved, locked until the transaction ends; another worker's is passed over."""
    statement = select(DeletionRow).where(stands(table_of(DeletionRow), DeletionState.APPROVED))
    ordered = statement.order_by(col(DeletionRow.at), col(DeletionRow.id)).limit(1)
    locked = for_update(session, ordered, skip_locked=True).execution_options(populate_existing=True)
    return session.execute(locked).scalars().first()


def note_deleted(session: Session, deletion_id: int, count: int) -> None:
    """So many more forms of it are gone."""
    table = table_of(DeletionRow)
    core(session).execute(update(table).where(table.c.id == deletion_id).values(deleted=table.c.deleted + count))
