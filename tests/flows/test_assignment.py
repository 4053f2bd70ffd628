"""Who may be responsible for which customers: a role, or a name that the customer has as the extension (R162)."""

import pytest

from flows.assignment import Assignment, not_allowed

RULE = Assignment.model_validate({"where": "class in ['A', 'key']", "roles": ["chief"], "extension": "stands_in"})


@pytest.mark.parametrize(
    ("class_", "extension", "refused"),
    [
        ("A", None, ["Wang", "Li"]),
        ("key", "", ["Wang", "Li"]),
        ("B", None, []),
        ("A", "Li", ["Wang"]),
        ("A", "Li， Wang", []),
        ("A", "Lina", ["Wang", "Li"]),
    ],
)
def test_only_the_role_or_the_extension_may(class_: str, extension: str | None, refused: list[str]) -> None:
    staff = {"Zhao": ["chief"], "Wang": ["manager"], "Li": []}
    facts = {"class": class_, "stands_in": extension}
    assert [name for name, _ in not_allowed([RULE], facts, staff)] == refused


def test_without_an_extension_nobody_else_may() -> None:
    rule = Assignment.model_validate({"where": "class == 'A'", "roles": ["chief"]})
    assert list(not_allowed([rule], {"class": "A"}, {"Li": []})) == [("Li", rule)]
