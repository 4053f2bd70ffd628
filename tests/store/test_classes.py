"""Classes by rules, as sets, on both databases."""

from datetime import date, timedelta

from bot.store import classes
from bot.store.classes import Members
from bot.store.db import Database
from bot.store.tables import CustomerRow, EnrolmentRow
from flows.audience import parse_predicate
from flows.program import ClassRule
from tests.store.conftest import NOW

TODAY = date(2026, 9, 28)
RULES = tuple(
    ClassRule.model_validate({"class": name, "where": parse_predicate(where)})
    for name, where in (
        ("lost", "days_since_activity > 183"),
        ("high_value", "activity_count >= 5 and activity_total >= 300"),
        ("ordinary", "activity_count >= 1"),
    )
)


def enrol(db: Database, class_: str | None, days: int | None, count: int, total: float, zone: str = "UTC") -> int:
    """A customer whose last activity lies so many days back; the id of the enrolment."""
    with db.write() as session:
        customer = CustomerRow(zone=zone, created_at=NOW)
        session.add(customer)
        session.flush()
        on = None if days is None else TODAY - timedelta(days=days)
        row = EnrolmentRow(
            customer_id=customer.id,
            program_id="p",
            class_=class_,
            activity_on=on,
            activity_count=count,
            activity_total=total,
        )
        session.add(row)
        session.flush()
        return row.id


def test_who_is_misplaced_and_where_they_belong(db: Database) -> None:
    rises = enrol(db, "ordinary", 10, 6, 300)
    enrol(db, "high_value", 10, 6, 300)  # is where the rules find it
    enrol(db, "guest", None, 0, 0)  # no rule holds: stays
    new = enrol(db, None, 183, 1, 5)
    gone = enrol(db, "high_value", 184, 6, 300)
    enrol(db, "ordinary", 10, 6, 300, zone="Asia/Shanghai")  # of another zone
    with db.read() as session:
        found = classes.misplaced(session, "p", RULES, "UTC", TODAY)
        assert found == [(rises, "high_value"), (new, "ordinary"), (gone, "lost")]
        assert classes.misplaced(session, "p", (), "UTC", TODAY) == []


def test_classes_are_counted_as_the_rules_find_them(db: Database) -> None:
    enrol(db, "ordinary", 10, 6, 300)
    enrol(db, "ordinary", 20, 5, 400)
    enrol(db, "guest", None, 0, 0)
    with db.read() as session:
        assert classes.members(session, "p", RULES, TODAY) == [
            Members("high_value", 2, 11, 700.0, 15.0),
            Members("guest", 1, 0, 0.0, None),
        ]
        assert classes.members(session, "p", (), TODAY)[0].class_ == "ordinary"
