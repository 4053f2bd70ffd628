"""Step 7, when nobody answers: a survey whose closing date has passed is closed (R58)."""

from datetime import datetime

from sqlmodel import Session

from bot.journey.outreach import BATCH
from bot.runtime import Runtime
from bot.store import surveys, tickets, trail
from bot.store.rows import move_many
from bot.store.tables import SurveyRow
from flows.states import SurveyState


def lapse_surveys(runtime: Runtime, limit: int = BATCH) -> int:
    """Close surveys whose closing date has passed (R58); how many."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        rows = surveys.lapsed(session, now, limit)
        move_many(session, SurveyRow, [row.id for row in rows], SurveyState.LAPSED)
        for row in rows:
            _after_lapse(session, runtime, row, now)
    return len(rows)


def _after_lapse(session: Session, runtime: Runtime, row: SurveyRow, now: datetime) -> None:
    """A silent re-survey leaves its ticket resolved: a manager may close it with a reason."""
    ticket = tickets.get(session, row.ticket_id) if row.ticket_id else None
    because = "no answer before the closing date"
    if ticket is not None:
        because += f"; ticket {ticket.id} stays resolved"
    trail.write(
        session,
        [
            trail.line(
                now,
                "lapsed",
                because,
                customer_id=row.customer_id,
                follow_up_id=row.follow_up_id,
                ticket_id=row.ticket_id,
            )
        ],
    )
