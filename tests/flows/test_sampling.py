"""Random samples that anybody can draw again."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sampling import draw, falls_to, sample_size

MEMBERS = range(1, 151)
ids = st.sets(st.integers(min_value=1, max_value=10**12), max_size=60)


def test_2_6_fewer_members_than_the_sample_are_all_taken_and_of_many_exactly_the_size() -> None:
    assert draw(range(1, 9), 10, "half_year:2027-01-01") == tuple(range(1, 9))
    assert len(draw(MEMBERS, 10, "half_year:2027-01-01")) == 10


def test_the_same_seed_draws_the_same_and_another_seed_another_sample() -> None:
    assert draw(MEMBERS, 10, "a") == draw(MEMBERS, 10, "a")
    assert draw(MEMBERS, 10, "a") != draw(MEMBERS, 10, "b")


@given(ids, st.integers(min_value=0, max_value=20), st.text(max_size=10))
def test_the_order_of_the_members_does_not_matter(members: set[int], size: int, seed: str) -> None:
    drawn = draw(sorted(members), size, seed)
    assert drawn == draw(sorted(members, reverse=True), size, seed)
    assert list(drawn) == sorted(set(drawn))
    assert set(drawn) <= members
    assert len(drawn) == min(size, len(members))


@given(ids, st.integers(min_value=1, max_value=20))
def test_who_leaves_makes_room_for_one_and_moves_nobody_else(members: set[int], size: int) -> None:
    drawn = draw(members, size, "seed")
    for gone in drawn[:1]:
        again = draw(members - {gone}, size, "seed")
        assert set(drawn) - {gone} <= set(again)


def test_everybody_is_drawn_about_equally_often() -> None:
    drawn = [member for wave in range(600) for member in draw(range(10), 3, f"wave:{wave}")]
    counts = [drawn.count(member) for member in range(10)]
    assert min(counts) > 130
    assert max(counts) < 230


@pytest.mark.parametrize(
    ("share", "eligible", "size"),
    [
        ("30%", 33, 10),
        ("10%", 95, 10),
        ("50%", 40, 20),
        ("30%", 200, 60),
        ("10%", 30, 3),
        ("100%", 7, 7),
        ("7%", 100, 7),
    ],
)
def test_a_rate_of_so_many_is_rounded_up_exactly(share: str, eligible: int, size: int) -> None:
    """7 % of 100 is 7, not 8, although floating point says 7.000000000000001."""
    assert sample_size(Fraction(share.removesuffix("%")) / 100, eligible) == size


@pytest.mark.parametrize(("share", "events", "taken"), [("30%", 10, 3), ("30%", 1, 1), ("30%", 7, 3), ("100%", 4, 4)])
def test_of_the_events_so_far_a_share_is_taken_rounded_up(share: str, events: int, taken: int) -> None:
    of = Fraction(share.rstrip("%")) / 100
    assert sum(falls_to(of, number) for number in range(1, events + 1)) == taken
