"""Step 4, before the call: how much may leave in a day or for a campaign, and what it may cost. The settings say so.

What is over a limit waits until tomorrow, and staff are told once a day. Answers inside a conversation are held by the
cost alone, notices to staff by nothing.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sqlmodel import Session

from bot.config import Settings
from bot.journey.notices import tell_staff
from bot.runtime import Runtime
from bot.store import senders as store
from bot.store.follow_ups import Brief
from bot.store.messages import Outbound
from flows.consent import CAPPED
from messages.catalog import Purpose

DAY = "day"
COST = "cost"


@dataclass
class Limits:
    """What has left, what this batch adds, and what it may not. `any`: is there a limit at all?"""

    settings: Settings
    today: date
    tomorrow: datetime
    any: bool
    used: dict[tuple[date, str], list[int]] = field(default_factory=dict)
    added: dict[tuple[date, str], list[int]] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def open(session: Session, runtime: Runtime, sources: dict[int, Brief], now: datetime) -> "Limits":
        """Read what has left; nothing is read or kept while no limit is set."""
        zone = runtime.shelf.in_force[0].program.time_zone
        today = now.astimezone(zone).date()
        tomorrow = datetime.combine(today + timedelta(days=1), time(0), zone).astimezone(now.tzinfo)
        settings = runtime.settings
        limited = bool(settings.most_per_day or settings.most_per_campaign or settings.spend_per_day)
        limits = Limits(settings, today, tomorrow, limited)
        if limits.any:
            campaigns = {(store.CAMPAIGN, campaign_of(each)) for each in sources.values()}
            found = store.tallies(session, {(today, DAY), (today, COST), *campaigns})
            limits.used = {key: list(counts) for key, counts in found.items()}
        return limits

    def reason_to_wait(self, row: Outbound, source: Brief | None) -> str | None:
        """Which limit holds this message back until tomorrow; None: none."""
        reason = self._over(row, source) if self.any else None
        if reason:
            self.reached[reason] = self.reached.get(reason, 0) + 1
        return reason

    def count(self, row: Outbound, source: Brief | None) -> None:
        """This one leaves."""
        self._add(row, source, 1)

    def give_back(self, row: Outbound, source: Brief | None) -> None:
        """This one did not leave after all."""
        self._add(row, source, -1)

    def _add(self, row: Outbound, source: Brief | None, times: int) -> None:
        if not self.any:
            return
        for key in self._keys(row, source):
            for counts in (self.used.setdefault(key, [0, 0]), self.added.setdefault(key, [0, 0])):
                counts[0] += times
                counts[1] += times * row.segments

    def _over(self, row: Outbound, source: Brief | None) -> str | None:
        settings = self.settings
        segments = self.used.get((self.today, COST), [0, 0])[1] + row.segments
        cost = round(segments * settings.price_per_segment, 6)  # 3 x 0.05 is 0.15 and a little more
        if settings.spend_per_day and _costs(row) and row.purpose != Purpose.STAFF and cost > settings.spend_per_day:
            return f"the spend limit of {settings.spend_per_day:g} {settings.currency} a day is reached"
        if row.purpose not in CAPPED:
            return None
        if settings.most_per_day and self.used.get((self.today, DAY), [0, 0])[0] >= settings.most_per_day:
            return f"the limit for a day, {settings.most_per_day}, is reached"
        if settings.most_per_campaign and source is not None:
            campaign = campaign_of(source)
            if self.used.get((store.CAMPAIGN, campaign), [0, 0])[0] >= settings.most_per_campaign:
                return f"the limit for {campaign}, {settings.most_per_campaign}, is reached"
        return None

    def _keys(self, row: Outbound, source: Brief | None) -> list[tuple[date, str]]:
        keys = []
        if _costs(row):
            keys.append((self.today, COST))
        if row.purpose in CAPPED:
            keys.append((self.today, DAY))
            if source is not None:
                keys.append((store.CAMPAIGN, campaign_of(source)))
        return keys

    def close(self, session: Session, runtime: Runtime, now: datetime) -> None:
        """Write what leaves or came back, and tell staff of a limit that was reached today."""
        for (day, scope), (messages, segments) in self.added.items():
            store.count(session, day, scope, messages, segments)
        for reason, waiting in self.reached.items():
            variables = {"reason": reason, "count": waiting}
            tell_staff(session, runtime, "staff/limit_reached", f"{self.today}:{reason}", variables, now)


def _costs(row: Outbound) -> bool:
    return row.channel in ("sms", "whatsapp")


def campaign_of(source: Brief) -> str:
    """What is counted together: one festival, one wave, or all that an event's flow ever sends."""
    kind, _, rest = source.occasion.partition(":")
    one = f":{kind}:{rest.split(':')[0]}" if kind in ("festival", "wave", "sample") else ""
    return f"{source.program_id}:{source.flow}{one}"[:200]
