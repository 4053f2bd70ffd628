"""The pages, as a visitor reads them: what stands there, and what a form does."""

import html
import json
import re
from collections.abc import Iterator

import httpx
import pytest
from sqlmodel import select

from bot.channels.contract import Plain
from bot.store import customers
from bot.store.tables import AnswerRow, InboundRow, SurveyRow, TicketRow
from tests.web.house import LI, SUN, WANG, ZHOU, House, Serve, fields_of


class Visitor:
    """A browser without a script: pages as text, forms as they stand there."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def read(self, path: str) -> str:
        """A page's words, without its markup."""
        return plain(self.client.get(path, follow_redirects=True).text)

    def send(self, page: str, form: str, **fields: str) -> httpx.Response:
        """Fill in a form of a page."""
        token = fields_of(self.client.get(page).text)
        return self.client.post(form, data=token | fields)

    def type(self, address: str, text: str) -> None:
        self.send(f"/phone/{address}", f"/phone/{address}", text=text)

    def be(self, staff_id: int) -> None:
        self.send("/queue", "/me", staff=str(staff_id))


def plain(page: str) -> str:
    page = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def visitor(house: House) -> Iterator[Visitor]:
    """A visitor a week later: the surveys of the purchases have just gone out."""
    house.push(days=7)
    with house.client() as client:
        yield Visitor(client)


# ----- town


def test_the_town_tells_what_happened_in_human_words(visitor: Visitor) -> None:
    page = visitor.read("/")
    assert "09:30 Mon 28 Sep 2026" in page
    assert "李明 was asked: After a purchase" in page
    assert "Wang Fang got a greeting: Mid-Autumn greeting" in page


def test_the_town_speaks_chinese_to_who_prefers_it(visitor: Visitor) -> None:
    visitor.client.get("/language/zh?back=/queue")
    page = visitor.read("/")
    assert "2026年9月28日 周一" in page
    assert "李明 收到询问：购后回访" in page


def test_the_clock_is_pushed_by_buttons(visitor: Visitor, house: House) -> None:
    before = house.clock.now()
    assert visitor.send("/", "/town/advance", span="1d").status_code == 303
    assert (house.clock.now() - before).days == 1
    visitor.send("/", "/town/run", rate="60")
    assert house.town is not None
    assert house.town.rate() == 60
    assert visitor.send("/", "/town/advance", span="9y").status_code == 422


def test_real_time_has_no_clock_to_push(serve: Serve) -> None:
    with serve(town=False).client() as client:
        page = plain(client.get("/").text)
        assert "+1 day" not in page
        assert "What happens now" in page


def test_an_empty_house_has_pages_too(serve: Serve) -> None:
    with serve(people=False).client() as client:
        for path in ("/", "/phones", "/queue", "/tasks", "/customers", "/forecast"):
            assert client.get(path).status_code == 200


def test_news_arrive_as_server_sent_events(visitor: Visitor) -> None:
    page = visitor.client.get("/").text
    after = re.search(r'data-after="(\d+)"', page)
    assert after is not None
    visitor.type(LI, "5")
    with visitor.client.stream("GET", f"/live?after={after[1]}") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        data = next(line for line in stream.iter_lines() if line.startswith("data: ") and "lines" in line)
    news = json.loads(data.removeprefix("data: "))
    assert "customer-1" in news["topics"]
    assert [1, "out5"] in news["lit"]
    assert "replied" in news["lines"]


# ----- phones


def test_a_phone_shows_its_texts_and_makes_our_links_tappable(visitor: Visitor) -> None:
    page = visitor.client.get(f"/phone/{LI}").text
    assert "电水壶" in page
    assert re.search(r'<a href="/s/\w{12}">http://127', page)


def test_what_is_typed_goes_the_way_of_every_reply_and_is_answered(visitor: Visitor, house: House) -> None:
    visitor.type(LI, "2 等太久了")
    assert "> 2 等太久了" in house.phone(LI)
    assert "让您失望了" in house.phone(LI)[-1]
    assert "Ticket #1 opened" in visitor.read(f"/phone/{LI}").replace("ticket", "Ticket")


def test_buttons_type_scores(visitor: Visitor, house: House) -> None:
    visitor.send(f"/phone/{LI}", f"/phone/{LI}", quick="5", text="")
    assert house.phone(LI)[-2] == "> 5"
    assert "谢谢您的肯定" in house.phone(LI)[-1]


def test_staff_have_phones_and_claim_by_text(visitor: Visitor) -> None:
    visitor.type(LI, "1")
    page = visitor.client.get(f"/phone/{SUN}").text
    assert 'value="claim 1"' in page
    visitor.send(f"/phone/{SUN}", f"/phone/{SUN}", quick="claim 1")
    assert "孙丽 has it" in visitor.read("/queue")


def test_phones_are_found_by_name_and_number(visitor: Visitor) -> None:
    assert "李明" in visitor.read("/phones?q=李")
    assert "Wang Fang" in visitor.read("/phones?q=0002")
    assert "Nobody found" in visitor.read("/phones?q=nobody-at-all")


def test_real_phones_are_not_offered(visitor: Visitor, house: House) -> None:
    visitor.type(LI, "2 等太久了")
    house.runtime.channels = {"sms": Plain()}
    for path in ("/", "/queue", "/ticket/1", "/customers", "/customer/1", "/delivery"):
        page = visitor.client.get(path).text
        assert 'href="/phone' not in page, path
        assert 'href="/delivery"' in page
    assert visitor.client.get("/phones").status_code == 409


def test_lists_mask_numbers(visitor: Visitor) -> None:
    for path in ("/phones", "/customers"):
        page = visitor.read(path)
        assert LI not in page
        assert "+861****0001" in page or "****0001" in page


# ----- the survey page


@pytest.fixture
def link(visitor: Visitor, house: House) -> str:
    with house.runtime.db.read() as session:
        return f"/s/{session.exec(select(SurveyRow.token).where(SurveyRow.customer_id == 1)).one()}"


def answers(house: House) -> dict[str, float | None]:
    with house.runtime.db.read() as session:
        return {row.question: row.score for row in session.exec(select(AnswerRow).where(AnswerRow.current))}


def test_the_survey_page_knows_the_company_and_the_matter_and_nobody(visitor: Visitor, link: str) -> None:
    page = visitor.client.get(link)
    assert "青禾商贸" in page.text
    assert "电水壶" in page.text
    assert "您对这次购物满意吗" in page.text
    assert "请回复" not in page.text
    for private in ("李", LI, "0001", "/customer", "/queue"):
        assert private not in page.text
    assert "set-cookie" not in page.headers


def test_one_tap_scores_and_the_page_says_thanks(visitor: Visitor, house: House, link: str) -> None:
    texts = len(house.phone(LI))
    answer = httpx.post(f"{house.address}{link}", data={"q.overall": "5"}, follow_redirects=True)
    assert "谢谢您" in answer.text
    assert "商品质量怎么样" in answer.text
    assert answers(house) == {"overall": 5}
    assert len(house.phone(LI)) == texts, "the page has said thanks; no text repeats it"


def test_more_answers_and_words_may_follow_until_the_survey_closes(visitor: Visitor, house: House, link: str) -> None:
    visitor.client.post(link, data={"q.overall": "5"})
    house.push(days=2)
    last = visitor.client.post(
        link, data={"step": "more", "q.quality": "4", "q.price": "3", "comment": "壶嘴很好用"}, follow_redirects=True
    )
    assert "都记下了" in last.text
    assert answers(house) == {"overall": 5, "quality": 4, "price": 3}
    assert "壶嘴很好用" in visitor.read("/customer/1")


def test_unclear_words_on_the_page_are_kept_and_never_asked_about_by_text(
    visitor: Visitor, house: House, link: str
) -> None:
    texts = len(house.phone(LI))
    visitor.client.post(link, data={"step": "more", "comment": "哦哦那个啥"})
    assert answers(house) == {"comment": None}
    assert len(house.phone(LI)) == texts


def test_a_low_tap_is_answered_with_a_promise_and_opens_one_ticket(visitor: Visitor, house: House, link: str) -> None:
    answer = visitor.client.post(link, data={"q.overall": "1"}, follow_redirects=True)
    assert "让您失望了" in answer.text
    assert re.search(r"我们会在10月\d+日 周. \d\d:\d\d前给您回电|我们会在9月\d+日 周. \d\d:\d\d前给您回电", answer.text)
    visitor.client.post(link, data={"step": "more", "comment": "壶底漏水，太气人了"})
    with house.runtime.db.read() as session:
        (ticket,) = session.exec(select(TicketRow)).all()
    assert "漏水" in ticket.words


def test_the_same_tap_twice_counts_once(visitor: Visitor, house: House, link: str) -> None:
    for _ in range(2):
        visitor.client.post(link, data={"q.overall": "4"})
    with house.runtime.db.read() as session:
        assert len(session.exec(select(AnswerRow)).all()) == 1
        assert len(session.exec(select(InboundRow).where(InboundRow.provider == "page")).all()) == 1


def test_an_answer_that_no_button_has_is_refused(visitor: Visitor, house: House, link: str) -> None:
    assert visitor.client.post(link, data={"q.overall": "9"}).status_code == 422
    assert answers(house) == {}


def test_a_closed_survey_says_so(visitor: Visitor, house: House, link: str) -> None:
    house.push(days=20)
    assert "问卷已结束" in visitor.client.get(link).text
    visitor.client.post(link, data={"q.overall": "5"})
    assert answers(house) == {}


def test_no_more_messages_is_one_button_and_stops_everything(visitor: Visitor, house: House, link: str) -> None:
    # given a link that a preview opens: nothing happens
    assert "不再接收" in visitor.client.get(f"{link}?step=stopped").text
    # when the customer presses the button, twice
    pages = [visitor.client.post(link, data={"stop": "yes"}, follow_redirects=True).text for _ in range(2)]
    # then the page says so, the ledger knows it once and from where, and nothing more arrives
    assert all("不会再给您发消息" in page and 'name="stop"' not in page for page in pages)
    with house.runtime.db.read() as session:
        withdrawn = [row for row in customers.ledger_of(session, 1) if row.action == "withdrawn"]
    assert [(row.scope, row.source) for row in withdrawn] == [("all", "page")]
    assert "Opted out" in visitor.read("/customer/1")
    assert "asked on the survey page" in visitor.read("/customer/1")
    texts = len(house.phone(LI))
    house.push(days=8)
    assert len(house.phone(LI)) == texts


def test_a_closed_survey_still_opts_out(visitor: Visitor, house: House, link: str) -> None:
    house.push(days=20)
    assert "不会再给您发消息" in visitor.client.post(link, data={"stop": "yes"}, follow_redirects=True).text


def test_an_unknown_link_is_a_plain_page_and_guessing_is_slowed_down(house: House) -> None:
    with house.client() as client:
        answers = [client.get(f"/s/guess{n}") for n in range(32)]
    assert answers[0].status_code == 404
    assert "/customers" not in answers[0].text
    assert answers[-1].status_code == 429


# ----- queue and tickets


@pytest.fixture
def ticket(visitor: Visitor) -> str:
    visitor.type(LI, "2 等太久了")
    return "/ticket/1"


def test_the_queue_shows_who_must_be_called_by_when_and_why(visitor: Visitor, ticket: str) -> None:
    page = visitor.read("/queue")
    assert "2 等太久了" in page
    assert "Call before Wed 30 Sep 18:00" in page
    assert "2 dissatisfied" in page
    assert "+86****" in page or "****0001" in page


def test_nobody_acts_before_saying_who_they_are(visitor: Visitor, ticket: str) -> None:
    answer = visitor.send(ticket, f"{ticket}/claim")
    assert answer.status_code == 409
    assert "Choose first which member of staff you are" in answer.text


def test_who_is_second_is_told_who_was_first(visitor: Visitor, ticket: str) -> None:
    visitor.be(1)
    assert visitor.send(ticket, f"{ticket}/claim").status_code == 303
    visitor.be(2)
    answer = visitor.send(ticket, f"{ticket}/claim", back="/queue")
    assert answer.status_code == 409
    assert "孙丽 has it" in answer.text


def test_a_ticket_is_given_back_and_resolved_with_a_result(visitor: Visitor, ticket: str) -> None:
    visitor.be(1)
    visitor.send(ticket, f"{ticket}/claim")
    visitor.send(ticket, f"{ticket}/give_back", because="on leave")
    assert "given back by 孙丽" in visitor.read(ticket)
    visitor.send(ticket, f"{ticket}/claim")
    assert visitor.send(ticket, f"{ticket}/resolve", result="  ").status_code == 422
    visitor.send(ticket, f"{ticket}/resolve", result="已致电道歉")
    assert "asked again" in visitor.read("/queue?state=resolved")
    assert "Nobody waits for a call" in visitor.read("/queue")


def test_only_a_manager_closes_unasked_and_gives_a_reason(visitor: Visitor, ticket: str) -> None:
    visitor.be(1)
    refused = visitor.send(ticket, f"{ticket}/close", reason="enough")
    assert refused.status_code == 409
    assert "is no manager" in refused.text
    visitor.be(2)
    assert visitor.send(ticket, f"{ticket}/close", reason="").status_code == 422
    visitor.send(ticket, f"{ticket}/close", reason="paid in cash")
    assert "closed by Zhou Wei: paid in cash" in visitor.read(ticket)


def test_a_ticket_shows_both_answers_and_their_difference(visitor: Visitor, house: House, ticket: str) -> None:
    visitor.be(1)
    visitor.send(ticket, f"{ticket}/claim")
    visitor.send(ticket, f"{ticket}/resolve", result="已退款")
    house.push(days=1)
    visitor.type(LI, "5")
    page = visitor.read(ticket)
    assert "+60 points: 40 before, 100 after" in page
    assert "asked again: 5 on 1-5" in page
    assert "closed" in page


def test_the_queue_is_narrowed_by_state_role_and_person(visitor: Visitor, ticket: str) -> None:
    visitor.be(1)
    for filters, there in (
        ("state=open", True),
        ("state=claimed", False),
        ("role=service", True),
        ("role=manager", False),
        ("staff=mine", False),
    ):
        assert ("等太久了" in visitor.read(f"/queue?{filters}")) is there, filters
    visitor.send(ticket, f"{ticket}/claim")
    assert "等太久了" in visitor.read("/queue?state=claimed&staff=mine")


def test_a_person_reads_what_the_bot_could_not(visitor: Visitor, house: House) -> None:
    for unclear in ("哦哦那个啥", "嗯啊那个啥"):
        visitor.type(LI, unclear)
    with house.runtime.db.read() as session:
        waiting = session.exec(select(InboundRow).where(InboundRow.state == "person")).all()
    assert waiting, house.phone(LI)
    assert waiting[0].body in visitor.read("/queue")
    visitor.be(1)
    tasks = visitor.client.get("/tasks").text
    (task,) = set(re.findall(r"/task/\d+", tasks[tasks.index("Say what an unclear reply meant") - 100 :][:200]))
    assert waiting[0].body in visitor.read(task)
    assert visitor.send(task, f"/reply/{waiting[0].id}/code", score="4").status_code == 303
    assert answers(house) == {"overall": 4}
    assert visitor.send("/queue", f"/reply/{waiting[0].id}/code", score="4").status_code == 404


# ----- customers


def test_a_customers_page_answers_first_why_they_did_or_did_not_get_it(visitor: Visitor) -> None:
    page = visitor.read("/customer/1?order=oldest")
    told = [
        "event: Purchase",
        "planned: After a purchase Purchase on 2026-09-21, 7 days after due Mon 28 Sep 09:00",
        "got a greeting: Mid-Autumn greeting",
        "was asked: After a purchase",
    ]
    places = [page.index(each) for each in told]
    assert places == sorted(places)
    assert "planned: Mid-Autumn greeting due Fri 25 Sep 10:00" in page, "a plan for many stands in the trail of each"


def test_a_customers_page_says_what_does_not_reach_them(visitor: Visitor) -> None:
    visitor.type(WANG, "STOP")
    page = visitor.read("/customer/2")
    assert "opted out" in page
    assert "Opted out of everything" in page
    assert "Monthly care, high value every 1 month only if class is high value" in page


def test_the_forecast_shows_days_costs_and_who_is_left_out(visitor: Visitor) -> None:
    page = visitor.read("/forecast?days=30")
    assert "National Day greeting" in page
    assert "Win-back Retail after-sales no marketing consent 2" in page.replace("  ", " ") or "Who is left out" in page
    assert "CNY" in page


def test_managers_of_both_languages_read_the_same_reasons(visitor: Visitor) -> None:
    visitor.client.get("/language/zh")
    page = visitor.read("/customer/1")
    assert "2026-09-21“购买”后7天" in page
    assert ZHOU not in page
