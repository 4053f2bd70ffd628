"""What makes a flow fire: one class for each kind of trigger, told apart by its first field.

Dates are counted in `flows/plan.py` (and `flows/chains.py` where a trigger comes again); here are only the values.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from flows.audience import EVERYBODY
from flows.fields import (
    IntervalField,
    MonthDayField,
    Part,
    PeriodField,
    PredicateField,
    ShareField,
    TimeField,
    WeekdayField,
)
from flows.offsets import parse_offset
from flows.promises import Period


class SeasonRule(Part):
    """A part of every year with an interval of its own (R28); it may run over New Year."""

    from_: MonthDayField = Field(alias="from", description="first day: 04-01")
    to: MonthDayField = Field(description="last day: 10-31")
    every: IntervalField


class Again(Part):
    """How a step comes again: counted from the nominal date before (R25)."""

    seasons: tuple[SeasonRule, ...] = Field((), description="intervals of parts of the year; elsewhere `every` holds")
    contacts: tuple[str, ...] = Field(
        (), description="kinds of logged contacts that fulfil a step or restart the interval (rule 8)"
    )
    until: str | None = Field(
        None, description="a date of the customer or of its matter: nothing comes after it, such as contract.ends"
    )


class AfterEvent(Again):
    """Fires once for each event of a type; with `every` again and again from there."""

    event: str = Field(description="event type")
    where: PredicateField = Field(EVERYBODY, description="predicate over the event's data and the customer")
    share: ShareField | None = Field(None, description="only such a share of the events of a month, rounded up: 30%")
    every: IntervalField | None = Field(None, description="comes again, counted from the first nominal date")
    once_per: tuple[str, ...] = Field(
        (),
        description="fields of the event: another one of the same customer that says the same in all of them is the "
        "same case, and plans nothing (R74)",
    )
    once_within: IntervalField = Field(
        parse_offset("7d"), description="with `once_per`: so far apart they are still the same case"
    )


class OnSilence(Part):
    """Fires once when no activity came for so long (R7); counts from the last activity."""

    silence: IntervalField


class Every(Again):
    """Fires again and again; counts from the nominal date before, at first from the day the class began."""

    every: IntervalField


class OnDate(Part):
    """Fires before, on or after a date that a customer or one of its matters has (R20); moves with that date."""

    date: str = Field(description="a date attribute, or kind.date of a matter, such as vehicle.insured_until")


class OnFestival(Part):
    """Fires at each of these festivals, at the greeting time, on the day itself (R41)."""

    festivals: tuple[str, ...] = Field(description="festivals of the calendar, or the program's own `days`")


class OnMilestone(Part):
    """Fires at dates that are entered once and reach everybody who is meant (R15, R16)."""

    milestones: tuple[str, ...] = Field(description="kinds of milestones, as the program names them")


class FirstWorkdays(Part):
    """Fires in the first so many workdays of each month (R33): on the first, at the latest on the last of them.

    Or spread over them, each customer on the same of them every month.
    """

    first_workdays: int = Field(ge=1, le=10)
    from_: WeekdayField | None = Field(
        None, alias="from", description="counted from the month's first such day of the week: mon; none: from its first"
    )
    spread: bool = Field(False, description="an equal part of the customers on each of them, not all on the first")


class Unanswered(Part):
    """Fires once when the survey of another flow was sent and is still silent (R71)."""

    unanswered: str = Field(description="id of the flow whose survey is reminded")


class Drawn(Part):
    """Whom a random draw takes: so many, or such a share; the seed is kept with it (R65, R66, R68)."""

    sample: int | None = Field(None, ge=1, description="members of the sample; fewer customers: all, and a notice")
    share: ShareField | None = Field(None, description="instead: a share of those who are meant, rounded up: 30%")
    not_again_within: IntervalField = Field(parse_offset("30d"), description="nobody is drawn twice in this time (R69)")


class Sample(Drawn):
    """Fires on the first permitted day of each period for a random sample."""

    every: PeriodField = Field(description="period: 1mo, 1q, 1hy, 1y")


class Wave(Drawn):
    """Fires on some days of every week for a random sample of those to whom something happened (R34)."""

    waves: tuple[WeekdayField, ...] = Field(min_length=1, description="days of the week: [mon, wed, fri]")
    at_least: int = Field(
        1, ge=0, le=7, description="waves a week: where off days take them, the earliest free workdays fill up"
    )
    event: str = Field(description="event type that makes somebody eligible")
    where: PredicateField = Field(EVERYBODY, description="predicate over the event's data and the customer")
    within: IntervalField = Field(parse_offset("7d"), description="how long the event makes somebody eligible")


class Round(Drawn):
    """Fires for a whole population again and again, from a first day on (R59)."""

    round: IntervalField = Field(description="how often: 1hy, 1y")
    start: date = Field(description="nominal day of the first round")
    smallest_share: ShareField | None = Field(
        None, description="a draw below this share of everybody is refused (R67): 30%"
    )


class AtLeast(Part):
    """Fires when too few contacts were logged in a calendar period (R26, R27, R72, rule 12).

    On the period's reminder days whoever is behind is told; what is still missing at its end is a breach, told on the
    first workday after, or as the week closes (`closes_on`). Who came in the course of a period is not judged by it.
    """

    at_least: int = Field(ge=1, description="contacts in a period")
    of: tuple[str, ...] = Field(min_length=1, description="kinds of contacts that count")
    per: Period = Field(description="day | week | month | quarter | half_year | year")
    each: Annotated[str, Field(pattern="^(customer|staff)$")] = Field(
        "customer", description="customer: contacts of each; staff: different customers of each member"
    )
    remind_on: tuple[WeekdayField, ...] = Field(
        ("fri",), description="of a week: the days on which who is behind is told"
    )
    remind_day: int = Field(25, ge=1, le=31, description="of a month: that day")
    remind_before: IntervalField = Field(parse_offset("14d"), description="of longer periods: so long before its end")
    remind_at: TimeField | None = Field(
        None, description="at what time who is behind is told; none: at 09:00, and for a `day` not at all"
    )
    due_at: TimeField | None = Field(None, description="until what time of its last day contacts count; none: all day")
    closes_on: WeekdayField | None = Field(
        None,
        description="of a week: its last day, on which what is still missing is told at `due_at`; where it is off, the "
        "workday before; contacts after it count for no week",
    )


Trigger = (
    AfterEvent
    | OnSilence
    | Every  # before Sample, whose own fields may be left out
    | Sample
    | Wave
    | Round
    | OnDate
    | OnFestival
    | OnMilestone
    | FirstWorkdays
    | AtLeast
    | Unanswered
)


# ----- duties of staff, which are about no customer


class Daily(Part):
    """Comes on every workday."""

    daily: Literal[True] = Field(description="true; nothing is asked for on an off day")


class Weekly(Part):
    """Comes on some days of every week; an off day moves it to the next workday."""

    weekly: tuple[WeekdayField, ...] = Field(min_length=1, description="days of the week: [sat]")


class Monthly(Part):
    """Comes on one day of every month; an off day moves it to the next workday, or back with `month_end`."""

    monthly: int = Field(ge=1, le=31, description="day of the month; a shorter month: its last day")


_DUTY_TRIGGERS = {
    "daily": "Daily",
    "weekly": "Weekly",
    "monthly": "Monthly",
    "first_workdays": "FirstWorkdays",
    "festivals": "OnFestival",
}

DutyTrigger = (
    Annotated[Daily, Tag("Daily")]
    | Annotated[Weekly, Tag("Weekly")]
    | Annotated[Monthly, Tag("Monthly")]
    | Annotated[FirstWorkdays, Tag("FirstWorkdays")]
    | Annotated[OnFestival, Tag("OnFestival")]
)


def _told_by(value: object) -> str | None:
    """The trigger of a duty, by the field that only it has: what is wrong is then told of that one alone."""
    if not isinstance(value, Mapping):
        return type(value).__name__
    return next((kind for field, kind in _DUTY_TRIGGERS.items() if field in value), None)


TELLS_DUTIES = Discriminator(
    _told_by,
    custom_error_type="duty_trigger",
    custom_error_message=f"a duty comes by one of {', '.join(_DUTY_TRIGGERS)}",
)
"""Tells the triggers of duties apart."""
