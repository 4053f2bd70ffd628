"""What a flow does: a message to the customer, a task for a person, or both. Values only."""

from collections.abc import Mapping
from datetime import time
from typing import Literal

from pydantic import Field

from flows.approval import Approval
from flows.fields import OffsetField, Part, SeveralField, TimeField, Words
from messages.catalog import Purpose

FieldKind = Literal["number", "text", "flag", "date"]
Occasion = Literal["activity", "weather", "festival", "construction_step", "offer", "policy_change"]
"""What gives us cause to write to a customer who did not ask for it (R87)."""


class MessageAction(Part):
    """One message to the customer, with or without a survey."""

    template: str
    purpose: Purpose = Purpose.SERVICE
    occasion: Occasion | None = Field(
        None,
        description="activity | weather | festival | construction_step | offer | policy_change: what it is sent for; "
        "marketing must say it, and a flow on festivals says it by itself (R87)",
    )
    survey: str | None = Field(None, description="id of the survey it opens")
    channels: tuple[str, ...] = Field(
        ("sms",), description="in order; the first that the customer has and allows (R92)"
    )
    to: tuple[str, ...] = Field(
        (), description="roles of the contact persons who each get it; none: the customer's first person (R2)"
    )
    pause_during_ticket: bool = Field(
        False,
        description="waits while a complaint about its matter is not dealt with; one about no matter holds all of them",
    )
    approval: Approval | None = Field(
        None, description="its template is not sent before it is approved; as it ships it may go out (R103)"
    )


class Appointment(Part):
    """A task whose time is agreed with the customer: a reply to the flow's message confirms it, or names another (R89).

    The flow's date is its day; a proposal of the customer holds once staff agree.
    """

    time: str | None = Field(
        None, description="attribute of the customer that says at what time of day: 14:00; none: the task's `at`"
    )


class TaskAction(Part):
    """Something that a person does: a call, a visit, a letter, a form (R96, R98, R198).

    It opens on the flow's date. What is not done in time goes to the superior on the next workday.
    """

    kind: str = Field(description="call | visit | letter | form, or a word of your own")
    name: Words = Field(description="what is to be done, as staff read it")
    role: str = Field(description="who does it")
    superior: str | None = Field(None, description="who hears that it was not done; none: the next of the ladder")
    at_once: bool = Field(
        False,
        description="it cannot wait: opens with its event; whoever has the shift is told at any hour (R143)",
    )
    within: OffsetField | None = Field(
        None,
        description="due so long after the flow's date; none: the same day; hours run from the event to the minute, "
        "and the superior hears as soon as they are over",
    )
    workdays: int | None = Field(None, ge=0, description="instead: due so many workdays after")
    month_end: bool = Field(False, description="a paper of the month's end: an off day moves it back, not on")
    any_day: bool = Field(False, description="due on its day, off or not, and missed on the next morning")
    at: TimeField = Field(time(18), description="time of day when it is due")
    fields: Mapping[str, FieldKind] = Field(default_factory=dict, description="what is noted when it is done")
    required: tuple[str, ...] = Field((), description="fields without which it is not done")
    shows: tuple[str, ...] = Field(
        (), description="attributes of the customer that whoever does it must know: the address of a letter (R45)"
    )
    done_by: str | None = Field(
        None, description="event of the same customer that tells it is done; staff may record it, too"
    )
    counts_as: SeveralField = Field(
        (),
        description="kind of contact that is logged when it is done; where several are listed, either does it, and "
        "whoever records it says which",
    )
    appointment: Appointment | None = Field(
        None, description="the customer may confirm or move it by a reply; for flows with a date and a message"
    )
    copy_to: tuple[str, ...] = Field((), description="roles that get a copy of it, with the customer's words")
    answer: str | None = Field(
        None,
        description="template that tells the customer what was recorded, once it is done; it may name the task's "
        "fields (R155)",
    )

    @property
    def is_by_the_clock(self) -> bool:
        """Does its time run in hours and minutes, and not in days?"""
        return self.within is not None and self.within.is_time
