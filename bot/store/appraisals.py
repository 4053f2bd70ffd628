"""What customers said of each member of staff, counted."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Subquery, func
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from bot.store.rows import core
from bot.store.tables import AnswerRow, CustomerRow, EventRow, FollowUpRow, SurveyRow


def satisfied(
    session: Session,
    program_id: str,
    about: str,
    flows: Sequence[str],
    questions: Sequence[str],
    low: int,
    since: datetime,
    until: datetime,
) -> dict[str, tuple[int, int]]:
    """Name -> (answers above the level `low`, all answers), of the surveys whose first answer came in a span.

    So each survey counts once, as it is answered by now, also where somebody corrects it or goes on with it later.
    """
    answered = _answered(questions, since, until)
    named = (col(EventRow.data)[about].as_string(), col(CustomerRow.attributes)[about].as_string())
    said = (
        core_select(
            func.coalesce(*(func.nullif(func.trim(each), "") for each in named)).label("name"), answered.c.level
        )
        .select_from(answered)
        .join(SurveyRow, col(SurveyRow.id) == answered.c.survey_id)
        .join(FollowUpRow, col(FollowUpRow.id) == col(SurveyRow.follow_up_id))
        .join(CustomerRow, col(CustomerRow.id) == col(FollowUpRow.customer_id))
        .outerjoin(EventRow, col(EventRow.id) == col(FollowUpRow.event_id))
        .where(col(FollowUpRow.program_id) == program_id, col(FollowUpRow.flow).in_(list(flows)))
        .subquery()
    )
    counts = core_select(said.c.name, func.count().filter(said.c.level > low), func.count())
    statement = counts.where(said.c.name.is_not(None), said.c.level.is_not(None)).group_by(said.c.name)
    return {name: (met, of) for name, met, of in core(session).execute(statement)}


def _answered(questions: Sequence[str], since: datetime, until: datetime) -> Subquery:
    """(survey_id, level) of the surveys that were first answered in a span: the level now of the first of these
    questions that has one.

    Every answer is read once: no index knows when one came, and this is asked once a period.
    """
    level, first_at = col(AnswerRow.level), func.min(col(AnswerRow.at))
    now = [func.max(level).filter(col(AnswerRow.current), col(AnswerRow.question) == each) for each in questions]
    return (
        core_select(col(AnswerRow.survey_id), func.coalesce(*now, None).label("level"))
        .where(col(AnswerRow.question).in_(list(questions)), level.is_not(None))
        .group_by(col(AnswerRow.survey_id))
        .having(first_at >= since, first_at < until)
        .subquery()
    )
