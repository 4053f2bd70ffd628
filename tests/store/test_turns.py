"""Who writes next, when several threads want to."""

import threading
from collections.abc import Callable

import pytest

from bot.store.turns import Turns


def queue_up(turns: Turns, names: str, note: Callable[[str], None]) -> list[threading.Thread]:
    """Threads that ask for a turn, one after the other, and note their name in it."""

    def ask(name: str) -> None:
        with turns.turn():
            note(name)

    threads = []
    for place, name in enumerate(names, start=1):
        threads.append(threading.Thread(target=ask, args=(name,)))
        threads[-1].start()
        while len(turns._queue) < place:  # they must ask in this order
            pass
    return threads


def test_whoever_asked_first_is_next() -> None:
    turns, order = Turns(), []
    with turns.turn():
        threads = queue_up(turns, "abc", order.append)
        order.append("holder")
    for thread in threads:
        thread.join()
    assert order == ["holder", "a", "b", "c"]
    assert not turns.busy


def test_who_comes_back_stands_behind_who_waits() -> None:
    turns, order = Turns(), []
    with turns.turn():
        threads = queue_up(turns, "ab", order.append)
    with turns.turn():
        order.append("again")
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "again"]


def test_busy_while_somebody_has_the_turn() -> None:
    turns = Turns()
    assert not turns.busy
    with turns.turn():
        assert turns.busy
    assert not turns.busy


def test_an_error_ends_the_turn() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError), turns.turn():
        raise RuntimeError
    with turns.turn():
        assert turns.busy
