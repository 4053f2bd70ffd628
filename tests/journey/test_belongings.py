"""What comes with a customer: contact persons, matters with dates, responsible staff; and milestones."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.errors import InputError
from bot.journey.belongings import MatterIn, PersonIn
from bot.journey.enrolment import CustomerIn, Result, accept_customers
from bot.journey.intake import EventIn, accept_events, cancel_event
from bot.journey.milestones import enter_milestone
from bot.shelf import stock
from bot.staffing import hire
from bot.store import customers, matters, milestones
from bot.store.db import Database
from bot.store.tables import TrailRow
from tests.journey.story import PHONE, Story

ACME = CustomerIn("acme", "Acme", PHONE, programs=("industry",), staff=("Wang", "Li"))
BUYER = PersonIn("Sun", "buyer", phone="13900000021")
CAR = MatterIn("vehicle", "V1", {"insured_until": "2027-03-01"})


@pytest.fixture
def story(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    ids = stock(db, [str(Path(__file__).with_name("industry.yaml"))], clock.now())
    runtime = simulated_runtime(settings, db, clock, ids, seed=1)
    runtime.shelf.refresh()
    return Story(runtime, clock)


def take(story: Story, row: CustomerIn) -> Result:
    (result,) = accept_customers(story.runtime, "test", [row])
    return result


def notes(story: Story, what: str) -> list[str]:
    with story.runtime.db.read() as session:
        return [row.because for row in session.exec(select(TrailRow).where(TrailRow.what == what))]


def insured_until(story: Story, customer_id: int) -> Any:
    with story.runtime.db.read() as session:
        (matter,) = matters.of_customer(session, customer_id)
    return matter.dates.get("insured_until")


def test_persons_and_matters_are_kept_once(story: Story) -> None:
    row = replace(ACME, contacts=(BUYER,), matters=(CAR,))
    first = take(story, row)
    assert first.verdict == "new"
    assert take(story, row).verdict == "known"
    with story.runtime.db.read() as session:
        people = customers.people_of(session, first.row_id)
        points = customers.all_points_of(session, first.row_id)
    assert [(person.role, person.name) for person in people] == [("self", "Acme"), ("buyer", "Sun")]
    assert {point.address for point in points} == {PHONE, "+8613900000021"}
    assert insured_until(story, first.row_id) == "2027-03-01"


def test_a_date_that_moved_is_the_new_one_and_none_takes_it_away(story: Story) -> None:
    first = take(story, replace(ACME, matters=(CAR,)))
    assert (
        take(story, replace(ACME, matters=(replace(CAR, dates={"insured_until": date(2028, 3, 1)}),))).verdict
        == "changed"
    )
    assert insured_until(story, first.row_id) == "2028-03-01"
    take(story, replace(ACME, matters=(replace(CAR, dates={"insured_until": None}),)))
    assert insured_until(story, first.row_id) is None


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (replace(ACME, contacts=(replace(BUYER, role="king"),)), "contacts[0].role"),
        (replace(ACME, contacts=(replace(BUYER, phone="12"),)), "contacts[0].phone"),
        (replace(ACME, contacts=(replace(BUYER, name=" "),)), "contacts[0].name"),
        (replace(ACME, matters=(MatterIn("ship", "S1"),)), "matters[0].kind"),
        (replace(ACME, matters=(MatterIn("vehicle", ""),)), "matters[0].id"),
        (replace(ACME, matters=(MatterIn("vehicle", "V1", {"sunk": "2027-01-01"}),)), "matters[0].dates.sunk"),
        (replace(ACME, matters=(replace(CAR, dates={"insured_until": "soon"}),)), "matters[0].dates.insured_until"),
    ],
)
def test_what_the_program_does_not_know_is_refused_by_its_place(story: Story, row: CustomerIn, field: str) -> None:
    result = take(story, row)
    assert result.verdict == "refused"
    assert [fault["field"] for fault in result.faults] == [field]
    assert all(fault["remedy"] for fault in result.faults)


def test_too_few_responsible_staff_are_noted(story: Story) -> None:
    take(story, replace(ACME, staff=("Wang",)))
    take(story, CustomerIn("other", "Other", "+8613900000022", programs=("industry",)))
    take(story, CustomerIn("full", "Full", "+8613900000023", programs=("industry",), staff=("Wang", "Li")))
    needs = "needs 2 responsible members of staff, has"
    assert notes(story, "notice") == [f"{needs} 1", f"{needs} 0"]


def test_who_may_not_have_a_customer_is_refused_by_name(
    db: Database, clock: SimulatedClock, settings: Settings
) -> None:
    runtime = simulated_runtime(settings, db, clock, stock(db, ["telecom_tower"], clock.now()), seed=1)
    runtime.shelf.refresh()
    story = Story(runtime, clock)
    hire(runtime, "Zhao", "+8613900000031", ["telecom_tower:chief_account_manager"], "zh")
    hire(runtime, "Wang", "+8613900000032", ["account_manager"], "zh")
    key = CustomerIn("key", "Key", PHONE, class_="A", staff=("Zhao", "Wang"))
    refused = take(story, key)
    (fault,) = refused.faults
    assert (refused.verdict, fault["field"]) == ("refused", "staff")
    assert "'Wang' is not chief_account_manager" in fault["reason"]
    assert "'extension'" in fault["remedy"]

    # whoever knows the customer already is judged by what the row and the customer say together
    assert take(story, replace(key, staff=("Zhao",))).verdict == "new"
    assert take(story, CustomerIn("key", "Key", staff=("Wang",), phone=PHONE)).verdict == "refused"
    named = CustomerIn("key", "Key", staff=("Wang",), phone=PHONE, attributes={"extension": "Wang"})
    assert take(story, named).verdict == "changed"


def test_an_event_moves_the_date_of_its_matter_and_the_attributes(story: Story) -> None:
    first = take(story, replace(ACME, matters=(CAR,)))
    story.event("renewal", "acme", matter="vehicle:V1", until="2028-03-01", grade="A", at="2026-09-28 07:00")
    assert insured_until(story, first.row_id) == "2028-03-01"
    with story.runtime.db.read() as session:
        customer = customers.get(session, first.row_id)
    assert customer is not None
    assert customer.attributes == {"grade": "A", "renewed": "2026-09-28"}
    story.event("repaired", "acme")
    with story.runtime.db.read() as session:
        customer = customers.get(session, first.row_id)
    assert customer is not None
    assert customer.attributes["grade"] == "repaired"


def test_a_milestone_entered_twice_is_one(story: Story) -> None:
    assert enter_milestone(story.runtime, "industry", "opening", date(2026, 10, 20), "the new hall")
    assert not enter_milestone(story.runtime, "industry", "opening", date(2026, 10, 20))
    assert notes(story, "milestone") == ["Opening on 2026-10-20"]
    with story.runtime.db.read() as session:
        (row,) = milestones.between(session, "industry", ["opening"], date(2026, 10, 1), date(2026, 10, 31))
    assert (row.on, row.title) == (date(2026, 10, 20), "the new hall")


@pytest.mark.parametrize(("program", "kind", "field"), [("x", "opening", "program"), ("industry", "fall", "milestone")])
def test_a_milestone_that_nobody_knows_is_refused(story: Story, program: str, kind: str, field: str) -> None:
    with pytest.raises(InputError) as refused:
        enter_milestone(story.runtime, program, kind, date(2026, 10, 20))
    assert refused.value.faults[0]["field"] == field


def test_a_cancelled_event_gives_back_what_stood_before_unless_a_newer_one_has_set_it(story: Story) -> None:
    # given a vehicle whose date an import told, and two renewals
    take(story, replace(ACME, matters=(CAR,)))
    for id_, year in (("first", 2028), ("second", 2029)):
        event = EventIn(
            id_, "renewal", "acme", story.clock.now(), {"until": f"{year}-03-01", "grade": id_}, "vehicle:V1"
        )
        (result,) = accept_events(story.runtime, "test", [event])
        assert result.verdict == "new"

    # when the older one is cancelled, nothing changes
    cancel_event(story.runtime, "test", "first", "a slip")
    assert (insured_until(story, story.person().id), story.person().attributes["grade"]) == ("2029-03-01", "second")

    # then the newer one too: the import holds again, and not what the cancelled one said
    cancel_event(story.runtime, "test", "second", "another slip")
    assert insured_until(story, story.person().id) == "2027-03-01"
    assert "grade" not in story.person().attributes
    assert notes(story, "cancelled") == ["another slip"]


def test_what_was_told_since_survives_the_cancelled_event(story: Story) -> None:
    take(story, replace(ACME, matters=(CAR,)))
    event = EventIn("first", "renewal", "acme", story.clock.now(), {"until": "2028-03-01"}, "vehicle:V1")
    accept_events(story.runtime, "test", [event])
    take(story, replace(ACME, matters=(replace(CAR, dates={"insured_until": "2030-03-01"}),)))
    cancel_event(story.runtime, "test", "first", "a slip")
    assert insured_until(story, story.person().id) == "2030-03-01"


@pytest.fixture
def projects(db: Database, clock: SimulatedClock, settings: Settings) -> Story:
    """The industry whose follow-ups end with the warranty of a project."""
    runtime = simulated_runtime(settings, db, clock, stock(db, ["equipment_project"], clock.now()), seed=1)
    runtime.shelf.refresh()
    return Story(runtime, clock)


def accepted(story: Story, id_: str, until: str = "2027-09-03", matter: str = "") -> Result:
    event = EventIn(id_, "acceptance", "acme", story.clock.now(), {"warranty_until": until}, matter)
    (result,) = accept_events(story.runtime, "test", [event])
    return result


def dates_by_key(story: Story, customer_id: int) -> dict[str, Any]:
    with story.runtime.db.read() as session:
        return {row.external_id: row.dates for row in matters.of_customer(session, customer_id)}


def test_an_event_that_names_no_matter_is_about_the_only_one_or_begins_its_own(projects: Story) -> None:
    # given a customer of whom no project was told, and an event without one, twice
    person = projects.customer("acme", programs=("equipment_project",))
    assert [accepted(projects, "e1").verdict for _ in range(2)] == ["new", "known"]
    own = {"event:e1": {"warranty_until": "2027-09-03"}}
    assert dates_by_key(projects, person) == own

    # when another names none either, it moves that date, and says so
    accepted(projects, "e2", "2028-01-03")
    assert dates_by_key(projects, person) == {"event:e1": {"warranty_until": "2028-01-03"}}
    assert [because.partition(":")[0] for because in notes(projects, "notice")] == [
        "project.warranty_until is 2028-01-03, no longer 2027-09-03"
    ]

    # then one that is named is another, and from now on each must be
    accepted(projects, "e3", matter="project:P2")
    refused = accepted(projects, "e4")
    (fault,) = refused.faults
    assert (refused.verdict, fault["field"], fault["remedy"]) == (
        "refused",
        "matter",
        "say which one, as project:event:e1",
    )
    assert accepted(projects, "e1").verdict == "known"
    assert set(dates_by_key(projects, person)) == {"event:e1", "P2"}


@pytest.mark.parametrize("matter", ["P1", "project:", "order:P1"])
def test_a_matter_of_no_kind_that_the_program_knows_is_refused(projects: Story, matter: str) -> None:
    projects.customer("acme", programs=("equipment_project",))
    refused = accepted(projects, "e1", matter=matter)
    assert [(fault["field"], fault["remedy"]) for fault in refused.faults] == [
        ("matter", "write kind:id; the kinds are project")
    ]


def test_two_customers_may_have_a_matter_by_the_same_id(story: Story) -> None:
    other = replace(ACME, id="other", phone="+8613900000022", matters=(replace(CAR, dates={"insured_until": None}),))
    first, second = take(story, replace(ACME, matters=(CAR,))), take(story, other)
    story.event("renewal", "other", matter="vehicle:V1", until="2028-03-01")
    assert insured_until(story, first.row_id) == "2027-03-01"
    assert insured_until(story, second.row_id) == "2028-03-01"
