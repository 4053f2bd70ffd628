"""A channel that leads nowhere: for measuring what everything but the provider costs."""

from collections.abc import Sequence
from datetime import datetime

from bot.channels.contract import Accepted, Outcome, Outgoing, Plain, Trace


class NullChannel(Plain):
    """Accepts everything, keeps nothing."""

    at_once = 8

    def __init__(self, name: str = "null") -> None:
        self.name = name

    async def send(self, message: Outgoing) -> Outcome:
        return Accepted(f"null-{message.attempt_id}", delivered=True)

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        return ()
