"""Telegram as a channel: what each answer and each failure comes to, and how what people write is understood."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.channels import telegram
from bot.channels.contract import (
    SHARE_CONTACT,
    Accepted,
    Button,
    Flag,
    NotSent,
    Outgoing,
    Received,
    Refused,
    Sign,
    Unknown,
)
from bot.channels.fakes.faults import Fault
from bot.channels.fakes.serving import Answer, Exchange, Plugged
from bot.channels.fakes.telegram import SECRET_HEADER, TOKEN, FakeTelegram
from bot.channels.telegram import BotError, TelegramChannel
from bot.clock import SimulatedClock
from bot.errors import SettingError
from tests.channels.official_telegram import Official, needs_description
from tests.channels.test_fake_telegram import Hook

NOW = datetime(2026, 9, 28, tzinfo=UTC)
CHAT = "1001"
SECRET = "abcdefghijklmnopqrstuvwxyz-012345_"
WORDS = "您好，请给这次维修打分"
T = TypeVar("T")


class Impatient(SimulatedClock):
    """Whoever sleeps goes on at once; how long they meant to is kept."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def seen() -> list[Exchange]:
    return []


@pytest.fixture
def fake(seen: list[Exchange]) -> FakeTelegram:
    made = FakeTelegram(SimulatedClock(NOW), inspect=seen.append, per_second=None, retry_after=7)
    made.open(CHAT)
    return made


@pytest.fixture
def plugged(fake: FakeTelegram) -> Iterator[Plugged]:
    with Plugged(fake) as plugged:
        yield plugged


def channel_at(url: str, token: str = TOKEN, secret: str = SECRET, clock: SimulatedClock | None = None) -> Any:
    return TelegramChannel(token, secret, url, clock or SimulatedClock(NOW))


def using(channel: TelegramChannel, do: Callable[[TelegramChannel], Awaitable[T]]) -> T:
    async def used() -> T:
        try:
            return await do(channel)
        finally:
            await channel.close()

    return asyncio.run(used())


def send(url: str, body: str = WORDS, address: str = CHAT, **more: Any) -> Any:
    message = Outgoing("a" * 32, address, body, "survey", **more)
    return using(channel_at(url, more.pop("token", TOKEN)), lambda channel: channel.send(message))


def calls(seen: list[Exchange]) -> Counter[str]:
    return Counter(exchange.request.path.rpartition("/")[2] for exchange in seen)


# ----- sending


def test_a_text_is_accepted_and_counts_as_delivered(fake: FakeTelegram, plugged: Plugged, seen: list[Exchange]) -> None:
    outcome = send(plugged.url)
    (entry,) = fake.ledger.reached()
    assert outcome == Accepted(entry.id, delivered=True)
    assert (entry.to, entry.body) == (CHAT, WORDS)
    fields = dict(seen[-1].request.form)
    assert json.loads(fields["link_preview_options"]) == {"is_disabled": True}
    assert calls(seen) == {"sendMessage": 1}, "nothing but the one call: not even getMe"


@pytest.mark.parametrize("body", ["*no* _mark_ <b>up</b> [x](y)", "\U0001f600" * 50, "line\nbreak", "x" * 4096])
def test_words_arrive_as_they_are(fake: FakeTelegram, plugged: Plugged, body: str) -> None:
    assert isinstance(send(plugged.url, body), Accepted)
    assert [entry.body for entry in fake.ledger.reached()] == [body]


def test_buttons_stand_in_their_rows(plugged: Plugged, seen: list[Exchange]) -> None:
    rows = ((Button("满意", "tok:0:5"), Button("不满意", "tok:0:1")), (Button("Call me", "tok:0:call"),))
    assert isinstance(send(plugged.url, buttons=rows), Accepted)
    markup = json.loads(dict(seen[-1].request.form)["reply_markup"])
    assert markup["inline_keyboard"] == [
        [{"text": "满意", "callback_data": "tok:0:5"}, {"text": "不满意", "callback_data": "tok:0:1"}],
        [{"text": "Call me", "callback_data": "tok:0:call"}],
    ]


def test_a_number_is_asked_for_by_a_button_that_shares_it_once(plugged: Plugged, seen: list[Exchange]) -> None:
    send(plugged.url, buttons=((Button("Share my number", SHARE_CONTACT),), (Button("No", "no"),)))
    markup = json.loads(dict(seen[-1].request.form)["reply_markup"])
    assert markup["keyboard"] == [
        [{"text": "Share my number", "request_contact": True}],
        [{"text": "No", "request_contact": False}],
    ]
    assert markup["one_time_keyboard"] is True


NOTHING, ONCE = 0, 1
FAULTS = {
    Fault.TOO_MANY: (NotSent, NOTHING),
    Fault.ERROR_BEFORE: (Unknown, NOTHING),
    Fault.ERROR_AFTER: (Unknown, ONCE),
    Fault.TIMEOUT_BEFORE: (Unknown, NOTHING),
    Fault.TIMEOUT_AFTER: (Unknown, ONCE),
    Fault.RESET_BEFORE: (Unknown, NOTHING),
    Fault.RESET_AFTER: (Unknown, ONCE),
    Fault.HALF_OPEN: (Unknown, ONCE),
    Fault.SLOW: (Accepted, ONCE),
}


@pytest.mark.parametrize("fault", Fault)
def test_each_failure_is_what_we_can_know_of_it(
    fake: FakeTelegram, plugged: Plugged, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a provider that fails once and would take a second try, and little patience
    monkeypatch.setattr(telegram, "_READ_SECONDS", 0.5)
    fake.faults.slow_seconds = 0.05
    fake.faults.next(fault)
    # when one text is sent
    outcome = send(plugged.url)
    # then the outcome claims no more than we know, and no second try was made
    kind, reached = FAULTS[fault]
    assert isinstance(outcome, kind)
    assert len(fake.ledger.reached()) == reached
    assert WORDS not in repr(outcome)
    assert TOKEN not in repr(outcome)


def test_a_429_rests_the_sender_for_as_long_as_telegram_asks(fake: FakeTelegram, plugged: Plugged) -> None:
    fake.faults.next(Fault.TOO_MANY)
    assert send(plugged.url) == NotSent("Telegram asks to slow down", 7.0, Sign.REST)


def test_an_unplugged_telegram_got_nothing(fake: FakeTelegram, plugged: Plugged) -> None:
    plugged.unplug()
    outcome = send(plugged.url)
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.TROUBLE


def test_a_full_pool_sent_nothing(fake: FakeTelegram, plugged: Plugged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram, "_READ_SECONDS", 0.5)
    monkeypatch.setattr(telegram, "_POOL_SECONDS", 0.1)
    fake.faults.rate({Fault.TIMEOUT_AFTER: 1})

    async def more_than_it_takes(channel: TelegramChannel) -> list[Any]:
        texts = [Outgoing(f"{n:032x}", CHAT, str(n), "survey") for n in range(channel.at_once + 2)]
        return await asyncio.gather(*[channel.send(text) for text in texts])

    outcomes = using(channel_at(plugged.url), more_than_it_takes)
    assert Counter(type(outcome) for outcome in outcomes) == {Unknown: 9, NotSent: 1}
    assert len(fake.ledger.reached()) == 9


def test_who_blocked_the_bot_gets_nothing_more(fake: FakeTelegram, plugged: Plugged) -> None:
    fake.block(CHAT)
    outcome = send(plugged.url)
    assert isinstance(outcome, Refused)
    assert outcome.suppress
    assert "blocked" in outcome.because


def test_a_chat_that_never_wrote_is_no_address(plugged: Plugged) -> None:
    outcome = send(plugged.url, address="999")
    assert isinstance(outcome, Refused)
    assert outcome.suppress


@pytest.mark.parametrize(
    ("body", "buttons"),
    [("", ()), ("x" * 4097, ()), (WORDS, ((Button("x", "d" * 65),),)), (WORDS, ((Button("", "d"),),))],
)
def test_a_bad_message_is_refused_and_the_address_stays_good(plugged: Plugged, body: str, buttons: Any) -> None:
    outcome = send(plugged.url, body, buttons=buttons)
    assert isinstance(outcome, Refused)
    assert not outcome.suppress
    assert outcome.because


@pytest.mark.parametrize("token", ["70000001:another", "no-token"])
def test_a_wrong_token_stops_the_sender(fake: FakeTelegram, plugged: Plugged, token: str) -> None:
    message = Outgoing("a" * 32, CHAT, WORDS, "survey")
    outcome = using(channel_at(plugged.url, token), lambda channel: channel.send(message))
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.STOP
    assert token not in outcome.because


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(403, b"<html>the firewall says no to " + WORDS.encode()), Unknown),
        (Answer(404, b"<html>not here"), Unknown),
        (Answer(400, b"<html>bad"), Unknown),
        (Answer(200, b"<html>log in to this network"), Unknown),
        (Answer(502, b""), Unknown),
        (Answer(429, b"<html>slow down"), NotSent),
        (Answer(200, b"{}"), Unknown),
        (Answer(200, b"[]"), Unknown),
        (Answer(200, b'{"ok": true, "result": {"message_id": "x"}}'), Unknown),
        (Answer(200, b'{"ok": true, "result": true}'), Unknown),
        (Answer(200, b"\xff\xfe"), Unknown),
    ],
    ids=lambda value: f"{value.status} {value.body[:8]!r}" if isinstance(value, Answer) else value.__name__,
)
def test_an_answer_that_is_not_telegrams_blames_nobody(
    answer: Answer, kind: type, caplog: pytest.LogCaptureFixture
) -> None:
    with Plugged(Hook(answer)) as plugged:
        outcome = send(plugged.url)
    assert isinstance(outcome, kind)
    assert WORDS not in repr(outcome)
    assert WORDS not in caplog.text


def test_what_cannot_be_asked_says_so() -> None:
    channel = channel_at("")
    assert asyncio.run(channel.find(CHAT, NOW)) is None
    assert asyncio.run(channel.withdraw("1001:1")) is False
    assert asyncio.run(channel.heard_since(NOW)) is None
    assert channel.objection(CHAT, frozenset()) is None
    (sender,) = channel.senders
    assert (sender.per_second, sender.per_address) == (25, 1.0)


# ----- what people write


def written(**content: Any) -> dict[str, Any]:
    person = {"id": 1001, "is_bot": False, "first_name": "小明"}
    chat = {"id": 1001, "type": "private"}
    return {"update_id": 7, "message": {"message_id": 3, "date": 1, "from": person, "chat": chat} | content}


def tapped(data: str, rows: Any = (), **message: Any) -> dict[str, Any]:
    of = {
        "message_id": 3,
        "date": 1,
        "chat": {"id": 1001, "type": "private"},
        "reply_markup": {"inline_keyboard": rows},
    }
    query = {"id": "88", "from": {"id": 1001}, "message": of | message, "data": data}
    return {"update_id": 7, "callback_query": query}


def became(status: str, kind: str = "private") -> dict[str, Any]:
    change = {"chat": {"id": 1001, "type": kind}, "new_chat_member": {"status": status}}
    return {"update_id": 7, "my_chat_member": change}


def understand(update: Any) -> Any:
    return channel_at("").understand(update)


ROWS = [[{"text": "满意", "callback_data": "tok:0:5"}], [{"text": "不满意", "callback_data": "tok:0:1"}]]
OWN = {"phone_number": "8613900000001", "user_id": 1001, "first_name": "小明"}


@pytest.mark.parametrize(
    ("update", "body", "flag", "more"),
    [
        (written(text="5分，谢谢"), "5分，谢谢", Flag.NONE, {}),
        (written(text="/start"), "", Flag.START, {}),
        (written(text="/start abc-DEF_1"), "abc-DEF_1", Flag.START, {}),
        (written(text="/start@huifang_bot abc"), "abc", Flag.START, {}),
        (written(text="/stop"), "/stop", Flag.LEFT, {}),
        (written(text="/STOP please"), "/STOP please", Flag.LEFT, {}),
        (written(text="/stopwatch"), "/stopwatch", Flag.NONE, {}),
        (written(text="/help"), "help", Flag.NONE, {}),
        (written(text="/"), "/", Flag.NONE, {}),
        (written(text="stop by any time"), "stop by any time", Flag.NONE, {}),
        (written(contact=OWN), "+8613900000001", Flag.CONTACT, {}),
        (written(contact=OWN | {"phone_number": "+86 139-0000-0001"}), "+8613900000001", Flag.CONTACT, {}),
        (written(contact=OWN | {"user_id": 1002}), "小明 8613900000001", Flag.NONE, {}),
        (written(contact={"phone_number": "123", "first_name": "A"}), "A 123", Flag.NONE, {}),
        (written(contact=OWN | {"phone_number": ""}), "小明", Flag.NONE, {}),
        (written(contact=OWN | {"phone_number": "1" * 16}), "小明 " + "1" * 16, Flag.NONE, {}),
        (written(photo=[{"file_id": "x"}], caption="坏了"), "坏了", Flag.NONE, {"media": 1}),
        (written(voice={"file_id": "x"}), "", Flag.NONE, {"media": 1}),
        (written(sticker={"file_id": "x"}), "", Flag.NONE, {"media": 1}),
        (tapped("tok:0:1", ROWS), "不满意", Flag.NONE, {"tapped": "tok:0:1"}),
        (tapped("tok:0:4", ROWS), "4", Flag.NONE, {"tapped": "tok:0:4"}),
        (tapped("staff:claim 17", date=0, reply_markup=None), "claim 17", Flag.NONE, {"tapped": "staff:claim 17"}),
        (became("kicked"), "", Flag.LEFT, {}),
        (became("member"), "", Flag.CAME_BACK, {}),
    ],
)
def test_what_comes_is_understood(update: Any, body: str, flag: Flag, more: dict[str, Any]) -> None:
    expected = {"tapped": "", "media": 0} | more
    assert understand(update) == Received(
        "telegram:70000001", "7", "telegram", CHAT, body, flag=flag, raw=update, **expected
    )


@pytest.mark.parametrize(
    "update",
    [
        None,
        [],
        "text",
        {},
        {"update_id": True},
        {"update_id": 2**70, "message": written(text="5")["message"]},
        {"message": written(text="5")["message"]},
        {"update_id": 7},
        {"update_id": 7, "edited_message": written(text="5")["message"]},
        {"update_id": 7, "channel_post": written(text="5")["message"]},
        written(text="5", chat={"id": -5, "type": "group"}),
        written(text="5", chat={"id": -5, "type": "supergroup"}),
        written(text="5", chat={"type": "private"}),
        written(text=5),
        written(pinned_message={}),
        tapped("tok:0:5", chat={"id": -5, "type": "group"}),
        {"update_id": 7, "callback_query": {"id": "88", "inline_message_id": "x", "data": "tok:0:5"}},
        became("left"),
        became("kicked", "group"),
    ],
)
def test_what_is_not_for_us_is_left_alone(update: Any) -> None:
    assert understand(update) is None


NAMES = st.sampled_from(
    ["update_id", "message", "callback_query", "my_chat_member", "chat", "id", "type", "text", "caption", "contact"]
) | st.sampled_from(
    ["from", "phone_number", "user_id", "first_name", "data", "reply_markup", "inline_keyboard", "status", "photo"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["private", "kicked", "member", "/start", "/stop", "/", "/ ", "/@"])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=8)
)


@given(JSON)
def test_no_json_makes_it_fail(update: Any) -> None:
    assert understand(update) is None or isinstance(understand(update), Received)


@given(st.data())
def test_no_wrong_part_makes_it_fail(data: st.DataObject) -> None:
    # given a good update, of which one part is replaced by anything
    update = data.draw(
        st.sampled_from([written(text="/start a", contact=OWN), tapped("tok:0:5", ROWS), became("kicked")])
    )
    place: Any = json.loads(json.dumps(update))
    changed = place
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
        else:
            place[key] = data.draw(JSON)
            break
    # then it is understood or left alone, and its answer is a call or nothing
    received = understand(changed)
    if received is not None:
        assert received.from_address
        channel_at("").answer_of(received)


def test_a_tap_is_answered_in_the_same_breath() -> None:
    channel = channel_at("")
    assert channel.answer_of(understand(tapped("tok:0:5"))) == {
        "method": "answerCallbackQuery",
        "callback_query_id": "88",
    }
    assert channel.answer_of(understand(written(text="5"))) is None


@pytest.mark.parametrize(
    ("secret", "header", "genuine"),
    [
        (SECRET, SECRET, True),
        (SECRET, "", False),
        (SECRET, SECRET[:-1], False),
        (SECRET, SECRET + "x", False),
        (SECRET, SECRET.upper(), False),
        (SECRET, "\xff\udc80好", False),
        ("", "", False),
        ("short", "short", False),
        ("s" * 31, "s" * 31, False),
        ("s" * 32, "s" * 32, True),
    ],
)
def test_only_telegram_is_believed(secret: str, header: str, genuine: bool) -> None:
    assert channel_at("", secret=secret).is_genuine(header) is genuine


# ----- polling


class Store:
    """Where a poller puts what it hears: unique by id, and it fails when told to."""

    def __init__(self, failures: int = 0) -> None:
        self.kept: dict[str, str] = {}
        self.heard = 0
        self.changed = asyncio.Event()
        self._failures = failures

    async def receive(self, received: Received) -> bool:
        if self._failures:
            self._failures -= 1
            raise OSError("the disk is full")
        self.heard += 1
        new = received.provider_message_id not in self.kept
        self.kept[received.provider_message_id] = received.body
        self.changed.set()
        return new

    async def holds(self, *bodies: str) -> None:
        async with asyncio.timeout(10):
            while list(self.kept.values()) != list(bodies):
                await self.changed.wait()
                self.changed.clear()


def polling(channel: TelegramChannel, store: Store, then: Callable[[], Awaitable[None]]) -> list[tuple[str, str]]:
    """Poll while `then` runs; what was logged, and why."""

    async def polled(channel: TelegramChannel) -> None:
        task = asyncio.create_task(channel.poll(store.receive))
        try:
            await then()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with capture_logs() as logs:
        using(channel, polled)
    return [(line["event"], line.get("because", "")) for line in logs if line["log_level"] != "debug"]


def events(logged: list[tuple[str, str]]) -> list[str]:
    return [event for event, _ in logged]


def test_polling_hears_everything_once_and_in_order(fake: FakeTelegram, plugged: Plugged) -> None:
    store = Store()

    async def then() -> None:
        await store.holds("")
        fake.type_text(CHAT, "5")
        fake.type_text(CHAT, "sorry, 4")
        await store.holds("", "5", "sorry, 4")

    assert polling(channel_at(plugged.url), store, then) == []
    assert store.heard == 3, "each once"


def test_a_tap_is_answered_once_it_is_stored(fake: FakeTelegram, plugged: Plugged) -> None:
    sent = send(plugged.url, buttons=((Button("满意", "tok:0:5"),),))
    fake.tap(CHAT, int(sent.provider_id.partition(":")[2]), "tok:0:5")
    store = Store()

    async def then() -> None:
        await store.holds("", "满意")
        fake.type_text(CHAT, "next")
        await store.holds("", "满意", "next")

    polling(channel_at(plugged.url), store, then)
    assert len(fake.answered) == 1


def test_what_could_not_be_stored_comes_again(fake: FakeTelegram, plugged: Plugged) -> None:
    for text in ("1", "2", "3"):
        fake.type_text(CHAT, text)
    clock, store = Impatient(), Store(failures=4)
    logged = polling(channel_at(plugged.url, clock=clock), store, lambda: store.holds("", "1", "2", "3"))
    assert clock.slept == [1, 2, 4, 8]
    assert logged[0] == ("telegram is not heard", "not stored (OSError)")
    assert events(logged).count("telegram is not heard") == 1


class Dying(Store):
    """Stores, and then the process is no more."""

    async def receive(self, received: Received) -> bool:
        await super().receive(received)
        await asyncio.Event().wait()
        return True


def test_what_a_dead_poller_had_not_confirmed_is_heard_by_the_next(fake: FakeTelegram, plugged: Plugged) -> None:
    fake.type_text(CHAT, "5")
    first, second = Dying(), Store()
    polling(channel_at(plugged.url), first, lambda: first.holds(""))
    polling(channel_at(plugged.url), second, lambda: second.holds("", "5"))
    assert first.kept.keys() < second.kept.keys()


def test_an_unplugged_telegram_is_logged_once_and_heard_again(fake: FakeTelegram, plugged: Plugged) -> None:
    clock, store = Impatient(), Store()

    async def then() -> None:
        await store.holds("")
        await asyncio.to_thread(plugged.unplug)
        while len(clock.slept) < 9:
            await asyncio.sleep(0)
        fake.type_text(CHAT, "while it was away")
        await asyncio.to_thread(plugged.plug_in)
        await store.holds("", "while it was away")
        fake.type_text(CHAT, "and after")
        await store.holds("", "while it was away", "and after")

    assert events(polling(channel_at(plugged.url, clock=clock), store, then)) == [
        "telegram is not heard",
        "telegram is heard again",
    ]
    assert clock.slept[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_webhook_in_the_way_is_named(fake: FakeTelegram, plugged: Plugged) -> None:
    using(channel_at(plugged.url), lambda channel: channel.set_webhook("http://127.0.0.1:9/hook"))
    clock, store = Impatient(), Store()

    async def then() -> None:
        while not clock.slept:
            await asyncio.sleep(0)
        fake._delete_webhook({})
        await store.holds("")

    logged = polling(channel_at(plugged.url, clock=clock), store, then)
    assert events(logged).count("telegram is not heard") == 1
    assert "a webhook is set" in logged[0][1]


def test_what_the_library_cannot_read_stops_nobody(plugged: Plugged) -> None:
    strange = {"update_id": 5, "message": {"message_id": "no number", "colour": {}}}
    fine = written(text="5")
    batches = [Answer(200, json.dumps({"ok": True, "result": [strange, fine]}).encode())]
    with Plugged(Hook(*batches, Answer(200, b'{"ok": true, "result": 5}'))) as hooked:
        store = Store()
        polling(channel_at(hooked.url, clock=Impatient()), store, lambda: store.holds("5"))


# ----- the bot itself


def test_a_link_opens_the_chat_with_its_token(plugged: Plugged, seen: list[Exchange]) -> None:
    async def twice(channel: TelegramChannel) -> tuple[str | None, str | None]:
        return await channel.deep_link("abc-DEF_1"), await channel.deep_link("second")

    assert using(channel_at(plugged.url), twice) == (
        "https://t.me/huifang_stand_in_bot?start=abc-DEF_1",
        "https://t.me/huifang_stand_in_bot?start=second",
    )
    assert calls(seen) == {"getMe": 1}


def test_without_telegram_there_is_no_link(plugged: Plugged) -> None:
    plugged.unplug()
    assert using(channel_at(plugged.url), lambda channel: channel.deep_link("abc")) is None


def test_the_webhook_carries_our_secret_and_its_answer_stops_the_spinning(fake: FakeTelegram, plugged: Plugged) -> None:
    sent = send(plugged.url, buttons=((Button("满意", "tok:0:5"),),))
    fake.tap(CHAT, int(sent.provider_id.partition(":")[2]), "tok:0:5")
    channel = channel_at(plugged.url)
    answer = channel.answer_of(channel.understand(fake._pending[1]))
    hook = Hook(Answer(200), Answer(200, json.dumps(answer).encode()))
    with Plugged(hook) as hooked:
        assert using(channel, lambda each: each.set_webhook(hooked.url + "/hooks/telegram")) is None
        request = hook.came.get(timeout=10)
        assert channel.is_genuine(request.headers[SECRET_HEADER.lower()])
        fake.type_text(CHAT, "next")
        hook.updates(2)
        assert len(fake.answered) == 1
        assert using(channel, lambda each: each.delete_webhook()) is None
        assert using(channel, lambda each: each.check()).startswith("the bot answers")


def test_an_unplugged_telegram_says_why_no_webhook_is_set_or_taken_away(plugged: Plugged) -> None:
    plugged.unplug()
    for ask in (lambda each: each.set_webhook("https://example.org/hook"), lambda each: each.delete_webhook()):
        assert "cannot be reached" in (using(channel_at(plugged.url), ask) or "")


@pytest.mark.parametrize("secret", ["", "s" * 31])
def test_no_webhook_without_a_good_secret(plugged: Plugged, seen: list[Exchange], secret: str) -> None:
    channel = channel_at(plugged.url, secret=secret)
    trouble = using(channel, lambda each: each.set_webhook("https://example.org/hook"))
    assert trouble
    assert "HUIFANG_TELEGRAM_SECRET" in trouble
    assert seen == []
    with pytest.raises(SettingError, match="HUIFANG_TELEGRAM_SECRET"):
        using(channel, lambda each: each.check("https://example.org/hook"))


def check(url: str, webhook: str = "", **more: Any) -> str:
    return using(channel_at(url, **more), lambda channel: channel.check(webhook))


def test_the_doctor_is_told_who_answers_and_what_waits(plugged: Plugged) -> None:
    assert check(plugged.url) == "the bot answers as @huifang_stand_in_bot; 1 updates wait for us"


def test_the_doctor_is_told_what_is_wrong(plugged: Plugged) -> None:
    with pytest.raises(BotError, match="does not call our webhook yet"):
        check(plugged.url, "https://example.org/hook")
    with pytest.raises(BotError, match="does not know the bot's token"):
        check(plugged.url, token="70000001:another")
    plugged.unplug()
    with pytest.raises(BotError, match="cannot be reached"):
        check(plugged.url)


def test_the_doctor_sees_a_webhook_that_fails_until_an_hour_has_passed(fake: FakeTelegram, plugged: Plugged) -> None:
    hook = Hook(Answer(503))
    with Plugged(hook) as hooked:
        address = hooked.url + "/in"
        using(channel_at(plugged.url), lambda each: each.set_webhook(address))
        hook.updates(2)
        with pytest.raises(BotError, match="could not call the webhook"):
            check(plugged.url, address)
        later = SimulatedClock(NOW + timedelta(hours=2))
        assert "answers as" in check(plugged.url, address, clock=later)
        with pytest.raises(BotError, match="nothing can be fetched"):
            check(plugged.url, clock=later)


# ----- the official description


@needs_description
def test_all_we_say_fits_the_official_description() -> None:
    official = Official()
    fake = FakeTelegram(SimulatedClock(NOW), inspect=official.inspect)
    fake.open(CHAT)
    rows = ((Button("满意", "tok:0:5"),),)

    async def everything(channel: TelegramChannel) -> None:
        sent = await channel.send(Outgoing("a" * 32, CHAT, WORDS, "survey", buttons=rows))
        await channel.send(Outgoing("b" * 32, CHAT, WORDS, "reply", buttons=((Button("x", SHARE_CONTACT),),)))
        assert isinstance(sent, Accepted)
        fake.tap(CHAT, int(sent.provider_id.partition(":")[2]), "tok:0:5")
        store = Store()
        task = asyncio.create_task(channel.poll(store.receive))
        await store.holds("", "满意")
        fake.type_text(CHAT, "next")
        await store.holds("", "满意", "next")
        task.cancel()
        await channel.check()
        await channel.set_webhook("http://127.0.0.1:9/")
        await channel.delete_webhook()

    with Plugged(fake) as plugged:
        using(channel_at(plugged.url), everything)
    assert official.wrong == []
    assert set(official.called) == set(fake._methods)
