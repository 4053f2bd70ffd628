"""The REST API over real HTTP: idempotent, every row with its own verdict, and never a 500."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bot.shelf import stock_texts
from bot.store import contacts, customers
from bot.web.api import ROWS
from flows.load import shipped_program_text
from tests.web.house import LI, TOKEN, House, Serve

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
NEW = {"source": "crm", "id": "c1", "name": "陈静", "phone": "13900000077", "programs": ["retail_aftersales"]}
BOUGHT = {"id": "e1", "type": "purchase", "customer": LI, "at": "2026-09-21T10:00:00+08:00", "data": {"item": "伞"}}

CALLED = {"id": "k1", "kind": "call", "customer": LI, "at": "2026-09-20T10:00:00+08:00"}


@pytest.fixture
def api(house: House) -> Iterator[httpx.Client]:
    with house.client(headers=HEADERS) as client:
        yield client


@pytest.fixture
def refusing(shared_house: House) -> Iterator[httpx.Client]:
    """The API of a house that many bad rows are sent to."""
    with shared_house.client(headers=HEADERS) as client:
        yield client


def verdicts(answer: httpx.Response) -> list[str]:
    return [row["verdict"] for row in answer.json()["rows"]]


def faults(answer: httpx.Response) -> list[dict[str, str]]:
    return [fault for row in answer.json()["rows"] for fault in row.get("faults", [])]


# ----- what is kept


def test_a_customer_is_new_once_and_known_ever_after(api: httpx.Client) -> None:
    first, again = api.post("/api/customers", json=NEW), api.post("/api/customers", json=NEW)
    assert (first.status_code, verdicts(first)) == (200, ["new"])
    assert (again.status_code, verdicts(again)) == (200, ["known"])
    changed = api.post("/api/customers", json=NEW | {"name": "陈静怡"})
    assert verdicts(changed) == ["changed"]
    assert changed.json()["rows"][0]["row"] == first.json()["rows"][0]["row"]


def test_own_times_and_flags_are_kept_and_shown(api: httpx.Client, house: House) -> None:
    told = {"windows": {"times": ["18:30-20:00"], "days": ["sat"], "not": []}, "flags": {"leader_introduced": True}}
    row = api.post("/api/customers", json=NEW | told).json()["rows"][0]["row"]
    assert verdicts(api.post("/api/customers", json=NEW | told)) == ["known"]
    with house.client(follow_redirects=True) as visitor:
        page = visitor.get(f"/customer/{row}").text
    assert "Sat; 18:30-20:00" in page
    assert "Introduced by a leader" in page
    assert verdicts(api.post("/api/customers", json=NEW | {"windows": {}})) == ["changed"]
    with house.runtime.db.read() as session:
        kept = customers.get(session, row)
    assert kept is not None
    assert kept.windows is None


@pytest.mark.parametrize(
    ("told", "field", "reason"),
    [
        ({"windows": {"times": ["tonight"]}}, "windows", "Cannot read the window 'tonight'"),
        ({"windows": {"days": ["someday"]}}, "windows", "unknown weekday 'someday'"),
        ({"windows": {"times": ["21:00-22:00"]}}, "windows", "leave no time inside the hard hours 09:00-20:00"),
        ({"flags": {"king": True}}, "flags.king", "unknown flag 'king'"),
        ({"flags": {"anonymous": True}, "programs": []}, "flags", "belong to a program, and none is named"),
    ],
)
def test_own_times_and_flags_that_nobody_can_keep_are_refused(
    refusing: httpx.Client, told: dict[str, Any], field: str, reason: str
) -> None:
    (fault,) = faults(refusing.post("/api/customers", json=NEW | told))
    assert fault["field"] == field
    assert reason in fault["reason"]


def test_the_same_phone_is_the_same_customer_whatever_the_source_calls_them(api: httpx.Client) -> None:
    one = api.post("/api/customers", json=NEW).json()["rows"][0]["row"]
    other = api.post("/api/customers", json=NEW | {"source": "shop", "id": "77"}).json()["rows"][0]["row"]
    assert one == other


def test_an_event_is_planned_once_however_often_it_comes(api: httpx.Client, house: House) -> None:
    assert verdicts(api.post("/api/events", json=BOUGHT)) == ["new"]
    assert verdicts(api.post("/api/events", json=BOUGHT)) == ["known"]
    house.push(days=8)
    assert sum("伞" in text for text in house.phone(LI)) == 1


def test_a_list_may_mix_sources_and_keeps_its_order(api: httpx.Client) -> None:
    rows = [BOUGHT | {"id": f"e{n}", "source": "shop" if n % 2 else "till"} for n in range(6)]
    answer = api.post("/api/events", json=rows)
    assert [row["id"] for row in answer.json()["rows"]] == [f"e{n}" for n in range(6)]
    assert answer.json()["counts"] == {"new": 6}


def test_a_contact_is_kept_once_and_says_why_it_does_not_count(api: httpx.Client, house: House) -> None:
    # given a program in force that knows visits, which somebody has to sign
    visits = "contacts: {visit: {name: {zh: 拜访}, fields: {signed_by: text}, required: [signed_by]}}"
    text = f"{shipped_program_text('retail_aftersales')}\n{visits}\n"
    stock_texts(house.runtime.db, {"retail_aftersales.yaml": text}, house.clock.now())
    signed = {
        "id": "v1",
        "kind": "visit",
        "customer": LI,
        "at": "2026-09-20T10:00:00+08:00",
        "data": {"signed_by": "王"},
    }

    # when visits are told, one of them without its signature, one of a day that has not come
    rows = [signed, signed | {"id": "v2", "data": {}}, signed | {"id": "v3", "at": "2026-10-20T10:00:00+08:00"}]
    answer = api.post("/api/contacts", json=rows)
    again = api.post("/api/contacts", json=signed | {"next_on": None})

    # then two are kept, and the second says what it lacks
    assert (answer.status_code, verdicts(answer)) == (207, ["new", "new", "refused"])
    assert [fault["field"] for fault in faults(answer)] == ["data.signed_by", "at"]
    assert verdicts(again) == ["known"]
    with house.runtime.db.read() as session:
        kept = contacts.known(session, "api", ["v1", "v2", "v3"])
    assert {key: row.counts for key, row in kept.items()} == {"v1": True, "v2": False}


# ----- what is refused


def test_a_good_row_beside_a_bad_one_is_kept(api: httpx.Client) -> None:
    answer = api.post("/api/events", json=[BOUGHT, BOUGHT | {"id": "e2", "type": "wedding"}])
    assert (answer.status_code, verdicts(answer)) == (207, ["new", "refused"])
    (fault,) = faults(answer)
    assert fault["field"] == "type"
    assert "wedding" in fault["reason"]
    assert "purchase" in fault["remedy"]


def test_when_all_rows_are_refused_the_answer_says_so(api: httpx.Client) -> None:
    answer = api.post("/api/customers", json={"id": "x"})
    assert (answer.status_code, verdicts(answer)) == (422, ["refused"])
    assert faults(answer)[0] == {"field": "name", "reason": "is missing", "remedy": "give name"}


BAD_ROWS: list[tuple[str, Any, str]] = [
    ("customers", NEW | {"phone": "12"}, "phone"),
    ("customers", NEW | {"fone": "1"}, "fone"),
    ("customers", NEW | {"zone": "Mars/Crater"}, "zone"),
    ("customers", NEW | {"class": "gold"}, "class"),
    ("customers", NEW | {"programs": "retail_aftersales"}, "programs"),
    ("customers", NEW | {"attributes": {"a": {"b": 1}}}, "attributes"),
    ("customers", NEW | {"attributes": []}, "attributes"),
    ("customers", NEW | {"name": "x" * 201}, "name"),
    ("customers", NEW | {"name": "half \ud800"}, "name"),
    ("customers", NEW | {"name": "nul \x00"}, "name"),
    ("customers", NEW | {"id": ""}, "id"),
    ("customers", NEW | {"id": None}, "id"),
    ("customers", "just a text", ""),
    ("customers", None, ""),
    ("customers", [1], ""),
    ("events", BOUGHT | {"at": "2026-09-21T10:00:00"}, "at"),
    ("events", BOUGHT | {"at": "yesterday"}, "at"),
    ("events", BOUGHT | {"at": 1790000000}, "at"),
    ("events", BOUGHT | {"at": "0001-01-01T00:00:00+14:00"}, "at"),
    ("events", BOUGHT | {"at": "9999-12-31T23:59:59-12:00"}, "at"),
    ("events", BOUGHT | {"customer": "nobody"}, "customer"),
    ("events", BOUGHT | {"customer": "\udfff"}, "customer"),
    ("events", BOUGHT | {"data": {"amount": "many"}}, "data.amount"),
    ("events", BOUGHT | {"data": {"colour": "red"}}, "data.colour"),
    ("events", BOUGHT | {"data": {"amount": 10**300}}, "data.amount"),
    ("events", BOUGHT | {"data": {"item": ["a"]}}, "data"),
    ("events", BOUGHT | {"data": {"bad \ud800": 1}}, "data"),
    ("events", BOUGHT | {"data": {"item": "x" * 4001}}, "data.item"),
    ("events", BOUGHT | {"source": "s" * 65}, "source"),
    ("contacts", CALLED | {"kind": "meeting"}, "kind"),
    ("contacts", CALLED | {"next_on": 20261210}, "next_on"),
    ("contacts", CALLED | {"next_on": "soon-to-be"}, "next_on"),
    ("contacts", CALLED | {"data": {"item": ["a"]}}, "data"),
    ("events", {key: value for key, value in BOUGHT.items() if key != "at"}, "at"),
]


@pytest.mark.parametrize(("noun", "row", "field"), BAD_ROWS)
def test_a_bad_field_is_named_with_its_reason(refusing: httpx.Client, noun: str, row: Any, field: str) -> None:
    answer = refusing.post(f"/api/{noun}", content=json.dumps([row], ensure_ascii=True))
    assert answer.status_code == 422, answer.text
    assert field in {fault["field"] for fault in faults(answer)}
    assert all(fault["reason"] and fault["remedy"] for fault in faults(answer))


BAD_BODIES: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"{", 400),
    (b"[]", 400),
    (b"\xff\xfe", 400),
    (b'{"id": NaN}', 400),
    (b'{"id": ' + b"9" * 5000 + b"}", 400),
    (b"[" * 100_000, 400),
    (json.dumps(BOUGHT | {"matter": "x" * 70_000}).encode(), 413),
    (json.dumps([BOUGHT] * (ROWS + 1)).encode(), 413),
    (b" " * (5 * 1024 * 1024 + 1), 413),
]


@pytest.mark.parametrize(("body", "status"), BAD_BODIES, ids=[str(n) for n in range(len(BAD_BODIES))])
def test_a_body_that_is_no_list_of_rows_is_refused_with_a_reason(
    refusing: httpx.Client, body: bytes, status: int
) -> None:
    answer = refusing.post("/api/events", content=body)
    assert answer.status_code == status
    assert "->" in answer.json()["error"]


def test_a_body_without_a_length_is_cut_off_at_the_limit(api: httpx.Client) -> None:
    chunks = (b" " * 65536 for _ in range(100))
    answer = api.post("/api/events", content=chunks)
    assert answer.status_code == 413


# ----- who may


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"])
def test_without_the_token_nothing_is_taken(shared_house: House, given: str | None) -> None:
    headers = {"Authorization": given.encode()} if given else {}
    with shared_house.client(headers=headers) as client:
        answer = client.post("/api/customers", json=NEW)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_api_without_a_token_refuses_all_and_says_which_setting_is_missing(serve: Serve) -> None:
    with serve(api_token="").client(headers={"Authorization": "Bearer x"}) as client:
        answer = client.post("/api/customers", json=NEW)
    assert answer.status_code == 403
    assert "HUIFANG_API_TOKEN" in answer.json()["error"]


def test_who_guesses_tokens_is_slowed_down(house: House) -> None:
    with house.client(headers={"Authorization": "Bearer guess"}) as client:
        answers = [client.post("/api/customers", json=NEW) for _ in range(22)]
    assert [answer.status_code for answer in answers[-2:]] == [429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_errors_of_the_api_are_json_also_where_there_is_nothing(api: httpx.Client) -> None:
    answer = api.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]
