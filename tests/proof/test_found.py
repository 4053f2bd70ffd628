"""What the long proof has found, each told by itself: two processes at work on one message, one slower."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import pytest

from bot.channels.contract import Accepted, NotSent, Outcome, Outgoing, Plain, Receipt, Refused, Trace, Unknown
from bot.clock import SimulatedClock
from bot.journey import doubt, receipts, scheduled, sending
from bot.runtime import Runtime
from bot.store import messages
from bot.store.tables import MessageRow
from flows.states import MessageState

BODY = "您满意吗？ https://example.test/s/abc"
BEYOND_THE_LEASE = timedelta(seconds=70)
LOOK = timedelta(seconds=61)


class Scripted(Plain):
    """A provider that keeps messages until later. Each call answers what comes next, after what happens meanwhile."""

    name, at_once = "sms", 4
    ahead = timedelta(seconds=330)

    def __init__(self) -> None:
        self.answers: list[Outcome] = []
        self.copies: list[Trace] = []
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []
        self.takes_back = True
        self.sent: list[Outgoing] = []

    async def send(self, message: Outgoing) -> Outcome:
        self.sent.append(message)
        answer = self.answers.pop(0)
        await self._live_on()
        return answer

    async def find(self, address: str, since: datetime) -> Sequence[Trace]:
        copies = list(self.copies)
        await self._live_on()
        return copies

    async def withdraw(self, provider_id: str) -> bool:
        await self._live_on()
        return self.takes_back

    async def _live_on(self) -> None:
        if self.meanwhile:
            await self.meanwhile.pop(0)()


@pytest.fixture
def provider(runtime: Runtime) -> Scripted:
    provider = Scripted()
    runtime.channels = {"sms": provider}
    return provider


@pytest.fixture
def message(runtime: Runtime) -> int:
    """A survey in the outbox."""
    at = runtime.clock.now()
    values = {"dedupe_key": "one", "purpose": "survey", "channel": "sms", "address": "+14152000000", "body": BODY}
    with runtime.db.write() as session:
        row_id = messages.put(session, {**values, "created_at": at, "due_at": at})
    assert row_id is not None
    return row_id


def row(runtime: Runtime, message: int) -> MessageRow:
    with runtime.db.read() as session:
        found = messages.get(session, message)
    assert found is not None
    return found


def later(
    runtime: Runtime, span: timedelta, *steps: Callable[[Runtime], Awaitable[int]]
) -> Callable[[], Awaitable[None]]:
    """Time passes, and then another process does these steps."""

    async def live() -> None:
        assert isinstance(runtime.clock, SimulatedClock)
        runtime.clock.advance(span)
        for step in steps:
            await step(runtime)

    return live


def do(runtime: Runtime, *steps: Callable[[Runtime], Awaitable[int]], after: timedelta = timedelta(0)) -> None:
    asyncio.run(later(runtime, after, *steps)())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "stale", [NotSent("too fast", 1), Refused("no"), Unknown("timeout")], ids=lambda out: type(out).__name__
)
def test_a_sender_that_stood_still_does_not_undo_what_others_did(
    runtime: Runtime, provider: Scripted, message: int, stale: Outcome
) -> None:
    # given a sender that stands still in its call, while others find no copy and try again, with an unknown end
    provider.answers = [stale, Unknown("reset")]
    provider.meanwhile = [later(runtime, BEYOND_THE_LEASE, doubt.reconcile, sending.dispatch)]

    # when it goes on
    do(runtime, sending.dispatch)

    # then the message waits for the look at its second attempt, and no third one is made
    found = row(runtime, message)
    assert (found.state, found.attempts) == (MessageState.UNKNOWN, 2)
    assert len(provider.sent) == 2


def test_proof_from_a_sender_that_stood_still_counts(runtime: Runtime, provider: Scripted, message: int) -> None:
    # given a sender that stands still with the provider's yes, and a lease that has passed
    provider.answers = [Accepted("SM1")]

    async def lose_patience() -> None:
        await later(runtime, BEYOND_THE_LEASE)()
        assert doubt._in_doubt(runtime, 10)

    provider.meanwhile = [lose_patience]

    # when it goes on
    do(runtime, sending.dispatch)

    # then the message is at the provider
    assert (row(runtime, message).state, row(runtime, message).provider_id) == (MessageState.ACCEPTED, "SM1")


def test_an_old_empty_look_decides_nothing_about_a_new_attempt(
    runtime: Runtime, provider: Scripted, message: int
) -> None:
    # given a doubt, and a reconciler whose look takes so long that another one looks, too, and a new attempt is made
    provider.answers = [Unknown("reset"), Unknown("reset")]
    do(runtime, sending.dispatch)
    provider.meanwhile = [later(runtime, LOOK, doubt.reconcile, sending.dispatch)]

    # when its empty answer comes
    do(runtime, doubt.reconcile, after=LOOK)

    # then it is the second attempt that is in doubt, still
    found = row(runtime, message)
    assert (found.state, found.attempts) == (MessageState.UNKNOWN, 2)


@pytest.mark.parametrize("state", ["cancelled", "failed", "undelivered"])
def test_what_became_of_a_second_copy_does_not_touch_the_first(
    runtime: Runtime, provider: Scripted, message: int, state: str
) -> None:
    # given a message at the provider, of which an attempt left one copy more
    provider.answers = [Accepted("SM1")]
    do(runtime, sending.dispatch)
    (attempt,) = [each.attempt_id for each in provider.sent]

    # when a receipt tells of the other copy
    changed = receipts.note_receipts(runtime, [Receipt(attempt, "SM2", state)])  # type: ignore[arg-type]

    # then the message is where it was
    assert changed == 0
    assert (row(runtime, message).state, row(runtime, message).provider_id) == (MessageState.ACCEPTED, "SM1")


@pytest.mark.parametrize("told_first", [True, False], ids=["receipt first", "answer first"])
def test_what_is_stopped_is_back_in_the_outbox_once_whoever_says_it_first(
    runtime: Runtime, provider: Scripted, message: int, told_first: bool
) -> None:
    # given a scheduled message, and the kill switch
    provider.answers = [Accepted("SM1")]
    do(runtime, sending.dispatch)
    (attempt,) = [each.attempt_id for each in provider.sent]
    sending.set_stopped(runtime, "小王", True)

    async def hear() -> None:
        receipts.note_receipts(runtime, [Receipt(attempt, "SM1", "cancelled")])

    # when it is taken back, and the receipt comes before or after the answer
    provider.meanwhile = [hear] if told_first else []
    do(runtime, scheduled.withdraw)
    asyncio.run(hear())  # type: ignore[arg-type]

    # then the same words wait in the outbox, once
    with runtime.db.read() as session:
        assert messages.counts_by_state(session) == {"cancelled": 1, "ready": 1}


def test_what_was_taken_back_with_an_answer_that_was_lost_is_not_lost(
    runtime: Runtime, provider: Scripted, message: int
) -> None:
    # given a scheduled message that is stopped, and the provider's answer to that is lost, and so is its receipt
    provider.answers = [Accepted("SM1")]
    do(runtime, sending.dispatch)
    sending.set_stopped(runtime, "小王", True)

    async def break_off() -> None:
        raise TimeoutError

    provider.meanwhile = [break_off]
    do(runtime, scheduled.withdraw)

    # when everything goes on, and time passes
    sending.set_stopped(runtime, "小王", False)
    do(runtime, scheduled.withdraw, after=timedelta(minutes=10))

    # then it is known that it never went out: the same words wait in the outbox
    with runtime.db.read() as session:
        assert messages.counts_by_state(session) == {"cancelled": 1, "ready": 1}


def test_what_had_gone_before_it_could_be_taken_back_is_let_be(
    runtime: Runtime, provider: Scripted, message: int
) -> None:
    # given a scheduled message that is stopped too late
    provider.answers, provider.takes_back = [Accepted("SM1")], False
    do(runtime, sending.dispatch)
    sending.set_stopped(runtime, "小王", True)
    do(runtime, scheduled.withdraw)
    assert row(runtime, message).recalled_at is not None

    # when it has gone out
    do(runtime, scheduled.withdraw, after=timedelta(minutes=10))

    # then nobody asks any more
    assert (row(runtime, message).state, row(runtime, message).recalled_at) == (MessageState.ACCEPTED, None)
