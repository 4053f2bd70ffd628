"""What happened to the town's people: real purchases (data/README.md), moved so that their last day is today.

The past is loaded once; what lies after the present comes as time goes by, and when the file is at its end it begins
again, so that the town never falls asleep. Goods, vehicles and departments are invented.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from bot.journey.intake import EventIn

SOURCE = "demonstration"
"""Under this name the town's people and their events stand in the tables."""


@dataclass(frozen=True)
class Purchase:
    """One row of the file: the nth purchase of one customer."""

    program: str
    customer: str
    n: int
    on: date
    amount: float
    quantity: int


@cache
def purchases() -> tuple[Purchase, ...]:
    """All rows of the file, by customer and date."""
    text = resources.files("bot.town").joinpath("data/cdnow.csv").read_text(encoding="utf-8")
    counts: dict[str, int] = {}
    rows = []
    for row in csv.DictReader(text.splitlines()):
        n = counts[row["customer_id"]] = counts.get(row["customer_id"], 0) + 1
        on = date.fromisoformat(row["date"])
        rows.append(Purchase(row["program"], row["customer_id"], n, on, float(row["amount"]), int(row["quantity"])))
    return tuple(rows)


def last_day() -> date:
    """The last day of the file."""
    return max(purchase.on for purchase in purchases())


def round_length() -> timedelta:
    """After so long the file begins again."""
    return last_day() - min(purchase.on for purchase in purchases()) + timedelta(days=1)


def roll(*what: object) -> int:
    """A number that is always the same for the same things: the town's dice."""
    text = "|".join(str(each) for each in what)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


@dataclass(frozen=True)
class Dweller:
    """What history needs to know of a customer."""

    program: str
    customer: str
    language: str
    zone: str
    class_: str
    attributes: dict[str, Any]


def events_of(dweller: Dweller, bought: Sequence[Purchase], today: date, round_: int = 0) -> Iterator[EventIn]:
    """The events of one customer: in round 0 the file's last day is `today`, in round 1 the file has begun again."""
    shift = today - last_day() + round_ * round_length()
    for purchase in bought:
        at = datetime.combine(purchase.on + shift, _time_of_day(purchase), tzinfo=ZoneInfo(dweller.zone))
        type_, data = _EVENTS[dweller.program](dweller, purchase)
        yield EventIn(f"{purchase.customer}-{purchase.n}-{round_}", type_, dweller.customer, at, data)


def _time_of_day(purchase: Purchase) -> time:
    """Some minute between 09:30 and 20:30."""
    minute = 9 * 60 + 30 + roll("time", purchase.customer, purchase.n) % (11 * 60)
    return time(minute // 60, minute % 60)


def _pick(words: Sequence[str], *what: object) -> str:
    return words[roll(*what) % len(words)]


# ----- what the purchases are called here

GOODS = {
    "zh": ("保温杯", "台灯", "双肩包", "电热水壶", "羊毛围巾", "蓝牙音箱", "不粘锅", "香薰机", "跑步鞋", "记忆枕"),
    "en": ("thermos flask", "desk lamp", "backpack", "kettle", "wool scarf", "speaker", "frying pan", "running shoes"),
}
DEPARTMENTS = {
    "zh": ("骨科", "心内科", "眼科", "呼吸科", "消化科", "康复科"),
    "en": ("orthopaedics", "cardiology", "ophthalmology", "respiratory medicine", "rehabilitation"),
}
DOCTORS = {
    "zh": ("沈医生", "顾医生", "秦医生", "陆医生"),
    "en": ("Dr Shen", "Dr Gu", "Dr Qin", "Dr Lu"),
}
TECHNICIANS = {"zh": ("马师傅", "丁师傅", "郝师傅"), "en": ("Ma", "Ding", "Hao")}
VEHICLES = {"zh": ("松果 3 轿车", "松果 5 旅行车", "松果 X 越野车"), "en": ("Pinecone 3", "Pinecone 5", "Pinecone X")}


def _purchase(dweller: Dweller, purchase: Purchase) -> tuple[str, dict[str, Any]]:
    item = _pick(GOODS[dweller.language], "goods", purchase.customer, purchase.n)
    order = f"QH{purchase.customer}{purchase.n:02d}"
    return "purchase", {"amount": purchase.amount, "quantity": purchase.quantity, "item": item, "order": order}


def _repair(dweller: Dweller, purchase: Purchase) -> tuple[str, dict[str, Any]]:
    car = {name: dweller.attributes[name] for name in ("plate", "vehicle")}
    common = {**car, "order": f"SG{purchase.customer}{purchase.n:02d}"}
    kind = roll("repair", purchase.customer, purchase.n) % 10
    if kind == 0:
        return "registration", common
    common["technician"] = _pick(TECHNICIANS[dweller.language], "technician", purchase.customer, purchase.n)
    if kind <= 2:
        return "repair_warranty", common
    return "repair_paid", {**common, "amount": purchase.amount}


def _treatment(dweller: Dweller, purchase: Purchase) -> tuple[str, dict[str, Any]]:
    where = {"department": dweller.attributes["department"], "doctor": dweller.attributes["attending_doctor"]}
    if dweller.class_ == "inpatient":
        return "discharge", where
    if purchase.n > 1:
        return "doctor_order", {**where, "days": 7}
    return "first_visit", where


_EVENTS = {"retail_aftersales": _purchase, "auto_repair": _repair, "hospital": _treatment}
