"""How Twilio's lists answer: filters by sender and day, and pages that stay put while new messages come."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from bot.channels.fakes.serving import Request
from bot.channels.fakes.twilio_messages import Message
from bot.channels.fakes.twilio_rules import RefusedError


def matches(message: Message, asked: Mapping[str, str]) -> bool:
    """Dates compare by the day a message was sent; one that has not been sent has none."""
    if "From" in asked and message.sender != asked["From"]:
        return False
    sent = message.sent.date().isoformat() if message.sent else ""
    if "DateSent" in asked and sent != asked["DateSent"][:10]:
        return False
    if "DateSent<" in asked and not "" < sent <= asked["DateSent<"][:10]:
        return False
    return not ("DateSent>" in asked and (not sent or sent < asked["DateSent>"][:10]))


def page_of(request: Request, asked: Mapping[str, str], name: str, found: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """One page of (sid, resource) pairs. The next one starts after a sid, so new messages push nothing out of it."""
    size, page, after = _whole(asked, "PageSize", 50), _whole(asked, "Page", 0), asked.get("PageToken", "")[2:]
    if not 1 <= size <= 1000:
        raise RefusedError(20001, detail="PageSize must be from 1 to 1000")
    pairs = iter(found)
    if after:
        any(sid == after for sid, _ in pairs)  # goes on behind it
    begin = 0 if after else page * size
    shown = list(islice(pairs, begin, begin + size + 1))
    more, shown = len(shown) > size, shown[:size]
    filters = [pair for pair in request.query if pair[0] not in ("Page", "PageToken", "PageSize")]

    def address(number: int, token: str = "") -> str:
        pointing = [("PageToken", f"PA{token}")] if token else []
        return f"{request.path}?{urlencode([*filters, ('PageSize', size), ('Page', number), *pointing])}"

    return {
        "first_page_uri": address(0),
        "next_page_uri": address(page + 1, shown[-1][0]) if more else None,
        "previous_page_uri": address(page - 1) if page else None,
        "uri": address(page, after),
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(0, len(shown) - 1),
        name: [resource for _, resource in shown],
    }


def _whole(asked: Mapping[str, str], name: str, default: int) -> int:
    value = asked.get(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise RefusedError(20001, detail=f"{name} is not a whole number")
    return int(value)
