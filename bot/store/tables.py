"""The tables. Invariants live here: unique keys, CHECKs drawn from `flows/states.py`, foreign keys.

Instants are aware UTC (`Instant`); 0 stands for "none" in keys that must be unique, since NULL would break them.
Nothing here decides anything; `bot/store/*.py` holds the queries, one file per noun.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from flows.states import (
    ApprovalState,
    DeletionState,
    FollowUpState,
    MessageState,
    PingState,
    SurveyState,
    TaskState,
    TicketState,
    ViolationState,
)
from messages.catalog import Purpose


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; SQLite keeps it as text without offset, PostgreSQL as timestamptz."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone never reaches the tables")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
NoneOrJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Any:
    return Field(default=None, sa_column=Column(Id, primary_key=True, autoincrement=True))


def _ref(table: str, *, nullable: bool = False, index: bool = True) -> Any:
    return Field(
        default=None,
        sa_column=Column(Id, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=nullable, index=index),
    )


def _zero() -> Any:
    """A reference that is part of a unique key: 0 stands for none."""
    return Field(default=0, sa_column=Column(Id, nullable=False, server_default="0"))


def _instant(*, nullable: bool = False, index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Instant(), nullable=nullable, index=index))


def _day(*, nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(Date, nullable=nullable))


def _json() -> Any:
    return Field(default_factory=dict, sa_column=Column(Json, nullable=False))


def _text(*, nullable: bool = False, default: str | None = "") -> Any:
    return Field(default=None if nullable else default, sa_column=Column(Text, nullable=nullable))


def _word(length: int = 64, *, default: Any = "", nullable: bool = False) -> Any:
    return Field(default=None if nullable else default, sa_column=Column(String(length), nullable=nullable))


def _one_of(column: str, states: Iterable[StrEnum]) -> CheckConstraint:
    words = ", ".join(f"'{state}'" for state in states)
    return CheckConstraint(f"{column} IN ({words})", name=f"{column}_is_known")


class CustomerRow(SQLModel, table=True):
    """A person or company. `opted_out_at` is the ledger's present answer: the newest consent row decides it.

    `windows`: times of their own in which they may be reached (`flows/own_times.py`); NULL: any time will do.
    """

    __tablename__ = "customer"

    id: int = _id()
    external_id: str = _word(128)
    name: str = _word(200)
    title: str = _word(32)
    language: str = _word(8, default="zh")
    zone: str = _word(64, default="Asia/Shanghai")
    attributes: dict[str, Any] = _json()
    windows: dict[str, Any] | None = Field(default=None, sa_column=Column(NoneOrJson, nullable=True))
    opted_out_at: datetime | None = _instant(nullable=True)
    marketing_consent_at: datetime | None = _instant(nullable=True)
    created_at: datetime = _instant()


class CustomerKeyRow(SQLModel, table=True):
    """What other systems call a customer; several keys may be one customer, since the same phone is the same one."""

    __tablename__ = "customer_key"
    __table_args__ = (UniqueConstraint("source", "external_id"),)

    id: int = _id()
    customer_id: int = _ref("customer")
    source: str = _word()
    external_id: str = _word(128)


SELF = "self"
"""The role of a person who is the customer: nobody else there was named."""


class ContactPersonRow(SQLModel, table=True):
    """One human at a customer, with a role; a private customer is their own (role `self`)."""

    __tablename__ = "contact_person"
    __table_args__ = (UniqueConstraint("customer_id", "role", "name"),)

    id: int = _id()
    customer_id: int = _ref("customer")
    role: str = _word(64, default=SELF)
    name: str = _word(200)
    title: str = _word(32)


class ContactPointRow(SQLModel, table=True):
    """One address of a person on one channel. An address belongs to one person (R12: same phone, same customer)."""

    __tablename__ = "contact_point"
    __table_args__ = (UniqueConstraint("channel", "address"),)

    id: int = _id()
    customer_id: int = _ref("customer")
    person_id: int = _ref("contact_person")
    channel: str = _word(32, default="sms")
    address: str = _word(128)
    suppressed_at: datetime | None = _instant(nullable=True)
    suppressed_because: str = _text()


class ConsentRow(SQLModel, table=True):
    """The consent ledger: rows are only added. `scope` is `all`, `marketing`, or `channel` (named in the note)."""

    __tablename__ = "consent"
    __table_args__ = (
        CheckConstraint("action IN ('given', 'withdrawn')", name="action_is_known"),
        CheckConstraint("scope IN ('all', 'marketing', 'channel')", name="scope_is_known"),
    )

    id: int = _id()
    customer_id: int = _ref("customer")
    action: str = _word(16)
    scope: str = _word(16, default="all")
    source: str = _word(64)
    at: datetime = _instant()
    note: str = _text()


class EnrolmentRow(SQLModel, table=True):
    """Customer x program: class, flags, pause, names of responsible staff, measures of the program's activity."""

    __tablename__ = "enrolment"
    __table_args__ = (
        UniqueConstraint("customer_id", "program_id"),
        Index("enrolment_by_activity", "program_id", "activity_on"),
        Index("enrolment_by_class", "program_id", "class", "class_since"),
    )

    id: int = _id()
    customer_id: int = _ref("customer", index=False)
    program_id: str = _word(64)
    class_: str | None = Field(default=None, sa_column=Column("class", String(64), nullable=True))
    class_since: date | None = _day()
    flags: dict[str, Any] = _json()
    staff: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    paused_until: datetime | None = _instant(nullable=True)
    activity_on: date | None = _day()
    activity_count: int = Field(default=0)
    activity_total: float = Field(default=0.0, sa_column=Column(Float, nullable=False, server_default="0"))


class MatterRow(SQLModel, table=True):
    """Contract, vehicle, invoice, order or project of a customer; date triggers read its dates."""

    __tablename__ = "matter"
    __table_args__ = (UniqueConstraint("customer_id", "source", "kind", "external_id"),)

    id: int = _id()
    customer_id: int = _ref("customer")
    source: str = _word()
    kind: str = _word(32)
    external_id: str = _word(128)
    dates: dict[str, Any] = _json()
    state: str = _word(32, default="open")


class MilestoneRow(SQLModel, table=True):
    """A date of a program that is entered once and concerns everybody who is meant (R15)."""

    __tablename__ = "milestone"
    __table_args__ = (UniqueConstraint("program_id", "kind", "on"),)

    id: int = _id()
    program_id: str = _word(64)
    kind: str = _word(64)
    on: date = _day(nullable=False)
    title: str = _word(200)
    entered_at: datetime = _instant()


class ContactRow(SQLModel, table=True):
    """A contact that was made otherwise: a call, a visit, a letter; logged once, unique by (source, external id).

    `counts`: every required field is there, and its kind's rule says so; only then it fulfils anything.
    """

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("contact_by_customer", "customer_id", "program_id", "kind", "on"),
        Index("contact_by_staff", "program_id", "staff_id", "kind", "on"),
    )

    id: int = _id()
    source: str = _word()
    external_id: str = _word(128)
    customer_id: int = _ref("customer", index=False)
    person_id: int = _zero()
    program_id: str = _word(64)
    kind: str = _word(64)
    at: datetime = _instant()
    on: date = _day(nullable=False)
    staff_id: int = _zero()
    task_id: int = _zero()
    counts: bool = True
    because: str = _text()
    data: dict[str, Any] = _json()


class RestartRow(SQLModel, table=True):
    """Where a chain of a customer counts from anew, since a contact came in between or a date was agreed (rule 8)."""

    __tablename__ = "restart"
    __table_args__ = (UniqueConstraint("customer_id", "program_id", "flow", "matter_id"),)

    id: int = _id()
    customer_id: int = _ref("customer", index=False)
    program_id: str = _word(64)
    flow: str = _word(64)
    matter_id: int = _zero()
    on: date = _day(nullable=False)
    at: datetime = _instant()


class EventRow(SQLModel, table=True):
    """Something that happened, accepted once: unique by (source, external id)."""

    __tablename__ = "event"
    __table_args__ = (UniqueConstraint("source", "external_id"), Index("event_by_customer", "customer_id", "type"))

    id: int = _id()
    source: str = _word()
    external_id: str = _word(128)
    type: str = _word(64)
    customer_id: int = _ref("customer", index=False)
    matter_id: int = _zero()
    occurred_at: datetime = _instant()
    received_at: datetime = _instant()
    cancelled_at: datetime | None = _instant(nullable=True)
    data: dict[str, Any] = _json()


class ProgramVersionRow(SQLModel, table=True):
    """One content of one program, never changed; the newest enabled one plans, old ones finish what they planned."""

    __tablename__ = "program_version"
    __table_args__ = (UniqueConstraint("program_id", "digest"),)

    id: int = _id()
    program_id: str = _word(64)
    number: int = Field(default=1)
    digest: str = _word(64)
    source: str = _text()
    author: str = _word(64, default="shipped")
    created_at: datetime = _instant()
    enabled: bool = True


class TemplateVersionRow(SQLModel, table=True):
    """One content of one template in one language, never changed; the newest approved one is sent (R103)."""

    __tablename__ = "template_version"
    __table_args__ = (
        UniqueConstraint("key", "language", "digest"),
        CheckConstraint("state IN ('draft', 'submitted', 'approved', 'retired')", name="state_is_known"),
    )

    id: int = _id()
    key: str = _word(128)
    language: str = _word(8)
    digest: str = _word(64)
    title: str = _word(200)
    purpose: str = _word(16)
    body: str = _text()
    state: str = _word(16, default="approved")
    author: str = _word(64, default="shipped")
    created_at: datetime = _instant()


class ApprovalRow(SQLModel, table=True):
    """One content of a survey or a template that must be approved, by its digest: an edited one is another row.

    No row: a draft, or what ships and nobody has judged.
    """

    __tablename__ = "approval"
    __table_args__ = (UniqueConstraint("program_id", "name", "digest"), _one_of("state", ApprovalState))

    id: int = _id()
    program_id: str = _word(64)
    name: str = _word(128)
    digest: str = _word(64)
    state: str = _word(16, default=ApprovalState.DRAFT)
    author_id: int = _zero()
    approver_id: int = _zero()
    at: datetime = _instant()


class DeletionRow(SQLModel, table=True):
    """Forms of a program are to be deleted: all whose survey day is `through` or earlier, which were sent before
    `sent_before`. One at a time waits.

    `roles`: who has to approve it, in order, as the program said when it was asked for; `step` of them have, and
    `approvers` are they. `asked_by` 0: the house itself, since nobody has to approve it. `forms`: how many it meant.
    """

    __tablename__ = "deletion"
    __table_args__ = (
        _one_of("state", DeletionState),
        Index(
            "one_live_deletion",
            "program_id",
            unique=True,
            sqlite_where=text("state IN ('asked', 'approved')"),
            postgresql_where=text("state IN ('asked', 'approved')"),
        ),
        Index(
            "deletion_due",
            "at",
            sqlite_where=text("state = 'approved'"),
            postgresql_where=text("state = 'approved'"),
        ),
    )

    id: int = _id()
    program_id: str = _word(64)
    state: str = _word(16, default=DeletionState.ASKED)
    through: date = _day(nullable=False)
    sent_before: datetime = _instant()
    forms: int = Field(default=0)
    deleted: int = Field(default=0)
    asked_by: int = _zero()
    roles: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    approvers: list[int] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    step: int = Field(default=0)
    asked_at: datetime = _instant()
    at: datetime = _instant()


class FollowUpRow(SQLModel, table=True):
    """Flow x customer x contact person x matter x occasion: the row with the life cycle."""

    __tablename__ = "follow_up"
    __table_args__ = (
        UniqueConstraint("program_id", "flow", "customer_id", "person_id", "matter_id", "occasion"),
        _one_of("state", FollowUpState),
        _one_of("purpose", Purpose),
        Index(
            "follow_up_due",
            "due_at",
            sqlite_where=text("state = 'planned'"),
            postgresql_where=text("state = 'planned'"),
        ),
        # R43: one greeting per festival, whatever number of programs and classes match
        Index(
            "one_greeting_per_festival",
            "customer_id",
            "occasion",
            unique=True,
            sqlite_where=text("purpose = 'greeting'"),
            postgresql_where=text("purpose = 'greeting'"),
        ),
        Index("follow_up_by_customer", "customer_id", "state"),
        Index("follow_up_by_flow", "program_id", "flow", "state", "due_at"),
    )

    id: int = _id()
    program_id: str = _word(64)
    program_version_id: int = _ref("program_version", index=False)
    flow: str = _word(64)
    customer_id: int = _ref("customer", index=False)
    person_id: int = _zero()
    matter_id: int = _zero()
    event_id: int = _zero()
    ticket_id: int = _zero()
    survey_id: int = _zero()
    occasion: str = _word(128)
    purpose: str = _word(16)
    state: str = _word(16, default=FollowUpState.PLANNED)
    nominal_on: date = _day(nullable=False)
    intended_on: date = _day(nullable=False)
    due_at: datetime = _instant()
    expires_at: datetime | None = _instant(nullable=True)
    planned_at: datetime = _instant()
    sent_at: datetime | None = _instant(nullable=True)
    reason: str = _text()


class MessageRow(SQLModel, table=True):
    """One text on its way to one address. `dedupe_key` makes it one effect.

    `leaves_at`: when the provider, which keeps it until then, sends it out. `again`: how often it was tried again after
    a receipt said that it had not arrived. `recalled_at`: since when it is taken back, until that is known to be done.
    """

    __tablename__ = "message"
    __table_args__ = (
        _one_of("state", MessageState),
        _one_of("purpose", Purpose),
        Index(
            "message_outbox",
            "channel",
            "priority",
            "due_at",
            sqlite_where=text("state = 'ready'"),
            postgresql_where=text("state = 'ready'"),
        ),
        Index(
            "message_in_doubt",
            "retry_at",
            sqlite_where=text("state IN ('sending', 'unknown')"),
            postgresql_where=text("state IN ('sending', 'unknown')"),
        ),
        Index(
            "message_scheduled",
            "leaves_at",
            sqlite_where=text("state = 'accepted'"),
            postgresql_where=text("state = 'accepted'"),
        ),
        Index(
            "message_left",
            "sent_at",
            sqlite_where=text("sent_at IS NOT NULL"),
            postgresql_where=text("sent_at IS NOT NULL"),
        ),
        Index("message_by_provider", "channel", "provider_id"),
        Index("message_by_customer", "customer_id", "due_at"),
        Index("message_by_follow_up", "follow_up_id"),
        Index("message_by_address", "channel", "address", "due_at"),
    )

    id: int = _id()
    dedupe_key: str = Field(sa_column=Column(String(128), nullable=False, unique=True))
    customer_id: int = _zero()
    staff_id: int = _zero()
    follow_up_id: int = _zero()
    survey_id: int = _zero()
    ticket_id: int = _zero()
    inbound_id: int = _zero()
    template_version_id: int = _zero()
    purpose: str = _word(16)
    counts: bool = Field(default=False, description="counts for the weekly cap")
    priority: int = Field(default=5, description="0 goes first: replies, then staff, then everything else")
    channel: str = _word(32)
    sender: str = _word(64)
    address: str = _word(128)
    title: str = _word(200)
    body: str = _text()
    buttons: list[list[list[str]]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    segments: int = Field(default=1)
    state: str = _word(16, default=MessageState.READY)
    attempts: int = Field(default=0)
    again: int = Field(default=0)
    provider_id: str | None = _word(64, nullable=True)
    created_at: datetime = _instant()
    due_at: datetime = _instant()
    expires_at: datetime | None = _instant(nullable=True)
    retry_at: datetime | None = _instant(nullable=True)
    leaves_at: datetime | None = _instant(nullable=True)
    audited_at: datetime | None = _instant(nullable=True)
    recalled_at: datetime | None = _instant(nullable=True)
    sent_at: datetime | None = _instant(nullable=True)
    reason: str = _text()


class AttemptRow(SQLModel, table=True):
    """One call to a provider, written before it is made. `id` is a random 128-bit number in hexadecimal."""

    __tablename__ = "attempt"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    message_id: int = _ref("message")
    number: int = Field(default=1)
    claimed_at: datetime = _instant()
    deadline_at: datetime = _instant()
    finished_at: datetime | None = _instant(nullable=True)
    outcome: str = _word(16)
    provider_id: str | None = _word(64, nullable=True)
    error: str = _text()
    empty_reads: int = Field(default=0, description="look-ups at the provider that found nothing")


class SurveyRow(SQLModel, table=True):
    """One conversation with one person about one survey; its token is the link's."""

    __tablename__ = "survey"
    __table_args__ = (
        _one_of("state", SurveyState),
        Index("survey_by_customer", "customer_id", "channel", "opened_at"),
        Index("survey_open", "closes_at", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
    )

    id: int = _id()
    token: str = Field(sa_column=Column(String(32), nullable=False, unique=True))
    customer_id: int = _ref("customer", index=False)
    follow_up_id: int = Field(sa_column=Column(Id, nullable=False, unique=True))
    ticket_id: int = _zero()
    round: int = Field(default=0, description="0: asked first; 1, 2, ...: asked again in this round of a ticket")
    program_version_id: int = _ref("program_version", index=False)
    survey: str = _word(64)
    channel: str = _word(32)
    state: str = _word(16, default=SurveyState.OPEN)
    asked: str = _word(64)
    clarified: int = Field(default=0)
    opened_at: datetime = _instant()
    closes_at: datetime = _instant()
    answered_at: datetime | None = _instant(nullable=True)


class InboundRow(SQLModel, table=True):
    """One reply as it came, stored once: unique by (provider, provider's message id).

    `flag`: what the provider itself says of it; `tapped`: data of the button; `media`: pictures and the like with it.
    """

    __tablename__ = "inbound"
    __table_args__ = (
        UniqueConstraint("provider", "provider_message_id"),
        CheckConstraint("state IN ('received', 'read', 'person', 'coded')", name="state_is_known"),
        Index(
            "inbound_unread", "id", sqlite_where=text("state = 'received'"), postgresql_where=text("state = 'received'")
        ),
        Index("inbound_by_customer", "customer_id", "received_at"),
    )

    id: int = _id()
    provider: str = _word(32)
    provider_message_id: str = _word(128)
    channel: str = _word(32)
    from_address: str = _word(128)
    to_address: str = _word(128)
    body: str = _text()
    flag: str = _word(16)
    tapped: str = _word(64)
    media: int = Field(default=0)
    raw: dict[str, Any] = _json()
    received_at: datetime = _instant()
    state: str = _word(16, default="received")
    customer_id: int = _zero()
    staff_id: int = _zero()
    survey_id: int = _zero()
    reading: dict[str, Any] = _json()


class AnswerRow(SQLModel, table=True):
    """One answer to one question; `current` is false once the customer corrected it."""

    __tablename__ = "answer"
    __table_args__ = (
        Index(
            "one_current_answer",
            "survey_id",
            "question",
            unique=True,
            sqlite_where=text("current"),
            postgresql_where=text("current"),
        ),
    )

    id: int = _id()
    survey_id: int = _ref("survey", index=False)
    customer_id: int = _ref("customer")
    question: str = _word(64)
    inbound_id: int = _zero()
    score: float | None = Field(default=None, sa_column=Column(Float, nullable=True))
    points: int | None = Field(default=None)
    level: int | None = Field(default=None)
    category: str | None = _word(16, nullable=True)
    text: str = _text()
    channel: str = _word(32)
    at: datetime = _instant()
    current: bool = True


class TicketRow(SQLModel, table=True):
    """One entry of the callback queue. A customer has at most one that is not closed in each program.

    `wished_at`: when the customer asked to be called. `matter_id`: what the words were about, 0 is all or nothing.
    `event_id`: the event that the customer was asked about, or 0. `task_at`: when the task opens that it calls for.
    """

    __tablename__ = "ticket"
    __table_args__ = (
        _one_of("state", TicketState),
        Index(
            "one_live_ticket",
            "customer_id",
            "program_id",
            unique=True,
            sqlite_where=text("state <> 'closed'"),
            postgresql_where=text("state <> 'closed'"),
        ),
        Index("ticket_queue", "state", "due_at"),
        Index("ticket_by_topic", "program_id", "topic", "opened_at"),
        Index(
            "ticket_task_due",
            "task_at",
            sqlite_where=text("task_at IS NOT NULL"),
            postgresql_where=text("task_at IS NOT NULL"),
        ),
    )

    id: int = _id()
    customer_id: int = _ref("customer", index=False)
    program_id: str = _word(64)
    program_version_id: int = _ref("program_version", index=False)
    survey_id: int = _zero()
    inbound_id: int = _zero()
    matter_id: int = _zero()
    event_id: int = _zero()
    kind: str = _word(32, default="low_score")
    state: str = _word(16, default=TicketState.OPEN)
    round: int = Field(default=1)
    owner_role: str = _word(64)
    claimed_by: int = _zero()
    category: str | None = _word(16, nullable=True)
    topic: str | None = _word(64, nullable=True)
    urgent: bool = False
    words: str = _text()
    opened_at: datetime = _instant()
    due_at: datetime = _instant()
    call_before: datetime = _instant()
    wished_at: datetime | None = _instant(nullable=True)
    task_at: datetime | None = _instant(nullable=True)
    claimed_at: datetime | None = _instant(nullable=True)
    resolved_at: datetime | None = _instant(nullable=True)
    closed_at: datetime | None = _instant(nullable=True)
    result: str = _text()
    reason: str = _text()


class TaskRow(SQLModel, table=True):
    """Something that a person is to do: a call, a visit, a letter, a form. `dedupe_key` makes it one.

    `flow`: the flow or the duty that called for it; `customer_id` 0: a duty, which is about nobody. `misses_at`: when
    the superior hears that it is not done; none: that was told, or there is nobody above. `unheard`: a ticket
    waits for what becomes of it. Of an appointment, `due_at` is its time, `confirmed_at` when the customer agreed to
    that, and `proposed_at` the time that they would rather have.
    """

    __tablename__ = "task"
    __table_args__ = (
        _one_of("state", TaskState),
        Index("task_open", "due_at", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
        Index(
            "task_missing", "misses_at", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")
        ),
        Index("task_by_customer", "customer_id", "state"),
        Index("task_unheard", "id", sqlite_where=text("unheard"), postgresql_where=text("unheard")),
    )

    id: int = _id()
    dedupe_key: str = Field(sa_column=Column(String(128), nullable=False, unique=True))
    program_id: str = _word(64)
    program_version_id: int = _ref("program_version", index=False)
    flow: str = _word(64)
    follow_up_id: int = _zero()
    ticket_id: int = _zero()
    customer_id: int = _zero()
    person_id: int = _zero()
    matter_id: int = _zero()
    kind: str = _word(32)
    name: str = _word(200)
    role: str = _word(64)
    superior: str = _word(64)
    staff_id: int = _zero()
    state: str = _word(16, default=TaskState.OPEN)
    counts_as: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    required: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    data: dict[str, Any] = _json()
    opened_at: datetime = _instant()
    due_at: datetime = _instant()
    misses_at: datetime | None = _instant(nullable=True)
    done_at: datetime | None = _instant(nullable=True)
    unheard: bool = False
    proposed_at: datetime | None = _instant(nullable=True)
    confirmed_at: datetime | None = _instant(nullable=True)
    because: str = _text()
    result: str = _text()


class ViolationRow(SQLModel, table=True):
    """One case of a violation by a member of staff: `dedupe_key` makes it one.

    `about`: whom it concerns, empty where nobody has said so. Customer, event, reply, ticket and task are its evidence,
    0 where there is none. `number`: which confirmed one of this kind and person it is; of a suspected one, which it
    would have been when it was opened. `sanction`: what is proposed, in each language.
    """

    __tablename__ = "violation"
    __table_args__ = (
        _one_of("state", ViolationState),
        Index(
            "one_violation_of_a_number",
            "program_id",
            "kind",
            "about",
            "number",
            unique=True,
            sqlite_where=text("state = 'confirmed'"),
            postgresql_where=text("state = 'confirmed'"),
        ),
    )

    id: int = _id()
    dedupe_key: str = Field(sa_column=Column(String(128), nullable=False, unique=True))
    program_id: str = _word(64)
    program_version_id: int = _ref("program_version", index=False)
    kind: str = _word(64)
    about: str = _word(100)
    customer_id: int = _zero()
    event_id: int = _zero()
    inbound_id: int = _zero()
    ticket_id: int = _zero()
    task_id: int = _zero()
    because: str = _text()
    state: str = _word(16, default=ViolationState.SUSPECTED)
    number: int = Field(default=1)
    sanction: dict[str, str] = _json()
    opened_at: datetime = _instant()
    decided_by: int = _zero()
    decided_at: datetime | None = _instant(nullable=True)
    reason: str = _text()


class QuotaCheckRow(SQLModel, table=True):
    """One look at what a period has reached: planned for its instant, then kept with what it found.

    `kind`: remind (staff are told who is behind), close (the period is over), classes, appraisal (bands are given), or
    duty (its tasks open). `name`: a quota, an appraisal or a duty of the program, or a flow that counts contacts of
    each member of staff.
    """

    __tablename__ = "quota_check"
    __table_args__ = (
        UniqueConstraint("program_id", "name", "kind", "due_at"),
        Index(
            "quota_check_due", "due_at", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")
        ),
    )

    id: int = _id()
    program_id: str = _word(64)
    program_version_id: int = _ref("program_version", index=False)
    name: str = _word(64)
    kind: str = _word(16)
    first: date = _day(nullable=False)
    last: date = _day(nullable=False)
    due_at: datetime = _instant()
    done_at: datetime | None = _instant(nullable=True)
    found: dict[str, Any] = _json()


class PingRow(SQLModel, table=True):
    """One notice to one role about one ticket: unique by round and step, so the ladder fires once."""

    __tablename__ = "ping"
    __table_args__ = (
        UniqueConstraint("ticket_id", "round", "step", "role"),
        _one_of("state", PingState),
        Index("ping_due", "due_at", sqlite_where=text("state = 'planned'"), postgresql_where=text("state = 'planned'")),
        Index(
            "ping_silent", "passes_on_at", sqlite_where=text("state = 'sent'"), postgresql_where=text("state = 'sent'")
        ),
    )

    id: int = _id()
    ticket_id: int = _ref("ticket")
    round: int = Field(default=1)
    step: str = _word(32)
    role: str = _word(64)
    staff_id: int = _zero()
    state: str = _word(16, default=PingState.PLANNED)
    due_at: datetime = _instant()
    sent_at: datetime | None = _instant(nullable=True)
    passes_on_at: datetime | None = _instant(nullable=True)
    acknowledged_at: datetime | None = _instant(nullable=True)


class TrailRow(SQLModel, table=True):
    """One line for each decision about a customer, and why; set-based planning writes one, customer 0, with counts."""

    __tablename__ = "trail"
    __table_args__ = (Index("trail_by_customer", "customer_id", "id"),)

    id: int = _id()
    customer_id: int = _zero()
    at: datetime = _instant()
    what: str = _word(32)
    program_id: str = _word(64)
    flow: str = _word(64)
    follow_up_id: int = _zero()
    message_id: int = _zero()
    ticket_id: int = _zero()
    because: str = _text()
    data: dict[str, Any] = _json()


class StaffRow(SQLModel, table=True):
    """A member of staff: roles in programs, and the address that pings go to.

    `since`: the first day here; no period before it is judged. None: it is not known, and all are.
    """

    __tablename__ = "staff"

    id: int = _id()
    name: str = _word(100)
    roles: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    language: str = _word(8, default="zh")
    channel: str = _word(32, default="sms")
    address: str = Field(sa_column=Column(String(128), nullable=False, unique=True))
    chat: str | None = Field(default=None, sa_column=Column(String(128), nullable=True, unique=True))
    since: date | None = _day()
    active: bool = True


class ShiftRow(SQLModel, table=True):
    """A day on which a member of staff is on duty, for others who are off."""

    __tablename__ = "shift"
    __table_args__ = (UniqueConstraint("on", "staff_id"),)

    id: int = _id()
    staff_id: int = _ref("staff", index=False)
    on: date = _day(nullable=False)


class SenderRow(SQLModel, table=True):
    """What is known of one sender of a channel: when it is free again, and why it is paused.

    `country`: the row is about numbers of that country only; empty: about all. `probe_at`: when one message may try
    whether the trouble is over; none: a person lets it go on.
    """

    __tablename__ = "sender"
    __table_args__ = (UniqueConstraint("channel", "name", "country"),)

    id: int = _id()
    channel: str = _word(32)
    name: str = _word(64)
    country: str = _word(2)
    next_free_at: datetime | None = _instant(nullable=True)
    troubles: int = Field(default=0, description="calls in a row that found the provider in trouble")
    paused_at: datetime | None = _instant(nullable=True)
    paused_because: str = _text()
    probe_at: datetime | None = _instant(nullable=True)


class TallyRow(SQLModel, table=True):
    """What has left the house: per local day (scope `day`), and per campaign (day 0001-01-01)."""

    __tablename__ = "tally"
    __table_args__ = (UniqueConstraint("day", "scope"),)

    id: int = _id()
    day: date = _day(nullable=False)
    scope: str = _word(200)
    messages: int = Field(default=0)
    segments: int = Field(default=0)


class LinkRow(SQLModel, table=True):
    """One single-use link that joins a chat to a customer or a member of staff. Only a hash of its token is kept."""

    __tablename__ = "link"

    id: int = _id()
    token_hash: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    channel: str = _word(32)
    customer_id: int = _zero()
    staff_id: int = _zero()
    created_at: datetime = _instant()
    expires_at: datetime = _instant()
    used_at: datetime | None = _instant(nullable=True)
    address: str = _word(128)


class SettingRow(SQLModel, table=True):
    """What must be the same for every process: kill switch, the town's clock, the demonstration's state."""

    __tablename__ = "setting"

    name: str = Field(sa_column=Column(String(64), primary_key=True))
    value: dict[str, Any] = _json()
