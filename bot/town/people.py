"""Who lives in the town: 300 customers of three programs and five members of staff, all invented (data/README.md says
why their numbers reach nobody). `load_demonstration` puts them and their past into an empty database, once.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from bot.journey.enrolment import CustomerIn, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.runtime import Runtime
from bot.store import customers, programs, settings, staff
from bot.store.tables import StaffRow
from bot.town import history
from bot.town.history import SOURCE, Dweller, Purchase, roll
from flows.calendar import Calendar
from flows.load import digest_of
from flows.offsets import Offset, add, parse_offset

ZONE = ZoneInfo("Asia/Shanghai")
OPENS = time(8, 55)
"""The town's first moment: the first messages of the day go out at nine."""
SETTING = "demonstration"
"""The setting that says what was loaded."""
RECENT = timedelta(days=7)
"""Events older than this are facts in the demonstration: its programs are active since then."""
PERIODS = {"high_value": parse_offset("1mo"), "ordinary": parse_offset("1q"), "potential": parse_offset("14d")}
"""In which time all of a class have their turn: their first days are spread over it."""


@dataclass(frozen=True)
class Counts:
    """What `load_demonstration` has put into the tables."""

    customers: int = 0
    events: int = 0
    staff: int = 0


def first_moment(now: datetime) -> datetime:
    """Five to nine in the morning of the first workday from today on: when things are about to happen."""
    today = now.astimezone(ZONE).date()
    calendar = Calendar("CN")
    day = today if calendar.is_workday(today) else calendar.next_workday(today)
    return datetime.combine(day, OPENS, tzinfo=ZONE).astimezone(UTC)


def load_demonstration(runtime: Runtime) -> Counts:
    """Fill an empty database with the town, its past moved so that it ends today; a second time nothing is changed."""
    with runtime.db.read() as session:
        loaded = settings.read(session, SETTING)
        if loaded or customers.count(session):
            return Counts()
    now = runtime.clock.now()
    today = now.astimezone(ZONE).date()
    here = [one for one in inhabitants() if one.customer.programs[0] in _programs_here(runtime)]
    _begin_programs(runtime, today)
    accept_customers(runtime, SOURCE, [one.customer for one in here])
    _tell_apart(runtime, here, today)
    members = _hire(runtime)
    past = [event for event in _all_events(here, today, 0) if event.at <= now]
    accept_events(runtime, SOURCE, sorted(past, key=lambda event: event.at))
    with runtime.db.write() as session:
        settings.write(session, SETTING, {"today": today.isoformat()})
    return Counts(len(here), len(past), members)


def events_after(runtime: Runtime, since: datetime) -> list[EventIn]:
    """What is still to happen in this round of the town's history and the next, in order."""
    with runtime.db.read() as session:
        loaded = settings.read(session, SETTING)
    if not loaded:
        return []
    today = date.fromisoformat(loaded["today"])
    here = [one for one in inhabitants() if one.customer.programs[0] in _programs_here(runtime)]
    begun = max(0, (since.date() - today) // history.round_length())
    rounds = (event for round_ in (begun, begun + 1) for event in _all_events(here, today, round_))
    return sorted((event for event in rounds if event.at > since), key=lambda event: event.at)


def _programs_here(runtime: Runtime) -> set[str]:
    return {each.program.id for each in runtime.shelf.in_force}


def _all_events(here: list["Inhabitant"], today: date, round_: int) -> list[EventIn]:
    return [event for one in here for event in history.events_of(one.dweller, one.bought, today, round_)]


def _begin_programs(runtime: Runtime, today: date) -> None:
    """Programs are active since a week ago: a history of eighteen months would be one long list of missed dates."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        for each in runtime.shelf.in_force:
            row = programs.version(session, each.version_id)
            assert row is not None
            text = _ACTIVE_FROM.sub(f"active_from: {today - RECENT}", row.source)
            programs.add_program(session, each.program.id, digest_of(text), text, now, author="demonstration")
    runtime.shelf.refresh()


_ACTIVE_FROM = re.compile(r"^active_from:\s*\S+", re.MULTILINE)


def _tell_apart(runtime: Runtime, here: list["Inhabitant"], today: date) -> None:
    """Spread the first days of the classes, so that each day somebody's turn comes; a few are silent or unreachable."""
    now = runtime.clock.now()
    with runtime.db.write() as session:
        ids = customers.by_keys(session, SOURCE, (one.customer.id for one in here))
        enrolments = customers.enrolments_by_customer(session, ids.values())
        for index, one in enumerate(here):
            customer_id = ids[one.customer.id]
            period = PERIODS.get(one.customer.class_)
            enrolment = enrolments.get((customer_id, one.customer.programs[0]))
            if period and enrolment:
                customers.set_class(session, enrolment, one.customer.class_, _first_day(today, period, index))
            if one.opted_out:
                customers.note_consent(session, customer_id, "withdrawn", "all", "import", now, "asked on the phone")
            if one.unreachable:
                customers.suppress_address(session, "sms", one.customer.phone, now, "the number is not in service")


def _first_day(today: date, period: Offset, index: int) -> date:
    """A day such that the next turn comes today or later, within one period."""
    earliest = add(today, -period)
    return earliest + timedelta(days=index % max(1, (today - earliest).days))


# ----- customers


@dataclass(frozen=True)
class Inhabitant:
    """One customer of the town, with their purchases."""

    customer: CustomerIn
    dweller: Dweller
    bought: tuple[Purchase, ...]
    opted_out: bool
    unreachable: bool


@cache
def inhabitants() -> tuple[Inhabitant, ...]:
    """Everybody who lives here, the same each time."""
    groups = [tuple(group) for _, group in groupby(history.purchases(), key=lambda each: each.customer)]
    spread = sorted(groups, key=lambda bought: roll("place", bought[0].customer))
    return tuple(_inhabitant(index, bought) for index, bought in enumerate(spread))


def _inhabitant(index: int, bought: tuple[Purchase, ...]) -> Inhabitant:
    program, key = bought[0].program, bought[0].customer
    language = "en" if index % 3 == 2 else "zh"
    name, title = _name(index, language)
    phone, zone = _phone(index, language)
    class_ = _CLASS[program](bought)
    attributes = _ATTRIBUTES[program](key, language)
    customer = CustomerIn(
        id=key,
        name=name,
        title=title,
        phone=phone,
        language=language,
        zone=zone,
        class_=class_,
        programs=(program,),
        marketing_consent=index % 5 in (0, 3),
        attributes=attributes,
    )
    dweller = Dweller(program, key, language, zone, class_, attributes)
    return Inhabitant(customer, dweller, bought, opted_out=index % 60 == 11, unreachable=index % 150 == 47)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SURNAMES = "赵钱孙李周吴郑王冯陈蒋沈韩杨朱许何吕张孔曹严金魏姜谢邹苏潘葛范彭鲁韦马方任袁柳史"
_GIVEN = {
    "女士": _words("晓梅 丽华 秀英 雅琴 思雨 佳怡 雪莲 慧敏 静怡 欣然 玉兰 若溪 春燕 子涵 美玲 婉清"),
    "先生": _words("建国 志强 海涛 文斌 俊杰 子轩 浩然 国栋 立新 明哲 永康 家豪 振华 少峰 一鸣 晨光"),
}
_FIRST = {
    "Ms": _words("Alice Clara Emma Grace Hannah Isabel Julia Laura Maria Nora Olivia Rose Sarah Sophie Tessa Wendy"),
    "Mr": _words("Adam Brian Colin David Edward Frank George Henry Ian James Kevin Leo Martin Oscar Peter Simon"),
}
_LAST = _words(
    "Abbott Barnes Carter Dalton Ellis Fisher Graham Hayes Irving Jarvis Keller Lambert Mercer Norton Osborne "
    "Palmer Quigley Reeves Sutton Thorne Underwood Vance Walker Yates"
)


def _name(index: int, language: str) -> tuple[str, str]:
    """(name, form of address)."""
    if language == "zh":
        title = ("女士", "先生")[roll("title", index) % 2]
        given = _GIVEN[title][roll("given", index) % len(_GIVEN[title])]
        return f"{_SURNAMES[index % len(_SURNAMES)]}{given}", title
    title = ("Ms", "Mr")[roll("title", index) % 2]
    return f"{_FIRST[title][roll('given', index) % len(_FIRST[title])]} {_LAST[index % len(_LAST)]}", title


def _phone(index: int, language: str) -> tuple[str, str]:
    """(a number that reaches nobody, the zone that belongs to it)."""
    if language == "zh":
        return f"+8610{index + 1:08d}", "Asia/Shanghai"
    if index % 4 < 3:
        return f"+447700900{index % 1000:03d}", "Europe/London"
    return f"+1{(212, 312, 415, 617)[index // 100 % 4]}5550{100 + index % 100}", "America/New_York"


def _retail_class(bought: tuple[Purchase, ...]) -> str:
    if (history.last_day() - bought[-1].on).days > 200:
        return "lost"
    if len(bought) >= 12 or sum(each.amount for each in bought) >= 500:
        return "high_value"
    return "potential" if len(bought) <= 4 else "ordinary"


def _hospital_class(bought: tuple[Purchase, ...]) -> str:
    return ("inpatient", "inpatient", "specialty_first", "basic_first")[roll("class", bought[0].customer) % 4]


def _no_class(bought: tuple[Purchase, ...]) -> str:
    return ""


_CLASS = {"retail_aftersales": _retail_class, "hospital": _hospital_class, "auto_repair": _no_class}


def _buyer(key: str, language: str) -> dict[str, Any]:
    cities = {"zh": ("上海", "杭州", "成都", "武汉", "厦门"), "en": ("London", "Leeds", "Bristol", "York")}[language]
    day = date(1955, 1, 1) + timedelta(days=roll("birthday", key) % (50 * 365))
    return {"city": cities[roll("city", key) % len(cities)], "birthday": day.isoformat()}


def _driver(key: str, language: str) -> dict[str, Any]:
    """The plate begins with a sign that stands for no province: it can be nobody's."""
    vehicles = history.VEHICLES[language]
    return {"plate": f"演A{roll('plate', key) % 100_000:05d}", "vehicle": vehicles[roll("car", key) % len(vehicles)]}


def _patient(key: str, language: str) -> dict[str, Any]:
    departments, doctors = history.DEPARTMENTS[language], history.DOCTORS[language]
    return {
        "department": departments[roll("department", key) % len(departments)],
        "attending_doctor": doctors[roll("doctor", key) % len(doctors)],
        "age": 20 + roll("age", key) % 60,
    }


_ATTRIBUTES = {"retail_aftersales": _buyer, "hospital": _patient, "auto_repair": _driver}


# ----- staff

STAFF = (
    ("林晓彤", "zh", "+861000009001", ("service",)),
    ("Grace Turner", "en", "+447700900901", ("service", "supervisor")),
    ("赵建国", "zh", "+861000009002", ("shop_leader",)),
    ("周文博", "zh", "+861000009003", ("attending_doctor", "hospital:manager")),
    ("Daniel Reed", "en", "+447700900902", ("manager", "top_manager")),
)
"""Name, language, number, roles: every rung of the three ladders finds somebody."""


def _hire(runtime: Runtime) -> int:
    with runtime.db.write() as session:
        known = {member.address for member in staff.everybody(session)}
        for name, language, address, roles in STAFF:
            if address not in known:
                staff.add(session, StaffRow(name=name, roles=list(roles), language=language, address=address))
    return len(STAFF)
