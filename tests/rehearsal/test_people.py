"""Contact persons, contracts, tasks, calls and visits, milestones: what a scenario says of them comes about."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.config import Settings
from bot.errors import InputError
from bot.rehearsal import Outcome, read_scenario, rehearse
from flows.errors import ProgramError

WORKSHOP = str(Path(__file__).parent / "workshop.yaml")
MILL = {
    "id": "mill",
    "name": "North Mill",
    "class": "key",
    "staff": ["rui"],
    "contacts": [
        {"role": "buyer", "name": "Bo", "phone": "+8613800000102"},
        {"role": "mechanic", "name": "Mei", "phone": "+8613800000103"},
    ],
    "matters": [{"kind": "contract", "id": "C1", "dates": {"ends": "2027-01-10"}}],
}
STAFF = [
    {"id": "rui", "name": "Rui", "roles": ["rep"], "language": "en"},
    {"id": "ann", "name": "Ann", "roles": ["rep"], "language": "en"},
    {"id": "hao", "name": "Hao", "roles": ["head"], "language": "en"},
]
DELIVERED = {"at": "2026-11-03T10:00", "event": "delivered", "customer": "mill", "data": {"machine": "crane"}}


@pytest.fixture
def play(tmp_path: Path, settings: Settings) -> Any:
    """Live through some weeks of the workshop."""

    def run(*script: dict[str, Any], until: str = "2026-11-30T00:00", **more: Any) -> Outcome:
        file = tmp_path / "scenario.yaml"
        given: dict[str, Any] = {"programs": [WORKSHOP], "start": "2026-11-02T08:00", "until": until}
        given |= {"script": script, "customers": [MILL], "staff": STAFF, **more}
        file.write_text(json.dumps(given), encoding="utf-8")  # JSON is YAML, too
        return rehearse(*read_scenario(file), settings)

    return run


def lines(outcome: Outcome, **fields: Any) -> list[dict[str, Any]]:
    return [line for line in outcome.lines if all(line.get(name) == value for name, value in fields.items())]


def test_each_contact_person_with_the_role_is_asked_and_named(play: Any) -> None:
    outcome = play(DELIVERED, {"at": "2026-11-06T11:00", "reply": "5", "customer": "mill", "person": "buyer"})
    asked = lines(outcome, what="message", flow="delivered")
    assert [line["person"] for line in asked] == ["Bo", "Mei"]
    (reply,) = lines(outcome, what="reply")
    assert (reply["person"], reply["text"]) == ("Bo", "5")


def test_a_logged_call_begins_the_interval_anew(play: Any) -> None:
    call = {"at": "2026-11-10T10:00", "contact": "call", "customer": "mill", "staff": "rui"}
    outcome = play(call)
    (contact,) = lines(outcome, what="contact")
    assert (contact["kind"], contact["staff"], contact["counts"]) == ("call", "Rui", True)
    (task,) = lines(outcome, what="task", flow="calls")
    assert task["at"].startswith("2026-11-24T09:00")


def test_the_agreed_date_wins_over_the_computed_one(play: Any) -> None:
    call = {"at": "2026-11-10T10:00", "contact": "call", "customer": "mill", "next_on": "2026-11-12"}
    assert [line["at"][:10] for line in lines(play(call), what="task", flow="calls")][:1] == ["2026-11-12"]
    agree = {"at": "2026-11-10T10:00", "staff": "rui", "does": "agree", "flow": "calls", "on": "2026-11-13"}
    outcome = play({**agree, "customer": "mill", "reason": "back from leave"})
    assert [line["at"][:10] for line in lines(outcome, what="task", flow="calls")][:1] == ["2026-11-13"]


def test_a_contact_that_lacks_a_required_field_is_kept_and_does_not_count(play: Any) -> None:
    (contact,) = lines(
        play({"at": "2026-11-10T10:00", "contact": "visit", "customer": "mill", "person": "Mei"}), what="contact"
    )
    assert (contact["counts"], contact["missing"]) == (False, ["topic"])


def test_a_contact_that_is_not_taken_is_a_line(play: Any) -> None:
    (refused,) = lines(
        play({"at": "2026-11-10T10:00", "contact": "call", "customer": "mill", "person": "Zed"}), what="refused"
    )
    assert "nobody is called 'Zed'" in refused["because"]


def test_a_task_is_done_with_its_required_fields_only(play: Any) -> None:
    done = {"staff": "rui", "does": "done", "customer": "mill", "task": "visits"}
    outcome = play(
        DELIVERED,
        {"at": "2026-12-03T10:00", **done},
        {"at": "2026-12-03T11:00", **done, "data": {"topic": "oil"}},
        until="2026-12-05T00:00",
    )
    (refused,) = lines(outcome, what="refused")
    assert "data.topic is missing" in refused["because"]
    (recorded,) = [line for line in lines(outcome, what="done", task=refused["task"])]
    assert (recorded["staff"], recorded["topic"], recorded["at"][:16]) == ("Rui", "oil", "2026-12-03T11:00")


def test_the_responsible_member_of_staff_gets_the_task(play: Any) -> None:
    pinged = lines(play(), what="message", purpose="staff")
    assert {line["staff"] for line in pinged if "Task 1:" in line["text"]} == {"Rui"}


def test_an_extra_follow_up_comes_on_its_day_or_at_its_time(play: Any) -> None:
    plan = {"at": "2026-11-03T09:00", "staff": "rui", "does": "plan", "customer": "mill", "flow": "delivered"}
    for on, at in (("2026-11-10", "2026-11-10T09:00"), ("2026-11-10T15:30", "2026-11-10T15:30")):
        outcome = play({**plan, "on": on, "reason": "new crew"})
        assert {line["at"][:16] for line in lines(outcome, what="message", flow="delivered")} == {at}
        assert "new crew" in lines(outcome, what="planned", flow="delivered")[0]["because"]


def test_a_milestone_reaches_everybody_on_its_day(play: Any) -> None:
    outcome = play({"at": "2026-11-04T09:00", "milestone": "opening", "on": "2026-11-09", "title": "hall two"})
    assert lines(outcome, what="milestone", on="2026-11-09", title="hall two")
    assert [line["at"][:16] for line in lines(outcome, what="message", flow="opening")] == ["2026-11-09T09:00"]


def test_a_date_of_a_matter_moves_what_counts_from_it(play: Any) -> None:
    moved = {"set": "dates", "customer": "mill", "matter": "contract:C1", "dates": {"ends": "2027-01-20"}}
    for script, day in (((), "2026-12-11"), (({"at": "2026-12-01T09:00", **moved},), "2026-12-21")):
        outcome = play(*script, until="2026-12-30T00:00")
        assert [line["at"][:10] for line in lines(outcome, what="message", flow="contract")] == [day]


def test_a_range_means_each_of_a_crowd(play: Any) -> None:
    crowd = {"count": 5, "class": "other", "attributes": {"city": "Leeds"}}
    call = {"at": "2026-11-10T10:00", "contact": "call", "customer": "c2..c4"}
    assert [line["customer"] for line in lines(play(call, customers=crowd), what="contact")] == ["c2", "c3", "c4"]


@pytest.mark.parametrize(
    ("step", "field", "reason"),
    [
        ({"contact": "fax", "customer": "mill"}, "script[0].contact", "unknown contact 'fax'"),
        ({"contact": "call"}, "script[0].customer", "is missing"),
        ({"contact": "call", "customer": "mill", "staff": "zed"}, "script[0].staff", "unknown staff 'zed'"),
        ({"milestone": "closing", "on": "2026-11-09"}, "script[0].milestone", "unknown milestone 'closing'"),
        ({"milestone": "opening"}, "script[0].on", "is missing"),
        ({"staff": "rui", "customer": "mill"}, "script[0].does", "is missing"),
        ({"staff": "rui", "does": "plan", "customer": "mill", "on": "2026-11-09"}, "script[0].flow", "is missing"),
        (
            {"staff": "rui", "does": "plan", "customer": "mill", "on": "2026-11-09", "flow": "x"},
            "script[0].flow",
            "unknown flow 'x'",
        ),
        ({"set": "dates", "customer": "mill", "dates": {"ends": "2027-01-01"}}, "script[0].matter", "is missing"),
        (
            {"set": "dates", "customer": "mill", "matter": "lease:1", "dates": {"ends": "2027-01-01"}},
            "script[0].matter",
            "unknown kind of matter 'lease'",
        ),
        (
            {"set": "dates", "customer": "mill", "matter": "contract:C1", "dates": {"began": "2027-01-01"}},
            "script[0].dates.began",
            "unknown date 'began'",
        ),
        ({"contact": "call", "customer": "c1..c3"}, "script[0].customer", "unknown customer 'c3'"),
        ({"event": "delivered", "reply": "5", "customer": "mill"}, "script[0]", "says event and reply"),
    ],
    ids=str,
)
def test_a_name_that_nothing_stands_behind_is_told_by_its_place(
    play: Any, step: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        play({"at": "2026-11-10T10:00", **step})
    faults = {fault["field"]: fault for fault in caught.value.faults}
    assert reason in faults[field]["reason"]
    assert faults[field]["remedy"]


@pytest.mark.parametrize(
    ("more", "field", "said"),
    [
        ({"customers": [{"id": "c1", "nmae": "x"}]}, "customers.0.nmae", "unknown field -> one of id, name, title"),
        ({"customers": [{**MILL, "matters": [{"kind": "x"}]}]}, "customers.0.matters.0.id", "Field required"),
        ({"customers": {"count": 0}}, "customers.count", "greater than or equal to 1"),
        ({"customers": {"cuont": 3}}, "customers.cuont", "unknown field -> one of count, seed, class"),
        ({"script": [{"at": "2026-11-10T10:00", "evnt": "x"}]}, "script.0.evnt", "unknown field -> one of at, event"),
        ({"script": [{"at": "2026-11-10T10:00", "milestone": "opening", "on": "soon"}]}, "script.0.on", "valid date"),
    ],
    ids=str,
)
def test_a_slip_is_told_once_with_its_line(play: Any, more: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(ProgramError) as caught:
        play(**more)
    (fault,) = (fault for fault in caught.value.faults if fault.field == field)
    assert said in str(fault)
    assert fault.line


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"staff": ["zed"]}, "customers[mill].staff"),
        ({"contacts": [{"role": "king", "name": "Bo", "phone": "+8613800000102"}]}, "customers[mill].contacts[0].role"),
        ({"matters": [{"kind": "contract", "id": "C1", "dates": {"began": "2026-01-01"}}]}, "matters[0].dates.began"),
    ],
    ids=str,
)
def test_what_belongs_to_a_customer_must_be_known(play: Any, more: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        play(customers=[{**MILL, **more}])
    assert any(field in fault["field"] for fault in caught.value.faults)


@pytest.mark.parametrize("called", ["rui", "Rui", "rep"], ids=["by id", "by name", "by role"])
def test_an_expectation_names_staff_as_the_script_does(play: Any, called: str) -> None:
    call = {"at": "2026-11-10T10:00", "contact": "call", "customer": "mill", "staff": called}
    expect = [{"what": "contact", "staff": called}, {"what": "contact", "staff": "hao", "not": True}]
    assert play(call, expect=expect).unmet == ()
