"""What every channel is: send one text, and look up what the provider already has.

A failure is a value that answers for itself: was anything sent, may it be tried again, whom to tell. Only `Unknown`
is doubtful, and only reconciliation resolves it. A channel knows no tables and keeps no business state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Outgoing:
    """One text to one address. `attempt_id` is random and rides along, so that receipts find their way home."""

    attempt_id: str
    address: str
    body: str
    purpose: str


@dataclass(frozen=True)
class Accepted:
    """The provider has it; `delivered` where it tells at once that the phone has it, too."""

    provider_id: str
    delivered: bool = False


@dataclass(frozen=True)
class NotSent:
    """Nothing left the house: refused connection, 429. May be tried again after `retry_after` seconds."""

    because: str
    retry_after: float = 30.0


@dataclass(frozen=True)
class Refused:
    """The provider will not: a definite answer. `suppress`: the address is bad; `opted_out`: it wants no messages."""

    because: str
    suppress: bool = False
    opted_out: bool = False


@dataclass(frozen=True)
class Unknown:
    """It may or may not have been sent: timeout, reset, 5xx."""

    because: str


Outcome = Accepted | NotSent | Refused | Unknown


@dataclass(frozen=True)
class Trace:
    """One message that the provider has: what a look-up finds."""

    provider_id: str
    body: str
    created_at: datetime
    delivered: bool = False


class Channel(Protocol):
    """A way to reach a phone. `at_once` is how many calls it takes side by side."""

    name: str
    at_once: int

    async def send(self, message: Outgoing) -> Outcome:
        """Send once: explicit timeouts, no retry inside."""
        ...

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        """What the provider has for this address since then; None where it cannot be asked (Telegram)."""
        ...
