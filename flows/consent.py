"""May we contact this person now; if not, why not, and when again?

Asked twice: when a due follow-up is rendered (`may_contact`, every rule), and once more in the transaction before the
call (`may_still_send`), since a STOP may have come in between. Both are pure; the caller holds the customer's lock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flows.calendar import Calendar
from flows.program import Cap
from flows.windows import Permits, in_hard_hours, next_opening
from messages.catalog import Purpose

CAPPED = frozenset({Purpose.GREETING, Purpose.MARKETING, Purpose.SURVEY, Purpose.SERVICE})
"""Purposes that count for the weekly cap and obey windows."""
ALWAYS = frozenset({Purpose.REPLY, Purpose.STAFF})
"""Answers inside a conversation, and notices to staff: no window and no cap (R78)."""


@dataclass(frozen=True)
class Standing:
    """What is known of a customer when the question is asked; instants are aware."""

    zone: ZoneInfo
    opted_out: bool = False
    marketing_consent: bool = False
    open_ticket: bool = False
    paused_until: datetime | None = None
    anonymous: bool = False
    leader_introduced: bool = False
    recent: tuple[datetime, ...] = ()
    """When messages that count were sent or put into the outbox, newest last."""


@dataclass(frozen=True)
class Yes:
    """Allowed now."""


@dataclass(frozen=True)
class Later:
    """Not now: from this instant on it may be asked again."""

    at: datetime
    because: str


@dataclass(frozen=True)
class No:
    """Not this one."""

    because: str


Answer = Yes | Later | No


def may_contact(
    purpose: Purpose,
    standing: Standing,
    now: datetime,
    *,
    permits: Permits,
    calendar: Calendar,
    cap: Cap,
    exempt_from_cap: bool = False,
    exempt_from_windows: bool = False,
) -> Answer:
    """Whether an automatic message of this purpose may go out now (R78, R82, R84, R86, R88).

    `exempt_from_cap`: complaint handling and same-day steps. `exempt_from_windows`: greetings and soft overrides,
    for which only the hard hours hold.
    """
    forbidden = _forbidden(purpose, standing)
    if forbidden:
        return No(forbidden)
    if purpose in ALWAYS:
        return Yes()
    if standing.paused_until and standing.paused_until > now:
        return Later(standing.paused_until, "paused")
    opening = _opening(now, permits, calendar, standing.zone, exempt_from_windows)
    if opening > now:
        return Later(opening, "outside window")
    if not exempt_from_cap and purpose in CAPPED:
        free_at = _cap_frees_at(standing.recent, cap, now)
        if free_at is not None:
            return Later(next_opening(free_at, permits=permits, calendar=calendar, zone=standing.zone), "weekly cap")
    return Yes()


def may_still_send(
    purpose: Purpose,
    opted_out: bool,
    expires_at: datetime | None,
    now: datetime,
    *,
    marketing_consent: bool = True,
    open_ticket: bool = False,
) -> Yes | No:
    """The last question before the call: expiry, opt-out, and what bars promotion; a text may have waited overnight."""
    if expires_at is not None and now >= expires_at:
        return No("expired")
    if opted_out and purpose not in ALWAYS:
        return No("opted out")
    if purpose is Purpose.MARKETING:
        barred = _bars_promotion(marketing_consent, open_ticket)
        return No(barred) if barred else Yes()
    return Yes()


def _forbidden(purpose: Purpose, standing: Standing) -> str | None:
    if standing.opted_out and purpose not in ALWAYS:
        return "opted out"
    if standing.anonymous:
        return "anonymous: no contact"
    if standing.leader_introduced and purpose in (Purpose.MARKETING, Purpose.SURVEY):
        return "introduced by a leader: milestones and greetings only"
    if purpose is Purpose.MARKETING:
        return _bars_promotion(standing.marketing_consent, standing.open_ticket)
    return None


def _bars_promotion(marketing_consent: bool, open_ticket: bool) -> str | None:
    if not marketing_consent:
        return "no marketing consent"
    return "open complaint: no promotion" if open_ticket else None


def _opening(now: datetime, permits: Permits, calendar: Calendar, zone: ZoneInfo, hard_only: bool) -> datetime:
    if hard_only and in_hard_hours(now, permits.windows, zone):
        return now
    return next_opening(now, permits=permits, calendar=calendar, zone=zone)


def _cap_frees_at(recent: tuple[datetime, ...], cap: Cap, now: datetime) -> datetime | None:
    """When one more message is allowed again; None: now."""
    span = timedelta(days=cap.days)
    inside = sorted(instant for instant in recent if instant > now - span)
    if len(inside) < cap.messages:
        return None
    return inside[-cap.messages] + span
