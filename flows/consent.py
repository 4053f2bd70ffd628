"""May we contact this person now; if not, why not, and when again?

Asked twice: when a due follow-up is rendered (`may_contact`, every rule), and once more in the transaction before the
call (`may_still_send`), since a STOP may have come in between. Both are pure; the caller holds the customer's lock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flows.audience import ANONYMOUS, LEADER_INTRODUCED, VIP_GUEST
from flows.calendar import Calendar
from flows.program import Cap
from flows.windows import ANY_TIME, OwnTimes, Permits, next_moment, next_opening
from messages.catalog import Purpose

CAPPED = frozenset({Purpose.GREETING, Purpose.MARKETING, Purpose.SURVEY, Purpose.SERVICE})
"""Purposes that count for the weekly cap and obey windows."""
ALWAYS = frozenset({Purpose.REPLY, Purpose.STAFF})
"""Answers inside a conversation, and notices to staff: no window and no cap (R78)."""

OUTSIDE_WINDOW = "outside window"
OUTSIDE_OWN_TIMES = "outside the times that the customer asked for"


@dataclass(frozen=True)
class Standing:
    """What is known of a customer when the question is asked; instants are aware."""

    zone: ZoneInfo
    opted_out: bool = False
    marketing_consent: bool = False
    open_ticket: bool = False
    paused_until: datetime | None = None
    flags: frozenset[str] = frozenset()
    """Those of `flows.audience.FLAGS` that are set."""
    own: OwnTimes = ANY_TIME
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
    milestone: bool = False,
    by_hand: bool = False,
) -> Answer:
    """Whether an automatic message of this purpose may go out now (R6, R78, R80, R82, R84, R86, R88).

    `permits` are the program's. `exempt_from_cap`: complaint handling and same-day steps. `exempt_from_windows`:
    greetings and soft overrides, for which only the hard hours and the customer's own times hold. `milestone`: it
    tells of one; `by_hand`: staff planned it for this very customer.
    """
    forbidden = _forbidden(purpose, standing, milestone=milestone, by_hand=by_hand)
    if forbidden:
        return No(forbidden)
    if purpose in ALWAYS:
        return Yes()
    if standing.paused_until and standing.paused_until > now:
        return Later(standing.paused_until, "paused")
    zone, exempt = standing.zone, exempt_from_windows
    own = permits.of_customer(standing.own)
    opening = next_moment(now, permits=own, calendar=calendar, zone=zone, exempt=exempt)
    if opening > now:
        program_open = own is not permits and now == next_moment(
            now, permits=permits, calendar=calendar, zone=zone, exempt=exempt
        )
        return Later(opening, OUTSIDE_OWN_TIMES if program_open else OUTSIDE_WINDOW)
    if not exempt_from_cap and purpose in CAPPED:
        free_at = _cap_frees_at(standing.recent, cap, now)
        if free_at is not None:
            return Later(next_opening(free_at, permits=own, calendar=calendar, zone=zone), "weekly cap")
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


def _forbidden(purpose: Purpose, standing: Standing, *, milestone: bool, by_hand: bool) -> str | None:
    if standing.opted_out and purpose not in ALWAYS:
        return "opted out"
    if barred := barred_by_flag(standing.flags, purpose, milestone=milestone, by_hand=by_hand):
        return barred
    if purpose is Purpose.MARKETING:
        return _bars_promotion(standing.marketing_consent, standing.open_ticket)
    return None


def barred_by_flag(
    flags: frozenset[str], purpose: Purpose, *, milestone: bool = False, by_hand: bool = False
) -> str | None:
    """Which flag of a customer keeps a step back that reaches them, a message as well as a call; None: none does.

    Nobody contacts who stays anonymous. Whoever a leader introduced gets milestones and greetings, a guest of the
    house greetings and what the company plans for them itself (R6, R86). Answers to them are no steps.
    """
    if ANONYMOUS in flags:
        return "anonymous: no contact"
    if purpose in ALWAYS or purpose is Purpose.GREETING:
        return None
    if LEADER_INTRODUCED in flags and not milestone:
        return "introduced by a leader: milestones and greetings only"
    if VIP_GUEST in flags and not by_hand:
        return "guest of the house: greetings and the company's own plan only"
    return None


def _bars_promotion(marketing_consent: bool, open_ticket: bool) -> str | None:
    if not marketing_consent:
        return "no marketing consent"
    return "open complaint: no promotion" if open_ticket else None


def _cap_frees_at(recent: tuple[datetime, ...], cap: Cap, now: datetime) -> datetime | None:
    """When one more message is allowed again; None: now."""
    span = timedelta(days=cap.days)
    inside = sorted(instant for instant in recent if instant > now - span)
    if len(inside) < cap.messages:
        return None
    return inside[-cap.messages] + span
