"""The floors of `huifang bench dispatch`: the same rows by `sqlite3` alone, the same requests by Twilio's client alone.

Nothing of the product is called here. Which rows to write is read from the file of a run of the product.
"""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

Rows = Sequence[tuple[Any, ...]]


# ----- rows


@dataclass(frozen=True)
class Step:
    """One statement of a batch: its SQL, and the query that reads its values from a finished run."""

    sql: str
    values: str


CLAIM = (
    Step(
        "UPDATE message SET state = 'sending', attempts = attempts + 1, sender = ?, leaves_at = ?, retry_at = ?"
        " WHERE id = ? AND state = 'ready'",
        "SELECT sender, leaves_at, a.claimed_at, m.id FROM message m JOIN attempt a ON a.message_id = m.id"
        " ORDER BY m.id",
    ),
    Step(
        "INSERT INTO attempt (id, message_id, number, claimed_at, deadline_at, outcome, error, empty_reads)"
        " VALUES (?, ?, ?, ?, ?, '', '', 0)",
        "SELECT id, message_id, number, claimed_at, deadline_at FROM attempt ORDER BY message_id",
    ),
)
OUTCOME = (
    Step(
        "UPDATE attempt SET finished_at = ?, outcome = ?, provider_id = ?, error = ? WHERE id = ?",
        "SELECT finished_at, outcome, provider_id, error, id FROM attempt ORDER BY message_id",
    ),
    Step(
        "UPDATE message SET state = ?, provider_id = ?, retry_at = ?, sent_at = ?, reason = ? WHERE id = ?",
        "SELECT state, provider_id, retry_at, sent_at, reason, id FROM message ORDER BY id",
    ),
    Step(
        "UPDATE follow_up SET state = ?, sent_at = ? WHERE id = ?",
        "SELECT f.state, f.sent_at, f.id FROM follow_up f JOIN message m ON m.follow_up_id = f.id ORDER BY m.id",
    ),
    Step(
        "INSERT INTO trail"
        " (customer_id, at, what, program_id, flow, follow_up_id, message_id, ticket_id, because, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "SELECT customer_id, at, what, program_id, flow, follow_up_id, message_id, ticket_id, because, data"
        " FROM trail ORDER BY message_id",
    ),
)


def write_same_rows(finished: Path, fresh: Path, batch: int) -> float:
    """Seconds to bring the fresh file to where the product has brought the finished one, in batches of this size."""
    read = sqlite3.connect(finished)
    claims, outcomes = ([(step.sql, read.execute(step.values).fetchall()) for step in one] for one in (CLAIM, OUTCOME))
    read.close()
    connection = sqlite3.connect(fresh, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")
    size = len(claims[0][1])
    begun = time.perf_counter()
    for start in range(0, size, batch):
        for transaction in (claims, outcomes):
            _write(connection, [(sql, rows[start : start + batch]) for sql, rows in transaction])
    took = time.perf_counter() - begun
    connection.close()
    return took


def _write(connection: sqlite3.Connection, statements: Sequence[tuple[str, Rows]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for sql, rows in statements:
        connection.executemany(sql, rows)
    connection.execute("COMMIT")


# ----- requests


class _Redirected(AsyncTwilioHttpClient):  # type: ignore[misc]  # the official client has no types
    """The official client's own HTTP, to another address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return await super().request(method, self._url + urlsplit(url).path, *args, **kwargs)


async def send_same_requests(
    url: str, account: str, token: str, calls: Sequence[Mapping[str, Any]], at_once: int
) -> float:
    """Seconds in which the official client alone makes these calls, so many side by side."""
    http = _Redirected(url)
    messages = Client(account, token, http_client=http, environment={"TWILIO_REGION": ""}).messages
    left = iter(calls)

    async def work() -> None:
        for call in left:
            await messages.create_async(**call)

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    took = time.perf_counter() - begun
    await http.close()
    return took
