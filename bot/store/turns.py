"""Turns of the threads that write: whoever asked first is next.

A lock of the library goes to whoever is quickest. A planner that writes slice after slice took it back before those who
waited had woken up, and they waited for seconds.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One at a time, in the order in which they asked."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        self._taken = False
        self._owner = 0

    @property
    def busy(self) -> bool:
        """Has anybody the turn now? Whoever waited a moment ago has it."""
        return self._taken

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn; it ends with the block. Who has a turn need not wait for another."""
        if self._owner == threading.get_ident():
            yield
            return
        mine = self._join()
        if mine is not None:
            try:
                mine.acquire()
            except BaseException:  # Ctrl+C: whoever leaves must not keep the others waiting
                self._leave(mine)
                raise
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            self._owner = 0
            self._pass_on()

    def _join(self) -> "threading.Lock | None":
        """A lock to wait at, until it is opened; None: nobody is there."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return None
            mine = threading.Lock()
            mine.acquire()
            self._queue.append(mine)
            return mine

    def _leave(self, mine: threading.Lock) -> None:
        with self._guard:
            if mine in self._queue:
                self._queue.remove(mine)
                return
        self._pass_on()  # it was given the turn at this very moment

    def _pass_on(self) -> None:
        with self._guard:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._taken = False
