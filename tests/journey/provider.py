"""A provider that does as the story says, and a way to fill the outbox: what the tests of the sending core share."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.channels.contract import Accepted, NotSent, Outcome, Outgoing, Plain, Sender, Sign, Trace
from bot.jobs.simulated import advance
from bot.journey import sending
from bot.store import messages
from bot.store.tables import MessageRow
from tests.journey.story import Story

Answer = Callable[[Outgoing], Outcome | None]
DOWN = NotSent("no connection", sign=Sign.TROUBLE)
WRONG_KEY = NotSent("the key is wrong", retry_after=0, sign=Sign.STOP)


class Exchange(Plain):
    """Takes every text and keeps the minute; `answer` may say something else, text by text.

    `listed`: what a look-up finds; `kept`: ids of scheduled texts that can still be taken back.
    """

    at_once = 64

    def __init__(
        self,
        story: Story,
        name: str = "sms",
        *,
        senders: Sequence[Sender] = (Sender("default"),),
        ahead: timedelta | None = None,
        answer: Answer | None = None,
    ) -> None:
        self.name, self.senders, self.ahead = name, tuple(senders), ahead
        self.answer: Answer = answer or (lambda _: None)
        self.calls: list[tuple[datetime, Outgoing]] = []
        self.listed: list[Trace] | None = []
        self.withdrawn: list[str] = []
        self._clock, self._lock = story.clock, threading.Lock()
        story.runtime.channels = {**story.runtime.channels, name: self}

    async def send(self, message: Outgoing) -> Outcome:
        with self._lock:
            self.calls.append((self._clock.now(), message))
            number = len(self.calls)
        await asyncio.sleep(0)
        return self.answer(message) or Accepted(f"{self.name}-{number}", delivered=self.ahead is None)

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        return self.listed

    async def withdraw(self, provider_id: str) -> bool:
        self.withdrawn.append(provider_id)
        return True

    @property
    def bodies(self) -> list[str]:
        return [message.body for _, message in self.calls]

    def seconds(self, since: datetime) -> list[float]:
        """How long after `since` each call was made."""
        return [(at - since).total_seconds() for at, _ in self.calls]


def waits(story: Story, *bodies: str, channel: str = "sms", purpose: str = "service", **known: Any) -> None:
    """These texts wait in the outbox, each for a phone of its own unless said otherwise."""
    now = story.clock.now()
    with story.runtime.db.write() as session:
        for body in bodies:
            values = {
                "dedupe_key": f"{channel}:{body}",
                "purpose": purpose,
                "channel": channel,
                "address": f"to {body}",
                "body": body,
                "created_at": now,
                "due_at": now,
                "expires_at": None,
            }
            assert messages.put(session, {**values, **known}) is not None


def dispatch(story: Story) -> int:
    return asyncio.run(sending.dispatch(story.runtime))


def live(story: Story, **span: float) -> None:
    """Live through a span of time, instant by instant."""
    asyncio.run(advance(story.runtime, story.clock, story.clock.now() + timedelta(**span)))


def state_of(story: Story, body: str) -> str:
    state: str = story.one(MessageRow, body=body).state
    return state


def notices(story: Story) -> list[MessageRow]:
    """What staff are told of the house itself."""
    return [row for row in story.rows(MessageRow, purpose="staff") if row.dedupe_key.startswith("notice:")]
