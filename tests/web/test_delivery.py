"""Paused senders and customers whom nothing reached: what the delivery page shows, and who may have a sender go on."""

import pytest

from bot.channels.contract import NotSent, Sign
from bot.journey.senders import Told, note_outcomes
from bot.store import senders
from tests.web.house import LI, House
from tests.web.test_held import SUN_LI, ZHOU_WEI, Visitor, lines_of, network, visitor

__all__ = ["visitor"]
WRONG_KEY = NotSent("the provider does not know our key", sign=Sign.STOP)
REFUSED = NotSent("connection refused", sign=Sign.TROUBLE)


def told(house: House, outcome: NotSent, times: int = 1) -> None:
    note_outcomes(house.runtime, [Told("sms", "default", LI, outcome)] * times)


def paused(house: House) -> bool:
    with house.runtime.db.read() as session:
        return any(row.paused_at for row in senders.known(session))


def test_while_all_is_well_the_page_says_so(visitor: Visitor) -> None:
    page = visitor.read("/delivery")
    assert "Every sender sends." in page
    assert "Everybody was reached." in page
    assert "is paused" not in visitor.read("/")


def test_a_paused_sender_is_told_on_every_page_with_the_reason_on_its_own(visitor: Visitor, house: House) -> None:
    told(house, WRONG_KEY)
    assert "One sender is paused." in visitor.read("/customers")
    page = visitor.read("/delivery")
    assert "the provider does not know our key" in page
    assert "mend it there, then resume" in page


def test_trouble_that_may_pass_needs_nobody(visitor: Visitor, house: House) -> None:
    told(house, REFUSED, times=10)
    assert "goes on by itself" in visitor.read("/delivery")


@pytest.mark.parametrize(("member", "may"), [(SUN_LI, False), (ZHOU_WEI, True)])
def test_only_a_manager_has_a_sender_go_on(visitor: Visitor, house: House, member: int, may: bool) -> None:
    told(house, WRONG_KEY)
    visitor.be(member)
    answer = visitor.send("/delivery/resume", channel="sms", sender="default")
    assert answer.status_code == (303 if may else 409)
    assert paused(house) is not may
    assert [line.because for line in lines_of(house, "resumed")] == (["sms default: by Zhou Wei"] if may else [])


def test_resumed_twice_is_resumed_once(visitor: Visitor, house: House) -> None:
    told(house, WRONG_KEY)
    visitor.be(ZHOU_WEI)
    for _ in range(2):
        assert visitor.send("/delivery/resume", channel="sms", sender="default").status_code == 303
    assert len(lines_of(house, "resumed")) == 1


def test_who_was_not_reached_is_listed_with_the_reason(visitor: Visitor, house: House) -> None:
    network(house).fail(LI, "refuse")
    house.push(days=4, hours=1)
    page = visitor.client.get("/delivery")
    assert '<a href="/customer/1">李明</a>' in page.text
    assert "the simulated phone refuses" in page.text
