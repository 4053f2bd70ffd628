"""What a fake provider is: an ASGI application that answers, fails on request, and can be unplugged.

`FakeProvider` reads requests, plays faults and lets an inspector see every exchange; `serve_fake` runs one until
stopped, `Plugged` runs one beside a test. Knows no provider: see `twilio.py` and `telegram.py`.
"""

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from bot.channels.fakes.faults import Fault, Faults, reset
from bot.listening import listen

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Pairs = list[tuple[str, str]]

_LOOPBACK = "127.0.0.1"
_TRANSPORT = "huifang.transport"


# ----- one request, one answer


@dataclass(frozen=True)
class Request:
    """One request as it came. `headers` have names in lower case."""

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    body: bytes

    @cached_property
    def query(self) -> Pairs:
        return parse_qsl(self.query_string, keep_blank_values=True)

    @cached_property
    def form(self) -> Pairs:
        """The fields of a form-encoded body, blank ones kept, in their order."""
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)


@dataclass(frozen=True)
class Answer:
    """What the fake says. `media_type` empty: an answer without a body."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"


@dataclass(frozen=True)
class Exchange:
    """One request with the answer that it got, or would have got had the network not failed."""

    request: Request
    answer: Answer


Inspect = Callable[[Exchange], None]


# ----- a provider


class FakeProvider(ABC):
    """An ASGI application that stands in for a provider."""

    def __init__(self, faults: Faults | None, inspect: Inspect | None) -> None:
        """`inspect` sees every exchange of the provider's own API."""
        self.faults = faults or Faults()
        self._inspect = inspect

    @abstractmethod
    async def respond(self, request: Request) -> Answer:
        """Do what is asked, and say so in the provider's words."""

    @abstractmethod
    def complain(self, status: int) -> Answer:
        """The provider's words for 429 and 500."""

    @abstractmethod
    def address_of(self, request: Request) -> str:
        """Whom a request is about, for faults of one address; empty: nobody."""

    @abstractmethod
    async def opened(self) -> None:
        """The server has started: background work may begin."""

    @abstractmethod
    async def closed(self) -> None:
        """The server stops: background work ends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            request = await _read(scope, receive)
            if request:
                await self._meet(request, scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.opened()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.closed()
        await send({"type": "lifespan.shutdown.complete"})

    async def _meet(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        if request.path == "/" or request.path.startswith("/fake/"):
            await _give(send, await self.respond(request))  # who plays the phone meets no faults
            return
        match self.faults.choose(self.address_of(request)):
            case None:
                await _give(send, await self._answer(request))
            case Fault.TOO_MANY:
                await _give(send, self._seen(request, self.complain(429)))
            case Fault.ERROR_BEFORE:
                await _give(send, self._seen(request, self.complain(500)))
            case Fault.ERROR_AFTER:
                await self._answer(request)
                await _give(send, self.complain(500))
            case Fault.TIMEOUT_BEFORE:
                await _hold(receive)
            case Fault.TIMEOUT_AFTER:
                await self._answer(request)
                await _hold(receive)
            case Fault.RESET_BEFORE:
                await _reset(scope, receive)
            case Fault.RESET_AFTER:
                await self._answer(request)
                await _reset(scope, receive)
            case Fault.HALF_OPEN:
                await send(_head(await self._answer(request)))
                await _hold(receive)
            case Fault.SLOW:
                await asyncio.sleep(self.faults.slow_seconds)
                await _give(send, await self._answer(request))

    async def _answer(self, request: Request) -> Answer:
        return self._seen(request, await self.respond(request))

    def _seen(self, request: Request, answer: Answer) -> Answer:
        if self._inspect:
            self._inspect(Exchange(request, answer))
        return answer


async def _read(scope: Scope, receive: Receive) -> Request | None:
    """The whole request; None when the client was gone before it had said everything: half a form means nothing."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)


def _head(answer: Answer) -> dict[str, Any]:
    headers = [(b"content-length", str(len(answer.body)).encode())] if answer.status != 204 else []
    if answer.media_type:
        headers.append((b"content-type", answer.media_type.encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _give(send: Send, answer: Answer) -> None:
    await send(_head(answer))
    await send({"type": "http.response.body", "body": answer.body})


async def _hold(receive: Receive) -> None:
    """Say nothing more until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reset(scope: Scope, receive: Receive) -> None:
    reset(scope["extensions"][_TRANSPORT])
    await _hold(receive)


# ----- a real server


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Hands the connection itself to the application, which may reset it."""

    def __init__(self, config: uvicorn.Config, *given: Any, **named: Any) -> None:
        super().__init__(config, *given, **named)
        self._inner = config.loaded_app
        self.app = self._with_transport

    async def _with_transport(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("extensions", {})[_TRANSPORT] = self.transport
        await self._inner(scope, receive, send)

    def shutdown(self) -> None:
        """Pulled out of the wall: what is in flight is cut off, nobody waits."""
        self.transport.abort()


def _config(app: FakeProvider, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
        server_header=False,
    )


async def serve_fake(app: FakeProvider, host: str, port: int, begun: Callable[[], None]) -> None:
    """Serve until the process is told to stop. `begun` is called when it listens; SettingError: the port is taken."""
    listening = listen(host, port, "--port")
    begun()
    config = _config(app, host, port)
    # polls that wait are cut off at the end, each of which uvicorn would call an error
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    await uvicorn.Server(config).serve(sockets=[listening])


class Plugged:
    """A fake that runs in a thread of its own, on a free port of loopback. A context manager.

    Unplugged, its port refuses connections; plugged in again, it has the same port and remembers everything.
    """

    def __init__(self, app: FakeProvider, port: int = 0) -> None:
        self._app = app
        self.port = port
        self._server: _Prompt | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{_LOOPBACK}:{self.port}"

    def plug_in(self) -> None:
        """Serve; returns when connections are accepted."""
        server = _Prompt(_config(self._app, _LOOPBACK, self.port))
        thread = threading.Thread(target=server.run, name="fake provider", daemon=True)
        thread.start()
        server.ready.wait()
        if not server.started:
            raise OSError(f"the fake could not listen on port {self.port}")
        self.port = server.servers[0].sockets[0].getsockname()[1]
        self._server, self._thread = server, thread

    def unplug(self) -> None:
        """Refuse connections and cut those there are; returns when it is done."""
        if self._server and self._thread:
            self._server.end()
            self._thread.join()
            self._server = self._thread = None

    def __enter__(self) -> Self:
        self.plug_in()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.unplug()


class _Prompt(uvicorn.Server):
    """Says when it listens, or that it never will; stops when told to, not at the next look."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._end.wait()

    def end(self) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._end.set)
