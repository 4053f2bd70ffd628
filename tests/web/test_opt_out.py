"""Staff write down that a customer wants no messages: it counts at once, and only the customer can take it back."""

from bot.store import customers, messages
from tests.web.house import LI, House
from tests.web.test_held import SUN_LI, Visitor, lines_of, visitor

__all__ = ["visitor"]


def opt_out(visitor: Visitor) -> int:
    return visitor.send("/customer/1/opt-out").status_code


def test_an_opt_out_told_to_staff_stops_everything_and_says_who_was_told(visitor: Visitor, house: House) -> None:
    visitor.be(SUN_LI)
    assert opt_out(visitor) == 303
    house.push(days=8)
    assert house.phone(LI) == []
    with house.runtime.db.read() as session:
        (row,) = [each for each in customers.ledger_of(session, 1) if each.action == "withdrawn"]
        assert messages.counts_by_state(session).get("ready", 0) == 0
    assert (row.scope, row.source, row.note) == ("all", "staff", "told 孙丽")
    assert [line.because for line in lines_of(house, "opted_out")] == ["told 孙丽"]
    assert "opt-out" not in visitor.client.get("/customer/1").text


def test_it_is_written_down_once_and_by_somebody(visitor: Visitor) -> None:
    assert opt_out(visitor) == 409
    visitor.be(SUN_LI)
    assert opt_out(visitor) == 303
    assert opt_out(visitor) == 409


def test_nobody_is_opted_out_who_is_not_there(visitor: Visitor) -> None:
    visitor.be(SUN_LI)
    assert visitor.send("/customer/99/opt-out").status_code == 404
