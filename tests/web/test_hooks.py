"""Webhooks: what is genuine is kept once and answered with nothing; what is not, is not kept, whatever it is."""

import asyncio
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import text
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from bot.clock import SimulatedClock
from bot.journey import inbox
from bot.runtime import Runtime
from bot.store import inbound
from bot.store.tables import InboundRow, MessageRow
from bot.web.hooks import fields_of
from bot.web.server import make_app
from tests.journey.story import PHONE, Story
from tests.web.calls import (
    INBOUND,
    Call,
    answer_to,
    answers_to,
    chat,
    form_call,
    json_call,
    sms,
    sms_fields,
    status,
    with_providers,
)

FORGED = 10_000
REFUSALS = {400, 403, 404, 405, 413}
ATTEMPT = "a" * 32


@pytest.fixture
def providers(runtime: Runtime, tmp_path: Path) -> Runtime:
    return with_providers(runtime, tmp_path)


@pytest.fixture
def app(providers: Runtime) -> ASGIApp:
    return make_app(providers)


def ask(app: ASGIApp, call: Call) -> tuple[int, bytes]:
    return asyncio.run(answer_to(app, call))


def kept(runtime: Runtime) -> list[InboundRow]:
    with runtime.db.read() as session:
        return list(inbound.by_ids(session, range(1, 100)).values())


def count(runtime: Runtime) -> int:
    with runtime.db.read() as session:
        return inbound.count(session)


# ----- what is genuine


def test_an_sms_is_kept_as_it_came_and_answered_with_nothing(app: ASGIApp, providers: Runtime) -> None:
    assert ask(app, sms(1, "5 很好\n谢谢 + 100% 😀", OptOutType="HELP", NewField="")) == (200, b"<Response/>")
    (row,) = kept(providers)
    assert (row.provider, row.provider_message_id) == ("twilio", f"SM{1:032x}")
    assert (row.channel, row.from_address, row.flag) == ("sms", "+14155550001", "help")
    assert row.body == "5 很好\n谢谢 + 100% 😀"
    assert row.raw == sms_fields(1, row.body, OptOutType="HELP", NewField="")
    assert row.received_at == providers.clock.now()
    assert row.state == "received"


def test_a_picture_without_a_word_is_kept(app: ASGIApp, providers: Runtime) -> None:
    assert ask(app, sms(1, "", NumMedia="1", MediaUrl0="https://api.twilio.com/x"))[0] == 200
    (row,) = kept(providers)
    assert (row.body, row.media) == ("", 1)


def test_a_whatsapp_message_is_one_of_its_own_channel(app: ASGIApp, providers: Runtime) -> None:
    assert ask(app, sms(1, sender="whatsapp:+14155550001", To="whatsapp:+15005550006"))[0] == 200
    assert [(row.channel, row.from_address) for row in kept(providers)] == [("whatsapp", "+14155550001")]


def test_the_address_in_the_settings_is_what_was_signed_whatever_the_headers_say(app: ASGIApp) -> None:
    call = sms(1).having(host="127.0.0.1:8080", x_forwarded_proto="http", x_forwarded_host="evil.example")
    assert ask(app, call)[0] == 200
    assert ask(app, form_call(f"{INBOUND}?from=console&empty=", sms_fields(2)))[0] == 200


def test_a_name_that_is_not_ours_is_refused_at_the_door(app: ASGIApp) -> None:
    assert ask(app, sms(1).having(host="evil.example"))[0] == 400


def test_a_chat_message_is_kept(app: ASGIApp, providers: Runtime) -> None:
    assert ask(app, chat(7, "4 还行")) == (200, b"")
    (row,) = kept(providers)
    assert (row.channel, row.from_address, row.body) == ("telegram", "4711", "4 还行")


def test_a_tapped_button_stops_spinning(app: ASGIApp, providers: Runtime) -> None:
    message = {"message_id": 3, "date": 1790000000, "chat": {"id": 4711, "type": "private"}}
    tap = {"id": "99", "from": {"id": 4711}, "message": message, "data": "token:0:5", "chat_instance": "1"}
    code, body = ask(app, json_call({"update_id": 8, "callback_query": tap}))
    assert (code, json.loads(body)) == (200, {"method": "answerCallbackQuery", "callback_query_id": "99"})
    assert [row.tapped for row in kept(providers)] == ["token:0:5"]


@pytest.mark.parametrize(
    "update", [{"update_id": 1}, {"update_id": 1, "poll": {}}, {"update_id": 1, "message": {"chat": []}}, {}]
)
def test_an_update_that_is_nothing_for_us_is_welcome_else_it_would_come_for_a_day(
    app: ASGIApp, providers: Runtime, update: dict[str, Any]
) -> None:
    assert ask(app, json_call(update)) == (200, b"")
    assert count(providers) == 0


def test_half_characters_zero_bytes_and_odd_numbers_are_kept_in_a_form_that_both_databases_take(
    app: ASGIApp, providers: Runtime
) -> None:
    assert ask(app, sms(1, "a\x00b"))[0] == 200
    body = (
        b'{"update_id":2,"message":{"message_id":1,"chat":{"id":5,"type":"private"},"text":"x\\ud800y\\u0000","n":NaN}}'
    )
    assert ask(app, json_call(body))[0] == 200
    assert [row.body for row in kept(providers)] == ["ab", "x?y"]


def test_a_receipt_moves_the_message_that_its_address_names(
    runtime: Runtime, clock: SimulatedClock, tmp_path: Path
) -> None:
    # given a survey that the provider has
    story = Story(runtime, clock)
    story.customer()
    story.asked()
    with story.runtime.db.write() as session:
        attempt_id = session.execute(text("SELECT id FROM attempt")).scalar_one()
        session.execute(text("UPDATE message SET state = 'accepted', provider_id = :sid"), {"sid": "SM" + "e" * 32})
    app = make_app(with_providers(story.runtime, tmp_path))
    # when its receipts come, the last one first
    assert ask(app, status(attempt_id, "delivered")) == (204, b"")
    assert ask(app, status(attempt_id, "sent")) == (204, b"")
    # then it has arrived
    assert story.states(MessageRow, address=PHONE) == ["delivered"]


def test_a_state_that_is_new_at_the_provider_is_no_trouble(app: ASGIApp) -> None:
    assert ask(app, status(ATTEMPT, "teleported"))[0] == 204


def test_without_a_provider_there_is_no_such_page(runtime: Runtime) -> None:
    app = make_app(runtime)
    for call in (sms(1).having(host="localhost"), chat(1).having(host="localhost")):
        assert ask(app, call)[0] == 404


# ----- what is malformed or forged


def shifted(rng: random.Random, call: Call) -> bytes:
    """The body with one byte changed, added or lost."""
    at = rng.randrange(len(call.body))
    byte = bytes([rng.randrange(33, 126)])
    before, after = call.body[:at], call.body[at:]
    return rng.choice([before + byte + after[1:], before + byte + after, before + after[1:]])


def junk(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(1, 300))


def altered(rng: random.Random, call: Call) -> Call:
    """A call whose body no longer is what was signed: names and values in order, without a sign between them."""
    while signed_text(body := shifted(rng, call)) == signed_text(call.body):
        pass
    return with_body(call, body)


def signed_text(body: bytes) -> str | None:
    try:
        return "".join(name + value for name, value in sorted(set(fields_of(body))))
    except ValueError:
        return None


def genuine(rng: random.Random) -> Call:
    return sms(rng.getrandbits(60)) if rng.random() < 0.7 else status(ATTEMPT, rng.choice(["sent", "failed"]))


def with_body(call: Call, body: bytes) -> Call:
    return replace(call, body=body)


Forge = Callable[[random.Random], Call]
TWILIO_FORGED: tuple[Forge, ...] = (
    lambda rng: altered(rng, genuine(rng)),
    lambda rng: form_call(INBOUND, sms_fields(rng.getrandbits(60)), auth=f"guess {rng.random()}"),
    lambda rng: form_call(INBOUND, sms_fields(1), url=rng.choice(["http://care.example", "https://evil.example", ""])),
    lambda rng: replace(sms(1), path=rng.choice([f"{INBOUND}/", f"{INBOUND}?a=b", "/hooks/twilio"])),
    lambda rng: genuine(rng).without("x-twilio-signature"),
    lambda rng: genuine(rng).having(x_twilio_signature=junk(rng).decode("utf-8", "surrogateescape")),
    lambda rng: genuine(rng).having(x_twilio_signature=""),
    lambda rng: genuine(rng).without("content-type"),
    lambda rng: genuine(rng).having(content_type=rng.choice(["application/json", "text/plain", "multipart/form-data"])),
    lambda rng: with_body(call := genuine(rng), call.body[: rng.randrange(len(call.body) - 1)]),
    lambda rng: with_body(genuine(rng), junk(rng)),
    lambda rng: with_body(genuine(rng), b"Body=%FF%FE&" + junk(rng)),
    lambda rng: with_body(genuine(rng), b""),
    lambda rng: with_body(genuine(rng), b"Body=" + b"5" * (64 * 1024)),
    lambda rng: with_body(genuine(rng), b"&" * rng.randrange(1, 60_000)),
    lambda rng: sms(1, AccountSid="AC" + "8" * 32),
    lambda rng: sms(1, To=rng.choice(["", "+15005550007", "messenger:1", "whatsapp:"])),
    lambda rng: sms(1, sender=rng.choice(["", "whatsapp:", "messenger:2"])),
    lambda rng: sms(1, MessageSid=rng.choice(["", "SM1", "SM" + "g" * 32, "SM" + "0" * 33, "' OR 1=1 --"])),
    lambda rng: status(ATTEMPT, "delivered", auth="another key"),
    lambda rng: form_call(f"/hooks/twilio/status/{ATTEMPT}.{rng.getrandbits(128):032x}", {"MessageStatus": "sent"}),
    lambda rng: form_call(f"/hooks/twilio/status/{rng.choice(['.', '..', 'x', '%00', '%ff.%ff'])}", {"a": "b"}),
    lambda rng: Call(INBOUND, b"", {"host": "care.example"}, rng.choice(["GET", "PUT", "HEAD", "OPTIONS", "BREW"])),
)
TELEGRAM_FORGED: tuple[Forge, ...] = (
    lambda rng: chat(1).having(x_telegram_bot_api_secret_token=f"{rng.getrandbits(160):040x}"),
    lambda rng: chat(1).having(x_telegram_bot_api_secret_token=junk(rng).decode("utf-8", "surrogateescape")),
    lambda rng: chat(1).having(x_telegram_bot_api_secret_token=""),
    lambda rng: chat(1).without("x-telegram-bot-api-secret-token"),
    lambda rng: json_call((call := chat(1)).body[: rng.randrange(len(call.body) - 1)]),
    lambda rng: json_call(junk(rng)),
    lambda rng: json_call(rng.choice([b"", b"null", b"[]", b"1", b'"x"', b"1e999", b"9" * 5000, b"{"])),
    lambda rng: json_call(rng.choice([b"[", b'{"a":']) * rng.randrange(500, 9000)),
    lambda rng: json_call(b'{"message":"' + b"5" * (64 * 1024) + b'"}'),
)


def forged(seed: int, number: int) -> list[Call]:
    rng = random.Random(seed)
    kinds = TWILIO_FORGED + TELEGRAM_FORGED
    return [kinds[n % len(kinds)](rng) for n in range(number)]


def test_of_ten_thousand_malformed_or_forged_calls_none_is_accepted_and_none_breaks_us(
    app: ASGIApp, providers: Runtime
) -> None:
    answered = Counter(asyncio.run(answers_to(app, forged(seed=3, number=FORGED))))
    assert sum(answered.values()) == FORGED
    assert set(answered) <= REFUSALS, answered
    assert count(providers) == 0
    assert not Path(providers.settings.spool).exists()
    assert ask(app, sms(1))[0] == 200


def test_a_refusal_tells_nothing(app: ASGIApp) -> None:
    short = [call for call in forged(seed=4, number=200) if len(call.body) < 60_000]
    assert {ask(app, call)[1] for call in short} == {b""}


def test_that_calls_are_refused_stands_in_the_log_once_a_minute(app: ASGIApp) -> None:
    stranger = form_call("/hooks/twilio/inbound", sms_fields(1), auth="of somebody else")
    with capture_logs() as lines:
        assert {ask(app, stranger)[0] for _ in range(50)} == {403}
    (line,) = [each for each in lines if each["event"] == "webhook refused"]
    assert (line["path"], line["status"]) == ("/hooks/twilio/inbound", 403)
    assert "HUIFANG_PUBLIC_URL" in line["remedy"]


@pytest.fixture
def address(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """A real server in front of the same application."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield listening.getsockname()
    server.should_exit = True
    thread.join(10)


def wire(call: Call, length: int | None = None) -> bytes:
    headers = {"content-length": str(len(call.body) if length is None else length), "connection": "close"}
    lines = [f"{call.method} {call.path} HTTP/1.1"] + [f"{k}: {v}" for k, v in {**headers, **call.headers}.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + call.body


def over(address: tuple[str, int], data: bytes, *, leave: bool = False) -> int:
    """The status that a real server answers; 0: it hung up. `leave`: we hang up before the end."""
    with socket.create_connection(address, timeout=10) as connection:
        try:
            connection.sendall(data)
            if leave:
                return 0
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            return 0
    return int(answer[9:12]) if answer else 0


def test_over_a_real_connection_nothing_else_happens(address: tuple[str, int], providers: Runtime) -> None:
    rng = random.Random(5)
    answered = Counter(over(address, wire(call)) for call in forged(seed=6, number=300))
    for _ in range(50):
        call = genuine(rng)
        answered[over(address, wire(call, length=len(call.body) + 9), leave=True)] += 1
        answered[over(address, wire(call)[: rng.randrange(60, 400)], leave=True)] += 1
        answered[over(address, junk(rng) + b"\r\n\r\n")] += 1
    endless = wire(sms(1)).replace(b"content-length", b"transfer-encoding: chunked\r\nx-length")
    chunk = b"ffff\r\n" + b"5" * 0xFFFF + b"\r\n"
    answered[over(address, endless.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + chunk + chunk)] += 1
    assert set(answered) <= REFUSALS | {0}, answered
    assert count(providers) == 0
    assert over(address, wire(sms(1))) == 200
    assert count(providers) == 1


def test_a_form_that_comes_in_pieces_without_a_length_is_kept(address: tuple[str, int], providers: Runtime) -> None:
    call = sms(1, "5 很好")
    head = wire(call).replace(b"content-length", b"transfer-encoding: chunked\r\nx-length").partition(b"\r\n\r\n")[0]
    pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (call.body[:40], call.body[40:])]
    assert over(address, head + b"\r\n\r\n" + b"".join(pieces) + b"0\r\n\r\n") == 200
    assert [row.body for row in kept(providers)] == ["5 很好"]


# ----- what comes again and again


def test_a_thousand_calls_replayed_twenty_times_in_parallel_have_a_thousand_effects(
    app: ASGIApp, providers: Runtime
) -> None:
    texts = [sms(n, f"{n} 谢谢", f"+1415555{n:04d}") for n in range(700)] + [chat(n, f"{n}") for n in range(300)]
    calls = texts * 20
    random.Random(7).shuffle(calls)
    answered = Counter(asyncio.run(answers_to(app, calls, at_once=128)))
    assert answered == {200: 20_000}
    assert count(providers) == 1000
    with providers.db.read() as session:
        assert session.execute(text("SELECT count(DISTINCT provider_message_id) FROM inbound")).scalar_one() == 1000


def test_replayed_over_real_connections_too(address: tuple[str, int], providers: Runtime) -> None:
    calls = [wire(sms(n)) for n in range(50)] * 10
    random.Random(8).shuffle(calls)
    with ThreadPoolExecutor(16) as pool:
        answered = Counter(pool.map(lambda data: over(address, data), calls))
    assert answered == {200: 500}
    assert count(providers) == 50


def test_where_neither_database_nor_spool_keeps_it_the_provider_is_told_to_come_again(
    app: ASGIApp, providers: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inbox, "_put_away", gone)
    monkeypatch.setattr("bot.journey.spool._append", gone)
    assert ask(app, sms(1))[0] == 503
    assert ask(app, chat(1))[0] == 503
    assert ask(app, status(ATTEMPT, "sent"))[0] == 503
    monkeypatch.undo()
    assert ask(app, sms(1))[0] == 200
    assert count(providers) == 1


# ----- the form


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", []),
        (b"a=1&b=", [("a", "1"), ("b", "")]),
        (b"a=1&a=2&b", [("a", "1"), ("a", "2"), ("b", "")]),
        (b"Body=%E5%BE%88+%2B%26%3D&x=a=b", [("Body", "很 +&="), ("x", "a=b")]),
        (b"a=100%&b=%zz", [("a", "100%"), ("b", "%zz")]),
    ],
)
def test_a_form_is_read_as_it_was_written(body: bytes, fields: list[tuple[str, str]]) -> None:
    assert fields_of(body) == fields


@pytest.mark.parametrize("body", [b"a=%FF", b"a=\xe5\xbe\x88", b"a=%ED%A0%80"])
def test_a_form_that_is_no_utf8_is_no_form(body: bytes) -> None:
    with pytest.raises(ValueError):
        fields_of(body)
