"""What people are to do, on the console: found, recorded with its fields, let go; and contacts on a customer's page."""

import html
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import httpx
import pytest
from sqlmodel import select

from bot.channels.contract import Received
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.inbox import receive
from bot.journey.intake import EventIn, accept_events
from bot.store import contacts, staff, tasks
from bot.store.tables import ContactRow, FollowUpRow, StaffRow, TaskRow
from tests.web.house import House
from tests.web.test_held import Visitor, words_of

SUN, ZHOU_WEI, LIN, CUSTOMER = 1, 2, 3, 3
PHONE = "+8613900000009"
GIVEN = {"data.signed_by": "何工", "data.content": "yes", "result": "谈得很好"}


@pytest.fixture
def visitor(club: House) -> Iterator[Visitor]:
    with club.client() as client:
        yield Visitor(client)


def task_called(house: House, kind: str) -> TaskRow:
    with house.runtime.db.read() as session:
        (row,) = [row for row in tasks.open_of_customer(session, CUSTOMER) if row.kind == kind]
    return row


def now_of(house: House, row: TaskRow) -> TaskRow:
    with house.runtime.db.read() as session:
        found = tasks.get(session, row.id)
    assert found is not None
    return found


def logged(house: House) -> list[ContactRow]:
    with house.runtime.db.read() as session:
        return list(contacts.of_customer(session, CUSTOMER, 10))


# ----- the list


def test_open_tasks_stand_with_customer_reason_and_due_the_most_urgent_first(visitor: Visitor) -> None:
    page = visitor.client.get("/tasks").text
    assert page.index("Visit them") < page.index("Write a letter")
    assert '<a href="/customer/3">松岭</a>' in page
    told = visitor.read("/tasks")
    assert "Joined on 2026-09-21, 1 day after" in told
    assert "Due Thu 24 Sep 18:00" in told


def test_a_letter_shows_where_it_goes(visitor: Visitor, club: House) -> None:
    told = visitor.read(f"/task/{task_called(club, 'letter').id}")
    assert re.search(r"address\s*松岭路9号\s*box\s*not told", told)
    assert "松岭路9号" not in visitor.read(f"/task/{task_called(club, 'visit').id}")


def test_what_is_late_is_marked(visitor: Visitor, club: House) -> None:
    assert "overdue" not in visitor.read("/tasks/list")
    club.push(days=3)
    page = visitor.client.get("/tasks/list").text
    assert page.count("urgentmark") == 1
    assert re.search(r"class=\"left over\">[^<]*overdue", page)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"Visit them", "Write a letter"}),
        ("role=seller", {"Visit them"}),
        ("role=clerk", {"Write a letter"}),
        ("staff=3", {"Visit them"}),
        ("staff=1", set()),
        ("staff=mine", {"Visit them"}),
        ("state=done", set()),
        ("state=nonsense&staff=x", {"Visit them", "Write a letter"}),
    ],
)
def test_the_list_is_narrowed_by_role_and_by_member(visitor: Visitor, query: str, shown: set[str]) -> None:
    visitor.be(LIN)
    told = visitor.read(f"/tasks/list?{query}")
    assert {name for name in ("Visit them", "Write a letter") if name in told} == shown


def test_a_role_without_one_member_is_everybodys_who_has_it(visitor: Visitor, club: House) -> None:
    with club.runtime.db.write() as session:
        staff.add(session, StaffRow(name="Mo", roles=["clerk"], language="en", address="+8613900000093"))
    assert "Write a letter" in visitor.read("/tasks/list?staff=4")
    assert "Visit them" not in visitor.read("/tasks/list?staff=4")


# ----- recorded


def test_the_form_asks_for_the_tasks_fields_and_those_of_its_contact(visitor: Visitor, club: House) -> None:
    visitor.be(LIN)
    page = visitor.client.get(f"/task/{task_called(club, 'visit').id}").text
    assert re.search(r'<textarea name="data.signed_by"[^>]* required', page)
    assert re.search(r'<select name="data.content" required', page)
    assert re.search(r'<input name="data.minutes" type="number"', page)
    assert re.search(r'<input name="data.next_on" type="date"', page)


def test_a_recorded_task_is_done_by_the_chosen_member_and_counts_as_a_contact(visitor: Visitor, club: House) -> None:
    row = task_called(club, "visit")
    visitor.be(LIN)
    given = GIVEN | {"data.minutes": "45", "data.next_on": "2026-10-12", "at": "2026-09-22T09:15"}
    answer = visitor.send(f"/task/{row.id}/done", **given)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    done = now_of(club, row)
    assert (done.state, done.staff_id, done.result) == ("done", LIN, "谈得很好")
    assert done.data == {"signed_by": "何工", "content": True, "minutes": 45, "next_on": "2026-10-12"}
    (contact,) = logged(club)
    assert (contact.kind, contact.counts, contact.staff_id, contact.task_id) == ("visit", True, LIN, row.id)
    assert contact.at == club.clock.now().replace(hour=1, minute=15, second=0, microsecond=0)
    assert "Visit them" not in visitor.read("/tasks/list")
    assert "Visit them" in visitor.read("/tasks/list?state=done&staff=3")
    assert "谈得很好" in visitor.read(f"/task/{row.id}")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("data.signed_by", "", "is missing"),
        ("data.content", "", "is missing"),
        ("data.content", "perhaps", "is no flag"),
        ("data.minutes", "many", "is no number"),
        ("data.minutes", "inf", "is no number"),
        ("data.next_on", "soon", "is no date"),
        ("at", "2026-12-01T10:00", "is still to come"),
        ("at", "yesterday", "is no time"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(visitor: Visitor, club: House, field: str, value: str, said: str) -> None:
    row = task_called(club, "visit")
    visitor.be(LIN)
    answer = visitor.send(f"/task/{row.id}/done", **GIVEN | {field: value})
    assert answer.status_code == 422
    (wrong,) = re.findall(r'<label class="wrong">.*?</label>', answer.text, re.DOTALL)
    assert f'name="{field}"' in wrong
    assert said in html.unescape(wrong)
    assert "谈得很好" in answer.text, "what was written is kept"
    assert now_of(club, row).state == "open"


def test_a_task_that_a_talk_or_a_visit_does_asks_which_it_was(visitor: Visitor, club: House) -> None:
    accept_events(club.runtime, "shop", [EventIn("e-praised", "praised", "9", club.clock.now())])
    club.push(hours=1)
    row = task_called(club, "contact")
    visitor.be(LIN)
    page = visitor.client.get(f"/task/{row.id}").text
    assert '<option value="talk" >Talk</option><option value="visit" >Visit</option>' in page
    assert not re.search(r'name="data.signed_by"[^>]* required', page), "a talk is not signed"
    assert visitor.send(f"/task/{row.id}/done", made="visit").status_code == 422
    assert visitor.send(f"/task/{row.id}/done", made="talk").status_code == 303
    assert [contact.kind for contact in logged(club)] == ["talk"]


def test_who_was_slower_is_told_kindly_in_their_language(visitor: Visitor, club: House) -> None:
    row = task_called(club, "visit")
    visitor.be(LIN)
    visitor.send(f"/task/{row.id}/done", **GIVEN)
    visitor.be(SUN)
    visitor.client.get("/language/zh")
    for form, fields in (("done", GIVEN), ("cancel", {"reason": "late"})):
        answer = visitor.send(f"/task/{row.id}/{form}", **fields)
        assert answer.status_code == 409
        assert f"任务{row.id}已经有人办了" in answer.text
    assert now_of(club, row).staff_id == LIN


def test_nobody_records_unnamed(visitor: Visitor, club: House) -> None:
    row = task_called(club, "visit")
    answer = visitor.send(f"/task/{row.id}/done", **GIVEN)
    assert answer.status_code == 409
    assert "Choose first which member of staff you are." in words_of(answer)
    assert now_of(club, row).state == "open"


def test_a_form_from_elsewhere_is_refused(visitor: Visitor, club: House) -> None:
    row = task_called(club, "visit")
    visitor.be(LIN)
    for form in (f"/task/{row.id}/done", f"/task/{row.id}/cancel", "/customer/3/contact", "/customer/3/agree"):
        assert visitor.client.post(form, data=GIVEN | {"form": "made up"}).status_code == 403
    assert now_of(club, row).state == "open"


@pytest.mark.parametrize("path", ["/task/99", f"/task/{2**63}"])
def test_no_such_task(visitor: Visitor, path: str) -> None:
    visitor.be(LIN)
    assert visitor.client.get(path).status_code == 404
    assert visitor.send(f"{path}/done").status_code == 404
    assert visitor.send(f"{path}/cancel", reason="so").status_code == 404


# ----- an appointment


def test_a_proposed_time_is_agreed_to_with_one_click_and_the_customer_is_told(visitor: Visitor, club: House) -> None:
    when = {"tasting": "2026-09-24", "tasting_time": "14:00"}
    accept_customers(club.runtime, "shop", [CustomerIn("9", "松岭", PHONE, programs=("club",), attributes=when)])
    club.push(days=1)  # it is announced on the day before
    receive(club.runtime, Received("simulator", "r1", "sms", PHONE, "改到周五下午三点"))
    club.push(minutes=1)
    row = task_called(club, "tasting")
    visitor.be(LIN)
    assert "Agree to" in visitor.read(f"/task/{row.id}")

    assert visitor.send(f"/task/{row.id}/appoint").status_code == 303
    club.push(minutes=1)
    agreed = now_of(club, row)
    assert (agreed.proposed_at, agreed.due_at) == (None, datetime.fromisoformat("2026-09-25T15:00+08:00"))
    assert "9月25日15:00" in club.phone(PHONE)[-1]
    assert "Confirmed by the customer" in visitor.read(f"/task/{row.id}")

    assert visitor.send(f"/task/{row.id}/appoint").status_code == 422, "nothing is proposed any more"
    assert visitor.send(f"/task/{row.id}/appoint", at="2026-09-01T10:00").status_code == 422
    assert visitor.send(f"/task/{row.id}/appoint", at="2026-09-28T10:00").status_code == 303
    assert now_of(club, row).confirmed_at is None, "the customer has not answered that yet"


# ----- let go


def test_a_task_is_let_go_with_a_reason(visitor: Visitor, club: House) -> None:
    row = task_called(club, "letter")
    visitor.be(ZHOU_WEI)
    empty = visitor.send(f"/task/{row.id}/cancel", reason="  ")
    assert empty.status_code == 422
    assert re.search(r'<details open>.*?class="wrong".*?is empty', empty.text, re.DOTALL)
    assert visitor.send(f"/task/{row.id}/cancel", reason="they moved away").status_code == 303
    assert now_of(club, row).state == "cancelled"
    assert "they moved away" in visitor.read("/tasks?state=cancelled")


def test_it_is_not_for_everybody_to_let_a_task_go(visitor: Visitor, club: House) -> None:
    row = task_called(club, "letter")
    visitor.be(ZHOU_WEI)
    assert "Let it go" in visitor.read(f"/task/{row.id}")
    visitor.be(LIN)
    assert "Let it go" not in visitor.read(f"/task/{row.id}")
    answer = visitor.send(f"/task/{row.id}/cancel", reason="no time")
    assert answer.status_code == 409
    assert "Lin may not let it go: that is for the customer service or a manager" in words_of(answer)
    assert now_of(club, row).state == "open"


# ----- about no customer


def test_a_duty_is_recorded_like_any_task(visitor: Visitor, club: House) -> None:
    club.push(days=7)
    told = visitor.read("/tasks?role=clerk")
    assert "Monthly report" in told
    assert "about no single customer" in told
    assert "day 28 of the month" in told
    visitor.be(LIN)
    with club.runtime.db.read() as session:
        (row,) = [row for row in tasks.listed(session) if row.flow == "report"]
    assert visitor.send(f"/task/{row.id}/done").status_code == 422
    assert visitor.send(f"/task/{row.id}/done", **{"data.text": "three joined"}).status_code == 303
    done = now_of(club, row)
    assert (done.state, done.staff_id, done.customer_id) == ("done", LIN, 0)
    assert visitor.client.get("/").status_code == 200


# ----- the customer's page


def test_the_customers_page_shows_tasks_people_matters_and_contacts(visitor: Visitor, club: House) -> None:
    told = visitor.read("/customer/3")
    for shown in ("Visit them", "Due Thu 24 Sep 18:00", "Ms Guo", "buyer", "Contract C-7", "ends 2027-03-31"):
        assert shown in told
    assert "No contact was logged yet." in told
    assert "Calls, visits and dates" not in visitor.read("/customer/1"), "nothing of the kind in their program"


def contact_form(visitor: Visitor, **fields: str) -> httpx.Response:
    page = visitor.client.get("/customer/3").text
    found = re.search(r'name="id" value="([^"]+)"', page)
    assert found is not None
    return visitor.send("/customer/3/contact", **{"id": found[1], "program": "club", "kind": "visit"} | fields)


def test_a_contact_is_logged_once_with_whom_by_whom_and_when(visitor: Visitor, club: House) -> None:
    visitor.be(LIN)
    given = {"data.signed_by": "何工", "data.minutes": "7.5", "person": "何工", "at": "2026-09-22T10:00"}
    answer = contact_form(visitor, id="once", **given)
    assert (answer.status_code, answer.headers["location"]) == (303, "/customer/3")
    assert contact_form(visitor, id="once", **given).status_code == 303
    (row,) = logged(club)
    assert (row.kind, row.staff_id, row.counts, row.data) == ("visit", LIN, True, {"signed_by": "何工", "minutes": 7.5})
    assert "Visit 何工 Tue 22 Sep 10:00 · Lin" in visitor.read("/customer/3")


def test_a_contact_without_what_its_kind_requires_is_kept_and_does_not_count(visitor: Visitor, club: House) -> None:
    visitor.be(LIN)
    assert contact_form(visitor).status_code == 303
    (row,) = logged(club)
    assert not row.counts
    assert "does not count" in visitor.read("/customer/3")


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", "2027-01-01T10:00"), ("data.minutes", "long"), ("next_on", "2026-09-01"), ("next_on", "never")],
)
def test_what_is_wrong_with_a_contact_is_said_at_its_field(
    visitor: Visitor, club: House, field: str, value: str
) -> None:
    visitor.be(LIN)
    answer = contact_form(visitor, **{field: value, "data.signed_by": "何工"})
    assert answer.status_code == 422
    (wrong,) = re.findall(r'<label class="wrong">.*?</label>', answer.text, re.DOTALL)
    assert f'name="{field}"' in wrong
    assert logged(club) == []


def steps(house: House) -> list[tuple[date, str]]:
    with house.runtime.db.read() as session:
        rows = session.exec(select(FollowUpRow).where(FollowUpRow.flow == "visit"))
        return [(row.nominal_on, row.state) for row in rows]


def test_the_next_date_is_agreed(visitor: Visitor, club: House) -> None:
    visitor.be(LIN)
    visitor.send(f"/task/{task_called(club, 'visit').id}/done", **GIVEN)
    agreed = (club.clock.now() + timedelta(days=20)).date()
    answer = visitor.send("/customer/3/agree", flow="club.visit", on=agreed.isoformat(), reason="they are away")
    assert answer.status_code == 303
    assert (agreed, "planned") in steps(club)
    assert "they are away (Lin)" in visitor.read("/customer/3")


@pytest.mark.parametrize(
    ("field", "value"), [("on", "2026-09-01"), ("on", ""), ("reason", ""), ("flow", "club.letters")]
)
def test_what_is_wrong_with_a_date_is_said_at_its_field(visitor: Visitor, field: str, value: str) -> None:
    visitor.be(LIN)
    given = {"flow": "club.visit", "on": "2026-11-02", "reason": "they are away"} | {field: value}
    answer = visitor.send("/customer/3/agree", **given)
    assert answer.status_code == 422
    (wrong,) = re.findall(r'<label class="wrong">.*?</label>', answer.text, re.DOTALL)
    assert f'name="{field}"' in wrong
