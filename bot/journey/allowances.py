"""What the crew of a night shift gets for work after midnight: a line of the trail for whoever writes the list (R171).

Nothing is paid from here. The hours of shifts stand in `flows/shifts.py`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.store import trail
from bot.store.tables import TaskRow
from flows.actions import TaskAction
from flows.program import Program
from flows.shifts import is_after_midnight, shift_at

_BETWEEN = re.compile(r"[\s,，、;；]+")


def note(
    session: Session,
    program: Program,
    action: TaskAction,
    task: TaskRow,
    data: Mapping[str, Any],
    done_at: datetime,
    now: datetime,
) -> None:
    """Note what each of the crew gets, where the shift that took a task was still at it after its 24:00."""
    zone = program.time_zone
    shift = shift_at(program.shifts.values(), action.role, task.opened_at, zone)
    rule = shift[0].after_midnight if shift else None
    if shift is None or rule is None or not is_after_midnight(shift[1], done_at, zone):
        return
    crew = list(dict.fromkeys(name for name in _BETWEEN.split(str(data.get(rule.each_of) or "")) if name))
    because = f"{task.name}, done after 24:00: {rule.amount:g} for each" + ("" if crew else "; nobody is named")
    found = {"task": task.id, "kind": task.kind, "name": task.name, "amount": rule.amount, "names": crew}
    known = {"customer_id": task.customer_id, "program_id": program.id, "flow": task.flow}
    trail.write(session, [trail.line(now, "allowance", because, **known, data=found)])
