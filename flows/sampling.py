"""Random samples that anybody can draw again: the same seed, list and size give the same members (R68)."""

import hashlib
import heapq
from collections.abc import Iterable
from fractions import Fraction
from math import ceil


def draw(members: Iterable[int], size: int, seed: str) -> tuple[int, ...]:
    """`size` of `members` (or all, when there are fewer), in ascending order; independent of the order given."""
    return tuple(sorted(heapq.nsmallest(size, members, key=lambda member: _lot(seed, member))))


def sample_size(share: Fraction, eligible: int) -> int:
    """ceil(share x N), exactly (R65)."""
    return ceil(share * eligible)


def falls_to(share: Fraction, number: int) -> bool:
    """Whether the `number`-th to come, from 1 on, is taken: of the first N always ceil(share x N) are (rule 11)."""
    return sample_size(share, number) > sample_size(share, number - 1)


def _lot(seed: str, member: int) -> bytes:
    return hashlib.sha256(f"{seed}:{member}".encode()).digest()
