"""Dispatch: claims, attempts, outcomes and trail of waiting messages, to a channel that leads nowhere and to Twilio.

Twilio is a bare server on loopback that answers every request alike. The floors stand in dispatch_floor.py.
"""

import asyncio
import gc
import json
import multiprocessing
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from bot.bench.dispatch_floor import send_same_requests, write_same_rows
from bot.bench.measure import megabytes, seconds
from bot.bootstrap import simulated_runtime
from bot.channels.contract import Channel
from bot.channels.null import NullChannel
from bot.channels.signing import receipt_key, sign_attempt
from bot.channels.twilio import TwilioChannel
from bot.clock import RatedClock
from bot.config import Settings
from bot.journey.outreach import BATCH
from bot.journey.sending import dispatch
from bot.runtime import Runtime
from bot.shelf import stock
from bot.store.db import Database
from bot.store.migrate import migrate

MORNING = datetime.fromisoformat("2026-03-02T09:00:00+08:00")
"""A Monday on which the windows have just opened."""
TURNS = 5
"""How often product and floor take turns, each of them with its median: the machine is not always as quiet."""
ACCOUNT, TOKEN, NUMBER = "AC" + "0" * 32, "token of the bench", "+15005550006"

FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :size)
INSERT INTO customer (id, external_id, name, title, language, zone, attributes, created_at)
SELECT i, 'c' || i, '李梅', '女士', 'zh', 'Asia/Shanghai', '{}', '2026-01-01 00:00:00.000000' FROM n;

INSERT INTO contact_person (id, customer_id, role, name, title) SELECT id, id, 'self', name, title FROM customer;

INSERT INTO contact_point (customer_id, person_id, channel, address, suppressed_because)
SELECT id, id, 'sms', '+1415' || (2000000 + id), '' FROM customer;

INSERT INTO follow_up (id, program_id, program_version_id, flow, customer_id, person_id, matter_id, event_id,
  ticket_id, survey_id, occasion, purpose, state, nominal_on, intended_on, due_at, expires_at, planned_at, reason)
SELECT id, 'retail_aftersales', 1, 'care_ordinary', id, 0, 0, 0, 0, 0, '2026-03-02', 'survey', 'ready', '2026-03-02',
  '2026-03-02', '2026-03-02 01:00:00.000000', NULL, '2026-02-28 01:00:00.000000', 'every 1q' FROM customer;

INSERT INTO survey (id, token, customer_id, follow_up_id, ticket_id, round, program_version_id, survey, channel, state,
  asked, clarified, opened_at, closes_at)
SELECT id, lower(hex(randomblob(6))), id, id, 0, 0, 1, 'care', 'sms', 'open', 'overall', 0,
  '2026-03-02 01:00:00.000000', '2026-03-16 01:00:00.000000' FROM customer;

INSERT INTO message (id, dedupe_key, customer_id, staff_id, follow_up_id, survey_id, ticket_id, inbound_id,
  template_version_id, purpose, counts, priority, channel, sender, address, title, body, buttons, segments, state,
  attempts, again, created_at, due_at, reason)
SELECT s.id, 'follow-up:' || s.id || ':1:sms', s.id, 0, s.id, s.id, 0, 0, 1, 'survey', 1, 5, 'sms', '',
  '+1415' || (2000000 + s.id), '季度关怀', '李女士您好，这里是青禾商贸。一个季度过去了，谢谢您的光顾，想听听您的看法。
您对我们满意吗？请回复1-5，5为非常满意
网页作答 https://example.com/s/' || s.token || ' 回T退订',
  '[]', 2, 'ready', 0, 0, '2026-03-02 01:00:00.000000',
  '2026-03-02 01:00:00.000000', 'every 1q' FROM survey s
"""
"""Customers with one survey each that outreach has put into the outbox."""


def bench_dispatch(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` messages (default 20,000), each a survey of another customer; SQLite file."""
    size = size or 20_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder / "waiting.sqlite", size)
        yield f"dispatch: {size:,} surveys that wait in the outbox, SQLite file, synchronous=FULL"
        yield from _to_nowhere(folder, size)
        yield from _to_twilio(folder, size)


def _fill(file: Path, size: int) -> None:
    db = Database(f"sqlite:///{file}")
    migrate(db)
    stock(db, ["retail_aftersales"], MORNING)
    db.close()
    connection = sqlite3.connect(file)
    for statement in FILL.split(";\n"):
        connection.execute(statement, {"size": size} if ":size" in statement else ())
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _copy(folder: Path, name: str) -> Path:
    """A file of its own in which everything waits."""
    return Path(shutil.copy(folder / "waiting.sqlite", folder / name))


def _runtime(file: Path, channel: Channel, clock: RatedClock) -> Runtime:
    db = Database(f"sqlite:///{file}")
    runtime = simulated_runtime(Settings(_env_file=None), db, clock, ("retail_aftersales",), seed=None)
    runtime.channels = {channel.name: channel}
    runtime.shelf.refresh()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: a search through all of it for garbage tells nothing of dispatch
    return runtime


def _left(file: Path) -> int:
    """How many have left, with their attempt, their follow-up and their line of the trail."""
    connection = sqlite3.connect(file)
    (left,) = connection.execute(
        "SELECT count(*) FROM message m JOIN attempt a ON a.message_id = m.id AND a.outcome = 'accepted'"
        " JOIN follow_up f ON f.id = m.follow_up_id AND f.state = 'sent' JOIN trail t ON t.message_id = m.id"
        " WHERE m.state IN ('accepted', 'delivered')"
    ).fetchone()
    connection.close()
    return int(left)


# ----- to nowhere


def _to_nowhere(folder: Path, size: int) -> Iterator[str]:
    products, floors = [], []
    for number in range(TURNS):
        file = _copy(folder, f"product{number}.sqlite")
        products.append(asyncio.run(_send_all(_runtime(file, NullChannel("sms"), RatedClock(MORNING)))))
        floors.append(write_same_rows(file, _copy(folder, f"floor{number}.sqlite"), BATCH))
    product, floor = median(products), median(floors)
    each = product / size * 1e6
    yield f"  to nowhere, {TURNS} turns: {_left(file):,} left, {size / product:,.0f}/s ({each:.0f} µs each)"
    yield f"    floor, the same rows by executemany: {size / floor:,.0f}/s; ratio {floor / product:.2f}"


async def _send_all(runtime: Runtime) -> float:
    """Seconds until the outbox is empty."""
    begun = seconds()
    while await dispatch(runtime):
        pass
    took = seconds() - begun
    runtime.db.close()
    return took


# ----- to Twilio


def _to_twilio(folder: Path, size: int) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(listening,), daemon=True)
    server.start()
    try:
        yield from _beside_client(folder, size, f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.terminate()
        server.join()
        listening.close()


def _beside_client(folder: Path, size: int, url: str) -> Iterator[str]:
    clock = RatedClock(MORNING)
    channel = _channel(url, clock)
    file = _copy(folder, "twilio.sqlite")
    calls = _calls(folder / "waiting.sqlite")
    half = len(calls) // 2
    before = asyncio.run(send_same_requests(url, ACCOUNT, TOKEN, calls[:half], channel.at_once))
    product, quarter, end = asyncio.run(_send_by_quarters(_runtime(file, channel, clock), size))
    after = asyncio.run(send_same_requests(url, ACCOUNT, TOKEN, calls[half:], channel.at_once))
    floor = before + after
    yield f"  to Twilio on loopback, {channel.at_once} at once: {_left(file):,} left, {size / product:,.0f}/s"
    yield f"    floor, the official client alone: {size / floor:,.0f}/s; ratio {floor / product:.2f}"
    yield f"    memory {quarter:.0f} MB after a quarter, {end:.0f} MB at the end"


async def _send_by_quarters(runtime: Runtime, size: int) -> tuple[float, float, float]:
    """Seconds; megabytes after a quarter and at the end."""
    begun, done, quarter = seconds(), 0, 0.0
    while looked_at := await dispatch(runtime):
        done += looked_at
        if not quarter and done * 4 >= size:
            quarter = megabytes()
    took, end = seconds() - begun, megabytes()
    await runtime.channels["sms"].close()
    runtime.db.close()
    return took, quarter, end


def _channel(url: str, clock: RatedClock) -> TwilioChannel:
    return TwilioChannel(
        name="sms",
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        api_key="",
        api_secret="",
        numbers=(NUMBER,),
        service="",
        segments_per_second=1e6,
        schedule_seconds=0,
        url=url,
        receipt_url=_receipt_url,
        clock=clock,
    )


def _receipt_url(attempt_id: str) -> str:
    return f"https://example.com/hooks/twilio/status/{sign_attempt(receipt_key(TOKEN), attempt_id)}"


def _calls(file: Path) -> list[Mapping[str, Any]]:
    """What the official client is told to send: the same fields and words."""
    connection = sqlite3.connect(file)
    rows = connection.execute("SELECT address, body FROM message ORDER BY id").fetchall()
    connection.close()
    callback = _receipt_url("0" * 32)
    return [
        {"to": address, "body": body, "status_callback": callback, "smart_encoded": False, "from_": NUMBER}
        for address, body in rows
    ]


# ----- a Twilio that is always ready


class _Bare(asyncio.Protocol):
    """Answers every request of a connection with a new message, and reads no more of it than where it ends."""

    count = 0

    def __init__(self) -> None:
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        assert self._transport is not None
        while (end := _end_of_request(self._heard)) is not None:
            self._heard = self._heard[end:]
            _Bare.count += 1
            self._transport.write(_answer(_Bare.count))


def _end_of_request(heard: bytes) -> int | None:
    """Where the first request ends; None: it has not come wholly."""
    head, gap, _ = heard.partition(b"\r\n\r\n")
    if not gap:
        return None
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    end = len(head) + len(gap) + length
    return end if len(heard) >= end else None


def _answer(number: int) -> bytes:
    sid = f"SM{number:032x}"
    fields = {**_MESSAGE, "sid": sid, "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json"}
    body = json.dumps(fields)
    head = f"HTTP/1.1 201 CREATED\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


_MESSAGE: Mapping[str, Any] = {
    "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": "", "date_created": "Mon, 02 Mar 2026 01:00:00 +0000",
    "date_sent": None, "date_updated": "Mon, 02 Mar 2026 01:00:00 +0000", "direction": "outbound-api",
    "error_code": None, "error_message": None, "from": NUMBER, "messaging_service_sid": None, "num_media": "0",
    "num_segments": "2", "price": None, "price_unit": "USD", "status": "queued", "subresource_uris": {}, "to": "",
}  # fmt: skip


def _serve(listening: socket.socket) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Bare, sock=listening)
        await server.serve_forever()

    asyncio.run(run())
