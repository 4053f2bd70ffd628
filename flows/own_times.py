"""A customer's own times, as other systems tell them, and where a planned step lands because of them (R80).

    {"times": ["18:00-20:00"], "days": ["mon", "sat"], "not": ["12:00-14:00"]}

`times` replace the program's windows, `days` its weekdays, and nobody is reached in a `not`; the program's hard hours
hold in any case. What they permit on a day: flows/windows.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.fields import WEEKDAYS
from flows.offsets import DAY, resolve_local
from flows.timing import Slot
from flows.windows import (
    ANY_TIME,
    OwnTimes,
    Permits,
    is_reachable,
    next_moment,
    opening_within_a_year,
    parse_windows,
    seek_day,
)

A_MONDAY = date(2024, 1, 1)
OWN_TIMES = "the customer's own times"
"""Reason of a slot that lies elsewhere because of them."""


def own_times(told: Mapping[str, Sequence[str]] | None) -> OwnTimes:
    """What is kept of a customer, as values; ValueError says what cannot be read."""
    if not told:
        return ANY_TIME
    parts: dict[str, Any] = {}
    for name, texts in told.items():
        if name not in _READERS:
            raise ValueError(f"unknown field {name!r}; one of {', '.join(_READERS)}")
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{name} is no list of texts such as [{_EXAMPLES[name]!r}]")
        field, read = _READERS[name]
        parts[field] = read(texts)
    return OwnTimes(**parts)


def _days(names: Iterable[str]) -> frozenset[int]:
    names = [name.strip().lower() for name in names]
    unknown = next((name for name in names if name not in WEEKDAYS), None)
    if unknown is not None:
        raise ValueError(f"unknown weekday {unknown!r}; one of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(name) for name in names)


_READERS: Mapping[str, tuple[str, Callable[[Sequence[str]], object]]] = {
    "times": ("times", parse_windows),
    "days": ("days", _days),
    "not": ("blocked", parse_windows),
}
_EXAMPLES = {"times": "18:00-20:00", "days": "mon", "not": "12:00-14:00"}


def leaves_nothing(permits: Permits) -> bool:
    """Whether a customer's own times leave no moment of any weekday inside the program's hard hours."""
    return not any(permits.openings(A_MONDAY + weekday * DAY) for weekday in range(7))


def into_own_times(
    slot: Slot, own: OwnTimes, now: datetime, *, permits: Permits, calendar: Calendar, zone: ZoneInfo
) -> Slot:
    """The slot of a program as one customer wants it: that day if they can be reached then, else at their next opening.

    Where that is past the deadline, or the program moves such steps earlier (`advance`), on the last day before; else
    the slot as it is, which waits until it expires.
    """
    theirs = permits.of_customer(own)
    if own == ANY_TIME or (slot.exempt and is_reachable(slot.due_at, permits=theirs, zone=zone)):
        return slot
    due = _next(slot, now, permits, theirs, calendar, zone)
    if due is not None and slot.expires_at is not None and due >= slot.expires_at:
        due = None
    if due is None or (permits.advance and due.astimezone(zone).date() > slot.intended_on):
        due = _before(slot, now, theirs, calendar, zone) or due
    if due is None or due == slot.due_at:
        return slot
    local = due.astimezone(zone)
    reasons = (*slot.reasons, OWN_TIMES)
    return replace(slot, intended_on=local.date(), local_time=local.time(), due_at=due, reasons=reasons)


def _next(
    slot: Slot, now: datetime, permits: Permits, theirs: Permits, calendar: Calendar, zone: ZoneInfo
) -> datetime | None:
    """From the slot on; a step of days, which the program sends when it opens, from the morning of its day on."""
    opens = permits.openings(slot.intended_on)
    by_day = bool(opens) and slot.local_time == opens[0].start
    since = resolve_local(slot.intended_on, time(0), zone) if by_day else slot.due_at
    try:
        return next_moment(max(since, now), permits=theirs, calendar=calendar, zone=zone, exempt=slot.exempt)
    except ValueError:
        return None


def _before(slot: Slot, now: datetime, theirs: Permits, calendar: Calendar, zone: ZoneInfo) -> datetime | None:
    """The last day that they can be reached on before the slot, from tomorrow on."""
    tomorrow = now.astimezone(zone).date() + DAY
    day = seek_day(slot.intended_on, tomorrow, theirs, calendar) if slot.intended_on >= tomorrow else None
    return None if day is None else opening_within_a_year(resolve_local(day, time(0), zone), theirs, calendar, zone)
