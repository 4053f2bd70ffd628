"""How long filled-in forms are kept, who approves that they are deleted, and who is kept apart from them.

A form is one survey that somebody was sent, with its answers. It is kept so long from the day of its survey, and
nothing deletes it before (R190); after that several people may have to approve it, in order (R193). Which state follows
which stands in `flows/states.py`, who asks, approves and refuses in `bot/journey/archive.py`.
"""

from collections.abc import Collection
from datetime import date

from pydantic import Field

from flows.fields import IntervalField, Part
from flows.offsets import DAY, Offset, add


class Archive(Part):
    """What becomes of forms that were filled in, or were not (R190, R193)."""

    keep: IntervalField = Field(description="so long from the day of its survey, the last day included")
    deletion: tuple[str, ...] = Field(
        (),
        description="roles that approve a deletion, in this order, each another person; none: what need not be kept "
        "any longer is deleted by itself",
    )


def kept_through(asked_on: date, keep: Offset) -> date:
    """The last day on which a form must be there."""
    return add(asked_on, keep)


def deletable_through(today: date, keep: Offset) -> date:
    """The last survey day whose forms need not be kept today."""
    asked_on = add(today, -keep)
    while kept_through(asked_on, keep) >= today:
        asked_on -= DAY
    return asked_on


def has_role(roles: Collection[str], program_id: str, wanted: Collection[str]) -> bool:
    """Does somebody with these roles have one of the wanted in this program, or in all?"""
    return any(role in roles or f"{program_id}:{role}" in roles for role in wanted)
