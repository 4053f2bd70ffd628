"""Who may be responsible for which customers (R162): the shape of a rule in a program, and whom it allows.

Staff are known here by name and roles alone; rows are looked at, and refused, in `bot/journey/belongings.py`.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from flows.audience import holds
from flows.fields import Part, PredicateField

_BETWEEN_NAMES = re.compile(r"\s*[,，、;；]\s*")


class Assignment(Part):
    """Customers whom only some may be responsible for."""

    where: PredicateField = Field(description="whose customers: a predicate over class, measures, attributes")
    roles: tuple[str, ...] = Field(min_length=1, description="whoever has one of these roles may be responsible")
    extension: str | None = Field(
        None, description="text attribute of the customer with the name of who may as well; several with commas"
    )

    def allows(self, name: str, roles: Collection[str], facts: Mapping[str, Any]) -> bool:
        """May this member of staff be responsible for a customer with these facts?"""
        if not holds(self.where, facts) or set(self.roles) & set(roles):
            return True
        named = str(facts.get(self.extension or "") or "")
        return name in _BETWEEN_NAMES.split(named.strip())


def not_allowed(
    rules: Sequence[Assignment], facts: Mapping[str, Any], staff: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, Assignment]]:
    """Whoever of `staff` (name -> roles) may not be responsible for a customer with these facts, and by which rule."""
    for name, roles in staff.items():
        for rule in rules:
            if not rule.allows(name, roles, facts):
                yield name, rule
                break
