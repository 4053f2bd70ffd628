"""What an event says anew about a customer or its matter (R11, R20), and what holds again once it is cancelled (R19).

The line of the trail about an event keeps what it changed, so that cancelling it can tell. Next: intake.py.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from sqlmodel import Session

from bot.journey.belongings import iso_day
from bot.store import agenda, events, matters, trail
from bot.store.storable import storable
from bot.store.tables import CustomerRow, EventRow
from flows.events import Event
from flows.program import Program

Changes = dict[str, tuple[Any, Any]]
"""Attribute, kind.date or kind.state -> its value before and after; None: there was none."""
SET = "set"
"""Under this name the line of an event keeps its Changes."""


def take_over(session: Session, program: Program, customer: CustomerRow, event: Event, on: date) -> Changes:
    """Dates that move, a kind, a grade: everything that an event sets, as it was and as it is now."""
    new: dict[str, Any] = {}
    for target, name in program.events[event.type].sets.items():
        value = on.isoformat() if name == "at" else name[1:] if name.startswith("=") else event.data.get(name)
        if value is None or ("." in target and not event.matter_id):
            continue
        is_date = "." in target and not target.endswith(".state")
        new[target] = iso_day(value) if is_date else storable(value)
    changes = {target: (_now(session, customer, event.matter_id, target), value) for target, value in new.items()}
    _write(session, customer, event.matter_id, new)
    return changes


def undo(session: Session, customer: CustomerRow, event: EventRow) -> Changes:
    """Let what stood before the event hold again: what it had set -> that and the value that holds now.

    What a newer event or another system has set since stays.
    """
    told = _told(session, customer.id, event.matter_id)
    restored: Changes = {}
    for target, (before, after) in told.get(event.id, {}).items():
        same = [each for each in told if target in told[each]]
        place = same.index(event.id)
        rows = events.by_ids(session, same)
        if any(rows[each].cancelled_at is None for each in same[place + 1 :]):
            continue
        if _now(session, customer, event.matter_id, target) != after:
            continue
        for each in reversed(same[:place]):
            if rows[each].cancelled_at is None or told[each][target][1] != before:
                break
            before = told[each][target][0]
        restored[target] = (after, before)
    _write(session, customer, event.matter_id, {target: before for target, (_, before) in restored.items()})
    return restored


def _told(session: Session, customer_id: int, matter_id: int) -> dict[int, Changes]:
    """Event -> what it changed of the customer and of this matter, in the order in which they came."""
    told: dict[int, Changes] = {}
    lines = [line for line in trail.of_kind(session, customer_id, "event") if line.data.get(SET)]
    about = events.by_ids(session, (line.data["event"] for line in lines))
    for line in lines:
        event = about.get(line.data["event"])
        if event is None:
            continue
        own = told.setdefault(event.id, {})
        for target, (before, after) in line.data[SET].items():
            if "." not in target or event.matter_id == matter_id:
                own.setdefault(target, (before, after))  # a second program found it set already
    return told


def _now(session: Session, customer: CustomerRow, matter_id: int, target: str) -> Any:
    if "." not in target:
        return customer.attributes.get(target)
    matter = matters.by_ids(session, [matter_id]).get(matter_id)
    field = target.partition(".")[2]
    if matter is None:
        return None
    return matter.state if field == "state" else matter.dates.get(field)


def _write(session: Session, customer: CustomerRow, matter_id: int, values: Mapping[str, Any]) -> None:
    own = {target: value for target, value in values.items() if "." not in target}
    kept = {name: value for name, value in customer.attributes.items() if name not in own}
    attributes = {**kept, **{name: value for name, value in own.items() if value is not None}}
    if attributes != customer.attributes:
        customer.attributes = attributes
        session.add(customer)
        agenda.replan(session)
    of_matter = dict(_fields(values))
    state = of_matter.pop("state", None) or ""
    if matter_id and matters.update(session, matter_id, of_matter, state):
        agenda.replan(session)


def _fields(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((target.partition(".")[2], value) for target, value in values.items() if "." in target)
