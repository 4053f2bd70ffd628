"""What providers call: texts from phones, and what became of ours. Verify, understand, keep, answer at once.

    POST /hooks/twilio/inbound             200 and empty TwiML
    POST /hooks/twilio/status/{signed}     204
    POST /hooks/telegram                   200, and the end of a tapped button's spinning

Forged: 403. No sense in it: 400. Too long: 413. Nothing is accepted then, and nothing is told. 503 only where neither
the database nor the spool keeps it: then the provider comes again. A provider that is not set up has no route.

No visit, no form token, no model: the proof is the provider's own, taken over the raw form and the address in the
settings, never over what a header says we are called. Unknown fields are no reason to refuse. What is kept is read
later: nothing that stands here answers with anything about anybody.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable
from urllib.parse import unquote_to_bytes

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.channels.contract import Receipt, Received
from bot.channels.signing import open_attempt, receipt_key
from bot.clock import Clock
from bot.journey.inbox import NotKept, take_in, take_receipt
from bot.runtime import Runtime

log = structlog.get_logger()
FORM = b"application/x-www-form-urlencoded"
STATUS = "/hooks/twilio/status/"
Pairs = Sequence[tuple[str, str]]
Endpoint = Callable[["Call"], Awaitable[Response]]

EMPTY_TWIML = Response("<Response/>", media_type="text/xml")
"""Anything else than TwiML counts as an error at Twilio (11200); anything in it would be sent."""
WELCOME, NOTED = Response(), Response(status_code=204)


class Call:
    """One request, as far as it is needed: a third of what a webhook costs would be the framework's idea of it."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.path: str = scope["path"]
        self._scope, self._receive = scope, receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])

    def header(self, name: bytes) -> bytes:
        """`name` has small letters."""
        return self._headers.get(name, b"")

    def address(self) -> str:
        """Path and query as they were called."""
        path, query = self._scope["raw_path"].decode("latin-1"), self._scope["query_string"].decode("latin-1")
        return f"{path}?{query}" if query else path

    async def body(self) -> bytes:
        """ClientDisconnect: the caller hung up before the end."""
        body, more = b"", True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body


@runtime_checkable
class TwilioHooks(Protocol):
    """A channel that Twilio's webhooks are for."""

    def is_genuine(self, url: str, pairs: Pairs, signature: str) -> bool: ...

    def understand_inbound(self, pairs: Pairs) -> Received | None: ...

    def understand_status(self, attempt_id: str, pairs: Pairs) -> Receipt | None: ...


@runtime_checkable
class TelegramHooks(Protocol):
    """A channel that Telegram's webhook is for."""

    def is_genuine(self, secret_header: str) -> bool: ...

    def understand(self, update: Any) -> Received | None: ...

    def answer_of(self, received: Received) -> Mapping[str, str] | None: ...


def make_hooks(runtime: Runtime) -> ASGIApp:
    """The application of the providers that are set up: every refusal is a number without a word."""
    channels = list(dict.fromkeys(runtime.channels.values()))
    twilio = [each for each in channels if isinstance(each, TwilioHooks)]
    telegram = [each for each in channels if isinstance(each, TelegramHooks)]
    endpoints: dict[str, Endpoint] = {}
    if twilio:
        calls = TwilioCalls(runtime, twilio)
        endpoints |= {"/hooks/twilio/inbound": calls.text, STATUS: calls.status}
    if telegram:
        endpoints["/hooks/telegram"] = TelegramCalls(runtime, telegram[0]).update

    refusals = Refusals(runtime.clock)

    async def hooks(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await _answer(endpoints, scope, receive)
        if answer.status_code in (400, 403):
            refusals.tell(scope["path"], answer.status_code)
        await answer(scope, receive, send)

    return hooks


class Refusals:
    """Says in the log that calls are refused: once a minute, since a wrong token or address refuses them all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quiet_until = float("-inf")
        self._count = 0

    def tell(self, path: str, status: int) -> None:
        self._count += 1
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            remedy = "compare HUIFANG_PUBLIC_URL and the secrets with what the provider has" if status == 403 else ""
            where = STATUS if path.startswith(STATUS) else path
            log.warning("webhook refused", path=where, status=status, count=self._count, remedy=remedy)
            self._quiet_until, self._count = now + 60, 0


async def _answer(endpoints: Mapping[str, Endpoint], scope: Scope, receive: Receive) -> Response:
    path = scope["path"]
    endpoint = endpoints.get(STATUS if path.startswith(STATUS) else path)
    if endpoint is None:
        return Response(status_code=404)
    if scope["method"] != "POST":
        return Response(status_code=405, headers={"Allow": "POST"})
    try:
        return await endpoint(Call(scope, receive))
    except HTTPException as error:
        return Response(status_code=error.status_code)
    except NotKept:
        return Response(status_code=503)
    except (ClientDisconnect, RecursionError):  # or nests its JSON deeper than anybody writes
        return Response(status_code=400)


class TwilioCalls:
    """Calls of one account, whose channels tell apart what is for whom."""

    def __init__(self, runtime: Runtime, channels: Sequence[TwilioHooks]) -> None:
        self._runtime, self._channels = runtime, channels
        self._public_url = runtime.settings.public_url.rstrip("/")
        self._key = receipt_key(runtime.settings.twilio_auth_token.get_secret_value())

    async def text(self, call: Call) -> Response:
        """Somebody has written to one of our numbers."""
        pairs = await self._genuine(call)
        for channel in self._channels:
            if received := channel.understand_inbound(pairs):
                await take_in(self._runtime, received)
                return EMPTY_TWIML
        raise _no_sense()

    async def status(self, call: Call) -> Response:
        """Something became of one of our messages; of which one, says the address that we gave along with it."""
        pairs = await self._genuine(call)
        attempt_id = open_attempt(self._key, call.path.removeprefix(STATUS))
        if attempt_id is None:
            raise _forged()
        for channel in self._channels:
            if receipt := channel.understand_status(attempt_id, pairs):
                await take_receipt(self._runtime, receipt)
                break
        return NOTED

    async def _genuine(self, call: Call) -> Pairs:
        """The form, once it is proven that the provider sent it to this address of ours, under our public name."""
        if call.header(b"content-type").partition(b";")[0].strip().lower() != FORM:
            raise _no_sense()
        try:
            pairs = fields_of(await call.body())
        except ValueError as error:
            raise _no_sense() from error
        signature = call.header(b"x-twilio-signature").decode("latin-1")
        if not self._channels[0].is_genuine(self._public_url + call.address(), pairs, signature):
            raise _forged()
        return pairs


class TelegramCalls:
    """Calls for one bot."""

    def __init__(self, runtime: Runtime, channel: TelegramHooks) -> None:
        self._runtime, self._channel = runtime, channel

    async def update(self, call: Call) -> Response:
        """Something happened in a chat with the bot; what is nothing for us is welcome too, else it comes for a day."""
        if not self._channel.is_genuine(call.header(b"x-telegram-bot-api-secret-token").decode("latin-1")):
            raise _forged()
        received = self._channel.understand(_object_of(await call.body()))
        if received is None:
            return WELCOME
        await take_in(self._runtime, received)
        answer = self._channel.answer_of(received)
        return JSONResponse(answer) if answer else WELCOME


def fields_of(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, in order, blank ones and repeated ones too. ValueError: not UTF-8."""
    fields = []
    for field in body.decode("ascii").replace("+", " ").split("&") if body else ():
        name, _, value = field.partition("=")
        fields.append((_decoded(name), _decoded(value)) if "%" in field else (name, value))
    return fields


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode()


def _object_of(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _no_sense() from error
    if not isinstance(value, dict):
        raise _no_sense()
    return value


def _forged() -> HTTPException:
    return HTTPException(403)


def _no_sense() -> HTTPException:
    return HTTPException(400)
