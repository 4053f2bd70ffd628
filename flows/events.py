"""What the world tells a program: the facts that decisions are made from. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.audience import FLAGS, MEASURES, Day


@dataclass(frozen=True)
class Customer:
    """One customer as one program sees them: enrolment, measures, flags, attributes."""

    id: int
    zone: ZoneInfo
    class_: str | None = None
    person_id: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    activity_on: date | None = None
    activity_count: int = 0
    activity_total: float = 0.0

    def facts(self, today: date, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Everything an audience may ask, on this day; the event's own data win over attributes of the same name."""
        since = None if self.activity_on is None else (today - self.activity_on).days
        measures = dict(zip(MEASURES, (self.class_, self.activity_count, self.activity_total, since), strict=True))
        flags = {name: name in self.flags for name in FLAGS}
        return {**self.attributes, **flags, **(data or {}), **measures, Day.TODAY: today.isoformat()}


@dataclass(frozen=True)
class Event:
    """Something that happened to a customer; `occurred_at` is an aware instant."""

    id: int
    type: str
    occurred_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    matter_id: int = 0
