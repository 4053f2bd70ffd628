"""The page of violations: what is suspected stands there for a manager to confirm or to dismiss."""

from collections.abc import Iterator

import pytest

from bot.channels.contract import Received
from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.inbox import receive
from bot.journey.intake import EventIn, accept_events
from bot.store import violations
from bot.store.tables import ViolationRow
from tests.web.house import House
from tests.web.test_held import Visitor

SUN_LI, ZHOU_WEI = 1, 2
OWNERS = ("+8613900000007", "+8613900000008")


@pytest.fixture
def visitor(house: House) -> Iterator[Visitor]:
    """Two owners of cars that Liu has mended badly: two cases of one person."""
    rows = [CustomerIn(f"car{n}", "车主", phone, programs=("auto_repair",)) for n, phone in enumerate(OWNERS)]
    accept_customers(house.runtime, "shop", rows)
    now = house.runtime.clock.now()
    paid = [EventIn(f"r{n}", "repair_paid", f"car{n}", now, {"technician": "老刘"}) for n in range(2)]
    accept_events(house.runtime, "shop", paid)
    house.push(days=3, hours=1)
    for phone in OWNERS:
        receive(house.runtime, Received("simulator", phone, "sms", phone, "1，根本没修好"))
    house.push(minutes=1)
    with house.client() as client:
        yield Visitor(client)


def rows(house: House) -> list[ViolationRow]:
    with house.runtime.db.read() as session:
        return sorted(violations.listed(session), key=lambda row: row.id)


def test_a_manager_confirms_one_and_dismisses_another(visitor: Visitor, house: House) -> None:
    # given two cases that are no business of who calls customers back
    assert "Violations" in visitor.read("/tasks")
    visitor.be(SUN_LI)
    told = visitor.read("/violations")
    assert told.count("Bad work") == 2
    assert "老刘 a complaint about workmanship" in told
    assert told.count("This is for somebody else to decide.") == 2
    first, second = rows(house)
    assert visitor.send(f"/violation/{first.id}/confirm", about="老刘").status_code == 409

    # when the manager confirms one and dismisses the other, not without a reason
    visitor.be(ZHOU_WEI)
    assert visitor.send(f"/violation/{first.id}/confirm", about="老刘").status_code == 303
    assert visitor.send(f"/violation/{second.id}/dismiss", reason=" ").status_code == 422
    assert visitor.send(f"/violation/{second.id}/dismiss", reason="配件有问题").status_code == 303

    # then nothing is suspected any more, and each stands with what was said of it
    assert "There are none." in visitor.read("/violations")
    assert "No. 1, proposed: 100 to 500 yuan" in visitor.read("/violations?state=confirmed")
    assert "配件有问题" in visitor.read("/violations?state=dismissed")
    assert [row.state for row in rows(house)] == ["confirmed", "dismissed"]
