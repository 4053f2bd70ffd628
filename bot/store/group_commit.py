"""Group commit: what many callers bring at the same time is written together, and each learns when its own is durable.

One thread writes. It takes whatever waits whenever it is free: no timer, so that a lone caller never waits for company.
It knows no tables; what is written, and how, is the function that it is given.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
MOST = 500
"""Items of one transaction: others wait for the writer as well."""


class GroupCommit(Generic[Item, Answer]):
    """One writer for whoever comes, from any event loop; items are written in the order in which they came."""

    def __init__(self, write: Callable[[Sequence[Item]], Answer], patience: float) -> None:
        """`write` keeps all items or raises; `patience`: seconds that a caller waits for it."""
        self._write = write
        self._patience = patience
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-commit")
        self._lock = threading.Lock()
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._writing = False
        self.is_late = False

    async def put(self, item: Item) -> Answer:
        """What `write` answered for the group of this item, once that is durable.

        What it raises is raised here. TimeoutError: patience is over, and the item may still be written; until the
        writer is free again `is_late` says so.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()
        with self._lock:
            self._waiting.append((item, done))
            begin, self._writing = not self._writing, True
        if begin:  # once everybody had a turn who is ready now: else the first of a crowd is written alone
            loop.call_soon(self._thread.submit, self._write_all)
        patience = loop.call_later(self._patience, self._give_up, done)
        try:
            return await done
        finally:
            patience.cancel()

    def _give_up(self, done: "asyncio.Future[Answer]") -> None:
        if not done.done():
            self.is_late = True
            done.set_exception(TimeoutError())

    def _write_all(self) -> None:
        """Write group after group until nothing waits."""
        while group := self._next_group():
            waiting = [done for _, done in group]
            try:
                answer = self._write([item for item, _ in group])
            except Exception as error:  # whatever it is, it belongs to those who wait
                self.is_late = False
                _tell(waiting, asyncio.Future.set_exception, error)
            else:
                self.is_late = False
                _tell(waiting, asyncio.Future.set_result, answer)

    def _next_group(self) -> list[tuple[Item, "asyncio.Future[Answer]"]]:
        with self._lock:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._writing = bool(group)
            return group


def _tell(group: Sequence["asyncio.Future[Any]"], how: Callable[..., None], what: object) -> None:
    """Wake those who wait, each in its own event loop, all of one loop by one call."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[Any]]] = {}
    for done in group:
        loops.setdefault(done.get_loop(), []).append(done)
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # a loop that is closed: whoever left need not hear that it is kept
            loop.call_soon_threadsafe(_wake, theirs, how, what)


def _wake(group: Sequence["asyncio.Future[Any]"], how: Callable[..., None], what: object) -> None:
    for done in group:
        if not done.done():
            how(done, what)
