"""The table of Twilio's error codes: complete, well-formed, and each code means what the documents say."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bot.channels.contract import NotSent, Outcome, Refused, Sign, Unknown
from bot.channels.reactions import parse_reactions, shipped_reactions

DOCUMENTED = {
    *(20003, 20429, 20500, 20503),
    *(21211, 21214, 21217, 21408, 21602, 21606, 21610, 21611, 21612, 21614, 21617, 21619, 21635, 21703, 21704),
    *range(35111, 35119),
    *(30001, 30002, 30003, 30004, 30005, 30006, 30007, 30008, 30022, 30023, 30027, 30032, 30034, 30035),
    *(30410, 30450, 30610, 30640, 63014, 63016, 63018, 63038, 14107, 11200),
}
HOUR, DAY = 3600.0, 86_400.0

ANSWERS: list[tuple[int, int, Outcome]] = [
    (401, 20003, NotSent("", sign=Sign.STOP)),
    (404, 20404, NotSent("", sign=Sign.STOP)),
    (429, 20429, NotSent("", 1.0, Sign.REST)),
    (500, 20500, Unknown("")),
    (503, 20503, Unknown("")),
    (400, 21211, Refused("", suppress=True)),
    (400, 21212, NotSent("", sign=Sign.STOP)),
    (403, 21408, NotSent("", sign=Sign.STOP_COUNTRY)),
    (400, 21602, Refused("")),
    (400, 21606, NotSent("", sign=Sign.STOP)),
    (400, 21608, Refused("")),
    (400, 21609, NotSent("", sign=Sign.STOP)),
    (400, 21610, Refused("", opted_out=True)),
    (429, 21611, NotSent("", 1800.0, Sign.REST)),
    (400, 21612, NotSent("", sign=Sign.STOP_COUNTRY)),
    (400, 21614, Refused("", suppress=True)),
    (400, 21617, Refused("")),
    (400, 21635, Refused("", suppress=True)),
    (400, 21703, NotSent("", sign=Sign.STOP)),
    (400, 35114, Refused("")),
    (400, 35115, NotSent("", 5.0)),
    (400, 35117, NotSent("", 5.0)),
    # codes that are not in the table: the family decides
    (400, 29999, Refused("")),
    (400, 0, Refused("")),
    (401, 29999, NotSent("", sign=Sign.STOP)),
    (403, 403, NotSent("", sign=Sign.STOP)),
    (408, 408, Unknown("")),
    (429, 429, NotSent("", 1.0, Sign.REST)),
    (500, 0, Unknown("")),
    (302, 302, Unknown("")),
    (599, 29999, Unknown("")),
    # only a 4xx is sure that nothing was sent, whatever its body says
    (502, 21211, Unknown("")),
    (200, 20429, Unknown("")),
    # a code of receipts that comes at once
    (400, 30005, Refused("", suppress=True)),
    (400, 30034, NotSent("", sign=Sign.STOP)),
]

RECEIPTS: list[tuple[int, Refused]] = [
    (30001, Refused("", again_after=(1800.0, HOUR), sign=Sign.REST)),
    (30002, Refused("", again_after=(60.0,), sign=Sign.STOP)),
    (30003, Refused("", again_after=(HOUR, 4 * HOUR, DAY), suppress_at_last=True)),
    (30004, Refused("")),
    (30005, Refused("", suppress=True)),
    (30006, Refused("", suppress=True)),
    (30007, Refused("", sign=Sign.TROUBLE)),
    (30008, Refused("", again_after=(900.0,))),
    (30022, Refused("", again_after=(600.0, 1800.0), sign=Sign.REST)),
    (30023, Refused("", again_after=(DAY,))),
    (30410, Refused("", again_after=(1800.0,))),
    (30450, Refused("", suppress=True)),
    (30610, Refused("", again_after=(DAY / 2,))),
    (63014, Refused("", opted_out=True)),
    (63016, Refused("")),
    (63018, Refused("", again_after=(60.0, 300.0), sign=Sign.REST)),
    (14107, Refused("", sign=Sign.TROUBLE)),
    # a Messaging Service says by receipt what a number says at once
    (21610, Refused("", opted_out=True)),
    (21408, Refused("", again_after=(60.0,), sign=Sign.STOP_COUNTRY)),
    (21614, Refused("", suppress=True)),
    # not in the table, or none at all
    (39999, Refused("")),
    (0, Refused("")),
]


def without_words(outcome: Any) -> Any:
    assert outcome.because
    return type(outcome)(**{**vars(outcome), "because": ""})


@pytest.mark.parametrize(("status", "code", "outcome"), ANSWERS, ids=lambda value: str(value)[:24])
def test_an_answer_means(status: int, code: int, outcome: Outcome) -> None:
    assert without_words(shipped_reactions().to_answer(status, code).as_answer()) == outcome


@pytest.mark.parametrize(("code", "refused"), RECEIPTS, ids=lambda value: str(value)[:24])
def test_a_receipt_means(code: int, refused: Refused) -> None:
    assert without_words(shipped_reactions().to_receipt(code).as_refusal()) == refused


def test_the_words_name_the_code_for_whoever_looks_it_up() -> None:
    assert shipped_reactions().to_answer(400, 21211).because == "not a valid phone number (21211)"
    assert shipped_reactions().to_receipt(0).because == "not delivered"


def test_every_documented_code_is_in_the_table() -> None:
    table = shipped_reactions()
    assert {*table.answers, *table.receipts} >= DOCUMENTED
    assert not set(table.answers) & set(table.receipts), "a code has one meaning"


def test_nothing_of_the_collected_table_is_missing() -> None:
    folder = os.environ.get("HUIFANG_SHARED_DATA")
    if not folder:
        pytest.skip("HUIFANG_SHARED_DATA does not say where the collected facts lie")
    collected = json.loads((Path(folder) / "twilio_reactions.json").read_text(encoding="utf-8"))
    table = shipped_reactions()
    codes = {int(code) for part in ("sync", "callback") for code in collected[part] if code.isdecimal()}
    assert codes <= {*table.answers, *table.receipts}


GOOD = {"do": "refuse", "means": "no"}
FAMILIES = {"4xx": GOOD, "other": GOOD, "callback": GOOD}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"answers": None}, "answers, receipts and families are needed"),
        ({"answers": {"timeout": GOOD}}, "answers: 'timeout' is no error code"),
        ({"answers": {"1": {"do": "explode", "means": "no"}}}, "answers 1: do is one of refuse, .* not 'explode'"),
        ({"answers": {"1": {"do": "refuse"}}}, "answers 1: means says"),
        ({"receipts": {"1": {**GOOD, "after": 60}}}, "receipts 1: after is a list of seconds"),
        ({"receipts": {"1": {**GOOD, "after": [0]}}}, "receipts 1: after is a list of seconds"),
        ({"receipts": {"1": {"do": "again", "means": "later"}}}, "receipts 1: again needs after"),
        ({"receipts": {"1": {**GOOD, "then": "cry"}}}, "receipts 1: then can only be suppress"),
        ({"receipts": {"1": {**GOOD, "afer": [1]}}}, "receipts 1: afer is not known here"),
        ({"families": {"4xx": GOOD, "other": GOOD}}, "families: callback is missing"),
    ],
)
def test_a_malformed_table_says_where_and_what(change: dict[str, Any], complaint: str) -> None:
    table = {"answers": {}, "receipts": {}, "families": FAMILIES}
    assert parse_reactions(json.dumps(table)), "the table is good as it stands"
    with pytest.raises(ValueError, match=complaint):
        parse_reactions(json.dumps(table | change))
