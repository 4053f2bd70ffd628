"""Random samples that anybody can draw again: the same seed, list and size give the same members (R68)."""

import hashlib
import heapq
from collections.abc import Iterable
from fractions import Fraction
from math import ceil


def draw(members: Iterable[int], size: int, seed: str) -> tuple[int, ...]:
    """`size` of `members` (or all, when there are fewer), in ascending order; independent of the order given."""
    return tuple(sorted(heapq.nsmallest(size, members, key=lambda member: _lot(seed, member))))


def sample_size(rate: str, eligible: int) -> int:
    """ceil(rate x N), exactly (R65); `rate` is a text such as "30%" or "0.3"."""
    share = Fraction(rate.strip().removesuffix("%")) / (100 if rate.strip().endswith("%") else 1)
    return ceil(share * eligible)


def _lot(seed: str, member: int) -> bytes:
    return hashlib.sha256(f"{seed}:{member}".encode()).digest()
