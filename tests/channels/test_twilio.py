"""Twilio by real HTTP against its stand-in: every way to fail has its outcome, and no copy is missed or made up."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from bot.channels import twilio
from bot.channels.contract import Accepted, Flag, Need, NotSent, Outgoing, Receipt, Refused, Sender, Sign, Unknown
from bot.channels.fakes.faults import Fault
from bot.channels.fakes.serving import Exchange, Plugged
from bot.channels.fakes.twilio import FakeTwilio
from bot.channels.twilio import TwilioChannel, TwilioError
from bot.clock import SimulatedClock
from bot.errors import SettingError
from tests.channels.official import Official, needs_description

ACCOUNT, TOKEN = "AC" + "a" * 32, "0123456789abcdef"
KEY, SECRET = "SK" + "b" * 32, "a secret"
SERVICE = "MG" + "c" * 32
NUMBERS = ("+12025550100", "+12025550101")
PHONE, OTHER_PHONE = "+4915100000001", "+4915100000002"
NOW = datetime(2026, 9, 28, tzinfo=UTC)
PATIENCE = 0.3
Answer = TypeVar("Answer")


class Trial:
    """A stand-in, a channel that talks to it, and what was said."""

    def __init__(self, clock: SimulatedClock, **fake: Any) -> None:
        self.clock = clock
        self.said: list[Exchange] = []
        numbers = (*NUMBERS, *(f"whatsapp:{number}" for number in NUMBERS))
        given = {"numbers": numbers, "api_keys": {KEY: SECRET}, "inspect": self.said.append} | fake
        self.fake = FakeTwilio(clock, ACCOUNT, TOKEN, **given)
        self.plug = Plugged(self.fake)

    def channel(self, **given: Any) -> TwilioChannel:
        return make(self.clock, url=self.plug.url, **given)

    def form(self) -> dict[str, str]:
        """The last form that the stand-in was sent."""
        return dict(self.said[-1].request.form)

    def bodies(self) -> list[str]:
        """Texts that reached a phone."""
        run(self.channel().find("+10000000000", NOW))  # the stand-in brings what is due before it answers
        return [entry.body for entry in self.fake.ledger.reached()]


def make(clock: SimulatedClock, **given: Any) -> TwilioChannel:
    defaults: dict[str, Any] = {
        "name": "sms",
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "api_key": "",
        "api_secret": "",
        "numbers": NUMBERS,
        "service": "",
        "segments_per_second": 3.0,
        "schedule_seconds": 300,
        "url": "",
        "receipt_url": lambda attempt_id: f"http://127.0.0.1:9/hooks/twilio/status/{attempt_id}",
        "clock": clock,
        "timeout": PATIENCE,
    }
    return TwilioChannel(**defaults | given)


def run(call: Coroutine[Any, Any, Answer]) -> Answer:
    """One call in a loop of its own; the channel it belongs to is closed in the same loop."""
    channel = call.cr_frame.f_locals["self"]

    async def closed() -> Answer:
        try:
            return await call
        finally:
            await channel.close()

    return asyncio.run(closed())


def message(body: str = "您好", address: str = PHONE, number: int = 1, **given: Any) -> Outgoing:
    return Outgoing(f"{number:032x}", address, body, "survey", **given)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW)


@pytest.fixture
def trial(clock: SimulatedClock) -> Iterator[Trial]:
    made = Trial(clock)
    with made.plug:
        yield made


@pytest.fixture
def served(clock: SimulatedClock) -> Iterator[Trial]:
    """The same with a Messaging Service."""
    made = Trial(clock, service=SERVICE)
    with made.plug:
        yield made


# ----- what it is


def test_each_number_is_a_sender_with_a_rate_of_its_own(clock: SimulatedClock) -> None:
    channel = make(clock)
    assert channel.senders == tuple(Sender(number, 3.0, by_segments=True) for number in NUMBERS)
    assert channel.ahead is None, "a bare number cannot schedule"
    assert channel.at_once == 64


def test_a_service_is_one_sender_as_fast_as_its_numbers_together(clock: SimulatedClock) -> None:
    assert make(clock, service=SERVICE).senders == (Sender(SERVICE, 6.0, by_segments=True),)
    assert make(clock, service=SERVICE, numbers=()).senders == (Sender(SERVICE, 3.0, by_segments=True),)


def test_a_service_schedules_unless_told_not_to(clock: SimulatedClock) -> None:
    assert make(clock, service=SERVICE).ahead == timedelta(seconds=330)
    assert make(clock, service=SERVICE, schedule_seconds=0).ahead is None


@pytest.mark.parametrize("given", [{"auth_token": ""}, {"account_sid": ""}, {"numbers": ()}, {"api_key": KEY}])
def test_what_is_missing_is_said_at_the_start(clock: SimulatedClock, given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="HUIFANG_TWILIO_"):
        make(clock, **given)


def test_phones_in_china_are_objected_to_by_sms_only(clock: SimulatedClock) -> None:
    needs = frozenset({Need.REPLY})
    assert make(clock).objection("+8613900000001", needs)
    assert make(clock).objection(PHONE, needs) is None
    assert make(clock, name="whatsapp").objection("+8613900000001", needs) is None


# ----- sending


@pytest.mark.parametrize("body", ["您好", "a+b&c=d %41", "line\nbreak", "\U0001f600", "x" * 1600, "\u2028", "“quoted”"])
def test_a_text_reaches_the_phone_word_for_word(trial: Trial, body: str) -> None:
    outcome = run(trial.channel().send(message(body)))
    assert isinstance(outcome, Accepted)
    assert trial.bodies() == [body]
    assert [entry.id for entry in trial.fake.ledger.reached()] == [outcome.provider_id]


def test_the_request_carries_what_it_must_and_nothing_else(trial: Trial) -> None:
    run(trial.channel().send(message("5?", sender=NUMBERS[1])))
    assert trial.form() == {
        "To": PHONE,
        "From": NUMBERS[1],
        "Body": "5?",
        "StatusCallback": f"http://127.0.0.1:9/hooks/twilio/status/{1:032x}",
        "SmartEncoded": "false",
    }


@pytest.mark.parametrize("sender", ["", "+12025559999"])
def test_a_sender_that_is_gone_is_replaced_by_the_first(trial: Trial, sender: str) -> None:
    run(trial.channel().send(message(sender=sender)))
    assert trial.form()["From"] == NUMBERS[0]


def test_an_api_key_sends_for_the_account(trial: Trial) -> None:
    channel = trial.channel(api_key=KEY, api_secret=SECRET, auth_token="")
    assert isinstance(run(channel.send(message())), Accepted)
    assert f"/Accounts/{ACCOUNT}/" in trial.said[-1].request.path


def test_the_environment_of_the_machine_changes_nothing(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWILIO_REGION", "TWILIO_EDGE", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "http_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    assert isinstance(run(trial.channel().send(message())), Accepted)


def test_whatsapp_addresses_are_prefixed_on_the_wire_only(trial: Trial) -> None:
    channel = trial.channel(name="whatsapp")
    outcome = run(channel.send(message(sender=NUMBERS[0])))
    assert (trial.form()["To"], trial.form()["From"]) == (f"whatsapp:{PHONE}", f"whatsapp:{NUMBERS[0]}")
    assert [trace.provider_id for trace in run(channel.find(PHONE, NOW))] == [outcome.provider_id]
    assert run(trial.channel().find(PHONE, NOW)) == [], "an SMS is another thing"


def test_a_link_to_china_is_refused_before_anything_is_sent(trial: Trial) -> None:
    outcome = run(trial.channel().send(message("点击https://a.example/b", "+8613900000001")))
    assert isinstance(outcome, Refused)
    assert "link" in outcome.because
    assert trial.said == []


# ----- scheduled


def test_a_service_keeps_a_message_until_its_instant_in_utc(served: Trial) -> None:
    shanghai = (NOW + timedelta(minutes=6)).astimezone(ZoneInfo("Asia/Shanghai"))
    outcome = run(served.channel(service=SERVICE).send(message(send_at=shanghai)))
    form = served.form()
    assert isinstance(outcome, Accepted)
    assert (form["MessagingServiceSid"], form["ScheduleType"]) == (SERVICE, "fixed")
    assert form["SendAt"] == "2026-09-28T00:06:00Z"
    assert "From" not in form
    assert served.bodies() == []
    served.clock.advance(timedelta(minutes=6))
    assert served.bodies() == ["您好"]


def test_a_request_that_comes_too_late_for_its_instant_was_not_sent(served: Trial) -> None:
    channel = served.channel(service=SERVICE)
    outcome = run(channel.send(message(send_at=NOW + timedelta(seconds=299))))
    assert isinstance(outcome, NotSent)
    assert (outcome.retry_after, outcome.sign) == (5.0, Sign.FINE)
    assert run(channel.find(PHONE, NOW)) == []


def test_a_bare_number_never_takes_a_message_for_later(trial: Trial) -> None:
    outcome = run(trial.channel().send(message(send_at=NOW + timedelta(minutes=6))))
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == 360.0
    assert trial.said == [], "Twilio would have sent it at once"


@pytest.mark.parametrize(
    ("expires", "send_at", "seconds"),
    [
        (timedelta(hours=1), None, "3600"),
        (timedelta(days=3), None, "36000"),
        (timedelta(seconds=0.5), None, "1"),
        (timedelta(seconds=-5), None, "1"),
        (timedelta(hours=1), timedelta(minutes=10), "3000"),
        (None, None, None),
    ],
)
def test_twilio_tries_no_longer_than_the_message_is_worth(
    served: Trial, expires: timedelta | None, send_at: timedelta | None, seconds: str | None
) -> None:
    leaves = NOW + send_at if send_at else None
    given = message(send_at=leaves, expires_at=NOW + expires if expires else None)
    assert isinstance(run(served.channel(service=SERVICE).send(given)), Accepted)
    assert served.form().get("ValidityPeriod") == seconds


# ----- every way to fail


@pytest.mark.parametrize(
    ("fault", "outcome", "arrives"),
    [
        (Fault.TOO_MANY, NotSent, 0),
        (Fault.ERROR_BEFORE, Unknown, 0),
        (Fault.ERROR_AFTER, Unknown, 1),
        (Fault.TIMEOUT_BEFORE, Unknown, 0),
        (Fault.TIMEOUT_AFTER, Unknown, 1),
        (Fault.RESET_BEFORE, Unknown, 0),
        (Fault.RESET_AFTER, Unknown, 1),
        (Fault.HALF_OPEN, Unknown, 1),
        (Fault.SLOW, Unknown, None),
    ],
)
@pytest.mark.parametrize("kept_alive", [False, True])
def test_a_fault_has_its_outcome_and_is_never_tried_again_here(
    trial: Trial, fault: Fault, outcome: type, arrives: int | None, kept_alive: bool
) -> None:
    trial.fake.faults.slow_seconds = 2 * PATIENCE
    trial.fake.faults.address(OTHER_PHONE, fault)
    channel = trial.channel()

    async def on_one_connection() -> Any:
        if kept_alive:
            await channel.send(message("first"))
        came = await channel.send(message(address=OTHER_PHONE))
        await channel.close()
        return came

    assert isinstance(asyncio.run(on_one_connection()), outcome)
    if arrives is not None:
        assert trial.bodies().count("您好") == arrives


def test_a_slow_answer_is_waited_for(trial: Trial) -> None:
    trial.fake.faults.slow_seconds = 0.02
    trial.fake.faults.next(Fault.SLOW)
    assert isinstance(run(trial.channel().send(message())), Accepted)


@pytest.mark.parametrize(
    ("address", "outcome"),
    [
        ("+15005550001", Refused("", suppress=True)),
        ("+15005550002", NotSent("", sign=Sign.STOP_COUNTRY)),
        ("+15005550003", NotSent("", sign=Sign.STOP_COUNTRY)),
        ("+15005550004", Refused("", opted_out=True)),
        ("+15005550009", Refused("", suppress=True)),
        ("nobody", Refused("", suppress=True)),
    ],
)
def test_a_magic_number_is_judged_by_its_code(trial: Trial, address: str, outcome: Any) -> None:
    came = run(trial.channel().send(message(address=address)))
    assert replace(came, because="") == outcome
    assert address not in came.because


@pytest.mark.parametrize(
    ("given", "sender", "outcome"),
    [
        ({"numbers": ("+15005550007",)}, "", NotSent("", sign=Sign.STOP)),
        ({"service": "MG" + "9" * 32}, "", NotSent("", sign=Sign.STOP)),
        ({"auth_token": "wrong"}, "", NotSent("", sign=Sign.STOP)),
        ({"account_sid": "AC" + "9" * 32}, "", NotSent("", sign=Sign.STOP)),
        ({"receipt_url": lambda _: "nowhere"}, "", NotSent("", sign=Sign.STOP)),
    ],
)
def test_a_wrong_set_up_stops_the_sender(trial: Trial, given: dict[str, Any], sender: str, outcome: Any) -> None:
    assert replace(run(trial.channel(**given).send(message(sender=sender))), because="") == outcome


@pytest.mark.parametrize("body", ["", "x" * 1601])
def test_a_text_that_twilio_never_takes_is_refused_for_good(trial: Trial, body: str) -> None:
    outcome = run(trial.channel().send(message(body)))
    assert replace(outcome, because="") == Refused("")


def test_a_full_queue_rests_its_sender_for_half_an_hour(trial: Trial) -> None:
    outcome = run(trial.channel(numbers=("+15005550008",)).send(message()))
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.REST
    assert 1800 <= outcome.retry_after <= 2700


def test_an_unplugged_provider_was_sent_nothing(trial: Trial) -> None:
    trial.plug.unplug()
    outcome = run(trial.channel().send(message()))
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.TROUBLE


def test_unplugged_between_two_calls_it_comes_back_by_itself(trial: Trial) -> None:
    channel = trial.channel()

    async def story() -> list[Any]:
        outcomes = [await channel.send(message("one"))]
        trial.plug.unplug()
        outcomes.append(await channel.send(message("two")))
        trial.plug.plug_in()
        outcomes.append(await channel.send(message("three")))
        await channel.close()
        return outcomes

    first, second, third = asyncio.run(story())
    assert isinstance(first, Accepted)
    assert isinstance(second, NotSent | Unknown), "a connection that was cut is noticed at once, or in doubt"
    assert isinstance(third, Accepted)


def test_a_connection_that_is_never_made_was_sent_nothing(
    clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a port whose queue of connections is full, so that the next one hangs
    monkeypatch.setattr(twilio, "CONNECT_SECONDS", 0.1)
    with closing(socket.socket()) as listening, closing(socket.socket()) as first:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        first.connect(listening.getsockname())
        outcome = run(make(clock, url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=5.0).send(message()))
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.TROUBLE


def test_a_rest_grows_only_when_it_did_not_help(trial: Trial) -> None:
    trial.fake.faults.address(PHONE, Fault.TOO_MANY)
    channel = trial.channel()

    def rests(times: int = 1) -> list[float]:
        return [run(channel.send(message(number=number))).retry_after for number in range(times)]

    assert all(1.0 <= seconds <= 1.5 for seconds in rests(5)), "five answers of the same moment are one"
    trial.clock.advance(timedelta(seconds=2))
    assert all(2.0 <= seconds <= 3.0 for seconds in rests(5))
    for _ in range(10):
        trial.clock.advance(timedelta(minutes=1))
        (last,) = rests()
    assert 30.0 <= last <= 45.0
    run(channel.send(message(address=OTHER_PHONE)))
    assert all(1.0 <= seconds <= 1.5 for seconds in rests()), "one success ends it"


def test_calls_that_were_too_fast_do_not_come_back_in_step(trial: Trial) -> None:
    trial.fake.faults.address(PHONE, Fault.TOO_MANY)
    channel = trial.channel()
    assert len({run(channel.send(message(number=number))).retry_after for number in range(5)}) == 5


# ----- answers that no Twilio gives


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def sent_to(clock: SimulatedClock, serve: Serve) -> Any:
    """What a call comes to at a server that answers as it likes."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        channel = make(clock, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        outcome = await channel.send(message())
        await channel.close()
    return outcome


def answers(status: str, content: str, *, more: str = "", length: int | None = None) -> tuple[Serve, list[bytes]]:
    """A server that says just this and hangs up, and the requests that it saw."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        size = len(content) if length is None else length
        writer.write(f"HTTP/1.1 {status}\r\n{more}Content-Length: {size}\r\n\r\n{content}".encode())
        await writer.drain()
        writer.close()

    return serve, seen


@pytest.mark.parametrize(
    ("status", "content", "outcome"),
    [
        ("201 Created", "<html>", Unknown),
        ("201 Created", "", Unknown),
        ("201 Created", "{}", Unknown),
        ("201 Created", "[1]", Unknown),
        ("201 Created", '{"sid": 17}', Unknown),
        ("201 Created", '{"sid": "SM17"}', Unknown),
        ("200 OK", '{"sid": "SM' + "0" * 32 + '"}', Accepted),
        ("502 Bad Gateway", "<html>", Unknown),
        ("500 Error", '{"code": 21211, "message": "+4915100000001"}', Unknown),
        ("400 Bad Request", "<html>", Refused),
        ("400 Bad Request", '{"code": "x", "message": "+4915100000001"}', Refused),
        ("400 Bad Request", '{"type":"t","title":"t","status":400,"code":21610}', Refused),
        ("401 Unauthorized", "", NotSent),
        ("408 Timeout", "", Unknown),
        ("429 Too Many", "slow down", NotSent),
    ],
)
def test_an_odd_answer_is_doubt_unless_it_is_a_plain_no(
    clock: SimulatedClock, status: str, content: str, outcome: type
) -> None:
    serve, seen = answers(status, content)
    came = asyncio.run(sent_to(clock, serve))
    assert isinstance(came, outcome)
    assert PHONE not in str(came)
    assert len(seen) == 1


def test_a_redirect_is_not_followed(clock: SimulatedClock) -> None:
    serve, seen = answers("307 Elsewhere", "", more="Location: /again\r\n")
    assert isinstance(asyncio.run(sent_to(clock, serve)), Unknown)
    assert len(seen) == 1


def test_half_an_answer_is_doubt(clock: SimulatedClock) -> None:
    serve, seen = answers("201 Created", '{"sid"', length=500)
    assert isinstance(asyncio.run(sent_to(clock, serve)), Unknown)
    assert len(seen) == 1


def test_no_phone_and_no_text_is_logged(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    channel = trial.channel()
    for fault in (None, Fault.ERROR_AFTER, Fault.RESET_BEFORE, Fault.TIMEOUT_BEFORE):
        trial.fake.faults.address(PHONE, fault)
        outcome = run(channel.send(message("a private word")))
        assert PHONE not in str(outcome)
        assert "private" not in str(outcome)
    trial.fake.faults.address(PHONE, None)
    run(channel.find(PHONE, NOW))
    # the stand-in's own server logs in the same process
    ours = " ".join(record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn"))
    assert ours
    assert PHONE.removeprefix("+") not in ours
    assert "private" not in ours


# ----- looking up


def test_what_was_sent_is_found_from_its_second_on(trial: Trial) -> None:
    channel = trial.channel()
    outcome = run(channel.send(message()))
    run(channel.send(message(address=OTHER_PHONE)))
    trial.bodies()
    (trace,) = run(channel.find(PHONE, NOW + timedelta(milliseconds=400)))
    assert (trace.provider_id, trace.body, trace.created_at) == (outcome.provider_id, "您好", NOW)
    assert trace.delivered
    assert run(channel.find(PHONE, NOW + timedelta(seconds=1))) == []


def test_a_scheduled_copy_is_found_and_is_on_no_phone_yet(served: Trial) -> None:
    channel = served.channel(service=SERVICE)
    run(channel.send(message(send_at=NOW + timedelta(minutes=6))))
    (trace,) = run(channel.find(PHONE, NOW))
    assert not trace.delivered


def test_a_copy_that_failed_or_was_cancelled_proves_nothing(served: Trial) -> None:
    channel = served.channel(service=SERVICE)
    served.fake.fail(PHONE, 30001, "failed")
    run(channel.send(message("failed")))
    served.bodies()
    served.fake.fail(PHONE, 30003, "undelivered")
    run(channel.send(message("undelivered")))
    served.bodies()
    cancelled = run(channel.send(message("cancelled", send_at=NOW + timedelta(minutes=6))))
    run(channel.withdraw(cancelled.provider_id))
    found = run(channel.find(PHONE, NOW))
    assert [(trace.body, trace.delivered) for trace in found] == [("undelivered", False)]


def test_what_the_phone_sent_is_not_ours(trial: Trial) -> None:
    asyncio.run(trial.fake.type_text(PHONE, NUMBERS[0], "您好"))
    assert run(trial.channel().find(PHONE, NOW)) == []
    assert run(trial.channel().find(NUMBERS[0], NOW)) == []


def test_page_after_page_is_read(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "PAGE", 2)
    channel = trial.channel()
    sent = [run(channel.send(message(str(number)))).provider_id for number in range(7)]
    assert {trace.provider_id for trace in run(channel.find(PHONE, NOW))} == set(sent)


def test_a_look_up_that_does_not_see_everything_says_so(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "LOOKED_THROUGH", 3)
    channel = trial.channel()
    for number in range(3):
        run(channel.send(message(str(number))))
    with pytest.raises(TwilioError, match="too many"):
        run(channel.find(PHONE, NOW))
    trial.clock.advance(timedelta(seconds=5))
    assert run(channel.find(PHONE, NOW + timedelta(seconds=1))) == [], "older ones do not matter"


@pytest.mark.parametrize(
    "fault", [Fault.TOO_MANY, Fault.ERROR_BEFORE, Fault.TIMEOUT_BEFORE, Fault.RESET_BEFORE, Fault.HALF_OPEN]
)
def test_a_look_up_that_fails_is_never_an_empty_one(trial: Trial, fault: Fault) -> None:
    trial.fake.faults.address(PHONE, fault)
    with pytest.raises(TwilioError) as raised:
        run(trial.channel().find(PHONE, NOW))
    assert PHONE.removeprefix("+") not in str(raised.value)
    assert raised.value.__suppress_context__, "the cause holds the number, and would stand in a traceback"


# ----- taking back


def test_a_scheduled_message_is_taken_back_and_stays_so(served: Trial) -> None:
    channel = served.channel(service=SERVICE)
    sid = run(channel.send(message(send_at=NOW + timedelta(minutes=6)))).provider_id
    assert run(channel.withdraw(sid))
    assert run(channel.withdraw(sid)), "said twice it is the same"
    served.clock.advance(timedelta(minutes=10))
    assert served.bodies() == []


def test_a_message_that_has_gone_is_not_taken_back(served: Trial) -> None:
    channel = served.channel(service=SERVICE)
    sid = run(channel.send(message(send_at=NOW + timedelta(minutes=6)))).provider_id
    served.clock.advance(timedelta(minutes=10))
    assert run(channel.withdraw(sid)) is False
    assert served.bodies() == ["您好"]
    assert run(channel.withdraw("SM" + "0" * 32)) is False


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.RESET_AFTER])
def test_a_doubtful_withdrawal_is_no_answer_and_may_be_asked_again(served: Trial, fault: Fault) -> None:
    channel = served.channel(service=SERVICE)
    sid = run(channel.send(message(send_at=NOW + timedelta(minutes=6)))).provider_id
    served.fake.faults.next(fault)
    with pytest.raises(TwilioError):
        run(channel.withdraw(sid))
    assert run(channel.withdraw(sid))


# ----- what phones have sent


def test_the_sweep_finds_texts_under_the_ids_of_the_webhook(trial: Trial) -> None:
    early = asyncio.run(trial.fake.type_text(PHONE, NUMBERS[0], "early"))
    trial.clock.advance(timedelta(hours=30))
    later = asyncio.run(trial.fake.type_text(PHONE, NUMBERS[1], "5", media=["http://127.0.0.1:9/a.jpg"]))
    run(trial.channel().send(message()))
    both = run(trial.channel().heard_since(NOW))
    assert [(text.provider_message_id, text.body) for text in both] == [(early.sid, "early"), (later.sid, "5")]
    (heard,) = run(trial.channel().heard_since(trial.clock.now()))
    assert (heard.provider, heard.channel, heard.from_address, heard.to_address, heard.body, heard.media) == (
        *("twilio", "sms", PHONE, NUMBERS[1], "5", 1),
    )
    assert heard.raw["MessageSid"] == later.sid


def test_a_service_whose_numbers_are_not_listed_hears_all_of_the_account(served: Trial) -> None:
    typed = [asyncio.run(served.fake.type_text(PHONE, number, "5")).sid for number in NUMBERS]
    heard = run(served.channel(service=SERVICE, numbers=()).heard_since(NOW))
    assert [text.provider_message_id for text in heard] == typed


def test_whatsapp_and_sms_hear_their_own(trial: Trial) -> None:
    chat = asyncio.run(trial.fake.type_text(f"whatsapp:{PHONE}", f"whatsapp:{NUMBERS[0]}", "chat")).sid
    text = asyncio.run(trial.fake.type_text(PHONE, NUMBERS[0], "text")).sid
    (by_sms,) = run(trial.channel().heard_since(NOW))
    (by_whatsapp,) = run(trial.channel(name="whatsapp").heard_since(NOW))
    assert (by_sms.provider_message_id, by_sms.from_address) == (text, PHONE)
    assert (by_whatsapp.provider_message_id, by_whatsapp.from_address) == (chat, PHONE)


def test_a_sweep_that_fails_is_never_an_empty_one(trial: Trial) -> None:
    trial.fake.faults.address(NUMBERS[1], Fault.ERROR_BEFORE)
    with pytest.raises(TwilioError, match="500"):
        run(trial.channel().heard_since(NOW))


# ----- is it set up?


def test_good_credentials_are_said_to_work(trial: Trial, served: Trial) -> None:
    assert run(trial.channel().check()) == "the credentials work; 2 numbers in the settings are the account's"
    assert run(served.channel(service=SERVICE, numbers=()).check()) == "the credentials work; the account has 2 numbers"


def test_a_number_of_somebody_else_is_a_fault_unless_a_service_sends(trial: Trial, served: Trial) -> None:
    numbers = (NUMBERS[0], "+12025559999")
    with pytest.raises(TwilioError, match="1 of 2 numbers"):
        run(trial.channel(numbers=numbers).check())
    assert "the credentials work" in run(served.channel(service=SERVICE, numbers=numbers).check())


def test_bad_credentials_and_no_answer_are_told_apart(trial: Trial) -> None:
    with pytest.raises(TwilioError, match=r"refuses the credentials \(401\)"):
        run(trial.channel(auth_token="wrong").check())
    trial.fake.faults.next(Fault.ERROR_BEFORE)
    with pytest.raises(TwilioError, match="Twilio answers 500"):
        run(trial.channel().check())
    trial.plug.unplug()
    with pytest.raises(TwilioError, match="cannot be reached"):
        run(trial.channel().check())


# ----- by the provider's own description


@needs_description
def test_every_request_fits_the_official_description(clock: SimulatedClock) -> None:
    official = Official()
    with (served := Trial(clock, service=SERVICE, inspect=official.inspect)).plug:
        channel = served.channel(service=SERVICE, numbers=())
        later = NOW + timedelta(minutes=6)
        sid = run(channel.send(message(send_at=later, expires_at=later + timedelta(hours=1)))).provider_id
        run(served.channel().send(message()))
        run(channel.find(PHONE, NOW))
        run(channel.withdraw(sid))
        run(channel.withdraw(sid))
        run(channel.heard_since(NOW))
        run(channel.check())
    assert official.wrong == []
    assert official.seen >= 9


# ----- webhooks: who calls


URL = "https://care.example/hooks/twilio/inbound"
FORM = [("MessageSid", "SM" + "1" * 32), ("Body", ""), ("FromCity", ""), ("From", PHONE), ("To", NUMBERS[0])]
OFFICIAL = RequestValidator(TOKEN)


class Form:
    """A form with repeated names, in the shape in which the official validator takes them."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def getall(self, name: str) -> list[str]:
        return [value for each, value in self._pairs if each == name]


@pytest.fixture(scope="module")
def webhooks() -> TwilioChannel:
    return make(SimulatedClock(NOW), service=SERVICE)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PAIRS = st.lists(st.tuples(st.sampled_from(["Body", "From", "To", "A", "Ab", "b", "B"]) | TEXT, TEXT), max_size=12)
URLS = st.builds(
    lambda scheme, port, rest: f"{scheme}://care.example{port}{rest}",
    st.sampled_from(["https", "http"]),
    st.sampled_from(["", ":443", ":80", ":8443"]),
    st.sampled_from(["/hooks/twilio/inbound", "/", "/a?b=c&d=%20", "/status/a.b?x="]),
)


@given(url=URLS, pairs=PAIRS)
def test_what_the_official_validator_signs_is_genuine(webhooks: TwilioChannel, url: str, pairs: Any) -> None:
    signature = OFFICIAL.compute_signature(url, Form(pairs))
    assert webhooks.is_genuine(url, pairs, signature)
    assert not webhooks.is_genuine(url, [*pairs, ("Extra", "")], signature)


@given(url=URLS, pairs=PAIRS, signed_url=URLS, signed=PAIRS)
def test_it_judges_as_the_official_validator(
    webhooks: TwilioChannel, url: str, pairs: Any, signed_url: str, signed: Any
) -> None:
    signature = OFFICIAL.compute_signature(signed_url, Form(signed))
    assert webhooks.is_genuine(url, pairs, signature) == OFFICIAL.validate(url, Form(pairs), signature)


def test_twilios_published_example_is_genuine(clock: SimulatedClock) -> None:
    pairs = [
        *[("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234")],
        *[("From", "+14158675309"), ("To", "+18005551212")],
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert make(clock, auth_token="12345").is_genuine(url, pairs, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")


def test_whatever_was_changed_is_not_genuine(webhooks: TwilioChannel) -> None:
    signature = OFFICIAL.compute_signature(URL, dict(FORM))
    assert webhooks.is_genuine(URL, FORM, signature)
    assert webhooks.is_genuine(URL, FORM[::-1], signature), "order does not matter"
    assert webhooks.is_genuine("https://care.example:443/hooks/twilio/inbound", FORM, signature)
    for url in (URL + "/", URL.replace("https", "http"), URL.replace("care", "evil"), "", "nonsense"):
        assert not webhooks.is_genuine(url, FORM, signature)
    without_blanks = [(name, value) for name, value in FORM if value]
    for pairs in ([], without_blanks, [*FORM[:-1], ("To", PHONE)], [*FORM, ("Body", "\ud800")]):
        assert not webhooks.is_genuine(URL, pairs, signature)
    for wrong in ("", signature[:-1], signature + "=", signature.lower(), "签名", "\udcff"):
        assert not webhooks.is_genuine(URL, FORM, wrong)


def test_without_a_token_nothing_is_genuine(clock: SimulatedClock) -> None:
    channel = make(clock, auth_token="", api_key=KEY, api_secret=SECRET)
    assert not channel.is_genuine(URL, FORM, RequestValidator("").compute_signature(URL, dict(FORM)))


# ----- webhooks: a text


SID = "SM0123456789abcdef0123456789abcdef"
INBOUND = {
    **{"MessageSid": SID, "SmsSid": SID, "SmsMessageSid": SID, "AccountSid": ACCOUNT, "From": PHONE, "To": NUMBERS[0]},
    **{"Body": "5", "NumMedia": "0", "NumSegments": "1", "SmsStatus": "received", "FromCity": ""},
}


def inbound(channel: TwilioChannel, **changed: str | None) -> Any:
    fields = {name: value for name, value in (INBOUND | changed).items() if value is not None}
    return channel.understand_inbound(list(fields.items()))


def test_a_text_is_understood(webhooks: TwilioChannel) -> None:
    text = inbound(webhooks)
    assert (text.provider, text.provider_message_id, text.channel) == ("twilio", SID, "sms")
    assert (text.from_address, text.to_address, text.body) == (PHONE, NUMBERS[0], "5")
    assert (text.flag, text.tapped, text.media) == (Flag.NONE, "", 0)
    assert text.raw == INBOUND


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        ({"NewField": "x", "Latitude": "1"}, "body", "5"),
        ({"Body": "", "NumMedia": "2"}, "media", 2),
        ({"Body": None, "NumMedia": "1"}, "body", ""),
        ({"NumMedia": "many"}, "media", 0),
        ({"NumMedia": "9" * 5000}, "media", 0),
        ({"NumMedia": None}, "media", 0),
        ({"OptOutType": "STOP"}, "flag", Flag.OPT_OUT),
        ({"OptOutType": "START"}, "flag", Flag.OPT_IN),
        ({"OptOutType": "HELP"}, "flag", Flag.HELP),
        ({"OptOutType": "OTHER"}, "flag", Flag.NONE),
        ({"ButtonPayload": "token:0:5", "ButtonText": "Great"}, "tapped", "token:0:5"),
        ({"MessageSid": SID.replace("SM", "MM")}, "provider_message_id", SID.replace("SM", "MM")),
        ({"From": "12345"}, "from_address", "12345"),
        ({"To": "+12025559999", "MessagingServiceSid": SERVICE}, "to_address", "+12025559999"),
        ({"MessagingServiceSid": "MG" + "9" * 32}, "body", "5"),
    ],
)
def test_what_comes_with_a_text_is_understood(
    webhooks: TwilioChannel, changed: dict[str, str | None], field: str, value: Any
) -> None:
    assert getattr(inbound(webhooks, **changed), field) == value


@pytest.mark.parametrize(
    "changed",
    [
        {"AccountSid": "AC" + "9" * 32},
        {"AccountSid": None},
        {"To": "+12025559999"},
        {"To": "+12025559999", "MessagingServiceSid": "MG" + "9" * 32},
        {"To": None},
        {"From": None},
        {"From": ""},
        {"From": f"whatsapp:{PHONE}"},
        {"From": f"messenger:{PHONE}"},
        {"From": "whatsapp:"},
        {"MessageSid": None},
        {"MessageSid": ""},
        {"MessageSid": SID + "\n"},
        {"MessageSid": SID.upper()},
        {"MessageSid": "CA" + SID[2:]},
        {"MessageSid": SID + "0"},
    ],
)
def test_what_is_not_for_us_is_no_text(webhooks: TwilioChannel, changed: dict[str, str | None]) -> None:
    assert inbound(webhooks, **changed) is None


def test_a_service_without_listed_numbers_takes_every_number_of_the_account(clock: SimulatedClock) -> None:
    channel = make(clock, service=SERVICE, numbers=())
    assert inbound(channel, MessagingServiceSid=SERVICE)
    assert inbound(channel), "a number that names no service"
    assert inbound(channel, MessagingServiceSid="MG" + "9" * 32) is None
    assert inbound(channel, To=None) is None


def test_a_whatsapp_text_is_for_the_whatsapp_channel_only(clock: SimulatedClock, webhooks: TwilioChannel) -> None:
    fields = {"From": f"whatsapp:{PHONE}", "To": f"whatsapp:{NUMBERS[0]}", "ProfileName": "李", "WaId": PHONE[1:]}
    text = inbound(make(clock, name="whatsapp"), **fields)
    assert (text.channel, text.from_address, text.to_address) == ("whatsapp", PHONE, NUMBERS[0])
    assert inbound(webhooks, **fields) is None
    assert inbound(make(clock, name="whatsapp")) is None


@given(pairs=st.lists(st.tuples(st.sampled_from([*INBOUND, "OptOutType"]) | st.text(), st.text()), max_size=12))
def test_no_form_makes_it_stumble(webhooks: TwilioChannel, pairs: Any) -> None:
    assert webhooks.understand_inbound(pairs) is None
    assert webhooks.understand_status("1", pairs) is None
    webhooks.understand_inbound([*pairs, ("AccountSid", ACCOUNT), ("To", NUMBERS[0]), ("MessageSid", SID)])
    webhooks.understand_status("1", [*pairs, ("AccountSid", ACCOUNT), ("MessageStatus", "failed"), ("MessageSid", SID)])


# ----- webhooks: a receipt


def status(channel: TwilioChannel, state: str, **changed: str) -> Receipt | None:
    fields = {"MessageSid": SID, "MessageStatus": state, "AccountSid": ACCOUNT, "To": PHONE, "From": NUMBERS[0]}
    return channel.understand_status("a1", list((fields | changed).items()))


@pytest.mark.parametrize(
    ("said", "state"),
    [
        *[("accepted", "accepted"), ("scheduled", "accepted"), ("queued", "accepted"), ("sending", "accepted")],
        *[("sent", "sent"), ("delivered", "delivered"), ("read", "delivered"), ("canceled", "cancelled")],
    ],
)
def test_a_receipt_is_understood(webhooks: TwilioChannel, said: str, state: Any) -> None:
    assert status(webhooks, said, NewField="x") == Receipt("a1", SID, state)


@pytest.mark.parametrize(
    ("said", "code", "refused"),
    [
        ("undelivered", "30003", Refused("", again_after=(3600.0, 14400.0, 86400.0), suppress_at_last=True)),
        ("undelivered", "30005", Refused("", suppress=True)),
        ("failed", "21610", Refused("", opted_out=True)),
        ("failed", "30034", Refused("", again_after=(60.0,), sign=Sign.STOP)),
        ("undelivered", "63016", Refused("")),
        ("undelivered", "99999", Refused("")),
        ("undelivered", "", Refused("")),
        ("failed", "²", Refused("")),
    ],
)
def test_a_receipt_of_a_failure_says_what_follows(
    webhooks: TwilioChannel, said: str, code: str, refused: Refused
) -> None:
    receipt = status(webhooks, said, ErrorCode=code)
    assert receipt is not None
    assert receipt.state == said
    assert receipt.refused is not None
    assert replace(receipt.refused, because="") == refused


def test_other_receipts_are_not_ours(webhooks: TwilioChannel) -> None:
    assert status(webhooks, "receiving") is None
    assert status(webhooks, "") is None
    assert status(webhooks, "delivered", AccountSid="AC" + "9" * 32) is None
    assert status(webhooks, "delivered", MessageSid="17") is None


# ----- asked about one message


def test_one_message_is_looked_up_as_its_receipt_would_say(trial: Trial) -> None:
    channel, attempt = trial.channel(), f"{7:032x}"
    trial.fake.fail(PHONE, 30005)

    sent = run(channel.send(Outgoing(attempt, PHONE, "lost", "survey", NUMBERS[0])))
    assert isinstance(sent, Accepted)
    for _ in range(200):
        told = run(channel.look_up(sent.provider_id, attempt))
        if told.state == "undelivered":
            break
    assert (told.attempt_id, told.state, told.refused.suppress) == (attempt, "undelivered", True)
    assert run(channel.look_up("SM" + "0" * 32, attempt)) is None
