"""A rehearsal lives through a scenario in its own small world, and its expectations are a test that can fail."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine, text

from bot.config import Settings
from bot.errors import InputError
from bot.rehearsal import Outcome, read_scenario, rehearse
from bot.rehearsal.lines import FIELDS, WHATS
from bot.rehearsal.timeline import unmet

SHANGHAI = ZoneInfo("Asia/Shanghai")
LINE = {
    "at": "2026-11-09T09:00:00+08:00",
    "what": "message",
    "customer": "c1",
    "text": "李女士您好，这里是青禾商贸",
    "due": "2026-11-09T09:00:30+08:00",
    "categories": ["praise", "complaint"],
    "level": 2,
    "because": "purchase on 2026-11-02, 7d after",
}


@pytest.fixture
def play(tmp_path: Path, settings: Settings) -> Any:
    """Live through a scenario given as fields."""

    def run(url: str = "sqlite://", **fields: Any) -> Outcome:
        file = tmp_path / "scenario.yaml"
        given = {"programs": ["retail_aftersales"], "start": "2026-11-02T09:00", **fields}
        file.write_text(json.dumps(given), encoding="utf-8")  # JSON is YAML, too
        return rehearse(*read_scenario(file), settings, url=url)

    return run


# ----- expectations


@pytest.mark.parametrize(
    "wanted",
    [
        {"what": "message", "customer": "c1"},
        {"customer": "c1..c9"},
        {"text": "青禾"},
        {"because": "7d after"},
        {"at": "2026-11-09"},
        {"at": "2026-11-09T09:00"},
        {"at": "2026-11-09T01:00+00:00"},
        {"due": "2026-11-09T09:00"},
        {"categories": ["complaint", "praise"]},
        {"level": 2, "times": 1},
        {"what": "ticket", "not": True},
        {"what": "ticket", "times": 0},
    ],
    ids=str,
)
def test_a_line_fulfils_what_it_says(wanted: dict[str, Any]) -> None:
    assert list(unmet([wanted], [LINE], SHANGHAI)) == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"what": "ticket"},
        {"what": "message", "customer": "c2"},
        {"customer": "c1..c9", "not": True},
        {"text": "松果"},
        {"at": "2026-11-10"},
        {"at": "2026-11-09T09:01"},
        {"categories": ["praise"]},
        {"level": "2"},
        {"colour": "red"},
        {"what": "message", "not": True},
        {"what": "message", "times": 2},
    ],
    ids=str,
)
def test_what_no_line_says_is_told_with_its_number(wanted: dict[str, Any]) -> None:
    (missing,) = unmet([wanted], [LINE], SHANGHAI)
    assert missing.startswith("expect[1] ")


def test_an_unmet_expectation_shows_what_came_near() -> None:
    (missing,) = unmet([{"what": "message", "customer": "c1", "at": "2026-11-10"}], [LINE], SHANGHAI)
    assert "2026-11-09T09:00" in missing


# ----- the small world


PURCHASE = {"at": "2026-11-02T12:00", "event": "purchase", "customer": "c1", "data": {"item": "茶叶"}}


def test_overrides_change_the_policy_for_this_rehearsal_only(play: Any) -> None:
    people = [{"id": "c1", "name": "李敏"}]
    for overrides, day in (({}, "2026-11-09"), ({"flows.purchase.after": "3d"}, "2026-11-05")):
        outcome = play(customers=people, overrides=overrides, script=[PURCHASE], until="2026-11-10T00:00")
        assert [line["at"][:10] for line in outcome.lines if line["what"] == "message"] == [day]


def test_an_override_of_nothing_is_told(play: Any) -> None:
    with pytest.raises(Exception, match=r"unknown|no item|belongs"):
        play(overrides={"flows.nothing.after": "3d"})
    with pytest.raises(InputError, match="belongs to no program"):
        play(programs=["retail_aftersales", "hospital"], overrides={"horizon": "3d"})


def test_the_same_seed_tells_the_same_crowd(play: Any) -> None:
    def story(seed: int) -> list[tuple[str, str]]:
        script = [{**PURCHASE, "customer": f"c{n}"} for n in range(1, 11)]
        outcome = play(
            customers={"count": 10},
            script=script,
            seed=seed,
            answering={"share": 0.6, "low": 0.5},
            until="2026-11-12T00:00",
        )
        return [(line["at"], line.get("text", "")) for line in outcome.lines if line["what"] == "reply"]

    assert story(1) == story(1)
    assert story(1) != story(2)
    assert story(1)


def test_counts_are_told_without_a_timeline(play: Any, tmp_path: Path, settings: Settings) -> None:
    outcome = play(customers=[{"id": "c1"}], script=[PURCHASE], until="2026-11-10T00:00")
    assert outcome.counts["messages"] == 1
    assert outcome.counts["replies"] == 0
    quiet = rehearse(*read_scenario(tmp_path / "scenario.yaml"), settings, timeline=False)
    assert (quiet.lines, quiet.counts) == ((), outcome.counts)


def schemas(url: str) -> set[str]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = set(connection.execute(text("SELECT schema_name FROM information_schema.schemata")).scalars())
    engine.dispose()
    return found


@pytest.mark.postgres
def test_nothing_is_left_behind_in_the_database(play: Any, postgres_url: str) -> None:
    before = schemas(postgres_url)
    play(url=postgres_url, customers=[{"id": "c1"}], until="2026-11-03T00:00")
    with pytest.raises(InputError):
        play(url=postgres_url, customers=[{"id": "c1"}], script=[{**PURCHASE, "event": "nothing"}])
    assert schemas(postgres_url) == before


@pytest.mark.parametrize("staff", [None, [{"name": "孙丽", "roles": ["service"], "phone": "+8613800000001"}]])
def test_every_role_is_filled_unless_the_scenario_says_who_is_there(play: Any, staff: Any) -> None:
    script = [PURCHASE, {"at": "2026-11-09T10:00", "reply": "1", "customer": "c1"}]
    given = {"staff": staff} if staff else {}
    outcome = play(customers=[{"id": "c1"}], script=script, until="2026-11-14T00:00", **given)
    nobody = [line for line in outcome.lines if line["what"] == "ping" and "nobody" in line["because"]]
    assert bool(nobody) is (staff is not None)


# ----- slips


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"what": "tikcet", "not": True}, "unknown kind of line 'tikcet' -> one of ticket"),
        ({"custmer": "c1", "not": True}, "unknown field 'custmer' -> one of customer"),
        ({"customer": "c2", "not": True}, "unknown customer 'c2' -> one of c1"),
        ({"flow": "purchas", "not": True}, "unknown flow or duty 'purchas' -> one of purchase"),
        ({"staff": ["servise"], "not": True}, "unknown member of staff 'servise' -> one of service"),
        ({"role": "servise"}, "unknown role 'servise' -> one of service"),
        ({"what": "ticket", "not": "maybe"}, "'maybe' is neither true nor false"),
        ({"what": "ticket", "times": "3"}, "'3' is no number of lines"),
        ({"at": "soon"}, "'soon' is no time"),
    ],
    ids=str,
)
def test_a_slip_in_an_expectation_is_told_by_its_line(play: Any, wanted: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        play(customers=[{"id": "c1"}], expect=[wanted])
    (fault,) = error.value.faults
    assert told in f"{fault['reason']} -> {fault['remedy']}"
    assert fault["file"].endswith("scenario.yaml:1")
    assert fault["field"].startswith("expect[1].")


def test_whatever_a_line_says_can_be_expected(play: Any) -> None:
    script = [PURCHASE, {"at": "2026-11-09T10:00", "reply": "1", "customer": "c1"}]
    outcome = play(customers=[{"id": "c1"}], script=script, until="2026-11-10T00:00")
    assert {line["what"] for line in outcome.lines} <= set(WHATS)
    assert {name for line in outcome.lines for name in line} <= FIELDS


STOP = {"at": "2026-11-09T10:00", "reply": "STOP", "customer": "c1"}


@pytest.mark.parametrize(
    "does",
    [{"does": "resolve", "customer": "c1"}, {"does": "claim", "ticket": 7}, {"does": "done", "customer": "c1"}],
    ids=str,
)
def test_what_staff_may_not_do_is_a_line_and_the_story_goes_on(play: Any, does: dict[str, Any]) -> None:
    script = [PURCHASE, {"at": "2026-11-03T10:00", "staff": "service", **does}, STOP]
    outcome = play(customers=[{"id": "c1"}], script=script, until="2026-11-10T00:00")
    refused, *later = [line for line in outcome.lines if line["at"] >= "2026-11-03"]
    assert (refused["what"], refused["because"].partition(":")[0]) == ("refused", f"{does['does']} was refused")
    assert "opted_out" in {line["what"] for line in later}


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"customers": [{"id": "c1"}, {"id": "c1"}]}, "customers[c1].id", "stands twice"),
        ({"customers": [{"id": "c1", "phone": "12"}]}, "customers[c1].phone", ""),
        ({"script": [{**PURCHASE, "data": {"itme": "茶叶"}}]}, "script[0].data.itme", "unknown field"),
        ({"script": [{**PURCHASE, "data": {"amount": "a lot"}}]}, "script[0].data.amount", "'a lot'"),
        ({"script": [PURCHASE], "until": "2026-11-02T11:00"}, "script[0].at", "is after `until`"),
        ({"script": [STOP], "start": "2026-11-10T09:00"}, "script[0].at", "is before `start`"),
    ],
    ids=str,
)
def test_a_fault_names_its_file_and_line(play: Any, given: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        play(**{"customers": [{"id": "c1"}], **given})
    fault = error.value.faults[0]
    assert (fault["file"].rpartition("/")[2], fault["field"]) == ("scenario.yaml:1", field)
    assert told in fault["reason"]
