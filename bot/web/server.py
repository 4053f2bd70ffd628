"""Puts the web together: the doorway that every request passes, what an error looks like, and one router for each page.

Nothing is decided here. Who may come in is asked in `access.py`; pages are the modules mounted at the end.
"""

import logging
import secrets

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.clock import Clock, SystemClock
from bot.errors import Conflict, Forbidden, HuifangError, InputError, NotFound
from bot.runtime import Runtime
from bot.web import (
    api,
    delivery,
    entry,
    forecast,
    forms,
    live,
    people,
    phones,
    queue,
    survey,
    tasks,
    tickets,
    violations,
)
from bot.web import town as town_page
from bot.web.access import Gate, SignInFirst, TooMany, local_path
from bot.web.controls import TownControls
from bot.web.hooks import make_hooks
from bot.web.site import Site, site_of, words_for

logger = logging.getLogger(__name__)

MODULES = (
    api,
    entry,
    town_page,
    live,
    phones,
    survey,
    queue,
    tasks,
    delivery,
    tickets,
    people,
    forms,
    forecast,
    violations,
)
"""Each has a `router`, which names who may use it."""
FORM_LIMIT = 64 * 1024
"""Bytes of a form, and of one object for the API."""
LIST_LIMIT = 5 * 1024 * 1024
"""Bytes of a list for the API."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def make_app(runtime: Runtime, town: TownControls | None = None, real: Clock | None = None) -> ASGIApp:
    """The web server of a runtime. `town`: a clock to push. `real`: the machine's own, for visits and limits."""
    runtime.shelf.refresh()
    real = real or SystemClock()
    site = Site(runtime, Gate(runtime.settings, real), real, town)
    app = FastAPI(title="Huifang", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.add_exception_handler(Exception, _broken)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(HuifangError, _mendable)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(SignInFirst, _sign_in_first)
    app.mount("/static", StaticFiles(packages=[("bot.web", "static")]), name="static")
    for module in MODULES:
        app.include_router(module.router)
    return Doorway(app, site, make_hooks(runtime))


class Doorway:
    """What every request passes first: is it for us, is it too big; and the headers that every answer carries."""

    def __init__(self, app: ASGIApp, site: Site, hooks: ASGIApp) -> None:
        """`hooks`: what providers call. They have neither pages nor visitors, and need nothing of `app`."""
        self._app, self._site, self._hooks = app, site, hooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = LIST_LIMIT if scope["path"].startswith("/api/") else FORM_LIMIT
        declared = headers.get("content-length", "0")
        inner = self._hooks if scope["path"].startswith("/hooks/") else self._app
        try:
            self._site.gate.check_host(headers)
        except Forbidden as error:
            inner = _plain(Request(scope), 400, str(error))
        else:
            if not declared.isdecimal() or int(declared[:18]) > limit:
                inner = _too_big(Request(scope), limit)
        await inner(scope, _counted(receive, limit), _with_headers(send))


def _with_headers(send: Send) -> Send:
    """Add the headers that every answer carries, unless it has its own."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(each for each in RAW_HEADERS if each[0] not in given)]
        await send(message)

    return send_with_headers


def _counted(receive: Receive, limit: int) -> Receive:
    """Stop reading a body that says no length and grows beyond the limit."""
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        if message["type"] == "http.request":
            read += len(message.get("body", b""))
            if read > limit:
                raise HTTPException(413, f"the body is longer than {limit} bytes -> send less at a time")
        return message

    return counted


def _too_big(request: Request, limit: int) -> Response:
    return _plain(request, 413, f"the body is longer than {limit} bytes -> send less at a time")


# ----- what an error looks like


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith("/api/") or "application/json" in request.headers.get("accept", "")


def _plain(request: Request, status: int, reason: str) -> Response:
    """An answer that needs no page."""
    if _wants_json(request):
        return JSONResponse({"error": reason}, status)
    return Response(f"{reason}\n", status, media_type="text/plain; charset=utf-8")


def _mendable(request: Request, error: Exception) -> Response:
    """Something the visitor can mend: said with field, reason and remedy."""
    headers: dict[str, str] = {}
    faults: list[dict[str, str]] = []
    match error:
        case NotFound():
            status = 404
        case Conflict():
            status = 409
        case Forbidden():
            status = 403
        case TooMany(seconds=seconds):
            status, headers = 429, {"Retry-After": str(seconds)}
        case InputError(faults=found):
            status, faults = 422, [{key: str(value) for key, value in fault.items()} for fault in found]
        case _:
            status = 400
    if _wants_json(request):
        return JSONResponse({"error": str(error), "faults": faults}, status, headers)
    response = _error_page(request, status, str(error))
    response.headers.update(headers)
    return response


def _unreadable(request: Request, error: Exception) -> Response:
    """A part of the address that is of the wrong kind: a path that is nowhere, or a field that is named."""
    assert isinstance(error, RequestValidationError)
    items = error.errors()
    if any(item["loc"][0] == "path" for item in items):
        return _mendable(request, NotFound(""))
    faults = [{"field": str(item["loc"][-1]), "reason": str(item["msg"]), "remedy": "mend it"} for item in items]
    return _mendable(request, InputError(faults))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if _wants_json(request):
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
    reason = "" if error.status_code == 404 else str(error.detail)
    response = _error_page(request, error.status_code, reason)
    response.headers.update(error.headers or {})
    return response


def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours: the visitor gets a number to tell us, the log gets the rest."""
    number = secrets.token_hex(4)
    logger.error("fault %s at %s", number, request.url.path, exc_info=error)
    if _wants_json(request):
        return JSONResponse({"error": f"a fault of ours, number {number}"}, 500)
    try:
        return _error_page(request, 500, number)
    except Exception:  # the page itself may be what is broken
        return _plain(request, 500, f"a fault of ours, number {number}")


def _error_page(request: Request, status: int, reason: str) -> Response:
    words = words_for(request)
    key = f"error.{status}" if status in (400, 403, 404, 409, 413, 422, 429, 500) else "error.400"
    on_survey = request.url.path.startswith("/s/")
    return site_of(request).page(
        request,
        "error.html",
        status,
        title=words(key),
        reason=words.because(reason) if status != 500 else words("error.number", number=reason),
        on_survey=on_survey,
    )


def _sign_in_first(request: Request, error: Exception) -> Response:
    if _wants_json(request) or request.url.path == "/live":
        return JSONResponse({"error": "sign in first"}, 401)
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    target = local_path(request.url.path) if request.method == "GET" else "/"
    return RedirectResponse(f"/login?next={target}", 303)
