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

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.channels.contract import Receipt, Received
from bot.channels.signing import open_attempt, receipt_key
from bot.journey.inbox import NotKept, take_in, take_receipt
from bot.runtime import Runtime

FORM = "application/x-www-form-urlencoded"
EMPTY_TWIML = "<Response/>"
"""Anything else than TwiML counts as an error at Twilio (11200); anything in it would be sent."""
Pairs = Sequence[tuple[str, str]]
Endpoint = Callable[[Request], Awaitable[Response]]


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


def make_hooks(runtime: Runtime) -> Starlette:
    """The application of the providers that are set up: bare routes, and every refusal a number without a word."""
    channels = list(dict.fromkeys(runtime.channels.values()))
    twilio = [each for each in channels if isinstance(each, TwilioHooks)]
    telegram = [each for each in channels if isinstance(each, TelegramHooks)]
    routes = []
    if twilio:
        calls = TwilioCalls(runtime, twilio)
        routes += [_post("/hooks/twilio/inbound", calls.text), _post("/hooks/twilio/status/{signed}", calls.status)]
    if telegram:
        routes += [_post("/hooks/telegram", TelegramCalls(runtime, telegram[0]).update)]
    hooks = Starlette(routes=routes, exception_handlers=_REFUSALS)
    hooks.router.redirect_slashes = False  # another address is another signature
    return hooks


def _post(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["POST"])


def _refuse(_: Request, error: Exception) -> Response:
    match error:
        case HTTPException():
            return Response(status_code=error.status_code)
        case NotKept():
            return Response(status_code=503)
        case _:  # the caller hung up, or nests its JSON deeper than anybody writes
            return Response(status_code=400)


_REFUSALS = dict.fromkeys((HTTPException, NotKept, RecursionError, ClientDisconnect), _refuse)


class TwilioCalls:
    """Calls of one account, whose channels tell apart what is for whom."""

    def __init__(self, runtime: Runtime, channels: Sequence[TwilioHooks]) -> None:
        self._runtime, self._channels = runtime, channels
        self._public_url = runtime.settings.public_url.rstrip("/")
        self._key = receipt_key(runtime.settings.twilio_auth_token.get_secret_value())

    async def text(self, request: Request) -> Response:
        """Somebody has written to one of our numbers."""
        pairs = await self._genuine(request)
        for channel in self._channels:
            if received := channel.understand_inbound(pairs):
                await take_in(self._runtime, received)
                return Response(EMPTY_TWIML, media_type="text/xml")
        raise _no_sense()

    async def status(self, request: Request) -> Response:
        """Something became of one of our messages; of which one, says the address that we gave along with it."""
        pairs = await self._genuine(request)
        attempt_id = open_attempt(self._key, request.path_params["signed"])
        if attempt_id is None:
            raise _forged()
        for channel in self._channels:
            if receipt := channel.understand_status(attempt_id, pairs):
                await take_receipt(self._runtime, receipt)
                break
        return Response(status_code=204)

    async def _genuine(self, request: Request) -> Pairs:
        """The form, once it is proven that the provider sent it to this address of ours."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise _no_sense()
        try:
            pairs = fields_of(await request.body())
        except ValueError as error:
            raise _no_sense() from error
        signature = request.headers.get("x-twilio-signature", "")
        if not self._channels[0].is_genuine(self._address(request), pairs, signature):
            raise _forged()
        return pairs

    def _address(self, request: Request) -> str:
        """What was called, under our public name."""
        path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
        return f"{self._public_url}{path}?{query}" if query else f"{self._public_url}{path}"


class TelegramCalls:
    """Calls for one bot."""

    def __init__(self, runtime: Runtime, channel: TelegramHooks) -> None:
        self._runtime, self._channel = runtime, channel

    async def update(self, request: Request) -> Response:
        """Something happened in a chat with the bot; what is nothing for us is welcome too, else it comes for a day."""
        if not self._channel.is_genuine(request.headers.get("x-telegram-bot-api-secret-token", "")):
            raise _forged()
        received = self._channel.understand(_object_of(await request.body()))
        if received is None:
            return Response()
        await take_in(self._runtime, received)
        answer = self._channel.answer_of(received)
        return JSONResponse(answer) if answer else Response()


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
