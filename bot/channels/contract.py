"""What every channel is: send one text, and look up what the provider already has.

A failure is a value that answers for itself: was anything sent, may it be tried again, whom to tell. Only `Unknown`
is doubtful, and only reconciliation resolves it. A channel knows no tables and keeps no business state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol

SHARE_CONTACT = "contact"
"""Data of the button by which somebody shares their own phone number (Telegram)."""


@dataclass(frozen=True)
class Button:
    """One tap instead of typing. `data` comes back when it is tapped: at most 64 bytes."""

    label: str
    data: str


@dataclass(frozen=True)
class Outgoing:
    """One text to one address. `attempt_id` is random and rides along, so that receipts find their way home.

    `sender`: which of the channel's senders it leaves by. `send_at`: the provider keeps it until then. `expires_at`:
    the provider need not try any longer. `title`: the subject, where there is one. `buttons`: rows of them.
    """

    attempt_id: str
    address: str
    body: str
    purpose: str
    sender: str = ""
    send_at: datetime | None = None
    expires_at: datetime | None = None
    title: str = ""
    buttons: tuple[tuple[Button, ...], ...] = ()


# ----- what a call came to


class Sign(StrEnum):
    """What an outcome says of the sender itself."""

    FINE = "fine"
    REST = "rest"
    """It sends too fast: it rests for `retry_after`."""
    TROUBLE = "trouble"
    """The provider cannot be reached or breaks: several in a row pause the sender."""
    STOP = "stop"
    """Our set-up at the provider is wrong: the sender pauses until a person has mended it."""
    STOP_COUNTRY = "stop_country"
    """As STOP, for numbers of this country only."""


@dataclass(frozen=True)
class Accepted:
    """The provider has it; `delivered` where it tells at once that the phone has it, too."""

    provider_id: str
    delivered: bool = False


@dataclass(frozen=True)
class NotSent:
    """Nothing left the house: refused connection, 429, a wrong set-up. Tried again after `retry_after` seconds."""

    because: str
    retry_after: float = 30.0
    sign: Sign = Sign.FINE


@dataclass(frozen=True)
class Refused:
    """It will not arrive: a definite answer, at once or by a later receipt.

    `suppress`: the address is bad. `opted_out`: it wants no messages. `again_after`: seconds until the first, second
    ... new try; when they are used up the failure is final, and then `suppress_at_last`.
    """

    because: str
    suppress: bool = False
    opted_out: bool = False
    again_after: tuple[float, ...] = ()
    suppress_at_last: bool = False
    sign: Sign = Sign.FINE


@dataclass(frozen=True)
class Unknown:
    """It may or may not have been sent: timeout, reset, 5xx."""

    because: str


Outcome = Accepted | NotSent | Refused | Unknown


# ----- what comes from the provider


@dataclass(frozen=True)
class Trace:
    """One message that the provider has: what a look-up finds."""

    provider_id: str
    body: str
    created_at: datetime
    delivered: bool = False


@dataclass(frozen=True)
class Receipt:
    """What the provider says later of one message: late, twice and out of order. `refused`: what a failure means."""

    attempt_id: str
    provider_id: str
    state: Literal["accepted", "sent", "delivered", "undelivered", "failed", "cancelled"]
    refused: Refused | None = None


class Flag(StrEnum):
    """What the provider itself says of an inbound text; it wins over any reading."""

    NONE = ""
    OPT_OUT = "opt_out"
    """Opted out at the provider, which has confirmed it already."""
    OPT_IN = "opt_in"
    HELP = "help"
    LEFT = "left"
    """Left this channel only: blocked the bot, or said /stop to it."""
    CAME_BACK = "came_back"
    """Is on this channel again: unblocked the bot."""
    START = "start"
    """Opened the chat, perhaps by a link: the body is the link's token."""
    CONTACT = "contact"
    """Shared their own phone number: the body is the number, vouched for by the provider."""


@dataclass(frozen=True)
class Received:
    """One text from a phone, as its channel understands it.

    `tapped`: data of the button that was tapped. `media`: pictures and the like that came with it. `raw`: every field
    as it came, for the record.
    """

    provider: str
    provider_message_id: str
    channel: str
    from_address: str
    body: str
    to_address: str = ""
    flag: Flag = Flag.NONE
    tapped: str = ""
    media: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)


# ----- the channel itself


class Need(StrEnum):
    """What a message must be able to do where it arrives."""

    REPLY = "reply"
    LINK = "link"


@dataclass(frozen=True)
class Sender:
    """What a channel sends by: a number, a pool, a bot. Rates belong to it.

    `per_second`: how many units leave in a second, None: no limit; a unit is a segment where `by_segments`, else a
    message. `per_address`: seconds between two messages to one address.
    """

    name: str
    per_second: float | None = None
    by_segments: bool = False
    per_address: float = 0.0


class Channel(Protocol):
    """A way to reach a phone. `at_once` is how many calls it takes side by side.

    `senders` is never empty. `shows_buttons`: one tap answers there. `ahead`: how long before it goes out the provider
    is given a message that is not urgent (scheduled mode); None: everything is sent at once.
    """

    name: str
    at_once: int
    senders: tuple[Sender, ...]
    shows_buttons: bool
    ahead: timedelta | None

    def objection(self, address: str, needs: frozenset[Need]) -> str | None:
        """Why a message that needs this cannot go to this address; None: it can."""
        ...

    async def send(self, message: Outgoing) -> Outcome:
        """Send once: explicit timeouts, no retry inside."""
        ...

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        """What the provider has for this address since then; None where it cannot be asked (Telegram)."""
        ...

    async def withdraw(self, provider_id: str) -> bool:
        """Take back a scheduled message: True: it will not go out; False: it has gone, or cannot be taken back."""
        ...

    async def look_up(self, provider_id: str, attempt_id: str) -> Receipt | None:
        """What the provider says now of one message, as its receipt would; None where it cannot be asked."""
        ...

    async def heard_since(self, since: datetime) -> Sequence[Received] | None:
        """Texts from phones that the provider has since then, oldest first; None where it cannot be asked."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class Plain:
    """What a channel is that has one sender without a limit, and neither a schedule nor anything to ask."""

    senders: tuple[Sender, ...] = (Sender("default"),)
    shows_buttons: bool = False
    ahead: timedelta | None = None

    def objection(self, address: str, needs: frozenset[Need]) -> str | None:
        return None

    async def withdraw(self, provider_id: str) -> bool:
        return False

    async def look_up(self, provider_id: str, attempt_id: str) -> Receipt | None:
        return None

    async def heard_since(self, since: datetime) -> Sequence[Received] | None:
        return None

    async def close(self) -> None:
        return None
