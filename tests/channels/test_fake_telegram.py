"""The stand-in for Telegram: real HTTP, Telegram's own words, and nothing that Telegram would not do."""

import asyncio
import json
import queue
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.channels.fakes.faults import Fault
from bot.channels.fakes.ledger import Ledger
from bot.channels.fakes.serving import Answer, FakeProvider, Plugged, Request
from bot.channels.fakes.telegram import SECRET_HEADER, TOKEN, USERNAME, FakeTelegram
from bot.clock import SimulatedClock
from tests.channels.official_telegram import Official, needs_description

NOW = datetime(2026, 9, 28, tzinfo=UTC)
CHAT = "1001"
SECRET = "s" * 32
T = TypeVar("T")


class Hook(FakeProvider):
    """Our webhook: keeps what comes, and answers as told."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(None, None)
        self._answers = list(answers)
        self.came: queue.Queue[Request] = queue.Queue()

    async def respond(self, request: Request) -> Answer:
        self.came.put(request)
        return self._answers.pop(0) if self._answers else Answer(200, b"{}")

    def complain(self, status: int) -> Answer:
        return Answer(status)

    def address_of(self, request: Request) -> str:
        return ""

    async def opened(self) -> None:
        """Nothing runs beside it."""

    async def closed(self) -> None:
        """Nothing ran beside it."""

    def updates(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(self.came.get(timeout=10).body) for _ in range(count)]


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW)


@pytest.fixture
def fake(clock: SimulatedClock) -> FakeTelegram:
    return FakeTelegram(clock)


@pytest.fixture
def url(fake: FakeTelegram) -> Iterator[str]:
    with Plugged(fake) as plugged:
        yield plugged.url


def ask(url: str, *calls: Callable[[Bot], Awaitable[T]], token: str = TOKEN) -> list[T]:
    """What the official client gets, one call after the other."""

    async def asked() -> list[T]:
        request = HTTPXRequest(read_timeout=10, httpx_kwargs={"verify": False})
        bot = Bot(token, f"{url}/bot", request=request, get_updates_request=request)
        try:
            return [await call(bot) for call in calls]
        finally:
            await request.shutdown()

    return asyncio.run(asked())


def say(text: str = "您好", chat: str = CHAT, **more: Any) -> Callable[[Bot], Awaitable[Message]]:
    return lambda bot: bot.send_message(chat, text, **more)


def keyboard(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(f"= {each}", callback_data=each) for each in data]])


# ----- the official client, unmodified


def test_a_text_reaches_the_phone_of_a_chat_that_wrote_first(fake: FakeTelegram, url: str) -> None:
    fake.open(CHAT)
    (sent,) = ask(url, say("您好，请打分", reply_markup=keyboard("t:0:5")))
    assert (sent.chat_id, sent.text, sent.from_user and sent.from_user.username) == (1001, "您好，请打分", USERNAME)
    assert [(e.id, e.body, e.at) for e in fake.ledger.reached()] == [
        (f"{CHAT}:{sent.message_id}", "您好，请打分", NOW.isoformat())
    ]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (say(chat="1002"), BadRequest, "Chat not found"),
        (say(chat="@somebody"), BadRequest, "Chat not found"),
        (say(""), BadRequest, "Message text is empty"),
        (say(" \n"), BadRequest, "Message text is empty"),
        (say("x" * 4097), BadRequest, "Message is too long"),
        (say(reply_markup=keyboard("d" * 65)), BadRequest, "Button_data_invalid"),
        (say(reply_markup=keyboard("好" * 22)), BadRequest, "Button_data_invalid"),
        (say(reply_markup=keyboard("")), BadRequest, "Button_data_invalid"),
        (say(parse_mode="HTML"), BadRequest, "field parse_mode"),
        (lambda bot: bot.answer_callback_query("77"), BadRequest, "query id is invalid"),
        (lambda bot: bot.get_chat(CHAT), InvalidToken, "Not Found"),
        (lambda bot: bot.set_webhook("http://127.0.0.1", secret_token="not this!"), BadRequest, "unallowed"),
    ],
)
def test_what_telegram_refuses_is_refused(
    fake: FakeTelegram, url: str, call: Callable[[Bot], Awaitable[Any]], error: type[TelegramError], words: str
) -> None:
    fake.open(CHAT)
    with pytest.raises(error, match=words):
        ask(url, call)
    assert fake.ledger.reached() == ()


@pytest.mark.parametrize("text", ["x" * 4096, "\U0001f600", 'quote " & <b>', "line\nbreak\u2028"])
def test_other_texts_arrive_as_they_are(fake: FakeTelegram, url: str, text: str) -> None:
    fake.open(CHAT)
    ask(url, say(text, reply_markup=keyboard("d" * 64)))
    assert [entry.body for entry in fake.ledger.reached()] == [text]


def test_a_blocked_bot_is_told_so_until_the_chat_is_opened_again(fake: FakeTelegram, url: str) -> None:
    fake.block(CHAT)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        ask(url, say())
    fake.open(CHAT, "token")
    ask(url, say())
    assert len(fake.ledger.reached()) == 1


@pytest.mark.parametrize("token", ["70000001:another", "no-token"])
def test_another_token_opens_nothing(url: str, token: str) -> None:
    with pytest.raises(InvalidToken):
        ask(url, lambda bot: bot.get_me(), token=token)


def test_more_than_thirty_a_second_must_wait(fake: FakeTelegram, url: str, clock: SimulatedClock) -> None:
    fake.open(CHAT)
    ask(url, *[say(str(number)) for number in range(30)])
    with pytest.raises(RetryAfter):
        ask(url, say("one too many"))
    clock.advance(timedelta(seconds=1))
    ask(url, say("a second later"))
    assert len(fake.ledger.reached()) == 31


def test_faults_are_telegrams_own(fake: FakeTelegram, url: str) -> None:
    fake.open(CHAT)
    fake.faults.address(CHAT, Fault.TOO_MANY)
    with pytest.raises(RetryAfter):
        ask(url, say())
    fake.faults.address(CHAT, Fault.ERROR_AFTER)
    with pytest.raises(TelegramError, match="Internal Server Error"):
        ask(url, say())
    assert len(fake.ledger.reached()) == 1, "500 after it was accepted"


# ----- updates by polling


def test_updates_stay_until_a_higher_number_is_asked_for(fake: FakeTelegram, url: str) -> None:
    fake.type_text(CHAT, "5")
    fake.type_text(CHAT, "sorry, 4")
    first, again = ask(url, lambda bot: bot.get_updates(), lambda bot: bot.get_updates())
    assert [update.update_id for update in first] == [update.update_id for update in again]
    assert [update.message and update.message.text for update in first] == ["5", "sorry, 4"]
    left, none = ask(
        url,
        lambda bot: bot.get_updates(offset=first[0].update_id + 1),
        lambda bot: bot.get_updates(offset=first[1].update_id + 1),
    )
    assert [update.update_id for update in left] == [first[1].update_id]
    assert none == ()


def test_a_long_poll_answers_when_something_comes(fake: FakeTelegram, url: str) -> None:
    async def polled(bot: Bot) -> Any:
        waiting = asyncio.create_task(bot.get_updates(timeout=30))
        await asyncio.to_thread(_until, lambda: fake._waiting and fake._pollers == 1)
        fake.type_text(CHAT, "now")
        return await asyncio.wait_for(waiting, 10)

    ((update,),) = ask(url, polled)
    assert update.message.text == "now"


def _until(happened: Callable[[], object]) -> None:
    while not happened():
        pass


def test_a_second_poller_ends_the_first(fake: FakeTelegram, url: str) -> None:
    async def two(bot: Bot) -> Any:
        first = asyncio.create_task(bot.get_updates(timeout=30))
        await asyncio.to_thread(_until, lambda: fake._pollers == 1)
        other = HTTPXRequest(read_timeout=10)
        second = Bot(TOKEN, f"{url}/bot", get_updates_request=other)
        try:
            await second.get_updates(timeout=0)
        finally:
            await other.shutdown()
        with pytest.raises(Conflict, match="terminated by other getUpdates"):
            await asyncio.wait_for(first, 10)
        return True

    assert ask(url, two) == [True]


def test_nobody_polls_while_a_webhook_is_set(url: str) -> None:
    ask(url, lambda bot: bot.set_webhook("http://127.0.0.1:9/"))
    with pytest.raises(Conflict, match="webhook is active"):
        ask(url, lambda bot: bot.get_updates())
    deleted, updates = ask(url, lambda bot: bot.delete_webhook(), lambda bot: bot.get_updates())
    assert (deleted, updates) == (True, ())


def test_only_the_kinds_that_were_asked_for_come(fake: FakeTelegram, url: str) -> None:
    ask(url, lambda bot: bot.get_updates(allowed_updates=["message"]))
    fake.block(CHAT)
    fake.open(CHAT)
    ((update,),) = ask(url, lambda bot: bot.get_updates())
    assert update.message.text == "/start"


def test_everything_a_phone_does_is_an_update(fake: FakeTelegram, url: str) -> None:
    fake.open(CHAT, "abc")
    (sent,) = ask(url, say(reply_markup=keyboard("t:0:5", "t:0:1")))
    fake.tap(CHAT, sent.message_id, "t:0:1")
    fake.share_contact(CHAT, "8613900000001")
    fake.share_contact(CHAT, "8613900000002", own=False)
    fake.share_photo(CHAT, "看")
    fake.block(CHAT)
    (updates,) = ask(url, lambda bot: bot.get_updates())
    start, tap, own, foreign, photo, blocked = updates
    assert start.message.text == "/start abc"
    assert (tap.callback_query.data, tap.callback_query.message.message_id) == ("t:0:1", sent.message_id)
    assert (own.message.contact.user_id, foreign.message.contact.user_id) == (1001, None)
    assert (photo.message.caption, len(photo.message.photo)) == ("看", 1)
    assert blocked.my_chat_member.new_chat_member.status == "kicked"
    with pytest.raises(LookupError, match="no button"):
        fake.tap(CHAT, sent.message_id, "t:0:9")


def test_a_tap_spins_until_it_is_answered_once(fake: FakeTelegram, url: str) -> None:
    fake.open(CHAT)
    (sent,) = ask(url, say(reply_markup=keyboard("t:0:5")))
    fake.tap(CHAT, sent.message_id, "t:0:5")
    ((_, update),) = ask(url, lambda bot: bot.get_updates())
    tap = update.callback_query.id
    assert fake.answered == []
    ask(url, lambda bot: bot.answer_callback_query(tap))
    assert fake.answered == [tap]
    with pytest.raises(BadRequest):
        ask(url, lambda bot: bot.answer_callback_query(tap))


# ----- updates by webhook


def test_a_webhook_gets_every_update_in_order_with_its_secret(fake: FakeTelegram, url: str) -> None:
    hook = Hook()
    with Plugged(hook) as plugged:
        ask(url, lambda bot: bot.set_webhook(f"{plugged.url}/hooks/telegram", secret_token=SECRET))
        for number in range(3):
            fake.type_text(CHAT, str(number))
        request = hook.came.get(timeout=10)
        assert (request.path, request.headers[SECRET_HEADER.lower()]) == ("/hooks/telegram", SECRET)
        assert [update["message"]["text"] for update in hook.updates(2)] == ["1", "2"]


def test_a_webhook_that_fails_gets_the_update_again(fake: FakeTelegram, url: str) -> None:
    hook = Hook(Answer(503), Answer(500))
    with Plugged(hook) as plugged:
        ask(url, lambda bot: bot.set_webhook(plugged.url + "/in"))
        fake.type_text(CHAT, "5")
        first, second, third = hook.updates(3)
        assert first == second == third
        (info,) = ask(url, lambda bot: bot.get_webhook_info())
        assert (info.url, info.last_error_message) == (plugged.url + "/in", "HTTPStatusError")


def test_a_webhook_may_be_called_twice_and_out_of_order(fake: FakeTelegram, url: str) -> None:
    hook = Hook()
    fake.copies, fake.newest_first = 2, True
    for text in ("old", "new"):
        fake.type_text(CHAT, text)
    with Plugged(hook) as plugged:
        ask(url, lambda bot: bot.set_webhook(plugged.url + "/in"))
        assert [update["message"]["text"] for update in hook.updates(4)] == ["new", "new", "old", "old"]


def test_a_webhook_may_answer_with_a_call(fake: FakeTelegram, url: str) -> None:
    fake.open(CHAT)
    (sent,) = ask(url, say(reply_markup=keyboard("t:0:5")))
    fake.tap(CHAT, sent.message_id, "t:0:5")
    (updates,) = ask(url, lambda bot: bot.get_updates())
    tap = updates[1].callback_query.id
    answer = {"method": "answerCallbackQuery", "callback_query_id": tap}
    hook = Hook(Answer(200), Answer(200, json.dumps(answer).encode()))
    with Plugged(hook) as plugged:
        ask(url, lambda bot: bot.set_webhook(plugged.url + "/in"))
        fake.type_text(CHAT, "next")
        hook.updates(3)
    assert fake.answered == [tap]


# ----- for a person with curl


def test_a_person_plays_the_phone_over_http(fake: FakeTelegram, url: str) -> None:
    chat = f"{url}/fake/chats/{CHAT}"
    with httpx.Client(trust_env=False) as client:
        assert "curl" in client.get(url + "/").text
        client.post(chat, data={"open": "abc"})
        (sent,) = ask(url, say("打分", reply_markup=keyboard("t:0:5")))
        shown = client.get(chat).json()
        assert [(each["direction"], each["text"]) for each in shown] == [("out", "/start abc"), ("in", "打分")]
        assert shown[1]["buttons"] == [["t:0:5", "= t:0:5"]]
        for wish in (
            {"message": str(sent.message_id), "tap": "t:0:5"},
            {"text": "谢谢"},
            {"contact": "+8613900000001"},
            {"photo": ""},
            {"block": "yes"},
            {"unblock": "yes"},
        ):
            assert client.post(chat, data=wish).status_code == 200
        (updates,) = ask(url, lambda bot: bot.get_updates())
        assert len(updates) == 7
        for wrong in ({"tap": "t:0:9", "message": "2"}, {"tap": "t:0:5", "message": "x"}, {"sing": "a song"}, {}):
            assert client.post(chat, data=wrong).status_code == 400
        assert client.get(f"{url}/fake/phones/1").status_code == 404


def test_it_starts_again_on_its_ledger_without_numbering_anything_twice(clock: SimulatedClock, tmp_path: Path) -> None:
    ids = set()
    for start in range(3):
        clock.advance(timedelta(seconds=10))
        fake = FakeTelegram(clock, ledger=Ledger(tmp_path / "telegram.jsonl"))
        with Plugged(fake) as plugged:
            if start == 0:
                fake.open(CHAT)
            (sent,) = ask(plugged.url, say(str(start)))
            ids.add(sent.message_id)
    assert len(ids) == 3


# ----- the official description


@needs_description
def test_all_it_says_fits_the_official_description(clock: SimulatedClock) -> None:
    official = Official()
    fake = FakeTelegram(clock, inspect=official.inspect)
    with Plugged(fake) as plugged:
        fake.open(CHAT, "abc")
        (sent,) = ask(plugged.url, say(reply_markup=keyboard("t:0:5")))
        fake.tap(CHAT, sent.message_id, "t:0:5")
        fake.share_contact(CHAT, "+8613900000001")
        fake.share_photo(CHAT, "看")
        fake.block(CHAT)
        fake.unblock(CHAT)
        (updates,) = ask(plugged.url, lambda bot: bot.get_updates(timeout=1, allowed_updates=["message"]))
        tap = updates[1].callback_query.id
        ask(
            plugged.url,
            lambda bot: bot.get_me(),
            lambda bot: bot.answer_callback_query(tap),
            lambda bot: bot.set_webhook("http://127.0.0.1:9/", secret_token=SECRET, allowed_updates=["message"]),
            lambda bot: bot.get_webhook_info(),
            lambda bot: bot.delete_webhook(),
        )
        fake.faults.next(Fault.TOO_MANY)
        with pytest.raises(RetryAfter):
            ask(plugged.url, say())
    assert official.wrong == []
    assert set(official.called) == set(fake._methods)


@needs_description
def test_the_description_finds_what_does_not_fit(clock: SimulatedClock) -> None:
    official = Official()
    with Plugged(FakeTelegram(clock, inspect=official.inspect)) as plugged:
        for call in (
            lambda bot: bot.send_message(CHAT, "x", api_kwargs={"txet": "misspelt"}),
            lambda bot: bot.do_api_request("singSong"),
            lambda bot: bot.send_message(CHAT, None),
            say(reply_markup=InlineKeyboardMarkup([[InlineKeyboardButton(5, callback_data="x")]])),  # type: ignore[arg-type]
        ):
            with pytest.raises(TelegramError):
                ask(plugged.url, call)
    assert official.wrong == [
        "sendMessage.txet is unknown",
        "no method singSong",
        "sendMessage.text is missing",
        "sendMessage.reply_markup.inline_keyboard[0][0].text is no String",
    ]
    message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private", "colour": "red"}}
    assert official.misfits(message, ["Message"], "m") == ["m.chat.colour is unknown"]
