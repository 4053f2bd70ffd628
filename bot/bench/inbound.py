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
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from urllib.parse import unquote_plus

from fastapi import FastAPI, Request
from starlette.responses import Response

from bot.bench.measure import seconds
from bot.bench.webhooks import (
    AT_ONCE,
    PATH,
    PUBLIC,
    TOKEN,
    Address,
    call_of,
    connect,
    house_of,
    paced,
    run_server,
    served,
    waits_of,
)
from bot.channels.contract import Received
from bot.clock import SystemClock
from bot.runtime import Runtime
from bot.store import inbound
from bot.store.db import Database
from bot.store.migrate import migrate
from bot.web import hooks
from bot.web.server import make_app

STEADY = 200
"""Webhooks in a second whose waiting is measured."""
STEADY_SECONDS = 10
TURNS = 5
"""How often the three servers take turns: the machine is not always as quiet."""


def bench_inbound(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` webhooks (default 20,000), each another text, on a SQLite file."""
    size = size or 20_000
    calls = [call_of(number) for number in range(size)]
    steady = [call_of(size + number) for number in range(STEADY * STEADY_SECONDS)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as serving:
        file = Path(folder) / "product.sqlite"
        servers = (_serve_floor, ""), (_serve_unstored, f"{file}.unstored"), (_serve_product, str(file))
        addresses = [serving.enter_context(served(*each)) for each in servers]
        floor, unstored, product = asyncio.run(_by_turns(addresses, calls))
        waits, failed = asyncio.run(paced(addresses[-1], steady, STEADY))
        db = Database(f"sqlite:///{file}")
        with db.read() as session:
            stored = inbound.count(session)
        db.close()
    yield f"inbound: {size:,} webhooks, {AT_ONCE} at once, {TURNS} turns, signature checked; SQLite, synchronous=FULL"
    yield f"  stored {stored:,} of {size + len(steady):,}; {product:,.0f}/s"
    yield f"  floor, no product code, the signature alone: {floor:,.0f}/s; ratio {product / floor:.2f}"
    yield f"  the product's own server, nothing stored: {unstored:,.0f}/s; ratio {product / unstored:.2f}"
    yield f"  at {STEADY} a second: {waits_of(waits)}, {failed} failed"


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

    run_server(app, listening)


def _serve_product(listening: socket.socket, file: str) -> None:
    db = Database(f"sqlite:///{file}")
    migrate(db)
    run_server(make_app(house_of(db, SystemClock(), f"{file}.spool")), listening)


def _serve_unstored(listening: socket.socket, file: str) -> None:
    async def nowhere(runtime: Runtime, text: Received) -> bool:
        return True

    vars(hooks)["take_in"] = nowhere  # in this process, which serves nothing else
    _serve_product(listening, file)


# ----- turn by turn


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
        connection = await connect(address)
        for call in left:
            await connection.ask(call)
        connection.close()

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
