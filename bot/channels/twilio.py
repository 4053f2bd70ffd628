"""SMS and WhatsApp over Twilio: send once, look up, take back; understand what Twilio's webhooks say.

    send           a call -> Accepted | NotSent | Refused | Unknown      codes are judged by reactions.py
    find, withdraw, heard_since, check                                   raise TwilioError: nobody knows, ask again
    is_genuine, understand_inbound, understand_status                    webhooks; pure

Twilio has no key against sending twice: nothing here ever sends again by itself. The official client does the
talking; below it lies one HTTP session with real timeouts, because the client has none by default. Texts of Twilio's
errors and of the HTTP library hold phone numbers: none of them leaves this file.
"""

import hashlib
import hmac
import re
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bot.channels import countries
from bot.channels.contract import (
    Accepted,
    Flag,
    Need,
    NotSent,
    Outcome,
    Outgoing,
    Receipt,
    Received,
    Refused,
    Sender,
    Sign,
    Trace,
    Unknown,
)
from bot.channels.reactions import shipped_reactions
from bot.clock import Clock
from bot.errors import HuifangError, SettingError

CONNECT_SECONDS = 3.0
CALL_SECONDS = 10.0
MARGIN = timedelta(seconds=30)
"""A scheduled message that reaches Twilio more than this late is refused there, so none is taken late."""
LONGEST_VALIDITY = 36_000
PAGE = 1000
LOOKED_THROUGH = 1000
"""Messages to one number that a look-up reads."""
HEARD_AT_MOST = 20_000
"""Messages to one of our numbers that the sweep reads."""

_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_HOST = re.compile(r"(https?)://([^/?#:@]+)(:\d+)?(.*)", re.DOTALL)
_WHATSAPP = "whatsapp:"
_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""No byte of the request left. A kept connection that breaks under it is another thing, and in doubt."""
_NO_COPY = frozenset({"failed", "canceled"})
_ON_THE_PHONE = frozenset({"delivered", "read"})
_FLAGS = {"STOP": Flag.OPT_OUT, "START": Flag.OPT_IN, "HELP": Flag.HELP}

State = Literal["accepted", "sent", "delivered", "undelivered", "failed", "cancelled"]
_STATES: Mapping[str, State] = {
    "accepted": "accepted",
    "scheduled": "accepted",
    "queued": "accepted",
    "sending": "accepted",
    "sent": "sent",
    "partially_delivered": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "cancelled",
}


class TwilioError(HuifangError):
    """Twilio could not be asked, or its answer leaves doubt."""


class TwilioChannel:
    """Numbers, or one Messaging Service, that send SMS or WhatsApp messages.

    A service schedules what is not urgent; a bare number never does, since Twilio would send it at once. Titles and
    buttons do not exist here: what a person may answer stands in the text. WhatsApp: free text may only answer what
    somebody wrote in the last 24 hours; outside of them Twilio fails the message for good (63016), and the next
    channel takes over.
    """

    at_once = 64
    shows_buttons = False

    def __init__(
        self,
        *,
        name: Literal["sms", "whatsapp"],
        account_sid: str,
        auth_token: str,
        api_key: str,
        api_secret: str,
        numbers: tuple[str, ...],
        service: str,
        segments_per_second: float,
        schedule_seconds: int,
        url: str,
        receipt_url: Callable[[str], str],
        clock: Clock,
        timeout: float = CALL_SECONDS,
    ) -> None:
        """`url`: where a stand-in for Twilio listens; empty: Twilio. `timeout`: real seconds that one call may take.

        `receipt_url`: attempt id -> the address for its receipts. SettingError: no credentials, or nothing to send by.
        """
        user, password = (api_key, api_secret) if api_key else (account_sid, auth_token)
        if not (account_sid and user and password):
            raise SettingError(
                "HUIFANG_TWILIO_ACCOUNT_SID", "or its token is missing", "copy both from Twilio's console"
            )
        if not (numbers or service):
            raise SettingError("HUIFANG_TWILIO_NUMBERS", "is empty", "name a number or a Messaging Service to send by")
        self.name: str = name
        self._prefix = _WHATSAPP if name == "whatsapp" else ""
        self._account, self._token, self._service = account_sid, auth_token.encode(), service
        self._numbers = tuple(self._prefix + number for number in numbers)
        self.senders = _senders(numbers, service, segments_per_second)
        self.ahead = timedelta(seconds=schedule_seconds) + MARGIN if service and schedule_seconds > 0 else None
        self._receipt_url, self._clock = receipt_url, clock
        self._reactions = shipped_reactions()
        self._haste = _Haste(clock)
        self._http = _Http(url, timeout)
        # an environment of its own: TWILIO_REGION or TWILIO_EDGE of the machine would change where messages go
        nowhere = {"TWILIO_REGION": ""}
        self._client = Client(user, password, account_sid, http_client=self._http, environment=nowhere)
        self._messages = self._client.messages

    def objection(self, address: str, needs: frozenset[Need]) -> str | None:
        """What the country of this number cannot do by SMS."""
        return countries.objection(address, needs) if self.name == "sms" else None

    # ----- sending

    async def send(self, message: Outgoing) -> Outcome:
        """Send once. NotSent only where Twilio said so or no connection was made; whatever else breaks is Unknown."""
        if (refusal := self._refusal(message)) is not None:
            return refusal
        sender = self._sender_of(message)
        try:
            sent = await self._messages.create_async(**self._fields(message, sender))
        except (TwilioRestException, TwilioServiceException) as error:
            return self._judge(error, message, sender)
        except _NEVER_CONNECTED as error:
            return NotSent(f"no connection to Twilio: {type(error).__name__}", sign=Sign.TROUBLE)
        except Exception as error:  # timeout, reset, half an answer: it may have been taken all the same
            return Unknown(f"no answer from Twilio: {type(error).__name__}")
        if not _SID.fullmatch(str(sent.sid)):
            return Unknown("Twilio's answer names no message")
        self._haste.ends(sender)
        return Accepted(sent.sid)

    def _refusal(self, message: Outgoing) -> Outcome | None:
        """Why this is not even tried."""
        if self.name == "sms" and (because := countries.link_objection(message.address, message.body)):
            return Refused(because)
        early = (message.send_at - self._clock.now()).total_seconds() if message.send_at else 0.0
        if early > 0 and not self._service:
            return NotSent("only a Messaging Service keeps messages for later", retry_after=early)
        return None

    def _sender_of(self, message: Outgoing) -> str:
        """The sender that was asked for; the first one if the settings no longer have it."""
        names = [sender.name for sender in self.senders]
        return message.sender if message.sender in names else names[0]

    def _fields(self, message: Outgoing, sender: str) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "to": self._prefix + message.address,
            "body": message.body,
            "status_callback": self._receipt_url(message.attempt_id),
            # else a service may exchange characters, and a look-up by the exact words would miss the message
            "smart_encoded": False,
        }
        leaves_at = self._clock.now()
        if sender != self._service:
            fields["from_"] = self._prefix + sender
        else:
            fields["messaging_service_sid"] = sender
            if message.send_at is not None:
                # the client writes the hour as it stands and puts a Z behind it
                leaves_at = message.send_at.astimezone(UTC)
                fields |= {"schedule_type": "fixed", "send_at": leaves_at}
        if message.expires_at is not None:
            seconds = int((message.expires_at - leaves_at).total_seconds())
            fields["validity_period"] = min(max(seconds, 1), LONGEST_VALIDITY)
        return fields

    def _judge(self, error: TwilioRestException | TwilioServiceException, message: Outgoing, sender: str) -> Outcome:
        """What an answer that is no 2xx means; asked again in vain, a rest grows."""
        reaction = self._reactions.to_answer(_number(error.status), _number(error.code))
        outcome = reaction.as_answer()
        if isinstance(outcome, NotSent) and outcome.sign is Sign.REST:
            return replace(outcome, retry_after=self._haste.rest(sender, reaction.after, message.attempt_id))
        return outcome

    # ----- asking

    async def find(self, address: str, since: datetime) -> Sequence[Trace]:
        """What Twilio has sent or will send to this number; a failed or cancelled copy is none, it reached nobody.

        TwilioError: Twilio could not be asked, or has more messages to that number than one look-up reads.
        """
        whole_second = since.replace(microsecond=0)  # as Twilio writes its instants
        traces: list[Trace] = []
        read, oldest = 0, since
        async for found in self._listed(to=self._prefix + address, limit=LOOKED_THROUGH):
            read, oldest = read + 1, found.date_created  # the newest comes first
            if found.date_created < whole_second or not found.direction.startswith("outbound"):
                continue
            if found.status not in _NO_COPY:
                on_the_phone = found.status in _ON_THE_PHONE
                traces.append(Trace(found.sid, found.body or "", found.date_created, on_the_phone))
        if read >= LOOKED_THROUGH and oldest >= whole_second:
            raise TwilioError("Twilio has too many messages to one number to look through")
        return traces

    async def withdraw(self, provider_id: str) -> bool:
        """Cancel a scheduled message; said twice it is True again. TwilioError: it is still in doubt."""
        message = self._messages(provider_id)
        with _asking():
            try:
                found = await message.update_async(status="canceled")
            except TwilioRestException as error:
                if error.status == 404:
                    return False
                if not 400 <= error.status < 500 or error.status == 429:
                    raise
                found = await message.fetch_async()
        if found.status == "scheduled":
            raise TwilioError("Twilio does not cancel a message and does not say why")
        return found.status in _NO_COPY

    async def look_up(self, provider_id: str, attempt_id: str) -> Receipt | None:
        """What Twilio says of one message now. None: it has none of this id, or nothing that we follow."""
        with _asking():
            try:
                found = await self._messages(provider_id).fetch_async()
            except TwilioRestException as error:
                if error.status == 404:
                    return None
                raise
        told = {**_as_webhook(found), "MessageStatus": found.status, "ErrorCode": str(found.error_code or "")}
        return self.understand_status(attempt_id, list(told.items()))

    async def heard_since(self, since: datetime) -> Sequence[Received]:
        """Texts to our numbers that Twilio has since then, oldest first, under the ids that its webhook gives them."""
        whole_second = since.replace(microsecond=0)
        day_before = since.astimezone(UTC) - timedelta(days=1)  # Twilio filters by whole days
        heard: list[tuple[datetime, Received]] = []
        for number in self._numbers or await self._numbers_of_account():
            async for found in self._listed(to=number, date_sent_after=day_before, limit=HEARD_AT_MOST):
                if found.direction == "inbound" and found.date_created >= whole_second:
                    text = self._received(_as_webhook(found))
                    heard += [(found.date_created, text)] if text else []
        return [text for _, text in sorted(heard, key=lambda each: each[0])]

    async def check(self) -> str:
        """Whether the credentials work, in words; TwilioError says why not."""
        with _asking():
            theirs = set(await self._numbers_of_account())
        if not self._numbers:
            return f"the credentials work; the account has {len(theirs)} numbers"
        foreign = [number for number in self._numbers if number not in theirs]
        if foreign and not self._service:
            raise TwilioError(f"{len(foreign)} of {len(self._numbers)} numbers in the settings are not the account's")
        return f"the credentials work; {len(self._numbers) - len(foreign)} numbers in the settings are the account's"

    async def close(self) -> None:
        """Give back connections; the next call makes new ones."""
        await self._http.close()

    async def _listed(self, **filters: Any) -> AsyncIterator[Any]:
        """Messages as Twilio lists them, page after page."""
        with _asking():
            async for found in await self._messages.stream_async(page_size=PAGE, **filters):
                yield found

    async def _numbers_of_account(self) -> list[str]:
        with _asking():
            listed = await self._client.incoming_phone_numbers.list_async(limit=PAGE)
        return [self._prefix + each.phone_number for each in listed]

    # ----- webhooks

    def is_genuine(self, url: str, pairs: Sequence[tuple[str, str]], signature: str) -> bool:
        """Did Twilio send this form to this public address of ours? Without a token nothing is genuine.

        `pairs`: the form as it came, blank fields kept. A port in the address may be signed or left out.
        """
        if not self._token or not signature:
            return False
        try:
            form = "".join(f"{name}{value}" for name, value in sorted(set(pairs))).encode()
            given = signature.encode()
        except UnicodeEncodeError:  # Twilio signs UTF-8, and no half characters
            return False
        return any(hmac.compare_digest(self._sign(each.encode() + form), given) for each in _with_and_without_port(url))

    def _sign(self, text: bytes) -> bytes:
        # not hmac.digest: it lets other threads in for every signature, which costs a busy server a fifth of its time
        return b64encode(hmac.new(self._token, text, hashlib.sha1).digest())

    def understand_inbound(self, pairs: Sequence[tuple[str, str]]) -> Received | None:
        """A text to one of our numbers; None: not for our account, not for this channel, or no message of Twilio's."""
        fields = dict(pairs)
        return self._received(fields) if self._is_for_us(fields) else None

    def _is_for_us(self, fields: Mapping[str, str]) -> bool:
        if fields.get("AccountSid") != self._account:
            return False
        if fields.get("To") in self._numbers:
            return True
        service = fields.get("MessagingServiceSid", "")
        # a service whose numbers are not listed: all numbers of the account are ours, but no other service's
        return bool(self._service) and (service == self._service or not (service or self._numbers))

    def _received(self, fields: Mapping[str, str]) -> Received | None:
        sid, sender, ours = (fields.get(name, "") for name in ("MessageSid", "From", "To"))
        if not _SID.fullmatch(sid) or not self._is_of_channel(sender) or not self._is_of_channel(ours):
            return None
        media = fields.get("NumMedia", "")
        return Received(
            provider="twilio",
            provider_message_id=sid,
            channel=self.name,
            from_address=sender.removeprefix(self._prefix),
            to_address=ours.removeprefix(self._prefix),
            body=fields.get("Body", ""),
            flag=_FLAGS.get(fields.get("OptOutType", "").upper(), Flag.NONE),
            tapped=fields.get("ButtonPayload", ""),
            media=int(media) if re.fullmatch(r"[0-9]{1,3}", media) else 0,
            raw=dict(fields),
        )

    def _is_of_channel(self, address: str) -> bool:
        """SMS has bare addresses; all other channels of Twilio have a prefix."""
        kind, colon, rest = address.rpartition(":")
        return bool(rest) and kind + colon == self._prefix

    def understand_status(self, attempt_id: str, pairs: Sequence[tuple[str, str]]) -> Receipt | None:
        """What Twilio says later of one attempt; None: not of our account, or nothing that we follow."""
        fields = dict(pairs)
        sid = fields.get("MessageSid", "")
        state = _STATES.get(fields.get("MessageStatus", ""))
        if fields.get("AccountSid") != self._account or state is None or not _SID.fullmatch(sid):
            return None
        if state not in ("failed", "undelivered"):
            return Receipt(attempt_id, sid, state)
        refused = self._reactions.to_receipt(_number(fields.get("ErrorCode"))).as_refusal()
        return Receipt(attempt_id, sid, state, refused)


# ----- below the official client


class _Http(AsyncTwilioHttpClient):  # type: ignore[misc]  # the official client has no types
    """What the official client sends by: one pooled session with real timeouts, no redirects, no second try.

    The client's own ignores its timeout, and logs phone numbers.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(pool_connections=False)
        self.session: aiohttp.ClientSession | None = None
        self._url = url.rstrip("/")
        self._limits = aiohttp.ClientTimeout(total=timeout, connect=CONNECT_SECONDS)

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class has it
        allow_redirects: bool = False,
    ) -> Response:
        """One exchange over the pooled session, within its limits of time whatever the client asks for."""
        async with self._opened().request(
            method,
            self._address(url),
            params=params,
            data=urlencode(data).encode() if data else None,
            headers={**(headers or {}), **_authorization(auth)},
            allow_redirects=False,
        ) as response:
            content = await response.read()
            return Response(response.status, content.decode("utf-8", "replace"), response.headers)

    async def close(self) -> None:
        """Give back the session; the next request opens a new one."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session, made in the loop that first asks for it."""
        if self.session is None:
            # no limit of connections: who sends has one already, and waiting for a connection would look like trouble
            connector = aiohttp.TCPConnector(limit=0)
            jar = aiohttp.DummyCookieJar()
            self.session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=self._limits)
        return self.session

    def _address(self, url: str) -> str:
        if not self._url:
            return url
        parts = urlsplit(url)
        return f"{self._url}{parts.path}?{parts.query}" if parts.query else self._url + parts.path


def _authorization(auth: tuple[str, str] | None) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(":".join(auth).encode()).decode()} if auth else {}


class _Haste:
    """How long a sender rests that was too fast: longer each time a rest did not help, never in step with others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rests: dict[str, tuple[int, float]] = {}

    def rest(self, sender: str, steps: Sequence[float], attempt_id: str) -> float:
        """Seconds; answers that come during a rest do not make it longer."""
        now = self._clock.monotonic()
        step, until = self._rests.get(sender, (-1, now))
        if now >= until:
            step += 1
            until = now + steps[min(step, len(steps) - 1)]
        self._rests[sender] = step, until
        jitter = zlib.crc32(attempt_id.encode()) / 2**32  # attempt ids are random
        return steps[min(step, len(steps) - 1)] * (1 + jitter / 2)

    def ends(self, sender: str) -> None:
        self._rests.pop(sender, None)


@contextmanager
def _asking() -> Iterator[None]:
    """Whatever goes wrong while Twilio is asked becomes a TwilioError that names no phone."""
    try:
        yield
    except HuifangError:
        raise
    except Exception as error:
        raise TwilioError(_in_words(error)) from None  # the cause holds phone numbers


def _in_words(error: Exception) -> str:
    status = getattr(error, "status", 0)
    if isinstance(error, TwilioException) and error.args and isinstance(error.args[-1], Response):
        status = error.args[-1].status_code  # a failed list() says it nowhere else
    if status in (401, 403):
        return f"Twilio refuses the credentials ({status}): compare account SID and token or key with its console"
    if status:
        return f"Twilio answers {status}"
    return f"Twilio cannot be reached: {type(error).__name__}"


def _senders(numbers: Sequence[str], service: str, segments_per_second: float) -> tuple[Sender, ...]:
    """The service, as fast as all its numbers together; without one each number for itself."""
    if service:
        return (Sender(service, segments_per_second * max(1, len(numbers)), by_segments=True),)
    return tuple(Sender(number, segments_per_second, by_segments=True) for number in numbers)


def _as_webhook(found: Any) -> dict[str, str]:
    """A listed message in the names of the webhook's fields."""
    return {
        "MessageSid": found.sid or "",
        "AccountSid": found.account_sid or "",
        "From": found.from_ or "",
        "To": found.to or "",
        "Body": found.body or "",
        "NumMedia": found.num_media or "0",
    }


def _with_and_without_port(url: str) -> tuple[str, ...]:
    """The two forms of our address that Twilio may have signed."""
    parts = _HOST.fullmatch(url)
    if parts is None:
        return (url,)
    scheme, host, port, rest = parts.groups()
    return f"{scheme}://{host}{rest}", f"{scheme}://{host}{port or (':443' if scheme == 'https' else ':80')}{rest}"


def _number(value: object) -> int:
    """A status or code as Twilio gives it: a number, its digits, or nothing."""
    return int(text) if (text := str(value)).isascii() and text.isdecimal() and len(text) < 9 else 0
