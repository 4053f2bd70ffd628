"""What waits while a complaint is open, and goes on once it has been dealt with (R88).

`outreach.py` holds a follow-up back; `callbacks.py` lets go what was held when the handling is recorded.
"""

from datetime import datetime

from sqlmodel import Session

from bot.store import follow_ups, trail

COMPLAINT_OPEN = "a complaint about it is open"


def moved(because: str) -> str:
    """What the trail says of a follow-up that waits."""
    return f"{because} -> moved"


def release_held(session: Session, customer_id: int, program_id: str, now: datetime) -> None:
    """A complaint has been dealt with: what it held back is looked at now."""
    planned = [row for row in follow_ups.unsent(session, customer_id) if row.program_id == program_id]
    held = [row for row in planned if trail.last_because(session, customer_id, row.id) == moved(COMPLAINT_OPEN)]
    follow_ups.defer(session, [(row.id, now, row.intended_on) for row in held])
