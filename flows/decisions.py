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
class CountsFrom:
    """Which date of a customer a set-based flow counts from: the anchor of its groups.

    none: the calendar alone. activity: the last one. chain: the nominal date before, at first the day the class began.
    attribute: that date of the customer. matter: that date of each matter of a kind.
    """

    kind: Literal["none", "activity", "chain", "attribute", "matter"]
    field: str = ""
    matter: str = ""


@dataclass(frozen=True)
class Group:
    """The members of a Selection who share a zone and an anchor date, and therefore one occasion and one slot.

    `annoyed`: only those who showed annoyance, or only the others (R83). `enrolled_by`: only who was of the class by
    this day. `quiet_since`: only whom no event of the Selection's `stops_on` reached since this instant. `part`: one of
    so many equal parts of the customers, told apart by their ids; (0, 3) is the first of three.
    """

    zone: str
    anchor: date | None
    occasion: str
    slot: Slot
    annoyed: bool | None = None
    enrolled_by: date | None = None
    quiet_since: datetime | None = None
    part: tuple[int, int] | None = None
    count: int = 0
    """How many at most, as the anchors were counted; 0: not counted."""


@dataclass(frozen=True)
class Selection:
    """Many follow-ups at once: who (a predicate), on which occasion, and when for each group.

    `to`: one for each contact person of these roles. `until`: nothing comes after this date of the customer, or of
    the last of its matters.
    """

    flow: str
    audience: Predicate
    groups: tuple[Group, ...]
    purpose: Purpose
    because: str
    counts_from: CountsFrom = CountsFrom("none")
    to: tuple[str, ...] = ()
    stops_on: tuple[str, ...] = ()
    until: CountsFrom | None = None


@dataclass(frozen=True)
class CancelFollowUps:
    """Cancel what these flows have planned for the customer and not yet sent.

    `theirs`: of what is for one of several contact persons, only what is for the one who wrote.
    """

    because: str
    flows: tuple[str, ...] = ()
    theirs: bool = False


@dataclass(frozen=True)
class Missed:
    """What would have been planned, had its event been told in time: listed with its reason, and missing in the rates
    of its own period (R18, R63).
    """

    planned: PlanFollowUp


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
class NoteLate:
    """What came after the survey had closed: told in the trail, and left out of every rate (R58)."""

    reading: Reading
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
class AskLater:
    """Ask the open question once more, later; once for each survey.

    `told`: the customer named the time, and hears that it is noted.
    """

    slot: Slot
    because: str
    told: bool = False


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
    wished_at: datetime | None = None
    """When the customer asked to be called."""


@dataclass(frozen=True)
class AddToTicket:
    """Words that belong to a ticket which is open already; with a time for the call where they name one."""

    because: str
    wished_at: datetime | None = None


@dataclass(frozen=True)
class PingNow:
    """Tell these roles at once, whatever the ladder says (R121)."""

    roles: tuple[str, ...]
    step: str
    at: datetime
    because: str


@dataclass(frozen=True)
class PingSuperior:
    """Tell whoever stands above the owner of the ticket at once: it is about somebody of the staff (R134)."""

    step: str
    because: str


@dataclass(frozen=True)
class NextRound:
    """The second answer is low: the ticket opens again with a new clock (R147)."""

    due_at: datetime
    call_before: datetime
    pings: tuple[PlannedPing, ...]
    because: str
    wished_at: datetime | None = None


@dataclass(frozen=True)
class CloseTicket:
    because: str


@dataclass(frozen=True)
class HoldForPerson:
    """The reply is not trusted alone: a person codes it (R124)."""

    because: str


@dataclass(frozen=True)
class NoteAnnoyance:
    """The customer is annoyed by our contacts: half as often from now on, and no calls (R83)."""

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
    | NoteLate
    | KeepComment
    | AskQuestion
    | AskLater
    | Clarify
    | Say
    | MoveSurvey
    | OptOut
    | OptIn
    | SuppressNumber
    | OpenTicket
    | AddToTicket
    | PingNow
    | PingSuperior
    | NextRound
    | CloseTicket
    | HoldForPerson
    | NoteAnnoyance
    | Ignore
)
"""What is decided about one customer."""
