"""What phones of a country cannot do, and which texts hold a link."""

import json
from typing import Any

import pytest

from bot.channels.contract import Need
from bot.channels.countries import link_objection, objection, parse_countries

CHINA, GERMANY = "+8613900000001", "+4915100000001"


def test_phones_in_mainland_china_neither_answer_nor_open_links() -> None:
    assert "cannot answer" in str(objection(CHINA, frozenset({Need.REPLY})))
    assert "link" in str(objection(CHINA, frozenset({Need.LINK})))
    assert objection(CHINA, frozenset(Need))
    assert objection(CHINA, frozenset()) is None


@pytest.mark.parametrize("address", [GERMANY, "+12025550100", "+85251234567", "+886912345678", ""])
def test_other_phones_can_do_everything(address: str) -> None:
    assert objection(address, frozenset(Need)) is None
    assert link_objection(address, "https://a.example/b") is None


@pytest.mark.parametrize(
    "body",
    ["请点击https://a.example/b", "HTTP://a.example", "看www.a.example", "打开t.cn/abc看看", "go to a-b.example/x now"],
)
def test_a_link_is_seen_wherever_it_stands(body: str) -> None:
    assert link_objection(CHINA, body)


@pytest.mark.parametrize("body", ["您好", "3.5/5分", "2026.1.1/2", "回复1-5。谢谢", "和/或", "a . b/c", ""])
def test_a_text_without_a_link_may_go(body: str) -> None:
    assert link_objection(CHINA, body) is None


def test_the_longest_prefix_decides() -> None:
    entry = {"country": "A", "lacks": {}}
    countries = parse_countries(json.dumps({"_about": "", "+1": entry, "+1876": entry, "+44": entry}))
    assert [country.prefix for country in countries] == ["+1876", "+44", "+1"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"86": {}}, "'86' is not the beginning of a number"),
        ({"+86": {"lacks": {}}}, r"\+86: needs country and lacks"),
        ({"+86": {"country": "A", "lacks": ["link"]}}, r"\+86: needs country and lacks"),
        ({"+86": {"country": "A", "lacks": {"speech": "no"}}}, "of reply, link.*speech"),
    ],
)
def test_a_malformed_table_says_what_is_wrong(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_countries(json.dumps(table))
