"""What happens, as it happens: one stream of server-sent events, read from the trail.

Each message says which customers, tickets and members of staff something happened to (pages fetch their pieces
again), carries new lines for the town's stream, and the town's time. A stream ends after a while and the browser
comes back with the id of the last line that it saw, so a server can always stop.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from bot.store import trail, views
from bot.web.access import console
from bot.web.apart import hidden_from, lines_shown
from bot.web.lines import Line, stream_lines, tell
from bot.web.site import Site, site_of, words_for
from bot.words import Words

router = APIRouter(dependencies=[Depends(console)])

PACE = 0.7
"""Seconds between two looks at the trail."""
LOOKS = 80
"""Looks of one stream; the browser then opens the next."""
MOST_LINES = 500
"""Lines read at one look; more than that are passed over: a live page shows what happens now."""
SHOWN = 25
"""Lines of one look that the stream shows."""


@router.get("/live")
async def live(request: Request, after: int = -1) -> StreamingResponse:
    """Server-sent events, from the line after `after` (or after Last-Event-ID, or from now on)."""
    site, words, hidden = site_of(request), words_for(request), hidden_from(request)
    seen = request.headers.get("last-event-id", "")
    start = int(seen) if seen.isdecimal() and len(seen) < 19 else after
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(request, site, words, hidden, start), media_type="text/event-stream", headers=headers
    )


async def _stream(request: Request, site: Site, words: Words, hidden: frozenset[str], last: int) -> AsyncIterator[str]:
    yield "retry: 1500\n\n"
    shown: tuple[datetime, float] | None = None
    for look in range(LOOKS):
        if await request.is_disconnected():
            return
        last, news = await run_in_threadpool(_news, site, words, hidden, last)
        clock = (site.now(), site.town.rate()) if site.town else None
        if news or _jumped(shown, clock):
            yield f"id: {last}\nevent: news\ndata: {json.dumps({**news, **_clock(site)}, ensure_ascii=False)}\n\n"
        elif look % 20 == 19:
            yield ": still here\n\n"
        shown = clock
        await asyncio.sleep(PACE)


def _jumped(shown: tuple[datetime, float] | None, clock: tuple[datetime, float] | None) -> bool:
    """Does the clock show something else than a browser expects that knows its rate?"""
    if clock is None:
        return False
    if shown is None or shown[1] != clock[1]:
        return True
    expected = PACE * clock[1]
    return abs((clock[0] - shown[0]).total_seconds() - expected) > max(5.0, 2 * expected)


def _clock(site: Site) -> dict[str, Any]:
    if site.town is None:
        return {}
    return {"now": site.now().isoformat(), "rate": site.town.rate()}


def _news(site: Site, words: Words, hidden: frozenset[str], last: int) -> tuple[int, dict[str, Any]]:
    """(the newest line's id, what a page needs to know of the lines after `last`; nothing new: an empty mapping)."""
    with site.runtime.db.read() as session:
        newest = trail.newest_id(session)
        if last < 0 or newest <= last:
            return max(newest, last) if last >= 0 else newest, {}
        rows = trail.after(session, max(last, newest - MOST_LINES))
        story = views.story_of(session, lines_shown(session, hidden, rows))
        waiting = views.to_call(session)
    lines = stream_lines(tell(site, words, story))
    topics = {f"customer-{row.customer_id}" for row in rows if row.customer_id}
    topics |= {f"ticket-{row.ticket_id}" for row in rows if row.ticket_id}
    topics |= {f"staff-{row.data['staff']}" for row in rows if row.what == "message" and row.data.get("staff")}
    topics |= {"sending" for row in rows if row.what in ("stopped", "resumed")}
    html = site.env.get_template("part_lines.html").render(
        w=words, site=site, lines=lines[-SHOWN:][::-1], zone=site.zone, fresh=True
    )
    return newest, {
        "lines": html,
        "topics": sorted(topics),
        "lit": [[line.customer_id, _light(line)] for line in lines if line.customer_id and _light(line)],
        "to_call": waiting,
    }


def _light(line: Line) -> str:
    """How a phone lights up for this line."""
    if line.what in ("message", "resurvey"):
        return "in"
    if line.what in ("reply", "answer", "comment"):
        return f"out{line.level or ''}"
    if line.what in ("ticket", "round"):
        return "upset"
    return "calm" if line.what == "closed" else ""
