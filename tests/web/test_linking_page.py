"""The console makes links that join a chat to a customer or to staff, and shows each once."""

import html
import re

import httpx
import pytest
from sqlmodel import select

from bot.channels.contract import Flag, Plain, Received
from bot.journey import inbox, replies
from bot.store import customers, staff
from bot.store.tables import LinkRow
from tests.web.house import House, fields_of

COMMAND = re.compile(r'value="/start ([A-Za-z0-9_-]{16})"')


class Opened(Plain):
    """A channel that knows the address of its chats."""

    name, at_once = "telegram", 1

    async def deep_link(self, token: str) -> str | None:
        return f"https://t.me/qinghe_bot?start={token}"


class Mute(Opened):
    """The same while the provider cannot be asked."""

    async def deep_link(self, token: str) -> str | None:
        return None


def make(client: httpx.Client, page: str, form: str) -> httpx.Response:
    return client.post(form, data=fields_of(client.get(page).text))


def rows(house: House) -> list[LinkRow]:
    with house.runtime.db.read() as session:
        return list(session.exec(select(LinkRow)))


def open_chat(house: House, token: str) -> None:
    text = Received("telegram", f"u{token}", "telegram", "4711", token, flag=Flag.START)
    assert inbox.receive(house.runtime, text)
    replies.read_waiting(house.runtime)


def test_a_customers_link_is_shown_once_with_its_end(house: House) -> None:
    with house.client() as client:
        made = make(client, "/customer/1", "/customer/1/link")
        assert made.status_code == 200
        assert COMMAND.search(made.text)
        assert "once, before Tue 22 Sep 09:30" in html.unescape(made.text)
        assert "/start" not in client.get("/customer/1").text


def test_the_link_on_the_page_joins_the_chat(house: House) -> None:
    with house.client() as client:
        made = COMMAND.search(make(client, "/customer/2", "/customer/2/link").text)
        assert made
        open_chat(house, made[1])
        page = client.get("/customer/2").text
    assert "4711" in page
    assert "Telegram" in page
    assert "chat linked" in page


def test_a_member_of_staff_gets_a_link_of_their_own(house: House) -> None:
    with house.client() as client:
        assert "Telegram linked" not in client.get("/staff").text
        made = COMMAND.search(make(client, "/staff", "/staff/2/link").text)
        assert made
        open_chat(house, made[1])
        assert client.get("/staff").text.count("Telegram linked") == 1
    with house.runtime.db.read() as session:
        assert [member.chat for member in staff.everybody(session)] == [None, "4711"]


@pytest.mark.parametrize(("channel", "shown"), [(Opened(), "https://t.me/qinghe_bot?start="), (Mute(), "/start ")])
def test_where_telegram_says_its_address_a_link_is_shown(house: House, channel: Opened, shown: str) -> None:
    house.runtime.channels = {**house.runtime.channels, "telegram": channel}  # type: ignore[dict-item]
    with house.client() as client:
        assert f'value="{shown}' in make(client, "/customer/1", "/customer/1/link").text


def test_without_telegram_there_is_no_link(house: House) -> None:
    house.runtime.channels = {"sms": house.runtime.channels["sms"]}
    with house.client() as client:
        page = client.get("/customer/1")
        assert "Telegram is not connected." in page.text
        assert client.post("/customer/1/link", data=fields_of(page.text)).status_code == 409
        assert "Telegram is not connected." in client.get("/staff").text
    assert rows(house) == []


@pytest.mark.parametrize("form", ["/customer/1/link", "/staff/1/link"])
def test_no_link_is_made_for_a_form_that_is_not_ours(house: House, form: str) -> None:
    with house.client() as client:
        client.get("/staff")
        assert client.post(form).status_code == 403
        assert client.get(form).status_code == 405
    assert rows(house) == []


@pytest.mark.parametrize("form", ["/customer/99/link", "/staff/99/link", f"/staff/{2**70}/link", "/customer/0/link"])
def test_nobody_gets_a_link_who_is_not_there(house: House, form: str) -> None:
    with house.client() as client:
        assert make(client, "/staff", form).status_code == 404
    assert rows(house) == []


def test_numbers_of_staff_are_masked(house: House) -> None:
    with house.client() as client:
        page = client.get("/staff").text
    assert "****0090" in page
    assert "+8613900000090" not in page


def test_a_customers_page_says_why_a_chat_is_not_used(house: House) -> None:
    with house.runtime.db.write() as session:
        customers.add_point(session, 1, 1, "telegram", "4711")
    left = Received("telegram", "u1", "telegram", "4711", "/stop", flag=Flag.LEFT)
    assert inbox.receive(house.runtime, left)
    replies.read_waiting(house.runtime)
    with house.client() as client:
        page = re.sub(r"\s+", " ", client.get("/customer/1").text)
        assert "Left one channel" in page
        assert "left this channel" in page
        client.get("/language/zh")
        assert "离开了这个渠道" in client.get("/customer/1").text
