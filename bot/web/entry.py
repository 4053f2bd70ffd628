"""Coming in, leaving, the language of the page, and which member of staff one is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from bot.errors import NotFound
from bot.store import staff
from bot.web.access import caller, console, form, local_path
from bot.web.site import LANGUAGE_COOKIE, ME_COOKIE, site_of, words_for
from bot.words import LANGUAGES

router = APIRouter()
YEAR = 365 * 24 * 3600


@router.get("/login")
def sign_in_page(request: Request, next: str = "/") -> Response:
    site = site_of(request)
    if not site.gate.has_password:
        return RedirectResponse("/", 303)
    return site.page(request, "login.html", next=local_path(next))


@router.post("/login")
def sign_in(request: Request, fields: Annotated[FormData, Depends(form)]) -> Response:
    """A right password opens a new visit; wrong ones are counted."""
    site, words = site_of(request), words_for(request)
    target, who = local_path(str(fields.get("next", "/"))), caller(request)
    site.gate.signing_in.check(who)
    if not site.gate.has_password or not site.gate.knows_password(str(fields.get("password", ""))):
        site.gate.signing_in.count(who)
        return site.page(request, "login.html", 403, next=target, trouble=words("login.wrong"))
    response = RedirectResponse(target, 303)
    site.gate.keep(response, site.gate.new_visit(inside=True))
    return response


@router.post("/logout")
def sign_out(request: Request, _fields: Annotated[FormData, Depends(form)]) -> Response:
    site = site_of(request)
    response = RedirectResponse("/login", 303)
    visit = site.gate.visit_of(request)
    if visit is not None:
        site.gate.leave(response, visit)
    return response


@router.get("/language/{language}")
def choose_language(language: str, back: str = "/") -> Response:
    """Remember the language in a cookie; nothing else changes."""
    if language not in LANGUAGES:
        raise NotFound(f"no such language: {language}")
    response = RedirectResponse(local_path(back), 303)
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR, samesite="lax", httponly=True)
    return response


@router.post("/me", dependencies=[Depends(console)])
def choose_me(request: Request, fields: Annotated[FormData, Depends(form)]) -> Response:
    """From now on I act as this member of staff."""
    chosen = str(fields.get("staff", ""))
    response = RedirectResponse(local_path(str(fields.get("back", "/queue"))), 303)
    if not chosen.isdecimal() or len(chosen) > 12:
        raise NotFound("there is no such member of staff")
    with site_of(request).runtime.db.read() as session:
        member = staff.get(session, int(chosen))
    if member is None or not member.active:
        raise NotFound("there is no such member of staff")
    response.set_cookie(ME_COOKIE, chosen, max_age=YEAR, samesite="lax", httponly=True)
    return response
