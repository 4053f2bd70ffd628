"""A crowd that answers by itself in a rehearsal: a seeded share of all questions, some of the answers low."""

import heapq
import random
import re
from datetime import datetime, timedelta

from bot.channels.contract import Received
from bot.channels.simulator import Simulator, Text
from bot.jobs.work import Work
from bot.journey import inbox
from bot.runtime import Runtime

HOUR = 60
"""Minutes: a crowd answers on the hour, so that what is typed at one instant is read in one batch."""
_LINK = re.compile(r"/s/[a-z0-9]{12}")


class Crowd:
    """Listens to the simulated phones, and types after a while. The same seed tells the same story."""

    def __init__(
        self, simulator: Simulator, *, share: float, low: float, after_minutes: tuple[int, int], seed: int
    ) -> None:
        self._simulator = simulator
        self._share, self._low, self._after = share, low, after_minutes
        self._dice = random.Random(seed)  # noqa: S311 - a rehearsal, no secret
        self._waiting: list[tuple[datetime, int, str, str]] = []
        self._count = 0
        simulator.listen(self._hear)

    def work(self) -> Work:
        """The crowd as a row of the table of repeated work."""
        return Work("the crowd answers", 1, self._answer, lambda *_: self._waiting[0][0] if self._waiting else None)

    def _hear(self, text: Text) -> None:
        """A text with a survey's link is a question."""
        if text.direction != "in" or not _LINK.search(text.body) or self._dice.random() >= self._share:
            return
        first, last = self._after
        at = datetime.fromisoformat(text.at) + timedelta(minutes=self._dice.randrange(first, last, HOUR))
        body = self._dice.choice("12") if self._dice.random() < self._low else self._dice.choice("345")
        self._count += 1
        heapq.heappush(self._waiting, (at, self._count, text.address, body))

    def _answer(self, runtime: Runtime) -> int:
        done = 0
        while self._waiting and self._waiting[0][0] <= runtime.clock.now():
            _, _, address, body = heapq.heappop(self._waiting)
            text = self._simulator.type(address, body)
            inbox.receive(
                runtime,
                Received(
                    provider="simulator",
                    provider_message_id=text.id,
                    channel="sms",
                    from_address=address,
                    body=body,
                ),
            )
            done += 1
        return done
