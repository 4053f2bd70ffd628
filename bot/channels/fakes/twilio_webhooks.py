"""What Twilio tells us: signed calls to our webhooks for what was typed and for how a message fares.

Best effort, as in life: receipts may be asked to come late, twice, out of order or never.
"""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urldefrag, urlencode

import aiohttp
from twilio.request_validator import RequestValidator

from bot.channels.fakes.twilio_messages import VERSION, Message, channel_of
from bot.clock import Clock
from messages.sms import measure

_PATIENCE = aiohttp.ClientTimeout(total=15, sock_connect=5)
_ALERTS = 20


@dataclass(frozen=True)
class Callbacks:
    """How status callbacks come: `delay` seconds of the fake's clock before each, the others are rates from 0 to 1."""

    delay: float = 0.0
    out_of_order: float = 0.0
    duplicated: float = 0.0
    lost: float = 0.0
    seed: int = 0


class Webhooks:
    """Calls our webhooks. Receipts are told while it is open; `alerts` are the last troubles, in Twilio's codes."""

    def __init__(self, clock: Clock, auth_token: str, callbacks: Callbacks) -> None:
        self.alerts: deque[str] = deque(maxlen=_ALERTS)
        self._clock = clock
        self._validator = RequestValidator(auth_token)
        self._callbacks = callbacks
        self._dice = random.Random(callbacks.seed)  # noqa: S311 - callbacks must come again by their seed
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._session:
            await self._session.close()
            self._session = None

    def tell_status(self, message: Message, statuses: Sequence[str]) -> None:
        """Tell where the message wants it told how it fared, one status after another; nobody waits for it."""
        if message.callback and self._session:
            task = asyncio.create_task(self._tell(self._session, message, self._disturb(statuses)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def tell_inbound(self, url: str, fields: Mapping[str, str]) -> int | None:
        """Tell what was typed; the status of the answer, None when there was none."""
        async with aiohttp.ClientSession() as session:
            return await self._post(session, url, fields)

    async def _tell(self, session: aiohttp.ClientSession, message: Message, statuses: Sequence[str]) -> None:
        for status in statuses:
            if self._callbacks.delay:
                await self._clock.sleep(self._callbacks.delay)
            await self._post(session, message.callback, _status_fields(message, status))

    def _disturb(self, statuses: Sequence[str]) -> list[str]:
        """Lose, double and shuffle, as asked."""
        how, dice = self._callbacks, self._dice
        told = [status for status in statuses if not how.lost or dice.random() >= how.lost]
        told += [status for status in told if how.duplicated and dice.random() < how.duplicated]
        if how.out_of_order and dice.random() < how.out_of_order:
            dice.shuffle(told)
        return told

    async def _post(self, session: aiohttp.ClientSession, url: str, fields: Mapping[str, str]) -> int | None:
        """Tell a webhook, signed. Tried once more when it cannot be connected to."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": self._validator.compute_signature(urldefrag(url).url, fields),
        }
        for _ in range(2):
            try:
                async with session.post(url, data=urlencode(fields), headers=headers, timeout=_PATIENCE) as response:
                    if response.status >= 300:
                        self.alerts.append(f"11200: a webhook answered {response.status}")
                    return response.status
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError):
                break  # it may have been heard
        self.alerts.append("11200: a webhook could not be reached")
        return None


def _status_fields(message: Message, status: str) -> dict[str, str]:
    fields = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "MessageStatus": status,
        "SmsStatus": status,
        "AccountSid": message.account,
        "From": message.sender or "",
        "To": message.to,
        "ApiVersion": VERSION,
    }
    if message.service:
        fields["MessagingServiceSid"] = message.service
    if status in ("delivered", "undelivered"):
        fields["RawDlrDoneDate"] = message.updated.strftime("%y%m%d%H%M")
    if status in ("failed", "undelivered"):
        fields["ErrorCode"] = str(message.error)
    if channel_of(message.to):
        fields["ChannelPrefix"] = channel_of(message.to)
    return fields


def inbound_fields(message: Message, media: Sequence[str]) -> dict[str, str]:
    """What an inbound webhook says of a text; places are blank, as they mostly are."""
    sender = message.sender or ""
    fields = {
        "ToCountry": "",
        "ToState": "",
        "SmsMessageSid": message.sid,
        "NumMedia": str(message.media),
        "ToCity": "",
        "FromZip": "",
        "SmsSid": message.sid,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": message.body,
        "FromCountry": "",
        "To": message.to,
        "ToZip": "",
        "NumSegments": str(max(1, measure(message.body).segments)),
        "MessageSid": message.sid,
        "AccountSid": message.account,
        "From": sender,
        "ApiVersion": VERSION,
    }
    for at, address in enumerate(media):
        fields[f"MediaUrl{at}"] = address
        fields[f"MediaContentType{at}"] = "image/jpeg"
    if message.service:
        fields["MessagingServiceSid"] = message.service
    if channel_of(sender):
        fields |= {"ProfileName": "Phone", "WaId": sender.partition(":+")[2]}
    return fields
