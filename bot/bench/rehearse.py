"""A year of retail_aftersales for 1,000 real customers in simulated time; 30 % answer, 5 % of the answers are low.

Purchases: 1,000 of the 23,570 customers of the CDNOW data (Fader & Hardie 2001, as shipped in the MIT-licensed package
`lifetimes`), 1997 shifted to 2026. Promise: under 30 seconds (DESIGN 11). There is no floor: nothing comparable exists.
"""

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import resources

from bot.bench.measure import peak_megabytes, seconds
from bot.config import Settings
from bot.rehearsal import Answering, Person, Scenario, Step, rehearse
from bot.shelf import read_program

START = datetime.fromisoformat("2026-01-01T00:00:00+08:00")
FIRST_DAY = datetime.fromisoformat("1997-01-01T00:00:00+08:00")


def bench_rehearse(size: int = 0) -> Iterator[str]:
    """Lines of figures; `size` customers instead of 1,000."""
    size = size or 1000
    scenario = year_of_purchases(size)
    begun = seconds()
    outcome = rehearse(scenario, dict([read_program("retail_aftersales")]), Settings(_env_file=None), timeline=False)
    took = seconds() - begun
    yield f"rehearse: retail_aftersales, {size} customers, {len(scenario.script)} purchases, one year"
    yield f"  {took:.1f} s, peak {peak_megabytes():.0f} MB; promise: under 30 s for 1,000 customers"
    yield "  " + ", ".join(f"{count:,} {name}" for name, count in outcome.counts.items())


def year_of_purchases(size: int) -> Scenario:
    """The scenario of the bench: real purchases of one year; customers are ordinary until they are lost."""
    text = resources.files("bot.bench").joinpath("cdnow.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    ids = list(dict.fromkeys(row["customer_id"] for row in rows))[:size]
    people = [Person.model_validate({"id": key, "name": f"Customer {key}"}) for key in ids]
    chosen = set(ids)
    steps = []
    for index, row in enumerate(rows):
        at = START + (datetime.fromisoformat(f"{row['date']}T12:00:00+08:00") - FIRST_DAY)
        if row["customer_id"] in chosen and at < START + timedelta(days=365):
            data = {"amount": float(row["amount"]), "quantity": int(row["quantity"])}
            steps.append(Step(at=at, event="purchase", customer=row["customer_id"], id=f"p{index}", data=data))
    return Scenario(
        programs=["retail_aftersales"],
        start=START,
        until=START + timedelta(days=365),
        customers=people,
        script=steps,
        answering=Answering(share=0.3, low=0.05),
        seed=1,
    )
