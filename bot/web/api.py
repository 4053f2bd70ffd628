"""The REST API: customers and events, one or many, idempotent by (source, id), each row with its own verdict.

    POST /api/customers    {"id", "name", "phone", ...}         or a list of them
    POST /api/events       {"id", "type", "customer", "at", ...} or a list of them
    POST /api/contacts     {"id", "kind", "customer", "at", ...} or a list of them

A good row beside a bad one is kept. 200: all kept or known; 207: some refused; 422: all refused. What is no JSON at
all is 400, never 500: bodies are read by hand because a lone surrogate or a NaN must be named, not crash the answer.
"""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse

from bot.journey.belongings import MatterIn, PersonIn
from bot.journey.contacts import ContactIn, log_contact
from bot.journey.enrolment import CustomerIn, Result, accept_customers
from bot.journey.intake import EventIn, accept_events
from bot.runtime import Runtime
from bot.web.access import bearer
from bot.web.site import site_of

router = APIRouter(prefix="/api", dependencies=[Depends(bearer)])

ROWS = 10_000
"""Rows of one list."""
ONE = 64 * 1024
"""Bytes of one object; a list may be as long as the server's doorway lets through."""
GREATEST = 2**53
"""Beyond this, numbers of JSON are no longer exact for everybody."""
Row = TypeVar("Row", bound=BaseModel)
In = TypeVar("In", CustomerIn, EventIn)


# ----- what a row looks like


def _instant(value: object) -> object:
    """Only ISO text: a bare number could be seconds or milliseconds."""
    if not isinstance(value, str):
        raise ValueError("write an instant such as 2026-09-29T10:00:00+08:00")
    return value


def _day(value: object) -> object:
    if value is not None and not (isinstance(value, str) and len(value) == 10):
        raise ValueError("write a day such as 2026-12-10")
    return value


def _scalars(value: object) -> object:
    """Fields of events and customers are plain values."""
    if isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, dict | list):
                raise ValueError(f"{name} is no plain value")
    return value


Short = Annotated[str, Field(max_length=64)]
Key = Annotated[str, Field(max_length=128)]
Plain = Annotated[dict[Key, Any], BeforeValidator(_scalars), Field(max_length=100)]
Moment = Annotated[datetime, BeforeValidator(_instant)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, coerce_numbers_to_str=True)

    source: Short = Field("api", min_length=1, description="the system that tells us; ids are unique within it")
    id: str = Field(min_length=1, max_length=128, description="that system's key")


class PersonBody(BaseModel):
    """One human at a customer, with a role that the program names."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    name: str = Field(max_length=200)
    role: Short
    title: str = Field("", max_length=32)
    phone: Short = ""
    telegram: Key = ""
    email: Key = ""


class MatterBody(BaseModel):
    """A contract, vehicle, invoice, order or project, with the dates that the program names."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    kind: str = Field(max_length=32)
    id: Key
    dates: Plain = Field(default_factory=dict)
    state: str = Field("", max_length=32)


class WindowsBody(BaseModel):
    """A customer's own times: when and on which weekdays they may be reached, and when not."""

    model_config = ConfigDict(extra="forbid")

    times: tuple[Short, ...] = Field((), max_length=20)
    days: tuple[Short, ...] = Field((), max_length=7)
    not_: tuple[Short, ...] = Field((), alias="not", max_length=20)


class CustomerBody(_Body):
    """A customer as another system tells it."""

    name: str = Field(max_length=200)
    phone: Short = ""
    telegram: Short = ""
    email: Short = ""
    whatsapp: Short = ""
    title: str = Field("", max_length=32)
    language: str = Field("", pattern=r"^([a-z]{2}(-[A-Za-z]{2,4})?)?$")
    zone: Short = ""
    class_: Short = Field("", alias="class")
    programs: tuple[Short, ...] = Field((), max_length=50)
    marketing_consent: bool = False
    attributes: Plain = Field(default_factory=dict)
    flags: dict[Short, bool] = Field(default_factory=dict, max_length=10)
    windows: WindowsBody | None = None
    contacts: tuple[PersonBody, ...] = Field((), max_length=50)
    matters: tuple[MatterBody, ...] = Field((), max_length=200)
    staff: tuple[Short, ...] = Field((), max_length=20)

    def row(self) -> CustomerIn:
        persons = tuple(PersonIn(**person.model_dump()) for person in self.contacts)
        matters = tuple(MatterIn(**matter.model_dump()) for matter in self.matters)
        plain = self.model_dump(exclude={"source", "contacts", "matters", "windows"})
        windows = None if self.windows is None else self.windows.model_dump(by_alias=True)
        return CustomerIn(**plain, windows=windows, contacts=persons, matters=matters)


class EventBody(_Body):
    """Something that happened to a customer; `customer` is the source's key or a phone number."""

    type: Short
    customer: Key
    at: Moment
    data: Plain = Field(default_factory=dict)
    matter: Key = ""

    def row(self) -> EventIn:
        return EventIn(**self.model_dump(exclude={"source"}))


class ContactBody(_Body):
    """A call, visit or letter that was made elsewhere; `next_on` is the next date, as it was agreed."""

    kind: Short
    customer: Key
    at: Moment
    program: Short = ""
    person: str = Field("", max_length=200)
    staff: str = Field("", max_length=100)
    data: Plain = Field(default_factory=dict)
    next_on: Annotated[date | None, BeforeValidator(_day)] = None

    def row(self) -> ContactIn:
        return ContactIn(**self.model_dump(exclude={"source"}))


# ----- endpoints


async def _body(request: Request) -> bytes:
    return await request.body()


Content = Annotated[bytes, Depends(_body)]


@router.post("/customers")
def take_customers(request: Request, content: Content) -> JSONResponse:
    """Keep these customers; the same phone is the same customer (R12)."""
    return _take(site_of(request).runtime, content, CustomerBody, accept_customers)


@router.post("/events")
def take_events(request: Request, content: Content) -> JSONResponse:
    """Keep these events and plan what they call for (R13)."""
    return _take(site_of(request).runtime, content, EventBody, accept_events)


@router.post("/contacts")
def take_contacts(request: Request, content: Content) -> JSONResponse:
    """Keep these contacts; those that count fulfil or restart what waits for them (R26). Faults of a row that is new
    say why it does not count.
    """
    return _take(site_of(request).runtime, content, ContactBody, log_contact)


def _take(
    runtime: Runtime,
    content: bytes,
    model: type[CustomerBody] | type[EventBody] | type[ContactBody],
    accept: Callable[[Runtime, str, Sequence[Any]], list[Result]],
) -> JSONResponse:
    """Check every row, hand the good ones to intake source by source, and answer in the order of the rows."""
    rows = _rows(content)
    answers: list[dict[str, Any]] = [{}] * len(rows)
    good: list[tuple[int, CustomerBody | EventBody | ContactBody]] = []
    for index, row in enumerate(rows):
        checked = _check(model, row)
        if isinstance(checked, BaseModel):
            good.append((index, checked))
        else:
            answers[index] = {"id": _id_of(row), "verdict": "refused", "faults": checked}
    for source, group in groupby(good, key=lambda pair: pair[1].source):
        pairs = list(group)
        results = accept(runtime, source, [body.row() for _, body in pairs])
        for (index, _), result in zip(pairs, results, strict=True):
            answers[index] = _answer(result)
    refused = sum(answer["verdict"] == "refused" for answer in answers)
    status = 200 if not refused else 422 if refused == len(answers) else 207
    counts = {
        verdict: count
        for verdict in ("new", "changed", "known", "refused")
        if (count := sum(answer["verdict"] == verdict for answer in answers))
    }
    return JSONResponse({"counts": counts, "rows": answers}, status)


def _rows(content: bytes) -> list[Any]:
    """The rows of a body. HTTPException 400, 413."""
    try:
        body = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise HTTPException(400, f"the body is no JSON: {reason} -> send one object or a list of objects") from error
    rows = body if isinstance(body, list) else [body]
    if body is not rows and len(content) > ONE:
        raise HTTPException(413, f"one object is longer than {ONE} bytes -> send less")
    if not rows:
        raise HTTPException(400, "the list is empty -> send at least one row")
    if len(rows) > ROWS:
        raise HTTPException(413, f"{len(rows)} rows are too many -> send at most {ROWS} at a time")
    return rows


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _check(model: type[Row], row: Any) -> Row | list[dict[str, str]]:
    """The row as a model, or what is wrong with it: field, reason, remedy."""
    if not isinstance(row, dict):
        return [{"field": "", "reason": "is no object", "remedy": "send {...} with named fields"}]
    odd = list(_odd_values(row, ""))
    if odd:
        return odd
    try:
        return model.model_validate(row)
    except ValidationError as error:
        return [_fault(model, item) for item in error.errors(include_url=False, include_context=False)]


def _fault(model: type[BaseModel], item: Any) -> dict[str, str]:
    field = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = ", ".join(info.alias or name for name, info in model.model_fields.items())
        return {"field": field, "reason": "unknown field", "remedy": f"one of {known}"}
    if item["type"] == "missing":
        return {"field": field, "reason": "is missing", "remedy": f"give {field}"}
    reason = str(item["msg"]).removeprefix("Value error, ")
    remedy = "write 2026-09-29T10:00:00+08:00" if field == "at" else "mend the value"
    return {"field": field, "reason": reason, "remedy": remedy}


def _odd_values(value: Any, field: str) -> Any:
    """What JSON can say and no database can keep: half characters, NUL, inexact numbers, years beyond dates."""
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            yield {"field": field, "reason": "holds half a character (a lone surrogate)", "remedy": "send whole UTF-8"}
        elif "\x00" in value:
            yield {"field": field, "reason": "holds a NUL", "remedy": "leave it out"}
        elif field == "at" and not "1900" <= value[:4] <= "2199":
            yield {"field": field, "reason": "is no instant of our time", "remedy": "write 2026-09-29T10:00:00+08:00"}
        elif len(value) > 4000:
            yield {"field": field, "reason": "is longer than 4000 characters", "remedy": "shorten it"}
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) > GREATEST:
            yield {"field": field, "reason": "is too large a number", "remedy": "send it as text"}
    elif isinstance(value, dict):
        for name, each in value.items():
            if any("\ud800" <= char <= "\udfff" or char == "\x00" for char in name):
                yield {
                    "field": field or "?",
                    "reason": "has a name with half a character",
                    "remedy": "send whole UTF-8",
                }
            else:
                yield from _odd_values(each, f"{field}.{name}" if field else name)
    elif isinstance(value, list):
        for index, each in enumerate(value[:1000]):
            yield from _odd_values(each, f"{field}.{index}")


def _id_of(row: Any) -> str:
    found = row.get("id", "") if isinstance(row, dict) else ""
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return text[:128].encode("utf-8", "replace").decode("utf-8")


def _answer(result: Result) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": result.id, "verdict": result.verdict}
    if result.row_id:
        answer["row"] = result.row_id
    if result.faults:
        answer["faults"] = [dict(fault) for fault in result.faults]
    return answer
