"""What a text costs as SMS: its alphabet, its segments, and the characters to blame for a dear one.

Knows no template and no provider; prices come from the caller. The alphabet is GSM 03.38 as carriers count it.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Encoding = Literal["GSM-7", "UCS-2"]

# ESC (0x1B) is left out on purpose: alone it prints nothing and only announces the extension table.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM7 = _BASIC | _EXTENSION

# (a text that fits one segment, the room in each segment once a header must join them)
_ROOM: dict[Encoding, tuple[int, int]] = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True, slots=True)
class Segments:
    """How a text travels: `units` are septets (GSM-7) or UTF-16 units (UCS-2); `per_segment` is the room in each."""

    encoding: Encoding
    units: int
    segments: int
    per_segment: int


def measure(text: str) -> Segments:
    """Count the segments a carrier will bill; an empty text has none.

    A character of two units (an emoji, or € in GSM-7) is never split: where it does not fit, the segment ends a unit
    early, so the count may exceed units / per_segment.
    """
    encoding: Encoding = "GSM-7" if _GSM7.issuperset(text) else "UCS-2"
    widths = [_width(character, encoding) for character in text]
    units = sum(widths)
    alone, joined = _ROOM[encoding]
    if units <= alone:
        return Segments(encoding, units, min(units, 1), alone)
    return Segments(encoding, units, _count_joined(widths, joined), joined)


def cost(text: str, price_per_segment: Decimal) -> Decimal:
    """What one recipient costs, in the currency of the price."""
    return measure(text).segments * price_per_segment


def culprits(text: str) -> tuple[str, ...]:
    """The characters that force UCS-2, each once, in order of appearance.

    One no-break space or curly quote pasted from a word processor more than halves the room of an English message.
    """
    return tuple(dict.fromkeys(character for character in text if character not in _GSM7))


def _width(character: str, encoding: Encoding) -> int:
    if encoding == "GSM-7":
        return 2 if character in _EXTENSION else 1
    return 2 if ord(character) > 0xFFFF else 1


def _count_joined(widths: list[int], room: int) -> int:
    segments, used = 1, 0
    for width in widths:
        if used + width > room:
            segments, used = segments + 1, 0
        used += width
    return segments
