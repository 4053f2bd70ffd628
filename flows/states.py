"""Which state may follow which, and what fires the move. The only place that says so.

The store moves a row by compare-and-set along these tables; `docs/states.md` is drawn from them and a test holds
the two equal. A follow-up is the promise to contact; a message is one text on its way; a survey is one conversation;
a ticket is one entry of the callback queue; a ping is one notice to one member of staff; a task is
something that a person is to do; an approval is of one content of a survey or a template; a violation is one case.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from flows.errors import IllegalMove

S = TypeVar("S", bound=StrEnum)
Table = Mapping[Any, Mapping[Any, str]]
"""state -> the states that may follow -> what fires the move"""


class FollowUpState(StrEnum):
    PLANNED = "planned"
    READY = "ready"
    SENT = "sent"
    ANSWERED = "answered"
    HELD = "held"
    UNREACHABLE = "unreachable"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FULFILLED = "fulfilled"


class MessageState(StrEnum):
    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    HELD = "held"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class SurveyState(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    NEEDS_PERSON = "needs_person"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


class TicketState(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    RESOLVED = "resolved"
    CLOSED = "closed"


class PingState(StrEnum):
    PLANNED = "planned"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    PASSED_ON = "passed_on"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class ApprovalState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RETIRED = "retired"


class ViolationState(StrEnum):
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class DeletionState(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    DONE = "done"


FOLLOW_UP: Mapping[FollowUpState, Mapping[FollowUpState, str]] = {
    FollowUpState.PLANNED: {
        FollowUpState.READY: "due, allowed and rendered: its message is in the outbox",
        FollowUpState.SENT: "it sends nothing: it sets the class, or opens a task",
        FollowUpState.FULFILLED: "a contact that was logged is what it wanted",
        FollowUpState.SUPPRESSED: "consent, class or cap forbids it",
        FollowUpState.UNREACHABLE: "no usable channel",
        FollowUpState.EXPIRED: "its deadline has passed",
        FollowUpState.CANCELLED: "its event was cancelled, its stop event came or its class changed",
        FollowUpState.HELD: "its text cannot be made, and a person looks why",
    },
    FollowUpState.READY: {
        FollowUpState.SENT: "the provider accepted the message",
        FollowUpState.ANSWERED: "the customer replied before the provider's word came",
        FollowUpState.HELD: "the outcome is unknown and the purpose forbids a second copy",
        FollowUpState.UNREACHABLE: "the provider refused it for good",
        FollowUpState.SUPPRESSED: "opted out before the call",
        FollowUpState.EXPIRED: "its deadline passed in the outbox",
        FollowUpState.CANCELLED: "cancelled before the call",
    },
    FollowUpState.HELD: {
        FollowUpState.SENT: "proof found, or a person says that it arrived",
        FollowUpState.ANSWERED: "the customer replied, so it had arrived",
        FollowUpState.READY: "a person allows a new attempt",
        FollowUpState.CANCELLED: "a person lets it go",
    },
    FollowUpState.SENT: {
        FollowUpState.ANSWERED: "the customer replied",
        FollowUpState.FULFILLED: "its task is done",
        FollowUpState.UNREACHABLE: "a receipt says that it never arrived",
        FollowUpState.READY: "it did not arrive: the next channel or a later try has it",
        FollowUpState.SUPPRESSED: "opted out while it was scheduled at the provider",
        FollowUpState.CANCELLED: "cancelled while it was scheduled at the provider",
    },
    FollowUpState.FULFILLED: {},
    FollowUpState.UNREACHABLE: {FollowUpState.ANSWERED: "the customer replied after all"},
    FollowUpState.ANSWERED: {},
    FollowUpState.SUPPRESSED: {},
    FollowUpState.EXPIRED: {},
    FollowUpState.CANCELLED: {},
}

MESSAGE: Mapping[MessageState, Mapping[MessageState, str]] = {
    MessageState.READY: {
        MessageState.SENDING: "claimed: the attempt is written before the call",
        MessageState.ACCEPTED: "late proof of an earlier attempt",
        MessageState.SENT: "late proof of an earlier attempt",
        MessageState.DELIVERED: "late proof of an earlier attempt",
        MessageState.SUPPRESSED: "opted out since it was rendered",
        MessageState.EXPIRED: "its deadline has passed",
        MessageState.CANCELLED: "cancelled before the call",
    },
    MessageState.SENDING: {
        MessageState.ACCEPTED: "the provider took it",
        MessageState.SENT: "a receipt came before the answer",
        MessageState.DELIVERED: "a receipt came before the answer",
        MessageState.UNDELIVERED: "a receipt came before the answer",
        MessageState.READY: "nothing was sent: refused connection, 429, or past its deadline before the call",
        MessageState.FAILED: "a definite refusal",
        MessageState.UNKNOWN: "timeout, reset, 5xx, or the process died",
    },
    MessageState.UNKNOWN: {
        MessageState.ACCEPTED: "proof found at the provider",
        MessageState.SENT: "a receipt is proof",
        MessageState.DELIVERED: "a receipt is proof",
        MessageState.UNDELIVERED: "a receipt is proof",
        MessageState.FAILED: "a receipt is proof that it failed",
        MessageState.READY: "fence passed, nothing found: the purpose allows one new attempt",
        MessageState.HELD: "fence passed, nothing found: a person decides",
    },
    MessageState.HELD: {
        MessageState.ACCEPTED: "late proof",
        MessageState.SENT: "late proof",
        MessageState.DELIVERED: "late proof",
        MessageState.UNDELIVERED: "late proof that it was sent, and did not arrive",
        MessageState.READY: "a person allows a new attempt",
        MessageState.CANCELLED: "a person lets it go",
    },
    MessageState.ACCEPTED: {
        MessageState.SENT: "receipt",
        MessageState.DELIVERED: "receipt",
        MessageState.UNDELIVERED: "receipt",
        MessageState.FAILED: "receipt",
        MessageState.CANCELLED: "withdrawn while scheduled at the provider",
    },
    MessageState.SENT: {
        MessageState.DELIVERED: "receipt",
        MessageState.UNDELIVERED: "receipt",
        MessageState.FAILED: "receipt",
    },
    MessageState.DELIVERED: {},
    MessageState.UNDELIVERED: {},
    MessageState.FAILED: {},
    MessageState.SUPPRESSED: {},
    MessageState.EXPIRED: {},
    MessageState.CANCELLED: {},
}

SURVEY: Mapping[SurveyState, Mapping[SurveyState, str]] = {
    SurveyState.OPEN: {
        SurveyState.ANSWERED: "every question that was asked has its answer",
        SurveyState.NEEDS_PERSON: "unclear after one clarifying question",
        SurveyState.LAPSED: "its closing date has passed",
        SurveyState.WITHDRAWN: "opted out, or the wrong person",
    },
    SurveyState.NEEDS_PERSON: {
        SurveyState.ANSWERED: "a person coded the reply, or a clear one came",
        SurveyState.LAPSED: "its closing date has passed",
        SurveyState.WITHDRAWN: "opted out, or the wrong person",
    },
    SurveyState.ANSWERED: {},
    SurveyState.LAPSED: {},
    SurveyState.WITHDRAWN: {},
}

TICKET: Mapping[TicketState, Mapping[TicketState, str]] = {
    TicketState.OPEN: {
        TicketState.CLAIMED: "a member of staff takes it: one winner",
        TicketState.CLOSED: "a manager's reasoned override, or the customer corrects the score that opened it",
    },
    TicketState.CLAIMED: {
        TicketState.RESOLVED: "the handling is recorded: the re-survey is planned",
        TicketState.OPEN: "given back",
        TicketState.CLOSED: "a manager's reasoned override",
    },
    TicketState.RESOLVED: {
        TicketState.CLOSED: "the customer was asked again and is satisfied",
        TicketState.OPEN: "the second answer is low: the next round",
    },
    TicketState.CLOSED: {},
}

TASK: Mapping[TaskState, Mapping[TaskState, str]] = {
    TaskState.OPEN: {
        TaskState.DONE: "staff record it, with every required field",
        TaskState.CANCELLED: "its event was cancelled, or a manager lets it go with a reason",
    },
    TaskState.DONE: {},
    TaskState.CANCELLED: {},
}

PING: Mapping[PingState, Mapping[PingState, str]] = {
    PingState.PLANNED: {
        PingState.SENT: "its time has come and the ticket is still open",
        PingState.CANCELLED: "the ticket was claimed or resolved first",
    },
    PingState.SENT: {
        PingState.ACKNOWLEDGED: "somebody claimed the ticket or acknowledged the ping",
        PingState.PASSED_ON: "nobody acknowledged it in time: the next in the ladder gets it",
        PingState.CANCELLED: "the ticket was closed",
    },
    PingState.ACKNOWLEDGED: {},
    PingState.PASSED_ON: {},
    PingState.CANCELLED: {},
}

APPROVAL: Mapping[ApprovalState, Mapping[ApprovalState, str]] = {
    ApprovalState.DRAFT: {ApprovalState.SUBMITTED: "whoever has written it says that it is ready"},
    ApprovalState.SUBMITTED: {
        ApprovalState.APPROVED: "another person approves it: what waited for it goes out",
        ApprovalState.DRAFT: "it is sent back",
    },
    ApprovalState.APPROVED: {ApprovalState.RETIRED: "it is withdrawn: it is not sent any more"},
    ApprovalState.RETIRED: {ApprovalState.SUBMITTED: "it is to be sent again as it was"},
}

VIOLATION: Mapping[ViolationState, Mapping[ViolationState, str]] = {
    ViolationState.SUSPECTED: {
        ViolationState.CONFIRMED: "a manager confirms it: it is numbered, and its sanction proposed",
        ViolationState.DISMISSED: "a manager dismisses it, and says why",
    },
    ViolationState.CONFIRMED: {},
    ViolationState.DISMISSED: {},
}

DELETION: Mapping[DeletionState, Mapping[DeletionState, str]] = {
    DeletionState.ASKED: {
        DeletionState.APPROVED: "the last of those who approve it, each after the other, has done so",
        DeletionState.REFUSED: "one of those who approve it refuses",
    },
    DeletionState.APPROVED: {DeletionState.DONE: "nothing of what it means is left"},
    DeletionState.REFUSED: {},
    DeletionState.DONE: {},
}

TABLES: Mapping[str, Table] = {
    "follow-up": FOLLOW_UP,
    "message": MESSAGE,
    "survey": SURVEY,
    "ticket": TICKET,
    "ping": PING,
    "task": TASK,
    "approval": APPROVAL,
    "deletion": DELETION,
    "violation": VIOLATION,
}

_TABLE_OF: Mapping[type[StrEnum], Table] = {
    FollowUpState: FOLLOW_UP,
    MessageState: MESSAGE,
    SurveyState: SURVEY,
    TicketState: TICKET,
    PingState: PING,
    TaskState: TASK,
    ApprovalState: APPROVAL,
    DeletionState: DELETION,
    ViolationState: VIOLATION,
}

REACHED = frozenset({MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED})
"""A message in one of these is at the provider or beyond."""

RANK: Mapping[MessageState, int] = {
    MessageState.READY: 0,
    MessageState.SENDING: 1,
    MessageState.UNKNOWN: 1,
    MessageState.HELD: 1,
    MessageState.ACCEPTED: 2,
    MessageState.SENT: 3,
    MessageState.DELIVERED: 4,
    MessageState.UNDELIVERED: 4,
    MessageState.FAILED: 4,
}
"""Receipts come late and out of order: a state only rises in rank (R209)."""


def sources_of(target: S) -> tuple[S, ...]:
    """The states from which `target` may be reached; a store's compare-and-set takes exactly these."""
    table = _TABLE_OF[type(target)]
    return tuple(source for source, targets in table.items() if target in targets)


def check_move(source: S, target: S) -> None:
    """Raise IllegalMove unless the table allows source -> target."""
    if target not in _TABLE_OF[type(source)][source]:
        raise IllegalMove(f"{type(source).__name__}: {source} -> {target} is not in flows/states.py")


def draw(table: Table) -> str:
    """The Mermaid state diagram of one table, as it stands in docs/states.md."""
    lines = ["stateDiagram-v2"]
    first = next(iter(table))
    lines.append(f"    [*] --> {first}")
    for source, targets in table.items():
        lines.extend(f"    {source} --> {target}: {why.replace(':', ',')}" for target, why in targets.items())
        if not targets:
            lines.append(f"    {source} --> [*]")
    return "\n".join(lines)
