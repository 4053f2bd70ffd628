"""An audience chooses the same customers in Python and in SQL, on both databases, whatever their attributes hold."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Date, literal, select, text

from bot.journey.subject import facts_of
from bot.store.audiences import condition
from bot.store.db import Database
from bot.store.rows import table_of
from bot.store.tables import CustomerRow, EnrolmentRow, EventRow
from flows.audience import All, AnyOf, Compare, Day, Holds, Not, Predicate, Within, holds, parse_predicate
from tests.store.conftest import NOW

TODAY = date(2026, 9, 28)
FIELDS = (
    "class",
    "activity_count",
    "activity_total",
    "days_since_activity",
    "city",
    "age",
    "vip",
    "anonymous",
    "vip_guest",
)
TEXTS = ("", "a", "A", "b", "Z", "ä", "上海", "北京", "true", "1", "1.0", "é", "\U0001f600", "'", '"', "%", "a b", " a")
DAYS = ("2026-09-27", "2026-09-28", "2026-09-29")
texts = st.sampled_from((*TEXTS, *DAYS)) | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)
numbers = (
    st.integers(-1000, 1000) | st.sampled_from((0.5, -0.5, 1e6, -2.25, 0.1, 1e-9)) | st.floats(-1e9, 1e9, width=32)
)
flags = st.booleans()
anything = texts | numbers | flags
values = anything | st.just(Day.TODAY)
attributes = st.dictionaries(
    st.sampled_from(("city", "age", "vip", "activity_count", "anonymous")),
    anything | st.none() | st.lists(st.integers(), max_size=2) | st.dictionaries(st.just("x"), st.integers()),
    max_size=4,
)
people = st.fixed_dictionaries(
    {
        "class": st.none() | st.sampled_from(("vip", "lost", "VIP", "上海")),
        "on": st.none() | st.dates(TODAY - timedelta(days=800), TODAY + timedelta(days=3)),
        "count": st.integers(0, 5),
        "total": st.integers(-20, 20).map(float) | st.just(99.5),
        "attributes": attributes,
        "flags": st.dictionaries(st.sampled_from(("anonymous", "vip_guest")), flags),
    }
)
compares = st.builds(Compare, st.sampled_from(FIELDS), st.sampled_from(("==", "!=", "<", "<=", ">", ">=")), values)
withins = st.builds(Within, st.sampled_from(FIELDS), st.lists(values, max_size=3).map(tuple))
leaves = compares | withins | st.builds(Holds, st.sampled_from(FIELDS))
predicates: st.SearchStrategy[Predicate] = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(All, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


@pytest.fixture
def chooses(db: Database) -> Callable[[list[dict[str, Any]], Predicate], tuple[set[int], set[int]]]:
    """Put these people into the tables; whom the predicate chooses, (in Python, in SQL)."""

    def choose(given_people: list[dict[str, Any]], predicate: Predicate) -> tuple[set[int], set[int]]:
        customer, enrolment = table_of(CustomerRow), table_of(EnrolmentRow)
        with db.write() as session:
            session.execute(text("DELETE FROM enrolment"))
            session.execute(text("DELETE FROM customer"))
            rows = []
            for each in given_people:
                row = CustomerRow(attributes=each["attributes"], created_at=NOW)
                session.add(row)
                session.flush()
                enrolled = EnrolmentRow(
                    customer_id=row.id,
                    program_id="p",
                    class_=each["class"],
                    flags=each["flags"],
                    activity_on=each["on"],
                    activity_count=each["count"],
                    activity_total=each["total"],
                )
                session.add(enrolled)
                rows.append((row, enrolled))
            session.flush()
            in_python = {row.id for row, enrolled in rows if holds(predicate, facts_of(row, enrolled).facts(TODAY))}
            meant = condition(session.get_bind().dialect.name, predicate, literal(TODAY, Date))
            found = session.execute(
                select(customer.c.id).join(enrolment, enrolment.c.customer_id == customer.c.id).where(meant)
            )
            return in_python, set(found.scalars())

    return choose


ANYBODY = {"class": None, "on": None, "count": 0, "total": 0.0, "attributes": {}, "flags": {}}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_people=st.lists(people, min_size=1, max_size=5), predicate=predicates)
@example([ANYBODY], Not(Compare("city", "==", "a")))
@example([{**ANYBODY, "attributes": {"city": None}}], Not(Compare("city", "!=", "a")))
@example(
    [{**ANYBODY, "attributes": {"vip": True, "age": 1}}], AnyOf((Compare("vip", "==", 1), Compare("age", "==", True)))
)
@example([{**ANYBODY, "attributes": {"age": "1"}}], Compare("age", ">=", 0))
@example([{**ANYBODY, "attributes": {"age": 1}}], Compare("age", "==", 1.0))
@example([{**ANYBODY, "attributes": {"city": "Z"}}], Compare("city", "<", "a"))
@example([{**ANYBODY, "attributes": {"city": "2026-09-28"}}, ANYBODY], Not(Compare("city", "<", Day.TODAY)))
@example([{**ANYBODY, "attributes": {"city": "2026-09-27"}}], Compare("city", "<", Day.TODAY))
@example([{**ANYBODY, "attributes": {"city": "ä"}}], Compare("city", ">", "z"))
@example([{**ANYBODY, "flags": {"vip_guest": True}}, ANYBODY], Compare("vip_guest", "<", True))
@example([{**ANYBODY, "flags": {"vip_guest": True}}, ANYBODY], Compare("vip_guest", ">=", False))
@example([{**ANYBODY, "attributes": {"anonymous": True}}], Not(Compare("anonymous", "==", True)))
@example([{**ANYBODY, "class": "VIP"}], Compare("class", "==", "vip"))
@example([{**ANYBODY, "on": TODAY}], Compare("days_since_activity", "==", 0))
@example([{**ANYBODY, "attributes": {"activity_count": 7}}], Compare("activity_count", "==", 7))
@example([ANYBODY], All(()))
@example([ANYBODY], AnyOf(()))
@example([ANYBODY], Within("class", ()))
def test_python_and_sql_choose_the_same_customers(
    chooses: Callable[..., tuple[set[int], set[int]]], given_people: list[dict[str, Any]], predicate: Predicate
) -> None:
    in_python, in_sql = chooses(given_people, predicate)
    assert in_sql == in_python


@pytest.mark.parametrize(
    "audience",
    [
        "class == 'lost' and not leader_introduced",
        "city in ['Beijing', '上海'] or age >= -1",
        "not (activity_total >= 100 and days_since_activity < 30)",
        "vip == true and age != -2.5",
    ],
)
def test_audiences_as_programs_write_them_choose_the_same(
    chooses: Callable[..., tuple[set[int], set[int]]], audience: str
) -> None:
    given_people = [
        ANYBODY,
        {**ANYBODY, "class": "lost", "flags": {"leader_introduced": True}},
        {**ANYBODY, "class": "lost", "flags": {"leader_introduced": False}, "attributes": {"city": "上海"}},
        {**ANYBODY, "on": TODAY - timedelta(days=29), "total": 100.0, "attributes": {"age": -1, "vip": True}},
    ]
    in_python, in_sql = chooses(given_people, parse_predicate(audience))
    assert in_sql == in_python
    assert 0 < len(in_python) < 4


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(person=people, data=attributes, predicate=predicates)
@example({**ANYBODY, "attributes": {"city": "a"}}, {"city": None}, Compare("city", "==", "a"))
@example({**ANYBODY, "attributes": {"city": "a"}}, {"city": "b"}, Not(Compare("city", "==", "a")))
def test_the_data_of_an_event_win_over_attributes_in_sql_as_in_python(
    db: Database, person: dict[str, Any], data: dict[str, Any], predicate: Predicate
) -> None:
    customer, enrolment, event = table_of(CustomerRow), table_of(EnrolmentRow), table_of(EventRow)
    with db.write() as session:
        for table in ("event", "enrolment", "customer"):
            session.execute(text(f"DELETE FROM {table}"))
        row = CustomerRow(attributes=person["attributes"], created_at=NOW)
        session.add(row)
        session.flush()
        enrolled = EnrolmentRow(
            customer_id=row.id,
            program_id="p",
            class_=person["class"],
            flags=person["flags"],
            activity_on=person["on"],
            activity_count=person["count"],
            activity_total=person["total"],
        )
        session.add(enrolled)
        session.add(EventRow(type="e", customer_id=row.id, occurred_at=NOW, received_at=NOW, data=data))
        session.flush()
        meant = condition(session.get_bind().dialect.name, predicate, literal(TODAY, Date), event.c.data)
        joined = customer.join(enrolment, enrolment.c.customer_id == customer.c.id)
        joined = joined.join(event, event.c.customer_id == customer.c.id)
        found = session.execute(select(customer.c.id).select_from(joined).where(meant)).first()
        assert (found is not None) == holds(predicate, facts_of(row, enrolled).facts(TODAY, data))
