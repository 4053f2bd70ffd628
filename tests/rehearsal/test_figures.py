"""Quotas, minima and classes in a rehearsal: their figures are fields of a line, which `expect` can ask for."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.config import Settings
from bot.rehearsal import Outcome, read_scenario, rehearse

BOUGHT = {"at": "2026-11-02T12:00", "event": "purchase", "customer": "c1..c10", "data": {"amount": 90, "item": "tea"}}
ANSWERED = {"at": "2026-11-10T12:00", "reply": "5", "customer": "c1..c2"}


@pytest.fixture
def play(tmp_path: Path, settings: Settings) -> Any:
    """Live through a month of the shop with ten customers, and something changed in its policy."""

    def run(overrides: dict[str, Any], *script: dict[str, Any], expect: list[dict[str, Any]]) -> Outcome:
        given = {
            "programs": ["retail_aftersales"],
            "overrides": overrides,
            "start": "2026-11-02T08:00",
            "until": "2026-12-02T00:00",
            "customers": {"count": 10},
            "script": script,
            "expect": expect,
        }
        file = tmp_path / "scenario.yaml"
        file.write_text(json.dumps(given), encoding="utf-8")  # JSON is YAML, too
        return rehearse(*read_scenario(file), settings)

    return run


def test_a_quota_is_told_on_the_first_workday_after_its_period(play: Any) -> None:
    quota = {"id": "returned", "rate": "collection", "of": ["purchase"], "target": "30%"}
    line = {"what": "quota", "at": "2026-12-01", "quota": "returned", "share": "2/10", "met": False, "missing": 1}
    assert play({"quotas": [quota]}, BOUGHT, ANSWERED, expect=[line]).unmet == ()
    reached = {"what": "quota", "share": "2/10", "met": True, "missing": 0, "period": "2026-11-01"}
    assert play({"quotas": [{**quota, "target": "20%"}]}, BOUGHT, ANSWERED, expect=[reached]).unmet == ()


def test_a_minimum_that_was_missed_is_told_with_its_count(play: Any) -> None:
    overrides = {
        "contacts": {"call": {"name": {"en": "Call"}}},
        "quotas": [],
        "flows": [{"id": "calls", "on": {"at_least": 2, "of": ["call"], "per": "month"}}],
    }
    calls = [{"at": f"2026-11-{day}T10:00", "contact": "call", "customer": "c1..c4"} for day in ("03", "12")]
    once = {"at": "2026-11-13T10:00", "contact": "call", "customer": "c5"}
    expect: list[dict[str, Any]] = [
        {"what": "breach", "at": "2026-12-01T09:00", "customer": "c5", "count": 1, "target": 2},
        {"what": "breach", "at": "2026-12-01T09:00", "customer": "c6", "count": 0, "target": 2},
        {"what": "breach", "times": 6},
    ]
    assert play(overrides, *calls, once, expect=expect).unmet == ()


def test_a_class_is_computed_anew_with_its_reason(play: Any) -> None:
    rules = [{"class": "high_value", "where": "activity_total >= 90"}]
    line = {
        "what": "class",
        "at": "2026-12-01",
        "before": "ordinary",
        "after": "high_value",
        "because": "activity_total",
    }
    outcome = play({"classes.rules": rules}, {**BOUGHT, "customer": "c1..c3"}, expect=[{**line, "times": 3}])
    assert outcome.unmet == ()
