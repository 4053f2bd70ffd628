"""What only a person decides about sending: a message in doubt, and whether anything is sent at all."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from bot.channels.simulator import Simulator
from bot.store import messages, trail
from bot.store.tables import MessageRow, TrailRow
from tests.web.house import LI, House, fields_of

SUN_LI, ZHOU_WEI = 1, 2
PAGES = ("/", "/phones", "/queue", "/tasks", "/customers", "/customer/1", "/forecast")


class Visitor:
    """A browser without a script, at the queue."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def read(self, path: str = "/queue") -> str:
        return words_of(self.client.get(path))

    def send(self, form: str, **fields: str) -> httpx.Response:
        return self.client.post(form, data=fields_of(self.client.get("/queue").text) | fields)

    def be(self, staff_id: int) -> None:
        self.send("/me", staff=str(staff_id))


def words_of(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


@pytest.fixture
def visitor(house: House) -> Iterator[Visitor]:
    with house.client() as client:
        yield Visitor(client)


@pytest.fixture
def held(house: House) -> MessageRow:
    """李明's greeting of the 25th at ten, lost on its way; the fence has passed and nothing was found."""
    network(house).fail(LI, "lose")
    house.push(days=4, hours=1)
    network(house).fail(LI, None)
    with house.runtime.db.read() as session:
        (row,) = messages.held(session)
    return row


def network(house: House) -> Simulator:
    channel = house.runtime.channels["sms"]
    assert isinstance(channel, Simulator)
    return channel


def state_of(house: House, row: MessageRow) -> str:
    with house.runtime.db.read() as session:
        found = messages.get(session, row.id)
        assert found is not None
        return str(found.state)


def lines_of(house: House, *kinds: str) -> list[TrailRow]:
    with house.runtime.db.read() as session:
        return [line for line in trail.after(session, 0) if line.what in kinds]


# ----- messages in doubt


def test_a_message_in_doubt_is_shown_with_whom_when_where_and_why(visitor: Visitor, held: MessageRow) -> None:
    page = visitor.client.get("/queue")
    assert "Messages in doubt" in page.text
    assert '<a href="/customer/1">李明</a>' in page.text
    words = words_of(page)
    assert "SMS · +86139****0001 Fri 25 Sep 10:00" in words
    assert " ".join(held.body.split()) in words
    assert "in doubt: a person decides; the simulated network lost the request" in words
    assert LI not in page.text


def test_without_doubt_there_is_no_such_section(visitor: Visitor, house: House) -> None:
    house.push(days=4, hours=1)
    assert "Messages in doubt" not in visitor.read()


def test_once_more_sends_one_copy(visitor: Visitor, house: House, held: MessageRow) -> None:
    visitor.be(SUN_LI)
    assert visitor.send(f"/held/{held.id}", again="yes").status_code == 303
    assert house.phone(LI) == [held.body]
    assert state_of(house, held) == "delivered"
    assert "sent again by 孙丽" in visitor.read("/customer/1")
    assert "Messages in doubt" not in visitor.read()


def test_let_go_sends_nothing_ever(visitor: Visitor, house: House, held: MessageRow) -> None:
    visitor.be(SUN_LI)
    assert visitor.send(f"/held/{held.id}", again="no").status_code == 303
    house.push(hours=2)
    assert house.phone(LI) == []
    assert state_of(house, held) == "cancelled"
    assert "let go by 孙丽" in visitor.read("/customer/1")


def test_nobody_decides_before_saying_who_they_are(visitor: Visitor, house: House, held: MessageRow) -> None:
    answer = visitor.send(f"/held/{held.id}", again="yes")
    assert answer.status_code == 409
    assert "Choose first which member of staff you are" in words_of(answer)
    assert state_of(house, held) == "held"


@pytest.mark.parametrize(
    ("language", "told"), [("en", "it does not wait for a decision"), ("zh", "已有人决定，或已查明下落")]
)
def test_who_is_second_is_told_so(visitor: Visitor, house: House, held: MessageRow, language: str, told: str) -> None:
    visitor.client.get(f"/language/{language}")
    visitor.be(SUN_LI)
    visitor.send(f"/held/{held.id}", again="no")
    visitor.be(ZHOU_WEI)
    answer = visitor.send(f"/held/{held.id}", again="yes")
    assert answer.status_code == 409
    assert told in words_of(answer)
    assert state_of(house, held) == "cancelled"


@pytest.mark.parametrize("number", [999, 2**63])
def test_a_message_that_is_not_there_is_said_so(visitor: Visitor, number: int) -> None:
    visitor.be(SUN_LI)
    assert visitor.send(f"/held/{number}", again="yes").status_code == 404


def test_a_form_from_elsewhere_or_without_an_answer_decides_nothing(
    visitor: Visitor, house: House, held: MessageRow
) -> None:
    visitor.be(ZHOU_WEI)
    assert visitor.client.post(f"/held/{held.id}", data={"again": "yes"}).status_code == 403
    assert visitor.client.post("/sending", data={"stopped": "yes"}).status_code == 403
    assert visitor.send(f"/held/{held.id}").status_code == 422
    assert visitor.send("/sending", stopped="perhaps").status_code == 422
    assert state_of(house, held) == "held"
    assert not lines_of(house, "stopped")


# ----- the kill switch


def test_the_switch_stops_all_sending_and_every_page_says_so(visitor: Visitor, house: House) -> None:
    visitor.be(ZHOU_WEI)
    assert visitor.send("/sending", stopped="yes").status_code == 303
    house.push(days=4, hours=1)
    assert house.phone(LI) == [], "the greeting of ten o'clock waits"
    for path in PAGES:
        assert "Sending is stopped since Mon 21 Sep 09:30 by Zhou Wei." in visitor.read(path), path
    assert "Send again" in visitor.read()


def test_sending_goes_on_with_what_waited(visitor: Visitor, house: House) -> None:
    visitor.be(ZHOU_WEI)
    visitor.send("/sending", stopped="yes")
    house.push(days=4, hours=1)
    assert visitor.send("/sending", stopped="no").status_code == 303
    assert len(house.phone(LI)) == 1
    assert "Sending is stopped" not in visitor.read()
    assert "Stop all sending" in visitor.read()


def test_the_switch_stands_on_the_trail_and_in_the_stream(visitor: Visitor, house: House) -> None:
    visitor.be(ZHOU_WEI)
    for stopped in ("yes", "yes", "no"):
        visitor.send("/sending", stopped=stopped)
    told = [(line.what, line.because, line.customer_id) for line in lines_of(house, "stopped", "resumed")]
    assert told == [("stopped", "by Zhou Wei", 0), ("resumed", "by Zhou Wei", 0)], "said twice it changes nothing"
    assert "all sending stopped by Zhou Wei" in visitor.read("/")


def test_open_pages_fetch_the_banner_anew_when_the_switch_is_turned(visitor: Visitor) -> None:
    visitor.be(ZHOU_WEI)
    visitor.send("/sending", stopped="yes")
    with visitor.client.stream("GET", "/live?after=0") as stream:
        news = next(line for line in stream.iter_lines() if line.startswith("data: ") and "topics" in line)
    assert '"sending"' in news
    assert "Sending is stopped since" in visitor.read("/sending")


def test_only_a_manager_turns_the_switch(visitor: Visitor, house: House) -> None:
    answer = visitor.send("/sending", stopped="yes")
    assert answer.status_code == 409
    assert "Choose first which member of staff you are" in words_of(answer)
    visitor.be(SUN_LI)
    assert "Stop all sending" not in visitor.read()
    answer = visitor.send("/sending", stopped="yes")
    assert answer.status_code == 409
    assert "孙丽 is no manager" in words_of(answer)
    assert not lines_of(house, "stopped")
