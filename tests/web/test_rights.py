"""Who is kept apart from a survey gets 403 and a line of the trail for it, and reads of it nowhere else (R159)."""

from collections.abc import Iterator

import httpx
import pytest
from sqlmodel import select

from bot.journey.enrolment import CustomerIn, accept_customers
from bot.store import staff
from bot.store.tables import StaffRow, TrailRow
from flows.load import shipped_program_text
from tests.web.house import LI, House, Serve, fields_of

ANN = "+8613900000021"
SOLAR = shipped_program_text("solar").replace("start: 2027-01-11", "start: 2026-09-22")
FORMS = "/surveys/solar/satisfaction"


@pytest.fixture
def solar(serve: Serve) -> House:
    """A house where a survey went out, Ann scored 2 and complained, and Bao, who sells, has a look; so does Chen."""
    house = serve(program=SOLAR, town=False)
    runtime = house.runtime
    accept_customers(runtime, "crm", [CustomerIn("ann", "Ann Solar", ANN, language="en", programs=("solar",))])
    with runtime.db.write() as session:
        for name, roles in (("Bao", ["sales", "manager"]), ("Chen", ["responsible_department"])):
            staff.add(session, StaffRow(name=name, roles=roles, language="en", address=f"+861390000003{len(name)}"))
    house.push(days=1)
    with house.client() as visitor:
        _be(house, visitor, "Chen")
        page = visitor.get(f"/phone/{ANN}").text
        visitor.post(f"/phone/{ANN}", data={**fields_of(page), "text": "2 the inverter whistles"})
    house.push(minutes=5)
    return house


def _be(house: House, visitor: httpx.Client, name: str) -> None:
    """From now on the visitor is this member of staff, and reads English."""
    with house.runtime.db.read() as session:
        (number,) = [member.id for member in staff.everybody(session) if member.name == name]
    visitor.cookies.set("huifang_language", "en")
    visitor.post("/me", data={**fields_of(visitor.get("/queue").text), "staff": str(number)})


@pytest.fixture
def visitor(solar: House) -> Iterator[httpx.Client]:
    with solar.client() as client:
        yield client


def _told(house: House, what: str) -> list[str]:
    with house.runtime.db.read() as session:
        return [row.because for row in session.exec(select(TrailRow).where(TrailRow.what == what))]


def test_who_sells_gets_403_and_a_line_of_the_trail(solar: House, visitor: httpx.Client) -> None:
    _be(solar, visitor, "Bao")
    refused = visitor.get(FORMS)
    assert refused.status_code == 403
    assert "Bao is kept apart from this survey" in refused.text
    assert _told(solar, "denied") == ["forms of satisfaction: not for Bao, who is kept apart from this survey"]
    for path in ("/ticket/1", f"/phone/{ANN}", f"/phone/{ANN}/thread"):
        assert visitor.get(path).status_code == 403, path
    assert len(_told(solar, "denied")) == 4


def test_who_sells_reads_of_it_nowhere_else(solar: House, visitor: httpx.Client) -> None:
    pages = (
        "/",
        "/queue",
        "/customers",
        "/customer/3",
        "/customer/3/trail",
        "/surveys",
        "/delivery",
        "/tasks",
        "/phones",
    )
    _be(solar, visitor, "Chen")
    said = "".join(visitor.get(path).text for path in pages)
    assert "whistles" in said
    assert "level l2" in said

    _be(solar, visitor, "Bao")
    answers = [visitor.get(path) for path in pages]
    assert [answer.status_code for answer in answers] == [200] * len(pages)
    said = "".join(answer.text for answer in answers)
    assert "whistles" not in said
    assert "level l2" not in said
    assert "portrait  l2" not in said
    assert 'href="/ticket/1"' not in said
    assert "totals only" in said


def test_who_takes_part_reads_single_forms_and_that_is_noted(solar: House, visitor: httpx.Client) -> None:
    _be(solar, visitor, "Chen")
    page = visitor.get(FORMS).text
    assert "Ann Solar" in page
    assert "whistles" in page
    assert "22 Sep 2029" in page  # kept for three years
    assert _told(solar, "viewed") == ["forms of satisfaction were looked at by Chen"]
    assert visitor.get("/surveys/solar/nothing").status_code == 404


def test_who_has_not_said_who_they_are_is_asked(solar: House, visitor: httpx.Client) -> None:
    for path in (FORMS, "/ticket/1"):
        assert visitor.get(path).status_code == 409
    assert "whistles" not in visitor.get("/queue").text
    assert visitor.get(f"/phone/{LI}").status_code == 200  # of another program
