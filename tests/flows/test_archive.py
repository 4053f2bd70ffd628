"""How long forms are kept, to the day; and what a program may not say about it, or about who is kept apart."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.archive import deletable_through, has_role, kept_through
from flows.errors import ProgramError
from flows.load import load_program, shipped_program_text
from flows.offsets import parse_offset

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("asked_on", "keep", "through"),
    [
        ("2027-01-11", "3y", "2030-01-11"),
        ("2028-02-29", "3y", "2031-02-28"),
        ("2026-08-31", "6mo", "2027-02-28"),
        ("2026-12-24", "15d", "2027-01-08"),
    ],
)
def test_a_form_is_there_through_the_last_day(asked_on: str, keep: str, through: str) -> None:
    day, length, last = date.fromisoformat(asked_on), parse_offset(keep), date.fromisoformat(through)
    assert kept_through(day, length) == last
    assert deletable_through(last, length) < day
    assert deletable_through(last + DAY, length) >= day


@given(st.dates(date(2024, 1, 1), date(2040, 1, 1)), st.sampled_from(["1d", "30d", "1mo", "6mo", "1y", "3y"]))
def test_what_is_deletable_is_all_that_need_not_be_kept(today: date, keep: str) -> None:
    length = parse_offset(keep)
    last = deletable_through(today, length)
    assert kept_through(last, length) < today
    assert kept_through(last + DAY, length) >= today


def test_a_role_counts_in_its_program_or_everywhere() -> None:
    assert has_role(["sales"], "solar", ["sales"])
    assert has_role(["solar:sales"], "solar", ["leader", "sales"])
    assert not has_role(["bank_branch:sales", "leader"], "solar", ["sales"])


@pytest.mark.parametrize(
    ("field", "before", "after", "remedy"),
    [
        ("archive.keep", "{keep: 3y}", "{keep: 10d}", "keep forms longer"),
        ("archive.deletion.1", "{keep: 3y}", "{keep: 3y, deletion: [leader, leader]}", "name each role once"),
        ("independent_of.0", "independent_of: [sales]", "independent_of: [auditor]", "give that to another role"),
        ("independent_of.0", "independent_of: [sales]", "independent_of: [leader]", "give that to another role"),
    ],
)
def test_what_does_not_fit_is_told_with_a_remedy(field: str, before: str, after: str, remedy: str) -> None:
    text = shipped_program_text("solar")
    assert before in text
    with pytest.raises(ProgramError) as caught:
        load_program(text.replace(before, after), "solar.yaml")
    faults = caught.value.faults
    assert {(fault.field, fault.remedy.partition(",")[0].partition(":")[0]) for fault in faults} >= {(field, remedy)}
    assert all(fault.line for fault in faults)
