"""Who may come in, which forms are ours, and what no page ever does."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr
from sqlmodel import Session, select
from starlette.requests import Request
from starlette.responses import Response

from bot.store import tables
from bot.web import access
from bot.web.access import Gate, Limit, local_path
from bot.web.server import MODULES
from tests.web.house import LI, House, Serve, fields_of

PAGES = (
    "/",
    "/phones",
    f"/phone/{LI}",
    "/queue",
    "/tasks",
    "/tasks/list",
    "/customers",
    "/customer/1",
    "/forecast",
    "/town/figures",
)


class Wristwatch:
    """A machine's clock that tests turn."""

    def __init__(self) -> None:
        self.at = datetime(2026, 9, 21, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


# ----- the door


def test_without_a_password_the_console_is_open_on_this_machine(house: House) -> None:
    with house.client() as client:
        assert all(client.get(page).status_code == 200 for page in PAGES)


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}, {"Host": "10.1.2.3"}]
)
def test_without_a_password_nobody_from_elsewhere_gets_in(house: House, headers: dict[str, str]) -> None:
    with house.client(headers=headers) as client:
        answer = client.get("/")
    assert answer.status_code == 403
    assert "HUIFANG_CONSOLE_PASSWORD" in answer.text


def test_a_name_that_is_not_ours_is_refused_before_anything_else(house: House) -> None:
    with house.client(headers={"Host": "evil.example"}) as client:
        answer = client.get("/")
    assert answer.status_code == 400
    assert "HUIFANG_PUBLIC_URL" in answer.text


def test_with_a_password_every_page_asks_for_it(serve: Serve) -> None:
    with serve(console_password="open sesame").client() as client:
        for page in PAGES:
            answer = client.get(page)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login?next=/")
        assert client.get("/live").status_code == 401
        assert client.get("/queue/list", headers={"HX-Request": "true"}).headers["hx-redirect"] == "/login"


def test_the_right_password_opens_a_new_visit_and_leads_where_one_was_going(serve: Serve) -> None:
    with serve(console_password="open sesame").client() as client:
        page = client.get("/login?next=/queue").text
        before = client.cookies[access.VISIT_COOKIE]
        wrong = client.post("/login", data=fields_of(page) | {"password": "guess", "next": "/queue"})
        assert wrong.status_code == 403
        right = client.post("/login", data=fields_of(page) | {"password": "open sesame", "next": "/queue"})
        assert (right.status_code, right.headers["location"]) == (303, "/queue")
        assert client.cookies[access.VISIT_COOKIE] != before
        assert client.get("/queue").status_code == 200


def test_who_leaves_is_out_also_with_a_copy_of_the_cookie(serve: Serve) -> None:
    with serve(console_password="open sesame").client() as client:
        page = client.get("/login").text
        client.post("/login", data=fields_of(page) | {"password": "open sesame"})
        copied = client.cookies[access.VISIT_COOKIE]
        client.post("/logout", data=fields_of(client.get("/").text))
        client.cookies.set(access.VISIT_COOKIE, copied)
        assert client.get("/").status_code == 303


def test_who_guesses_passwords_is_slowed_down(serve: Serve) -> None:
    with serve(console_password="open sesame").client() as client:
        fields = fields_of(client.get("/login").text)
        answers = [client.post("/login", data=fields | {"password": f"guess {n}"}) for n in range(10)]
        assert [answer.status_code for answer in answers] == [403] * 8 + [429] * 2
        late = client.post("/login", data=fields | {"password": "open sesame"})
        assert late.status_code == 429


def test_a_visit_ends_when_idle_and_when_the_password_changes(house: House) -> None:
    watch = Wristwatch()
    settings = house.runtime.settings.model_copy(
        update={"console_password": SecretStr("one"), "secret_key": SecretStr("key")}
    )
    gate = Gate(settings, watch)
    cookie = cookie_of(gate)
    assert visit_in(gate, cookie) is not None
    watch.at += timedelta(seconds=access.IDLE_SECONDS + 1)
    assert visit_in(gate, cookie) is None
    watch.at -= timedelta(days=1)
    other = Gate(settings.model_copy(update={"console_password": SecretStr("two")}), watch)
    assert visit_in(other, cookie) is None


def test_cookies_are_for_this_site_alone_and_secure_where_the_site_is(serve: Serve) -> None:
    with serve(public_url="https://bot.example").client() as client:
        kept = client.get("/").headers["set-cookie"].lower()
    assert "httponly" in kept
    assert "samesite=lax" in kept
    assert "secure" in kept


@pytest.mark.parametrize("given", ["https://evil.example", "//evil.example", "/\\evil", "javascript:x", "", "/a\nb"])
def test_nobody_is_sent_to_another_site(given: str) -> None:
    assert local_path(given) == "/"


def test_wrong_guesses_are_forgotten_in_time() -> None:
    watch = Wristwatch()
    limit = Limit(watch, each=2, together=3, seconds=60)
    limit.count("a")
    limit.count("a")
    with pytest.raises(access.TooMany):
        limit.check("a")
    limit.check("b")
    limit.count("b")
    with pytest.raises(access.TooMany):
        limit.check("c")
    watch.at += timedelta(seconds=61)
    limit.check("a")


# ----- forms


FORMS = ("/town/run", "/town/advance", "/me", f"/phone/{LI}", "/ticket/1/claim", "/reply/1/code", "/logout")


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_its_token_is_refused(shared_house: House, path: str) -> None:
    with shared_house.client() as client:
        client.get("/")
        answer = client.post(path, data={"text": "5", "rate": "60", "span": "1h"})
    assert answer.status_code == 403
    assert shared_house.phone(LI) == []


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_form_that_another_site_sends_is_refused(house: House, headers: dict[str, str]) -> None:
    with house.client() as client:
        fields = fields_of(client.get(f"/phone/{LI}").text)
        answer = client.post(f"/phone/{LI}", data=fields | {"text": "5"}, headers=headers)
    assert answer.status_code == 403


def test_a_token_of_another_visit_opens_nothing(house: House) -> None:
    with house.client() as one, house.client() as other:
        stolen = fields_of(one.get(f"/phone/{LI}").text)
        other.get("/")
        answer = other.post(f"/phone/{LI}", data=stolen | {"text": "5"})
    assert answer.status_code == 403


def test_looking_changes_nothing(house: House) -> None:
    house.push(days=8)
    before = everything(house)
    with house.client() as client:
        for page in (*PAGES, "/queue/list", "/customer/1/trail", f"/phone/{LI}/thread", f"/phone/{LI}/behind"):
            assert client.get(page).status_code == 200
        for path in FORMS:
            assert client.get(path).status_code in (200, 404, 405)
        assert client.get(survey_path(house)).status_code == 200
    assert everything(house) == before


def test_a_huge_form_is_refused(house: House) -> None:
    with house.client() as client:
        fields = fields_of(client.get(f"/phone/{LI}").text)
        answer = client.post(f"/phone/{LI}", data=fields | {"text": "x" * 70_000})
    assert answer.status_code == 413


# ----- every page


def test_every_answer_carries_the_headers_that_keep_scripts_of_others_out(house: House) -> None:
    with house.client() as client:
        for page in (*PAGES, "/static/app.css", "/nothing", "/s/unknown"):
            headers = client.get(page).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"


def test_no_page_has_a_script_or_a_style_of_its_own(house: House) -> None:
    house.push(days=8)
    with house.client() as client:
        for page in (*PAGES, survey_path(house)):
            text = client.get(page).text
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), page
            assert not re.search(r"\s(style|on\w+)=", text), page
            assert "<style" not in text


NASTY = '<img src=x onerror="alert(1)">'


def test_names_and_replies_are_shown_as_they_are_and_never_run(house: House) -> None:
    house.push(days=8)
    with house.runtime.db.write() as session:
        person = session.get(tables.CustomerRow, 1)
        assert person is not None
        person.name = f"{NASTY} 李明"
        session.add(person)
    with house.client() as client:
        fields = fields_of(client.get(f"/phone/{LI}").text)
        client.post(f"/phone/{LI}", data=fields | {"text": f"1 {NASTY} https://evil.example/s/x"})
        for page in (*PAGES, "/ticket/1", f"/phone/{LI}/thread", f"/queue?role={NASTY}", f"/customers?q={NASTY}"):
            text = client.get(page).text
            assert NASTY not in text, page
            assert 'href="https://evil.example' not in text
        assert "&lt;img src=x" in client.get("/ticket/1").text


def test_an_address_that_cannot_be_read_is_said_to_be_so(shared_house: House) -> None:
    with shared_house.client() as client:
        assert client.get("/customer/abc").status_code == 404
        answer = client.get("/customers?page=x")
    assert answer.status_code == 422
    assert "page" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "/customer/99999999999999999999",
        "/customer/-1",
        "/customer/abc",
        "/ticket/99999999999999999999",
        "/customers?page=-5",
        "/customers?page=99999999999999999999",
        "/customers?page=x",
        "/customers?q=%00%25_'",
        "/phones?q=%ED%A0%80",
        "/phone/nobody",
        "/phone/%00",
        "/queue?state=none&role=%00&staff=%F0%9D%9F%99",
        "/forecast?days=-1",
        "/forecast?days=%F0%9D%9F%99",
        "/s/" + "x" * 500,
        "/s/%00",
        "/language/xx",
        "/language/en?back=//evil.example",
        "/live?after=x",
    ],
)
def test_odd_addresses_never_break_a_page(shared_house: House, path: str) -> None:
    with shared_house.client() as client:
        answer = client.get(path)
    assert answer.status_code < 500
    assert "Traceback" not in answer.text
    assert "evil" not in answer.headers.get("location", "")


def test_an_error_is_a_page_with_a_number_and_no_traceback(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("bot.web.people.views.list_customers", broken)
    with house.client() as client:
        answer = client.get("/customers")
    assert answer.status_code == 500
    assert "secret inside" not in answer.text
    assert re.search(r"number [0-9a-f]{8}", answer.text)


def test_every_route_names_who_may_use_it() -> None:
    """Deny by default: only survey pages, sign-in and the choice of a language are for everybody."""
    public = {"/s/{token}", "/login", "/logout", "/language/{language}"}
    for module in MODULES:
        theirs = {each.dependency for each in module.router.dependencies}
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            asked = theirs | {each.call for each in route.dependant.dependencies}
            who = asked & {access.console, access.bearer}
            assert who or route.path in public, f"{route.path}: add Depends(console) or Depends(bearer)"
            if "POST" in route.methods and access.bearer not in asked:
                assert asked & {access.form, access.public_form}, f"{route.path}: add Depends(form)"


# ----- helpers


def cookie_of(gate: Gate) -> str:
    response = Response()
    gate.keep(response, gate.new_visit(inside=True))
    return response.headers["set-cookie"].split(";")[0]


def visit_in(gate: Gate, cookie: str) -> object:
    return gate.visit_of(Request({"type": "http", "headers": [(b"cookie", cookie.encode())]}))


def survey_path(house: House) -> str:
    with house.runtime.db.read() as session:
        return f"/s/{session.exec(select(tables.SurveyRow.token)).first()}"


def everything(house: House) -> dict[str, list[str]]:
    """Every row of every table."""

    def rows(session: Session, model: type) -> list[str]:
        return sorted(repr(row) for row in session.exec(select(model)))

    with house.runtime.db.read() as session:
        return {name: rows(session, model) for name, model in vars(tables).items() if name.endswith("Row")}
