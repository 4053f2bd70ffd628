"""Satisfaction falls into a band exactly: at a border, just above it, just below it, and with too few answers."""

import pytest

from flows.appraisals import Appraisal
from flows.quotas import Reached

APPRAISAL = Appraisal.model_validate(
    {
        "id": "guides",
        "name": {"en": "Guides"},
        "about": "guide",
        "questions": ["overall"],
        "bands": [
            {"above": "90%", "name": {"en": "bonus"}},
            {"at_least": "70%", "name": {"en": "neutral"}},
            {"at_least": "50%", "name": {"en": "criticism"}},
            {"name": {"en": "transfer"}},
        ],
    }
)


@pytest.mark.parametrize(
    ("satisfied", "of", "band"),
    [
        (10, 10, "bonus"),
        (9001, 10_000, "bonus"),
        (9, 10, "neutral"),
        (7, 10, "neutral"),
        (6999, 10_000, "criticism"),
        (5, 10, "criticism"),
        (499, 1000, "transfer"),
        (0, 5, "transfer"),
        (4, 4, None),
        (0, 4, None),
    ],
)
def test_a_share_falls_into_one_band_without_rounding(satisfied: int, of: int, band: str | None) -> None:
    found = APPRAISAL.band_of(Reached(satisfied, of))
    assert (found.name["en"] if found else None) == band
