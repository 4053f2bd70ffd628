"""How a provider is asked about what it has: side by side, since one in trouble answers no question in time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from bot.runtime import Runtime

AT_ONCE = 16
Item = TypeVar("Item")


async def side_by_side(
    step: Callable[[Runtime, Item], Awaitable[bool]], runtime: Runtime, items: Sequence[Item]
) -> int:
    """Do the step for each of them, at most AT_ONCE at the same time; for how many it came to an end."""
    waiting: Iterator[Item] = iter(items)

    async def work() -> int:
        return sum([await step(runtime, item) for item in waiting])

    return sum(await asyncio.gather(*(work() for _ in items[:AT_ONCE])))
