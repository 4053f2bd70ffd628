"""Group commit: one writer takes whatever waits, and each caller learns of its own."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.store.group_commit import MOST, GroupCommit

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Disk:
    """Keeps items group by group; the first group is held up until `go` is set."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.groups: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.fault = fault

    def write(self, items: Sequence[int]) -> int:
        self.begun.set()
        assert self.go.wait(10)
        self.groups.append(list(items))
        if self.fault:
            raise self.fault
        return len(items)


async def held_up(disk: Disk, group: "GroupCommit[int, int]", count: int) -> list[asyncio.Task[int]]:
    """Callers 0, 1, 2 ...: the writer is busy with the first while the others come."""
    first = asyncio.create_task(group.put(0))
    await asyncio.to_thread(disk.begun.wait, 10)
    others = [asyncio.create_task(group.put(number)) for number in range(1, count)]
    await asyncio.sleep(0)
    return [first, *others]


async def test_who_comes_while_the_writer_is_busy_is_written_together_and_in_order() -> None:
    disk = Disk()
    callers = await held_up(disk, GroupCommit(disk.write, patience=10), 8)
    assert not any(caller.done() for caller in callers)
    disk.go.set()
    assert await asyncio.gather(*callers) == [1, 7, 7, 7, 7, 7, 7, 7]
    assert disk.groups == [[0], [1, 2, 3, 4, 5, 6, 7]]


async def test_who_comes_at_the_same_moment_is_written_together() -> None:
    disk = Disk()
    disk.go.set()
    group = GroupCommit(disk.write, patience=10)
    assert await asyncio.gather(*(group.put(number) for number in range(8))) == [8] * 8
    assert disk.groups == [list(range(8))]


async def test_a_lone_caller_waits_for_nobody() -> None:
    disk = Disk()
    disk.go.set()
    group = GroupCommit(disk.write, patience=10)
    assert [await group.put(1), await group.put(2)] == [1, 1]
    assert disk.groups == [[1], [2]]


async def test_one_transaction_never_grows_beyond_its_limit() -> None:
    disk = Disk()
    callers = await held_up(disk, GroupCommit(disk.write, patience=10), MOST + 2)
    disk.go.set()
    await asyncio.gather(*callers)
    assert [len(group) for group in disk.groups] == [1, MOST, 1]


async def test_a_fault_is_told_to_everybody_of_the_group_and_to_nobody_else() -> None:
    disk = Disk(OSError("disk full"))
    group = GroupCommit(disk.write, patience=10)
    callers = await held_up(disk, group, 3)
    disk.go.set()
    told = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(each) for each in told] == ["disk full"] * 3
    disk.fault = None
    assert await group.put(9) == 1


async def test_patience_ends_but_the_item_is_written_all_the_same() -> None:
    disk = Disk()
    group = GroupCommit(disk.write, patience=0.01)
    with pytest.raises(TimeoutError):
        await group.put(1)
    assert group.is_late
    disk.go.set()
    assert await group.put(2) in (1, 2)
    assert not group.is_late
    assert [item for each in disk.groups for item in each] == [1, 2]


async def test_a_caller_who_leaves_takes_nothing_along() -> None:
    disk = Disk()
    group = GroupCommit(disk.write, patience=10)
    callers = await held_up(disk, group, 3)
    callers[1].cancel()
    disk.go.set()
    assert await callers[2] == 2
    assert disk.groups == [[0], [1, 2]]


def test_callers_of_two_event_loops_share_the_writer() -> None:
    disk = Disk()
    disk.go.set()
    group = GroupCommit(disk.write, patience=10)

    async def several(numbers: range) -> list[int]:
        return list(await asyncio.gather(*(group.put(number) for number in numbers)))

    with ThreadPoolExecutor(2) as pool:
        loops = [pool.submit(asyncio.run, several(range(start, start + 200))) for start in (0, 1000)]
        assert all(len(loop.result(10)) == 200 for loop in loops)
    written = [item for each in disk.groups for item in each]
    assert sorted(written) == [*range(200), *range(1000, 1200)]
    assert [item for item in written if item < 1000] == list(range(200))


def test_what_waits_when_the_loop_ends_is_still_written() -> None:
    disk = Disk()
    group = GroupCommit(disk.write, patience=10)

    async def leave() -> None:
        await held_up(disk, group, 5)

    asyncio.run(leave())
    disk.go.set()
    assert asyncio.run(group.put(5)) >= 1
    assert [item for each in disk.groups for item in each] == [0, 1, 2, 3, 4, 5]
