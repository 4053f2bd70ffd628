"""Violations of the house's own rules by its staff, as a program names them: what makes us suspect one, and what is
proposed for the first, the second, the third that is confirmed (R167, R170).

Values only. When a reply makes us suspect one stands in `flows/suspicions.py`; who confirms a case, and what that
writes, in `bot/journey/violations.py`. The product proposes; nobody is sanctioned by it.
"""

from typing import Annotated

from pydantic import Field, model_validator

from flows.fields import Part, Words

KindField = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""The name of one kind of violation."""


class SuspectedOn(Part):
    """What opens a case; of several, any one."""

    alert: str | None = Field(None, description="one of the `alerts` of replies: its words in a reply")
    topic: str | None = Field(None, description="a complaint about this topic, or a low answer to a question of it")
    event: str | None = Field(None, description="an event that says so, such as one that a logged contact raises")
    breach: str | None = Field(None, description="a task that was not done in time: its flow, its duty or its kind")

    @model_validator(mode="after")
    def _check(self) -> "SuspectedOn":
        if not (self.told_by_customer or self.breach):
            raise ValueError("nothing opens a case; name an alert, a topic, an event or a breach")
        return self

    @property
    def told_by_customer(self) -> bool:
        """Is it told of a customer, who must be asked whom it concerns?"""
        return any((self.alert, self.topic, self.event))


class Violation(Part):
    """One kind of violation: a case is suspected, then confirmed or dismissed by a manager."""

    name: Words = Field(description="what staff read")
    on: SuspectedOn = Field(description="what opens a case")
    about: str | None = Field(
        None,
        description="attribute of the customer, or field of the event asked about, with the name of whom it concerns; "
        "a breach concerns whoever was to do the task",
    )
    sanctions: tuple[Words, ...] = Field(
        (),
        description="what is proposed for the first, the second, ... confirmed case of the same person; the last "
        "stands for all further ones; none: nothing is proposed",
    )
    confirm: tuple[str, ...] = Field(min_length=1, description="roles that may confirm or dismiss a case")

    def sanction(self, number: int) -> Words:
        """What is proposed for the confirmed case of this number, in each language; empty: nothing."""
        return self.sanctions[min(number, len(self.sanctions)) - 1] if self.sanctions else {}
