"""What should happen next, as values. `bot/journey/apply.py` turns each into rows, by one `match`.

A decision carries its reason, in words for the trail: "why did, or didn't, this customer get it?"
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from flows.audience import Predicate
from flows.states import SurveyState
from flows.timing import Slot
from messages.catalog import Purpose
from messages.reading import Reading


@dataclass(frozen=True)
class PlanFollowUp:
    """One follow-up of one customer; planned again, it changes nothing."""

    flow: str
    occasion: str
    slot: Slot
    purpose: Purpose
    because: str
    person_id: int = 0
    matter_id: int = 0
    ticket_id: int = 0
    survey_id: int = 0


@dataclass(frozen=True)
class Group:
    """The members of a Selection who share a zone and an anchor date, and therefore one occasion and one slot."""

    zone: str
    anchor: date | None
    occasion: str
    slot: Slot


@dataclass(frozen=True)
class Selection:
    """Many follow-ups at once: who (a predicate), on which occasion, and when for each group."""

    flow: str
    audience: Predicate
    groups: tuple[Group, ...]
    purpose: Purpose
    because: str
    counts_from: Literal["none", "activity", "class"] = "none"
    """What the anchor of a group is: nothing, the last activity, or the chain since the class began."""


@dataclass(frozen=True)
class CancelFollowUps:
    """Cancel what these flows have planned for the customer and not yet sent; no flows: all."""

    because: str
    flows: tuple[str, ...] = ()
    event_id: int = 0


@dataclass(frozen=True)
class Missed:
    """Something that will not be sent, listed with its reason (R18)."""

    flow: str
    because: str
    occasion: str = ""


@dataclass(frozen=True)
class SetClass:
    class_: str
    because: str


@dataclass(frozen=True)
class BookAnswer:
    """The answer to one question of the open survey; answered again, the newest counts."""

    question: str
    reading: Reading
    score: float | None
    points: int | None
    level: int | None
    because: str


@dataclass(frozen=True)
class KeepComment:
    """Free text about the experience, kept beside the score."""

    reading: Reading
    because: str


@dataclass(frozen=True)
class AskQuestion:
    """Send the next question of the conversation."""

    question: str
    because: str


@dataclass(frozen=True)
class Clarify:
    """Ask once what was meant."""

    because: str


@dataclass(frozen=True)
class Say:
    """Answer the customer at once, first in line; `kind` makes it unique for the reply it answers."""

    template: str
    kind: str
    because: str
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MoveSurvey:
    state: SurveyState
    because: str


@dataclass(frozen=True)
class OptOut:
    because: str


@dataclass(frozen=True)
class OptIn:
    because: str


@dataclass(frozen=True)
class SuppressNumber:
    """The number does not belong to this customer."""

    because: str


@dataclass(frozen=True)
class PlannedPing:
    """One notice on the ladder: to which role, when, and as which step."""

    step: str
    role: str
    due_at: datetime


@dataclass(frozen=True)
class OpenTicket:
    """A person must call: by when, before when the customer may be called, who owns it, who is told when."""

    kind: str
    owner_role: str
    due_at: datetime
    call_before: datetime
    pings: tuple[PlannedPing, ...]
    because: str
    category: str | None = None
    topic: str | None = None
    urgent: bool = False
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddToTicket:
    """Words that belong to a ticket which is open already."""

    because: str


@dataclass(frozen=True)
class PingNow:
    """Tell these roles at once, whatever the ladder says (R121)."""

    roles: tuple[str, ...]
    step: str
    at: datetime
    because: str


@dataclass(frozen=True)
class NextRound:
    """The second answer is low: the ticket opens again with a new clock (R147)."""

    due_at: datetime
    call_before: datetime
    pings: tuple[PlannedPing, ...]
    because: str


@dataclass(frozen=True)
class CloseTicket:
    because: str


@dataclass(frozen=True)
class HoldForPerson:
    """The reply is not trusted alone: a person codes it (R124)."""

    because: str


@dataclass(frozen=True)
class Ignore:
    because: str


Decision = (
    PlanFollowUp
    | CancelFollowUps
    | Missed
    | SetClass
    | BookAnswer
    | KeepComment
    | AskQuestion
    | Clarify
    | Say
    | MoveSurvey
    | OptOut
    | OptIn
    | SuppressNumber
    | OpenTicket
    | AddToTicket
    | PingNow
    | NextRound
    | CloseTicket
    | HoldForPerson
    | Ignore
)
"""What is decided about one customer."""
