"""The language of audiences: what it says, that missing is false, and what it refuses."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.audience import EVERYBODY, Compare, fields_of, holds, parse_predicate, values_of
from flows.errors import PredicateError

LI = {
    "class": "vip",
    "activity_count": 3,
    "activity_total": 120.5,
    "city": "Beijing",
    "leader_introduced": False,
    "member_since": date(2025, 3, 1),
    "contract_ends": "2027-01-11",
    "today": "2027-01-11",
}


def meant(text: str, facts: dict[str, Any] = LI) -> bool:
    return holds(parse_predicate(text), facts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "class == 'vip'",
        "class != 'lost'",
        "class in ['vip', 'gold']",
        "class in ('vip',)",
        "activity_count >= 3 and activity_total < 121",
        "activity_total > -1",
        "city == 'Shanghai' or city == 'Beijing'",
        "not city == 'Shanghai'",
        "not leader_introduced",
        "leader_introduced == false",
        "leader_introduced == False",
        "member_since >= '2025-01-01' and member_since < '2026-01-01'",
        "contract_ends >= today and not contract_ends < today",
        "not renewed_on >= today",
        "member_since < today",
        "not (city == 'Shanghai' or activity_count == 0)",
        "city == 'Shanghai' or city == 'Beijing' and activity_count == 3",
    ],
)
def test_who_is_meant(text: str) -> None:
    assert meant(text)


@pytest.mark.parametrize(
    "text",
    [
        "class == 'lost'",
        "class in []",
        "activity_count > 3",
        "leader_introduced",
        "city == 'beijing'",
        "city < 'Aachen'",
    ],
)
def test_who_is_not_meant(text: str) -> None:
    assert not meant(text)


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("facts", [{}, {"age": None}, {"age": "40"}, {"age": True}, {"age": [40]}])
def test_a_missing_or_unlike_fact_makes_every_comparison_false(op: str, facts: dict[str, Any]) -> None:
    assert not meant(f"age {op} 40", facts)
    assert meant(f"not age {op} 40", facts)
    assert not meant("age in [40]", facts)


@pytest.mark.parametrize("value", ["true", 1, 1.0, None, "yes"])
def test_a_bare_name_is_true_only_for_the_flag_true(value: object) -> None:
    assert not meant("vip", {"vip": value})
    assert meant("vip", {"vip": True})


def test_a_flag_is_no_number() -> None:
    assert not meant("age == 1", {"age": True})
    assert not meant("vip == true", {"vip": 1})


def test_class_inside_quotes_is_just_a_word() -> None:
    assert meant("title == 'first class'", {"title": "first class"})
    assert parse_predicate("class == 'class'") == Compare("class", "==", "class")


def test_the_names_and_values_that_an_audience_asks_for() -> None:
    predicate = parse_predicate("class in ['a', 'b'] and not (age > 3 or class == 'c') and vip")
    assert fields_of(predicate) == {"class", "age", "vip"}
    assert values_of(predicate, "class") == {"a", "b", "c"}
    assert fields_of(EVERYBODY) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "class ==",
        "class = 'vip'",
        "1 == 1",
        "'vip' == class",
        "1 < age < 9",
        "age == other",
        "age == None",
        "age not in [1]",
        "age in age",
        "age + 1 == 2",
        "age is 3",
        "city.startswith('B')",
        "__import__('os').system('true')",
        "(lambda: 1)()",
        "[age for age in [1]]",
        "f'{age}'",
        "age == b'x'",
        "age := 3",
        "age if vip else city",
        "age;city",
        "age == 3 # 'vip'\nvip",
        "\x00",
        "age == '\ud800'",
        "(" * 300 + "vip" + ")" * 300,
        "vip and " * 400 + "vip",
    ],
)
def test_anything_else_is_refused_and_told_how_to_write_it(text: str) -> None:
    with pytest.raises(PredicateError, match=r"write comparisons|quote texts|longer than"):
        parse_predicate(text)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        predicate = parse_predicate(text)
    except PredicateError:
        return
    assert holds(predicate, LI) in (True, False)
