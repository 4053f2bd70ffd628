"""One table of cases for every channel: what bot/channels/contract.py promises, each of them keeps."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.channels.contract import Accepted, Channel, Outgoing, Refused, Unknown
from bot.channels.email import EmailChannel
from bot.channels.fakes.serving import Plugged
from bot.channels.fakes.telegram import TOKEN, FakeTelegram
from bot.channels.fakes.twilio import FakeTwilio
from bot.channels.null import NullChannel
from bot.channels.simulator import Simulator, Text
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioChannel
from bot.clock import SimulatedClock
from tests.channels.mail_server import Post, mail_server

NOW = datetime(2026, 9, 28, tzinfo=UTC)
RUNNER = asyncio.Runner()
"""One loop for all calls, as a channel has it in life: connections belong to their loop."""
PHONE = "+8613900000001"


@dataclass(frozen=True)
class Kept:
    """A channel, an address that it reaches, and whether it can be asked what it sent, and remembers it.

    `needs_words`: a text of nothing but blanks is refused; `refused`: texts that it never takes.
    """

    channel: Channel
    remembers: bool
    asked: bool = True
    address: str = PHONE
    needs_words: bool = False
    refused: tuple[str, ...] = ()

    def takes(self, body: str) -> bool:
        return body not in self.refused and bool(body.strip() or not self.needs_words)


def email(_: Path, running: ExitStack) -> Kept:
    port = running.enter_context(mail_server(Post()))
    channel = EmailChannel("127.0.0.1", port, "none", "", "", "care@blue-bridge.example", SimulatedClock(NOW))
    return Kept(channel, remembers=False, asked=False, address="li.min@customers.example")


def telegram(_: Path, running: ExitStack) -> Kept:
    fake = FakeTelegram(SimulatedClock(NOW), per_second=None)
    fake.open("1001")
    url = running.enter_context(Plugged(fake)).url
    channel = TelegramChannel(TOKEN, "", url, SimulatedClock(NOW))
    return Kept(channel, remembers=False, asked=False, address="1001", needs_words=True)


def twilio(_: Path, running: ExitStack) -> Kept:
    account, token, numbers = "AC" + "a" * 32, "token", ("+12025550100",)
    clock = SimulatedClock(NOW)
    channel = TwilioChannel(
        name="sms",
        account_sid=account,
        auth_token=token,
        api_key="",
        api_secret="",
        numbers=numbers,
        service="",
        segments_per_second=1.0,
        schedule_seconds=0,
        url=running.enter_context(Plugged(FakeTwilio(clock, account, token, numbers=numbers))).url,
        receipt_url=lambda attempt_id: f"http://127.0.0.1:9/{attempt_id}",
        clock=clock,
    )
    return Kept(channel, remembers=True, refused=("", "x" * 2000))


CHANNELS: dict[str, Callable[[Path, ExitStack], Kept]] = {
    "simulator in memory": lambda *_: Kept(Simulator(SimulatedClock(NOW)), remembers=True),
    "simulator on a file": lambda path, _: Kept(Simulator(SimulatedClock(NOW), path / "phones.jsonl"), remembers=True),
    "null": lambda *_: Kept(NullChannel(), remembers=False),
    "email": email,
    "telegram": telegram,
    "twilio": twilio,
}
"""Each starts what it needs in the stack, which is closed after the test."""


@pytest.fixture(params=CHANNELS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    with ExitStack() as running:
        made = CHANNELS[request.param](tmp_path, running)
        yield made
        RUNNER.run(made.channel.close())


def send(channel: Channel, body: str = "您好", number: int = 1, address: str = PHONE) -> Any:
    return RUNNER.run(channel.send(Outgoing(f"{number:032x}", address, body, "survey")))


def find(channel: Channel, address: str = PHONE, since: datetime = NOW) -> Any:
    return RUNNER.run(channel.find(address, since))


BODIES = ["您好", "", "x" * 2000, "line\nbreak", 'quote " and \\', "\U0001f600 emoji", "<b>&amp;", "\u2028"]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_text_is_accepted_under_an_id_of_the_provider(kept: Kept, body: str) -> None:
    outcome = send(kept.channel, body, address=kept.address)
    if not kept.takes(body):
        assert isinstance(outcome, Refused)
        return
    assert isinstance(outcome, Accepted)
    assert 0 < len(outcome.provider_id) <= 64


def test_every_text_has_an_id_of_its_own(kept: Kept) -> None:
    ids = {send(kept.channel, number=number, address=kept.address).provider_id for number in range(20)}
    assert len(ids) == 20


def test_a_channel_says_its_name_and_how_many_calls_it_takes(kept: Kept) -> None:
    assert kept.channel.name
    assert kept.channel.at_once >= 1


def test_a_channel_has_senders_with_names_of_their_own(kept: Kept) -> None:
    names = [sender.name for sender in kept.channel.senders]
    assert all(names)
    assert len(set(names)) == len(names) >= 1


def test_an_address_that_it_reaches_has_no_objection(kept: Kept) -> None:
    assert kept.channel.objection(kept.address, frozenset()) is None


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_what_was_sent_is_found_with_its_exact_words(kept: Kept, body: str) -> None:
    outcome = send(kept.channel, body, address=kept.address)
    found = find(kept.channel, kept.address)
    assert (found is not None) is kept.asked
    if kept.remembers:
        same = [(outcome.provider_id, body, NOW)] if kept.takes(body) else []
        assert [(trace.provider_id, trace.body, trace.created_at) for trace in found] == same


def test_only_the_asked_address_and_time_are_found(kept: Kept) -> None:
    if not kept.asked:
        pytest.skip("this channel cannot be asked")
    send(kept.channel)
    send(kept.channel, address="+8613900000002")
    assert len(find(kept.channel)) == (1 if kept.remembers else 0)
    assert find(kept.channel, since=NOW + timedelta(seconds=1)) in ([], ())
    assert find(kept.channel, address="+1") in ([], ())


def test_many_calls_side_by_side_are_all_answered(kept: Kept) -> None:
    async def all_at_once() -> list[Any]:
        calls = [kept.channel.send(Outgoing(f"{n:032x}", kept.address, str(n), "survey")) for n in range(50)]
        return await asyncio.gather(*calls)

    outcomes = RUNNER.run(all_at_once())
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    if kept.remembers:
        assert len(find(kept.channel, kept.address)) == 50


# ----- what only the built-in phone can do


@pytest.fixture
def phone() -> Simulator:
    return Simulator(SimulatedClock(NOW))


@pytest.mark.parametrize(
    ("fault", "answer", "arrives"),
    [("refuse", Refused, False), ("lose", Unknown, False), ("lose_after", Unknown, True)],
)
def test_a_fault_answers_and_arrives_as_it_says(phone: Simulator, fault: Any, answer: type, arrives: bool) -> None:
    phone.fail(PHONE, fault)
    assert isinstance(send(phone), answer)
    assert len(phone.phone(PHONE)) == (1 if arrives else 0)
    assert isinstance(send(phone, address="+8613900000002"), Accepted), "only this phone fails"
    phone.fail(PHONE, None)
    assert isinstance(send(phone), Accepted)


def test_what_people_type_is_never_taken_for_ours(phone: Simulator) -> None:
    phone.type(PHONE, "您好")
    assert find(phone) == []
    assert [text.direction for text in phone.phone(PHONE)] == ["out"]


def test_who_listens_hears_every_text(phone: Simulator) -> None:
    heard: list[Text] = []
    phone.listen(heard.append)
    send(phone, "one")
    phone.type(PHONE, "two")
    assert [text.body for text in heard] == ["one", "two"]


def test_the_ledger_survives_the_process(tmp_path: Path) -> None:
    # given a phone with two texts, and a process that was killed while it wrote a third
    ledger = tmp_path / "deep" / "phones.jsonl"
    first = Simulator(SimulatedClock(NOW), ledger)
    send(first, "第一\n条")
    first.type(PHONE, "回复")
    with ledger.open("a", encoding="utf-8") as file:
        file.write('{"id": "sim-1", "addr')

    # when another process opens the same ledger
    again = Simulator(SimulatedClock(NOW), ledger)

    # then it knows both, and goes on writing lines of its own
    assert [text.body for text in again.phone(PHONE)] == ["第一\n条", "回复"]
    send(again, "第三条\u2028")
    third = Simulator(SimulatedClock(NOW), ledger)
    assert [text.body for text in third.phone(PHONE)] == ["第一\n条", "回复", "第三条\u2028"]
    assert third.phones() == (PHONE,)


def test_ids_of_two_processes_never_meet(tmp_path: Path) -> None:
    ledger = tmp_path / "phones.jsonl"
    ids = {send(Simulator(SimulatedClock(NOW), ledger)).provider_id for _ in range(5)}
    assert len(ids) == 5


def test_the_ledger_is_lines_of_json(tmp_path: Path) -> None:
    ledger = tmp_path / "phones.jsonl"
    send(Simulator(SimulatedClock(NOW), ledger), "您好\u2028")
    (line,) = ledger.read_bytes().split(b"\n")[:-1]
    assert json.loads(line)["body"] == "您好\u2028"
