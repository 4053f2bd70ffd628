"""What waits for somebody: questions on phones for their customers, tickets for staff. The town looks at both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func
from sqlmodel import Session, col, select

from bot.store.rows import chunks
from bot.store.tables import (
    ContactPointRow,
    CustomerRow,
    InboundRow,
    Instant,
    MessageRow,
    PingRow,
    SurveyRow,
    TicketRow,
)
from flows.states import MessageState, SurveyState, TicketState

ON_THE_PHONE = (MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED)
ASKING = (":clarify", ":question")
"""Ends of the dedupe keys of answers that ask something; follow-ups with a survey ask by themselves."""


@dataclass(frozen=True)
class Asked:
    """The last question on somebody's phone, not answered yet; `others` typed before it in this survey."""

    message: MessageRow
    survey: SurveyRow
    customer: CustomerRow
    replies: tuple[InboundRow, ...]

    @property
    def sent_at(self) -> datetime:
        assert self.message.sent_at is not None
        return self.message.sent_at


def unanswered(session: Session, addresses: Iterable[str] | None = None) -> list[Asked]:
    """For each open survey the last text that asked, where nothing was said since; None: on all phones."""
    found: list[Asked] = []
    open_ = select(SurveyRow).where(SurveyRow.state == SurveyState.OPEN)
    if addresses is not None:
        owners = select(ContactPointRow.customer_id).where(col(ContactPointRow.address).in_(list(addresses)))
        open_ = open_.where(col(SurveyRow.customer_id).in_(owners))
    for surveys in chunks(session.exec(open_)):
        ids = [survey.customer_id for survey in surveys]
        people = {row.id: row for row in session.exec(select(CustomerRow).where(col(CustomerRow.id).in_(ids)))}
        questions = _questions(session, ids)
        replies = _replies(session, ids)
        for survey in surveys:
            message = questions.get(survey.id)
            said = tuple(row for row in replies.get(survey.customer_id, ()) if row.received_at >= survey.opened_at)
            if message and message.sent_at and not any(_came_after(row, message) for row in said):
                found.append(Asked(message, survey, people[survey.customer_id], said))
    return found


def _came_after(reply: InboundRow, message: MessageRow) -> bool:
    """Not the reply that this text answers, which may be of the same instant where time is simulated."""
    return reply.id > message.inbound_id and message.sent_at is not None and reply.received_at >= message.sent_at


def _questions(session: Session, customer_ids: Sequence[int]) -> dict[int, MessageRow]:
    """Survey -> the last text that asked something and reached the phone."""
    statement = (
        select(MessageRow)
        .where(
            col(MessageRow.customer_id).in_(customer_ids),
            MessageRow.survey_id != 0,
            col(MessageRow.state).in_(ON_THE_PHONE),
        )
        .order_by(col(MessageRow.sent_at), col(MessageRow.id))
    )
    asking = (row for row in session.exec(statement) if row.follow_up_id or row.dedupe_key.endswith(ASKING))
    return {row.survey_id: row for row in asking}


def _replies(session: Session, customer_ids: Sequence[int]) -> dict[int, list[InboundRow]]:
    statement = select(InboundRow).where(col(InboundRow.customer_id).in_(customer_ids)).order_by(col(InboundRow.id))
    found: dict[int, list[InboundRow]] = {}
    for row in session.exec(statement):
        found.setdefault(row.customer_id, []).append(row)
    return found


# ----- tickets


def tickets(session: Session) -> list[tuple[TicketRow, datetime]]:
    """Tickets for which a person should do something, and since when: the claim, or the first notice of this round."""
    first_notice = (
        select(TicketRow, func.min(PingRow.due_at, type_=Instant()))
        .join(PingRow, and_(col(PingRow.ticket_id) == col(TicketRow.id), col(PingRow.round) == col(TicketRow.round)))
        .where(col(TicketRow.state).in_([TicketState.OPEN, TicketState.CLAIMED]))
        .group_by(col(TicketRow.id))
        .order_by(col(TicketRow.id))
    )
    return [(ticket, ticket.claimed_at or notice) for ticket, notice in session.exec(first_notice)]
