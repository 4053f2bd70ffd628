"""What a flow does: a message to the customer, a task for a person, or both. Values only."""

from collections.abc import Mapping
from datetime import time
from typing import Literal

from pydantic import Field

from flows.fields import OffsetField, Part, TimeField, Words
from messages.catalog import Purpose

FieldKind = Literal["number", "text", "flag", "date"]


class MessageAction(Part):
    """One message to the customer, with or without a survey."""

    template: str
    purpose: Purpose = Purpose.SERVICE
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


class TaskAction(Part):
    """Something that a person does: a call, a visit, a letter, a form (R96, R98, R198).

    It opens on the flow's date. What is not done in time goes to the superior on the next workday.
    """

    kind: str = Field(description="call | visit | letter | form, or a word of your own")
    name: Words = Field(description="what is to be done, as staff read it")
    role: str = Field(description="who does it")
    superior: str | None = Field(None, description="who hears that it was not done; none: the next of the ladder")
    within: OffsetField | None = Field(None, description="due so long after the flow's date; none: the same day")
    workdays: int | None = Field(None, ge=0, description="instead: due so many workdays after")
    month_end: bool = Field(False, description="a paper of the month's end: an off day moves it back, not on")
    at: TimeField = Field(time(18), description="time of day when it is due")
    fields: Mapping[str, FieldKind] = Field(default_factory=dict, description="what is noted when it is done")
    required: tuple[str, ...] = Field((), description="fields without which it is not done")
    counts_as: str | None = Field(None, description="kind of contact that is logged when it is done")
