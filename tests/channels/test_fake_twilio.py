"""The stand-in for Twilio, as the official client sees it: unmodified but for the address it talks to."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bot.channels.fakes.faults import Fault, Faults
from bot.channels.fakes.ledger import Entry, JsonLines, Ledger
from bot.channels.fakes.serving import Plugged
from bot.channels.fakes.twilio import FakeTwilio
from bot.channels.fakes.twilio_rules import CREATE_FIELDS, LIST_FIELDS, NUMBER_FIELDS, UPDATE_FIELDS
from bot.channels.fakes.twilio_webhooks import Callbacks
from bot.clock import SimulatedClock, SystemClock
from tests.channels import official
from tests.channels.official import Official, needs_description

ACCOUNT = "AC" + "a" * 32
TOKEN = "token-of-a-stand-in"
SERVICE = "MG" + "b" * 32
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
NUMBER, WHATSAPP = "+14155550100", "whatsapp:+14155550100"
PHONE, OTHER = "+8613800138000", "+8613900139000"
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

Make = Callable[..., "Line"]


class Line:
    """A stand-in that runs, and a client that is connected to it."""

    def __init__(self, fake: FakeTwilio) -> None:
        self.fake = fake
        self.plugged = Plugged(fake)
        self.plugged.plug_in()
        self.client = Client(ACCOUNT, TOKEN, http_client=TwilioHttpClient(timeout=0.5))
        self.client.api.base_url = self.plugged.url

    @property
    def url(self) -> str:
        return self.plugged.url

    def send(self, body: str = "hello", to: str = PHONE, sender: str = NUMBER, **more: Any) -> Any:
        return self.client.messages.create(to=to, from_=sender, body=body, **more)

    def schedule(self, at: datetime, **more: Any) -> Any:
        more = {"messaging_service_sid": SERVICE, "schedule_type": "fixed", **more}
        return self.client.messages.create(to=PHONE, body="later", send_at=at, **more)

    def status(self, message: Any) -> str:
        return str(self.client.messages(message.sid).fetch().status)

    def bodies(self, phone: str = PHONE) -> list[str]:
        """What reached the phone by now, asked as anybody would ask."""
        texts = httpx.get(f"{self.url}/fake/phones/{phone}").json()
        return [text["body"] for text in texts if text["direction"] == "in"]

    def types(self, body: str, phone: str = PHONE, **more: str) -> Any:
        return httpx.post(f"{self.url}/fake/phones/{phone}", data={"Body": body, **more}).json()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def make(clock: SimulatedClock) -> Iterator[Make]:
    """Starts stand-ins; at the end all they saw must fit the official description, where it is at hand."""
    lines: list[Line] = []
    judge = Official() if official.SHARED else None

    def start(**given: Any) -> Line:
        given = {"numbers": [NUMBER, WHATSAPP], "service": SERVICE, "inspect": judge and judge.inspect, **given}
        lines.append(Line(FakeTwilio(given.pop("clock", clock), ACCOUNT, TOKEN, **given)))
        return lines[-1]

    yield start
    for line in lines:
        line.plugged.unplug()
    assert judge is None or judge.wrong == []


@pytest.fixture
def line(make: Make) -> Line:
    return make()


class Webhook:
    """A real HTTP server that keeps what it is told."""

    def __init__(self) -> None:
        told: Queue[tuple[str, dict[str, str], Mapping[str, str]]] = Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                told.put((self.path, dict(parse_qsl(body, keep_blank_values=True)), dict(self.headers)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._told = told
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, count: int) -> list[dict[str, str]]:
        """The next so many calls; each must carry Twilio's signature."""
        return [self._genuine(*self._told.get(timeout=5)) for _ in range(count)]

    def is_quiet(self) -> bool:
        return self._told.empty()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _genuine(self, path: str, fields: dict[str, str], headers: Mapping[str, str]) -> dict[str, str]:
        assert self.url.endswith(path)
        assert RequestValidator(TOKEN).validate(self.url, fields, headers["X-Twilio-Signature"])
        return fields


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


def refusal_of(call: Callable[[], Any]) -> tuple[int, int]:
    """(HTTP status, Twilio's code)"""
    with pytest.raises(TwilioRestException) as caught:
        call()
    return caught.value.status, caught.value.code


# ----- sending


def test_a_message_reaches_its_phone_once(line: Line) -> None:
    message = line.send("您好")

    assert (message.status, message.direction, message.num_segments) == ("queued", "outbound-api", "1")
    assert line.bodies() == ["您好"]
    assert line.status(message) == "delivered"
    assert line.fake.ledger.phone(PHONE) == (Entry(message.sid, PHONE, NUMBER, "您好", START.isoformat()),)


def test_by_a_service_the_sender_is_chosen_when_it_leaves(line: Line) -> None:
    message = line.client.messages.create(to=PHONE, body="hello", messaging_service_sid=SERVICE)

    assert (message.status, message.from_, message.num_segments) == ("accepted", None, "0")
    fetched = line.client.messages(message.sid).fetch()
    assert (fetched.status, fetched.from_, fetched.num_segments) == ("delivered", NUMBER, "1")


def test_whatsapp_goes_by_a_sender_of_whatsapp_only(line: Line) -> None:
    to = f"whatsapp:{PHONE}"
    assert line.send(to=to, sender=WHATSAPP).status == "queued"
    assert refusal_of(lambda: line.send(to=to)) == (400, 21910)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"sender": "+15005550001"}, 21212),
        ({"sender": "+15005550007"}, 21606),
        ({"sender": "+15005550008"}, 21611),
        ({"to": "+15005550001"}, 21211),
        ({"to": "+15005550002"}, 21612),
        ({"to": "+15005550003"}, 21408),
        ({"to": "+15005550004"}, 21610),
        ({"to": "+15005550009"}, 21614),
        ({"to": "13800138000"}, 21211),
        ({"sender": "+14155550199"}, 21606),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"messaging_service_sid": "MG" + "c" * 32}, 21701),
        ({"validity_period": 0}, 21624),
        ({"validity_period": 36_001}, 21624),
        ({"status_callback": "no address"}, 21609),
    ],
)
def test_what_twilio_refuses_is_refused_in_its_words(line: Line, given: dict[str, Any], code: int) -> None:
    with pytest.raises(TwilioRestException) as caught:
        line.send(**given)

    assert (caught.value.status, caught.value.code) == (400, code)
    assert caught.value.uri.endswith("/Messages.json")
    assert caught.value.msg
    assert line.fake.ledger.all() == ()


def test_the_magic_sender_works(line: Line) -> None:
    assert line.send(sender="+15005550006").status == "queued"


def wait_for(ask: Callable[[], list[str]]) -> list[str]:
    """What there is as soon as there is anything."""
    ends = time.monotonic() + 5
    while not (found := ask()) and time.monotonic() < ends:
        pass
    return found


def post(line: Line, fields: Mapping[str, str], auth: tuple[str, str] = (ACCOUNT, TOKEN)) -> httpx.Response:
    return httpx.post(f"{line.url}{PATH}", data=dict(fields), auth=auth)


def test_a_misspelt_field_is_refused_by_name(make: Make) -> None:
    line = make(inspect=None)
    answer = post(line, {"To": PHONE, "From": NUMBER, "Body": "hi", "StatusCallBack": "http://127.0.0.1/"})

    assert (answer.status_code, answer.json()["code"]) == (400, 20001)
    assert "StatusCallBack" in answer.json()["message"]
    assert line.bodies() == []


def test_only_the_token_or_an_api_key_opens_it(make: Make) -> None:
    key = "SK" + "d" * 32
    line = make(api_keys={key: "its secret"})
    fields = {"To": PHONE, "From": NUMBER, "Body": "hi"}

    assert post(line, fields, auth=(key, "its secret")).status_code == 201
    wrong = post(line, fields, auth=(ACCOUNT, "guessed"))
    assert (wrong.status_code, wrong.json()["code"]) == (401, 20003)


# ----- schedules


def test_a_scheduled_message_reaches_its_phone_when_it_is_due(line: Line, clock: SimulatedClock) -> None:
    message = line.schedule(START + timedelta(seconds=330))
    assert (message.status, line.bodies()) == ("scheduled", [])

    clock.advance(timedelta(seconds=329))
    assert line.bodies() == []
    clock.advance(timedelta(seconds=1))
    assert line.bodies() == ["later"]
    assert line.fake.ledger.all()[0].at == (START + timedelta(seconds=330)).isoformat()


@pytest.mark.parametrize(
    ("ahead", "more", "code"),
    [
        (timedelta(seconds=299), {}, 35115),
        (timedelta(days=35, seconds=1), {}, 35115),
        (timedelta(hours=-1), {}, 35115),
        (timedelta(hours=1), {"send_at": "tomorrow"}, 35115),
        (timedelta(hours=1), {"schedule_type": "flexible"}, 35126),
    ],
)
def test_a_schedule_out_of_its_limits_is_refused(make: Make, ahead: timedelta, more: dict[str, Any], code: int) -> None:
    line = make(inspect=None)
    given = {"send_at": START + ahead, "messaging_service_sid": SERVICE, "schedule_type": "fixed", **more}

    assert refusal_of(lambda: line.client.messages.create(to=PHONE, body="later", **given)) == (400, code)


def test_a_schedule_without_a_time_is_refused(line: Line) -> None:
    assert refusal_of(lambda: line.send(messaging_service_sid=SERVICE, schedule_type="fixed")) == (400, 35111)


def test_without_a_service_a_schedule_is_ignored_and_the_message_leaves_at_once(line: Line) -> None:
    line.send("now", schedule_type="fixed", send_at=START + timedelta(hours=1))
    assert line.bodies() == ["now"]


def test_a_cancelled_message_never_leaves(line: Line, clock: SimulatedClock) -> None:
    message = line.schedule(START + timedelta(hours=1))
    assert line.client.messages(message.sid).update(status="canceled").status == "canceled"

    clock.advance(timedelta(days=2))
    assert (line.bodies(), line.status(message)) == ([], "canceled")


def test_what_has_left_cannot_be_cancelled(line: Line, clock: SimulatedClock) -> None:
    message = line.schedule(START + timedelta(hours=1))
    clock.advance(timedelta(hours=1))

    assert refusal_of(lambda: line.client.messages(message.sid).update(status="canceled")) == (400, 30409)


def test_a_done_message_may_be_blanked_and_deleted(line: Line) -> None:
    message = line.send("a secret")
    assert line.client.messages(message.sid).update(body="").body == ""
    assert line.client.messages(message.sid).delete()
    assert refusal_of(lambda: line.status(message)) == (404, 20404)


# ----- lists


def test_a_list_is_paged_newest_first_and_stays_put_while_new_ones_come(line: Line) -> None:
    for number in range(7):
        line.send(f"text {number}")
    line.send("elsewhere", to=OTHER)
    first = line.client.messages.page(to=PHONE, page_size=3)
    line.send("newer")

    second = first.next_page()
    assert [message.body for message in first] == ["text 6", "text 5", "text 4"]
    assert [message.body for message in second] == ["text 3", "text 2", "text 1"]
    assert [message.body for message in second.next_page()] == ["text 0"]
    assert len(line.client.messages.list(to=PHONE, page_size=2)) == 8


def test_a_list_keeps_to_sender_and_day(line: Line, clock: SimulatedClock) -> None:
    line.send("today")
    clock.advance(timedelta(days=1))
    line.send("tomorrow", sender="+15005550006")
    line.schedule(START + timedelta(days=3))

    def bodies(**filters: Any) -> list[str]:
        return [message.body for message in line.client.messages.list(**filters)]

    assert bodies() == ["later", "tomorrow", "today"]
    assert bodies(from_=NUMBER) == ["today"]
    assert bodies(date_sent=START) == ["today"]
    assert bodies(date_sent_before=START) == ["today"]
    assert bodies(date_sent_after=START + timedelta(hours=20)) == ["tomorrow"]


def test_a_message_may_show_in_lists_late(make: Make, clock: SimulatedClock) -> None:
    line = make(list_lag=20)
    message = line.send()

    assert line.client.messages.list(to=PHONE) == []
    assert line.status(message) == "delivered"
    clock.advance(timedelta(seconds=20))
    assert [each.sid for each in line.client.messages.list(to=PHONE)] == [message.sid]


def test_numbers_are_listed_with_their_webhook(make: Make) -> None:
    line = make(inbound_url="https://example.org/hooks/twilio/inbound")
    (number,) = line.client.incoming_phone_numbers.list()

    assert (number.phone_number, number.sms_url) == (NUMBER, "https://example.org/hooks/twilio/inbound")


@needs_description
def test_the_fields_are_those_of_the_official_description(line: Line) -> None:
    assert official.form_fields(official.MESSAGES) == CREATE_FIELDS
    assert official.form_fields(official.MESSAGE) == UPDATE_FIELDS
    assert official.query_fields(official.MESSAGES) == LIST_FIELDS
    assert official.query_fields(official.NUMBERS) == NUMBER_FIELDS
    shown = json.loads(post(line, {"To": PHONE, "From": NUMBER, "Body": "hi"}).content)
    assert set(shown) == official.resource_fields("message")


@needs_description
def test_the_judge_sees_what_does_not_fit(make: Make) -> None:
    judge = Official()
    line = make(inspect=judge.inspect)
    post(line, {"To": PHONE, "From": NUMBER, "Bodyy": "hi"})
    post(line, {"To": PHONE, "From": NUMBER, "Body": "hi", "SmartEncoded": "perhaps"})

    assert judge.seen == 2
    assert [each.partition(": ")[2][:14] for each in judge.wrong] == ["no field Bodyy", "Request body v"]


# ----- webhooks


def test_receipts_come_signed_and_in_order(make: Make, webhook: Webhook) -> None:
    line = make()
    message = line.send(status_callback=webhook.url)

    told = webhook.take(3)
    assert [each["MessageStatus"] for each in told] == ["queued", "sent", "delivered"]
    assert {each["MessageSid"] for each in told} == {message.sid}
    assert told[-1].items() >= {"From": NUMBER, "To": PHONE, "RawDlrDoneDate": "2611220800"}.items()


def test_receipts_may_come_twice_and_out_of_order(make: Make, webhook: Webhook) -> None:
    line = make(callbacks=Callbacks(duplicated=1, out_of_order=1, seed=3))
    line.send(status_callback=webhook.url)

    told = [each["MessageStatus"] for each in webhook.take(6)]
    assert sorted(told) == ["delivered", "delivered", "queued", "queued", "sent", "sent"]
    assert told != ["queued", "sent", "delivered", "queued", "sent", "delivered"]


def test_receipts_may_be_lost(make: Make, webhook: Webhook) -> None:
    line = make(callbacks=Callbacks(lost=1), inbound_url=webhook.url)
    message = line.send(status_callback=webhook.url)
    assert line.status(message) == "delivered"
    line.types("the next call is this one")

    assert [each["Body"] for each in webhook.take(1)] == ["the next call is this one"]
    assert webhook.is_quiet()


@pytest.mark.parametrize(
    ("status", "told"), [("undelivered", ["queued", "sent", "undelivered"]), ("failed", ["queued", "sent", "failed"])]
)
def test_a_phone_may_fail_with_a_code(make: Make, webhook: Webhook, status: Any, told: list[str]) -> None:
    line = make()
    line.fake.fail(PHONE, 30005, status)
    message = line.send(status_callback=webhook.url)

    calls = webhook.take(3)
    assert [each["MessageStatus"] for each in calls] == told
    assert calls[-1]["ErrorCode"] == "30005"
    assert line.client.messages(message.sid).fetch().error_code == 30005
    assert line.bodies() == []

    line.fake.fail(PHONE, None)
    line.send("again")
    assert line.bodies() == ["again"]


def test_a_text_typed_on_a_phone_comes_signed_with_twilios_fields(make: Make, webhook: Webhook) -> None:
    line = make(inbound_url=webhook.url)
    answer = line.types("5", ProfileName="Li", FromCity="")

    (told,) = webhook.take(1)
    assert answer == {"sid": told["MessageSid"], "webhook": 204}
    assert told.items() >= {"From": PHONE, "To": NUMBER, "Body": "5", "NumMedia": "0", "ProfileName": "Li"}.items()
    assert told.items() >= {"SmsStatus": "received", "MessagingServiceSid": SERVICE, "FromZip": ""}.items()
    (listed,) = line.client.messages.list(to=NUMBER)
    assert (listed.sid, listed.direction, listed.status, listed.body) == (answer["sid"], "inbound", "received", "5")


def test_a_picture_without_words_comes_too(make: Make, webhook: Webhook) -> None:
    line = make(inbound_url=webhook.url)
    asyncio.run(line.fake.type_text(PHONE, NUMBER, "", media=["https://example.org/a.jpg"]))

    (told,) = webhook.take(1)
    assert told.items() >= {"Body": "", "NumMedia": "1", "MediaUrl0": "https://example.org/a.jpg"}.items()
    assert told["MessageSid"].startswith("MM")


def test_a_webhook_that_cannot_be_reached_is_an_alert_and_the_text_stays_listed(make: Make) -> None:
    with Plugged(FakeTwilio(SystemClock(), ACCOUNT, TOKEN)) as closed:
        pass
    line = make(inbound_url=f"{closed.url}/hooks")

    assert line.types("hello?")["webhook"] is None
    assert [message.body for message in line.client.messages.list(to=NUMBER)] == ["hello?"]
    assert "11200" in httpx.get(line.url).text


def test_who_typed_stop_gets_nothing_more_until_start(make: Make, webhook: Webhook, clock: SimulatedClock) -> None:
    line = make(inbound_url=webhook.url, advanced_opt_out=True)
    scheduled = line.schedule(START + timedelta(hours=1))
    line.types("stop ")
    assert webhook.take(1)[0]["OptOutType"] == "STOP"
    confirmed = line.bodies()

    assert len(confirmed) == 1
    assert refusal_of(line.send) == (400, 21610)
    assert refusal_of(lambda: line.client.messages.create(to=PHONE, body="x", messaging_service_sid=SERVICE)) == (
        400,
        21610,
    )
    clock.advance(timedelta(hours=1))  # STOP does not cancel what is scheduled; it fails when it should leave
    assert line.client.messages(scheduled.sid).fetch().error_code == 21610
    assert line.bodies() == confirmed

    line.types("START")
    assert line.send("welcome back").status == "queued"


# ----- faults


def test_too_many_requests_are_not_processed(line: Line) -> None:
    line.fake.faults.next(Fault.TOO_MANY)
    assert refusal_of(line.send) == (429, 20429)
    assert line.bodies() == []


@pytest.mark.parametrize(("fault", "arrived"), [(Fault.ERROR_BEFORE, []), (Fault.ERROR_AFTER, ["hello"])])
def test_an_error_may_come_before_or_after_the_message_was_taken(line: Line, fault: Fault, arrived: list[str]) -> None:
    line.fake.faults.next(fault)
    assert refusal_of(line.send) == (500, 20500)
    assert line.bodies() == arrived


@pytest.mark.parametrize(
    ("fault", "error", "arrived"),
    [
        (Fault.TIMEOUT_BEFORE, requests.exceptions.ReadTimeout, []),
        (Fault.TIMEOUT_AFTER, requests.exceptions.ReadTimeout, ["hello"]),
        (Fault.HALF_OPEN, requests.exceptions.ConnectionError, ["hello"]),  # requests says so of a body that never came
        (Fault.RESET_BEFORE, requests.exceptions.ConnectionError, []),
        (Fault.RESET_AFTER, requests.exceptions.ConnectionError, ["hello"]),
    ],
)
def test_the_network_may_fail_before_or_after_the_message_was_taken(
    line: Line, fault: Fault, error: type[Exception], arrived: list[str]
) -> None:
    line.fake.faults.next(fault)
    with pytest.raises(error) as caught:
        line.send()

    assert ("reset by peer" in str(caught.value)) == ("reset" in fault)
    assert line.bodies() == arrived
    assert line.send("next").status == "queued"


def test_a_slow_answer_comes_in_the_end(make: Make) -> None:
    line = make(faults=Faults(slow_seconds=0.05))
    line.fake.faults.next(Fault.SLOW)
    assert line.send().status == "queued"


def test_a_slow_one_is_taken_though_the_client_has_gone(make: Make) -> None:
    line = make(faults=Faults(slow_seconds=0.7))
    line.fake.faults.next(Fault.SLOW)
    with pytest.raises(requests.exceptions.ReadTimeout):
        line.send()

    assert line.bodies() == []
    assert wait_for(line.bodies) == ["hello"]


def test_half_a_request_means_nothing(line: Line, clock: SimulatedClock) -> None:
    fields = urlencode({"To": PHONE, "From": NUMBER, "Body": "a text that was cut"}).encode()
    request = requests.Request("POST", f"{line.url}{PATH}", data=fields, auth=(ACCOUNT, TOKEN)).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    form = "Content-Type: application/x-www-form-urlencoded\r\nHost: 127.0.0.1"
    with socket.create_connection(("127.0.0.1", line.plugged.port)) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\n{form}\r\n{head}\r\n".encode() + fields[:-4])

    line.send("whole")
    assert line.bodies() == ["whole"]
    assert [message.body for message in line.client.messages.list()] == ["whole"]


def test_one_address_may_fail_alone(line: Line) -> None:
    line.fake.faults.address(OTHER, Fault.ERROR_BEFORE)

    assert refusal_of(lambda: line.send(to=OTHER)) == (500, 20500)
    assert line.send().status == "queued"
    line.fake.faults.address(OTHER, None)
    assert line.send(to=OTHER).status == "queued"


def test_rates_come_true_and_come_again_by_their_seed() -> None:
    rates = {Fault.TOO_MANY: 0.1, Fault.RESET_AFTER: 0.2}

    def run(seed: int) -> list[Fault | None]:
        faults = Faults(rates, seed=seed)
        return [faults.choose(PHONE) for _ in range(5_000)]

    chosen = run(1)
    assert run(1) == chosen != run(2)
    assert 400 < chosen.count(Fault.TOO_MANY) < 600
    assert 900 < chosen.count(Fault.RESET_AFTER) < 1_100
    with pytest.raises(ValueError, match="more than 1"):
        Faults({Fault.SLOW: 0.6, Fault.TOO_MANY: 0.6})


def test_unplugged_it_refuses_connections_and_plugged_in_again_it_remembers(line: Line, clock: SimulatedClock) -> None:
    line.schedule(START + timedelta(minutes=6))
    url = line.url
    line.plugged.unplug()
    with pytest.raises(requests.exceptions.ConnectionError, match="refused"):
        line.send()
    clock.advance(timedelta(minutes=10))
    line.plugged.plug_in()

    assert line.url == url
    assert line.bodies() == ["later"]


# ----- memory


def test_a_killed_stand_in_remembers_all_it_took(make: Make, tmp_path: Path, clock: SimulatedClock) -> None:
    path = tmp_path / "ledger.jsonl"
    before = make(ledger=Ledger(path))
    arrived, waiting = before.send("arrived"), before.schedule(START + timedelta(hours=1))
    cancelled = before.schedule(START + timedelta(hours=1))
    before.client.messages(cancelled.sid).update(status="canceled")
    before.types("STOP", phone=OTHER)
    assert before.bodies() == ["arrived"]
    before.plugged.unplug()

    after = make(ledger=Ledger(path))
    assert [after.status(each) for each in (arrived, waiting, cancelled)] == ["delivered", "scheduled", "canceled"]
    assert refusal_of(lambda: after.send(to=OTHER)) == (400, 21610)
    clock.advance(timedelta(hours=1))
    assert after.bodies() == ["arrived", "later"]
    assert Ledger(path).duplicates() == {}


def test_a_line_that_was_being_written_is_left_out_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path).add(Entry("SM1", PHONE, NUMBER, "one", START.isoformat()))
    with path.open("a") as file:
        file.write('{"id": "SM2", "to"')
    Ledger(path).add(Entry("SM3", PHONE, NUMBER, "one", START.isoformat()))

    again = Ledger(path)
    assert [entry.id for entry in again.all()] == ["SM1", "SM3"]
    assert "SM3" in again
    assert again.duplicates() == {(PHONE, "one"): 2}
    assert len(again.with_body("one")) == 2
    assert [record["from"] for record in JsonLines(path).read()] == [NUMBER, NUMBER]


# ----- for people


def test_it_says_what_it_is_and_shows_a_phone(line: Line) -> None:
    line.send("您好")
    line.types("5")

    assert "stand-in for Twilio" in httpx.get(line.url).text
    shown = httpx.get(f"{line.url}/fake/phones/{PHONE}").json()
    assert [(text["direction"], text["body"]) for text in shown] == [("in", "您好"), ("out", "5")]
    assert httpx.get(f"{line.url}/fake/phones/nobody").status_code == 404
