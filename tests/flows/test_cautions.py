"""What a careful person would ask about a program that has no faults; and nothing about one that is as it should be."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.audience import holds, parse_predicate
from flows.cautions import can_hold
from flows.errors import Fault
from flows.load import load_program, shipped_program_ids, shipped_program_text, warnings_of

TODAY = date(2026, 1, 1)
CHANNELS = ("sms", "telegram", "email", "whatsapp")
SHOP = """\
id: shop
name: {en: Shop}
company: {en: Qinghe Trading}
classes:
  names: [regular, lost]
  default: regular
  rules:
    - {class: lost, where: days_since_activity >= 365}
    - {class: regular, where: activity_count >= 1}
activity: {event: order, amount: amount}
attributes: {city: text, leader: flag, points: number}
contacts:
  call: {name: {en: Call}}
events:
  order:
    name: {en: Order}
    fields: {amount: number}
surveys:
  short:
    closes_after: 14d
    questions:
      - {id: overall, scale: 1-5, text: {en: Satisfied}}
      - {id: words, scale: text, text: {en: What else}}
flows:
  - id: order
    on: {event: order, where: amount > 0}
    audience: class == 'regular'
    after: 7d
    deadline: 10d
    message: {template: purchase, purpose: survey, survey: short}
  - id: remind
    on: {unanswered: order}
    after: 7d
    message: {template: reminder, purpose: survey, survey: short}
  - id: sample
    on: {every: 1q, sample: 10}
    after: 2mo
    message: {template: sample, purpose: survey, survey: short}
  - id: calls
    on: {at_least: 2, of: [call], per: week, remind_on: [fri]}
    task: {kind: call, name: {en: Call}, role: service}
  - id: greeting
    on: {festivals: [mid_autumn, new_year]}
    audience: class == 'regular'
    message: {template: hello, purpose: greeting}
  - id: greeting_lost
    on: {festivals: [mid_autumn]}
    audience: class == 'lost'
    message: {template: hello, purpose: greeting}
callback:
  owner: service
  ladder:
    - {at: 50%, role: service}
    - {at: 100%, role: manager}
    - {at: 100%+24h, role: manager}
  resurvey: {survey: short}
assumptions: [seven days after the order]
"""


def doubts_of(text: str) -> tuple[Fault, ...]:
    return warnings_of(text, "shop.yaml", TODAY, CHANNELS)


@pytest.mark.parametrize("program", shipped_program_ids())
def test_nothing_is_doubtful_about_a_shipped_program(program: str) -> None:
    assert [str(doubt) for doubt in doubts_of(shipped_program_text(program))] == []


def test_nothing_is_doubtful_about_the_shop() -> None:
    assert doubts_of(SHOP) == ()


@pytest.mark.parametrize(
    ("before", "after", "field", "message"),
    [
        ("assumptions: [seven days after the order]\n", "", "assumptions", "no assumption is named"),
        (
            "      - {id: words, scale: text, text: {en: What else}}\n",
            "",
            "surveys.short.questions",
            "in their own words",
        ),
        ("at: 100%+24h", "at: 90%", "callback.ladder.2.at", "90% comes before 100%"),
        ("at: 100%, role", "at: 100%+2d, role", "callback.ladder.2.at", "100%+24h comes before 100%+2d"),
        ("owner: service", "owner: sevrice", "callback.owner", "stands on no rung"),
        ("days_since_activity >= 365", "days_since_activity < 0", "classes.rules.0.where", "nobody can satisfy"),
        (
            "days_since_activity >= 365",
            "activity_count >= 1",
            "classes.rules.1.where",
            "the rules before take everybody",
        ),
        ("audience: class == 'lost'", "audience: not leader", "flows.5.audience", "greeting greets some of the same"),
        (
            "fields: {amount: number}",
            "fields: {amount: number}\n  closed: {name: {en: Closed}}",
            "events.closed",
            "follows",
        ),
        (
            "surveys:\n",
            "surveys:\n  other: {questions: [{id: a, scale: 1-5, text: {en: A}}, {id: b, scale: text, text: "
            "{en: B}}]}\n",
            "surveys.other",
            "nothing in the program follows",
        ),
        ("contacts:\n", "days: {jubilee: 05-05}\ncontacts:\n", "days.jubilee", "nothing in the program follows"),
        ("where: amount > 0}", "where: amount > 0 and amount < 0}", "flows.0.audience", "can never fire: nobody"),
        ("where: amount > 0}", "where: amount > 'much'}", "flows.0.audience", "can never fire: nobody"),
        (
            "audience: class == 'regular'\n    after",
            "audience: class == 'regular' and class == 'lost'\n    after",
            "flows.0.audience",
            "can never fire: nobody",
        ),
        ("deadline: 10d", "deadline: 5d", "flows.0.deadline", "never keeps its date"),
        ("deadline: 10d", "valid_for: 0d", "flows.0.valid_for", "as soon as it is late"),
        (
            "{unanswered: order}\n    after: 7d",
            "{unanswered: order}\n    after: 14d",
            "flows.1.after",
            "can never fire: the",
        ),
        ("after: 2mo", "after: 1q", "flows.2.after", "the period of 1q is over"),
        ("remind_on: [fri]", "remind_day: 20", "flows.3.on.remind_day", "a week does not look at it"),
        (
            "per: week, remind_on: [fri]",
            'per: day, closes_on: sat, due_at: "17:00"',
            "flows.3.on.closes_on",
            "a day does not",
        ),
        ("remind_on: [fri]", 'remind_at: "22:30"', "flows.3.on.remind_at", "from 08:00-22:00 only"),
        (
            "{every: 1q, sample: 10}",
            "{waves: [sat, sun], event: order, sample: 9}",
            "flows.2.on.waves",
            "never workdays",
        ),
        (
            "{template: reminder, purpose: survey, survey: short}",
            "{template: reminder, purpose: survey}",
            "flows.1.message.purpose",
            "answers are not scored",
        ),
        (
            "{template: purchase, purpose: survey, survey: short}",
            "{template: purchase, purpose: survey, survey: short, channels: [email]}",
            "flows.0.message.channels",
            "no answer comes back",
        ),
        (
            "{template: reminder, purpose: survey, survey: short}",
            "{template: reminder, purpose: survey, survey: short, channels: [sms, pigeon]}",
            "flows.1.message.channels",
            "no channel 'pigeon'",
        ),
        (
            "id: shop\n",
            "id: shop\nquotas: [{id: back, rate: collection, of: [calls], target: 30%}]\n",
            "quotas.0.rate",
            "none of its flows sends a survey",
        ),
        ("id: shop\n", "id: shop\ngreeting_at: 21:00\n", "greeting_at", "outside the hard hours"),
    ],
)
def test_what_is_doubtful_is_told_with_its_line(before: str, after: str, field: str, message: str) -> None:
    assert SHOP.count(before) == 1
    doubts = {doubt.field: doubt for doubt in doubts_of(SHOP.replace(before, after))}
    assert field in doubts, doubts
    assert message in doubts[field].message
    assert doubts[field].line
    assert doubts[field].remedy


# ----- can it hold at all

PROGRAM = load_program(SHOP, "shop.yaml")


@pytest.mark.parametrize(
    ("predicate", "may"),
    [
        ("", True),
        ("class == 'lost'", True),
        ("not class == 'lost' and not class == 'regular'", False),
        ("activity_total < 0", True),
        ("activity_count < 0", False),
        ("points > 3 and points < 4", True),
        ("points > 4 and points < 3", False),
        ("city > 'a' and city < 'b'", True),
        ("city in ['a', 'b'] and city != 'a' and city != 'b'", False),
        ("leader and not leader", False),
        ("points", False),
        ("leader == 'yes'", False),
        ("not (points > 3 or points <= 3)", True),
    ],
)
def test_whether_anybody_can_be_meant(predicate: str, may: bool) -> None:
    assert can_hold(parse_predicate(predicate), PROGRAM) is may


comparison = st.builds(
    lambda field, op, value: f"{field} {op} {value}",
    st.sampled_from(["points", "activity_total"]),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.integers(-3, 3),
)
some_facts = st.fixed_dictionaries(
    {"points": st.one_of(st.none(), st.integers(-5, 5), st.floats(-5, 5)), "activity_total": st.floats(-5, 5)}
)


@given(st.lists(comparison, min_size=1, max_size=4), st.sampled_from([" and ", " or "]), some_facts)
def test_what_holds_for_somebody_can_hold(parts: list[str], join: str, facts: dict[str, Any]) -> None:
    predicate = parse_predicate(join.join(f"({part})" for part in parts))
    if holds(predicate, facts):
        assert can_hold(predicate, PROGRAM)
