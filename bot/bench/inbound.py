"""Inbound webhooks: signature checked and stored durably, beside two servers that only check the signature.

The floor is the same web framework with one route: it reads the form by hand, takes one HMAC and answers; it stores
nothing and calls no product code. The other one is the product's own server, except that nothing is stored: what the
storing alone costs. Each serves from a process of its own; this one sends to one after the other, turn by turn, 64 at
once, and then so many a second as a busy day brings, to see how long each waits.
"""

import asyncio
import base64
import hashlib
import hmac
import multiprocessing
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import unquote_plus, urlencode

import uvicorn
from fastapi import FastAPI, Request
from pydantic import SecretStr
from starlette.responses import Response

from bot.bench.measure import seconds
from bot.bootstrap import simulated_runtime
from bot.channels.contract import Received
from bot.channels.twilio import TwilioChannel
from bot.clock import SystemClock
from bot.config import Settings
from bot.runtime import Runtime
from bot.store import inbound
from bot.store.db import Database
from bot.store.migrate import migrate
from bot.web import hooks
from bot.web.server import make_app

PATH = "/hooks/twilio/inbound"
PUBLIC = "https://bench.example"
ACCOUNT, TOKEN, NUMBER = "AC" + "0" * 32, "token of the bench", "+15005550006"
AT_ONCE = 64
STEADY = 200
"""Webhooks in a second whose waiting is measured."""
STEADY_SECONDS = 10
TURNS = 5
"""How often the three servers take turns: the machine is not always as quiet."""
Serve = Callable[[socket.socket, str], None]
Address = tuple[str, int]


def bench_inbound(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` webhooks (default 20,000), each another text, on a SQLite file."""
    size = size or 20_000
    calls = [_call(number) for number in range(size)]
    steady = [_call(size + number) for number in range(STEADY * STEADY_SECONDS)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as serving:
        file = Path(folder) / "product.sqlite"
        servers = (_serve_floor, ""), (_serve_unstored, f"{file}.unstored"), (_serve_product, str(file))
        addresses = [serving.enter_context(_served(*each)) for each in servers]
        floor, unstored, product = asyncio.run(_by_turns(addresses, calls))
        waits = asyncio.run(_paced(addresses[-1], steady))
        db = Database(f"sqlite:///{file}")
        with db.read() as session:
            stored = inbound.count(session)
        db.close()
    yield f"inbound: {size:,} webhooks, {AT_ONCE} at once, {TURNS} turns, signature checked; SQLite, synchronous=FULL"
    yield f"  stored {stored:,} of {size + len(steady):,}; {product:,.0f}/s"
    yield f"  floor, no product code, the signature alone: {floor:,.0f}/s; ratio {product / floor:.2f}"
    yield f"  the product's own server, nothing stored: {unstored:,.0f}/s; ratio {product / unstored:.2f}"
    yield f"  at {STEADY} a second: p50 {_share(waits, 0.5):.1f} ms, p99 {_share(waits, 0.99):.1f} ms"


def _share(waits: Sequence[float], share: float) -> float:
    """Milliseconds within which this share was answered."""
    return sorted(waits)[int(len(waits) * share)] * 1000


# ----- the three servers


def _serve_floor(listening: socket.socket, _: str) -> None:
    key = TOKEN.encode()

    app = FastAPI(openapi_url=None)

    @app.post(PATH)
    async def check(request: Request) -> Response:
        body = (await request.body()).decode()
        pairs = [field.partition("=") for field in body.split("&")]
        fields = sorted((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)
        signed = f"{PUBLIC}{PATH}" + "".join(name + value for name, value in fields)
        signature = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha1)).decode()
        if not hmac.compare_digest(signature, request.headers["x-twilio-signature"]):
            return Response(status_code=403)
        return Response("<Response/>", media_type="text/xml")

    _run(app, listening)


def _serve_product(listening: socket.socket, file: str) -> None:
    clock, db = SystemClock(), Database(f"sqlite:///{file}")
    migrate(db)
    settings = Settings(_env_file=None, public_url=PUBLIC, twilio_auth_token=SecretStr(TOKEN), spool=f"{file}.spool")
    runtime = simulated_runtime(settings, db, clock, (), seed=1)
    runtime.channels = {"sms": _channel(clock)}
    _run(make_app(runtime), listening)


def _serve_unstored(listening: socket.socket, file: str) -> None:
    async def nowhere(runtime: Runtime, text: Received) -> bool:
        return True

    vars(hooks)["take_in"] = nowhere  # in this process, which serves nothing else
    _serve_product(listening, file)


def _channel(clock: SystemClock) -> TwilioChannel:
    return TwilioChannel(
        name="sms",
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        api_key="",
        api_secret="",
        numbers=(NUMBER,),
        service="",
        segments_per_second=1,
        schedule_seconds=0,
        url="",
        receipt_url=str,
        clock=clock,
    )


def _run(app: Any, listening: socket.socket) -> None:
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


# ----- what is sent


def _call(number: int) -> bytes:
    """One webhook as it goes over the wire, with the fields that Twilio sends."""
    sid = f"SM{number:032x}"
    sender = f"+1415555{number % 10_000:04d}"
    fields = {
        "ToCountry": "US", "ToState": "CA", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "", "FromZip": "94107",
        "SmsSid": sid, "FromState": "CA", "SmsStatus": "received", "FromCity": "SAN FRANCISCO",
        "Body": f"{number % 5 + 1} 谢谢，很满意", "FromCountry": "US", "To": NUMBER, "ToZip": "", "NumSegments": "1",
        "MessageSid": sid, "AccountSid": ACCOUNT, "From": sender, "ApiVersion": "2010-04-01",
    }  # fmt: skip
    signed = f"{PUBLIC}{PATH}" + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), hashlib.sha1)).decode()
    body = urlencode(fields)
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: bench.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Twilio-Signature: {signature}\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@contextmanager
def _served(serve: Serve, file: str) -> Iterator[Address]:
    """Where this one listens, in a process of its own."""
    # named TCP, as the server would make it: else it is answered in two packets with a pause of 40 ms between them
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(256)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(listening, file), daemon=True)
    server.start()
    try:
        yield listening.getsockname()
    finally:
        server.terminate()
        server.join()
        listening.close()


async def _by_turns(addresses: Sequence[Address], calls: Sequence[bytes]) -> list[float]:
    """Answers in a second of each, the median of its turns; before the first turn each had one to warm up."""
    share = len(calls) // (TURNS + 1)
    rates: dict[Address, list[float]] = {address: [] for address in addresses}
    for turn in range(TURNS + 1):
        some = calls[turn * share : (turn + 1) * share if turn < TURNS else None]
        for address in addresses:
            begun = seconds()
            await _all(address, some)
            rates[address].append(len(some) / (seconds() - begun))
    return [median(rates[address][1:]) for address in addresses]


async def _all(address: Address, calls: Sequence[bytes]) -> None:
    """Every call, over connections that each wait for an answer before they ask again."""
    left = iter(calls)

    async def one() -> None:
        connection = await _connect(address)
        for call in left:
            await connection.ask(call)
        connection.close()

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def _paced(address: Address, calls: Sequence[bytes]) -> list[float]:
    """Seconds from the moment at which each call was due to its answer."""
    # by turns: the server closes a connection that is idle for five seconds
    free = deque([await _connect(address) for _ in range(AT_ONCE)])
    waits: list[float] = []

    async def one(call: bytes, due: float) -> None:
        connection = free.popleft() if free else await _connect(address)
        await connection.ask(call)
        waits.append(seconds() - due)
        free.append(connection)

    begun, asked = seconds(), []
    for number, call in enumerate(calls):
        due = begun + number / STEADY
        await asyncio.sleep(max(0.0, due - seconds()))
        asked.append(asyncio.create_task(one(call, due)))
    await asyncio.gather(*asked)
    for connection in free:
        connection.close()
    return waits


class _Connection(asyncio.Protocol):
    """One kept connection: a call, then its answer. It reads as little of HTTP as it can, to leave the server alone."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[None] | None = None
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, call: bytes) -> None:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(call)
        await self._answer

    def data_received(self, data: bytes) -> None:
        self._heard += data
        assert self._answer is not None
        if not self._heard.startswith(b"HTTP/1.1 200"):
            self._answer.set_exception(RuntimeError(f"a webhook was answered {self._heard[9:12].decode()}"))
        elif self._heard.endswith(b"<Response/>"):
            self._heard = b""
            self._answer.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


async def _connect(address: Address) -> _Connection:
    _, connection = await asyncio.get_running_loop().create_connection(_Connection, *address)
    return connection
