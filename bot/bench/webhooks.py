"""Webhooks as a provider sends them, for the benches: signed, kept durably by the product's server, and timed.

A server runs in a process of its own; the caller is this process and reads as little of HTTP as it can.
"""

import asyncio
import base64
import hashlib
import hmac
import multiprocessing
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import uvicorn
from pydantic import SecretStr

from bot.bench.measure import seconds
from bot.bootstrap import simulated_runtime
from bot.channels.twilio import TwilioChannel
from bot.clock import Clock
from bot.config import Settings
from bot.runtime import Runtime
from bot.store.db import Database

PATH = "/hooks/twilio/inbound"
PUBLIC = "https://bench.example"
ACCOUNT, TOKEN, NUMBER = "AC" + "0" * 32, "token of the bench", "+15005550006"
AT_ONCE = 64
"""Connections that are kept open."""
Serve = Callable[..., None]
"""What listens on a socket, in a process of its own; the socket is its first argument."""
Address = tuple[str, int]


def waits_of(waits: Sequence[float]) -> str:
    """In how many milliseconds half of them and all but a hundredth were answered."""
    half, most = (sorted(waits)[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
    return f"p50 {half:.1f} ms, p99 {most:.1f} ms"


# ----- the server


def house_of(db: Database, clock: Clock, spool: str, programs: tuple[str, ...] = ()) -> Runtime:
    """A house that Twilio brings texts to."""
    settings = Settings(_env_file=None, public_url=PUBLIC, twilio_auth_token=SecretStr(TOKEN), spool=spool)
    runtime = simulated_runtime(settings, db, clock, programs, seed=1)
    runtime.channels = {"sms": _channel(clock)}
    return runtime


def _channel(clock: Clock) -> TwilioChannel:
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


def run_server(app: Any, listening: socket.socket) -> None:
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


# ----- the caller


def call_of(number: int) -> bytes:
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
def served(serve: Serve, *given: Any) -> Iterator[Address]:
    """Where this one listens, in a process of its own."""
    # named TCP, as the server would make it: else it is answered in two packets with a pause of 40 ms between them
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(256)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(listening, *given), daemon=True)
    server.start()
    try:
        yield listening.getsockname()
    finally:
        server.terminate()
        server.join()
        listening.close()


async def paced(address: Address, calls: Iterable[bytes], rate: int) -> tuple[list[float], int]:
    """So many calls a second, until there are no more.

    Returns (seconds from the moment at which each call was due to its answer, calls that failed).
    """
    # by turns: the server closes a connection that is idle for five seconds
    free = deque([await connect(address) for _ in range(AT_ONCE)])
    waits: list[float] = []

    async def one(call: bytes, due: float) -> None:
        connection = free.popleft() if free else await connect(address)
        await connection.ask(call)
        waits.append(seconds() - due)
        free.append(connection)

    begun, asked = seconds(), []
    for number, call in enumerate(calls):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - seconds()))
        asked.append(asyncio.create_task(one(call, due)))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for connection in free:
        connection.close()
    return waits, sum(isinstance(answer, BaseException) for answer in answers)


class Connection(asyncio.Protocol):
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


async def connect(address: Address) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, *address)
    return connection
