"""Who may come in: local visitors, a password, a bearer token; and which forms are really ours.

The console is open to visitors on this machine while no password is set, and to whoever knows the password
otherwise. A visit is a signed cookie: new at sign-in, gone when idle or when the password changes. Every form carries
a token bound to its visit, and a request that another site started is refused. Deny by default: each router names
`console` or `bearer`, and only survey pages, sign-in and static files have neither.
"""

import hashlib
import hmac
import ipaddress
import math
import secrets
import threading
from collections import deque
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from fastapi import HTTPException, Request
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.datastructures import FormData, Headers
from starlette.responses import Response

from bot.clock import Clock
from bot.config import Settings
from bot.errors import Forbidden, HuifangError

VISIT_COOKIE = "huifang_visit"
CALLERS = 10_000
"""Callers whose wrong guesses are remembered apart."""
IDLE_SECONDS = 8 * 3600
ABSOLUTE_SECONDS = 7 * 24 * 3600
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""A request that carries one of these came through a proxy: its sender need not be local."""


class SignInFirst(Exception):  # noqa: N818 - the name says what to do
    """The console has a password, and this visitor has not given it."""


class TooMany(HuifangError):  # noqa: N818 - the name says what happened
    """Too many wrong guesses from there."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too many wrong guesses")
        self.seconds = seconds


# ----- visits


@dataclass(frozen=True)
class Visit:
    """One browser: a random id, whether it gave the password, and when it came and was last seen (unix seconds)."""

    id: str
    inside: bool
    opened: float
    seen: float


class Gate:
    """Signs and reads visits, makes and checks form tokens, counts wrong guesses."""

    def __init__(self, settings: Settings, real: Clock) -> None:
        """`real`: the machine's own clock; the town's may run a day in a second."""
        self._real = real
        self._password = settings.console_password.get_secret_value()
        self._token = settings.api_token.get_secret_value()
        secret = settings.secret_key.get_secret_value() or secrets.token_urlsafe(32)
        stamp = hashlib.sha256(f"{secret}|{self._password}".encode()).hexdigest()[:16]
        self._visits = URLSafeSerializer(secret, salt=f"visit:{stamp}")
        self._forms = URLSafeSerializer(secret, salt="form")
        self._secure = settings.public_url.startswith("https://")
        self._public = urlsplit(settings.public_url)
        self._left: set[str] = set()
        self.signing_in = Limit(real, each=8, together=60, seconds=300)
        self.tokens = Limit(real, each=20, seconds=300)
        self.links = Limit(real, each=30, seconds=600)

    @property
    def has_password(self) -> bool:
        return bool(self._password)

    def visit_of(self, request: Request) -> Visit | None:
        """The visit that this request's cookie proves; None: no cookie, forged, idle for too long, or left."""
        try:
            known = self._visits.loads(request.cookies.get(VISIT_COOKIE, ""))
            visit = Visit(str(known["id"]), bool(known["in"]), float(known["opened"]), float(known["seen"]))
        except (BadSignature, KeyError, TypeError, ValueError):
            return None
        now = self._real.now().timestamp()
        stale = now - visit.seen > IDLE_SECONDS or now - visit.opened > ABSOLUTE_SECONDS
        return None if stale or visit.id in self._left else visit

    def new_visit(self, *, inside: bool = False) -> Visit:
        now = self._real.now().timestamp()
        return Visit(secrets.token_urlsafe(16), inside, now, now)

    def keep(self, response: Response, visit: Visit) -> None:
        """Write the visit's cookie, seen now."""
        visit = replace(visit, seen=self._real.now().timestamp())
        value = self._visits.dumps({"id": visit.id, "in": visit.inside, "opened": visit.opened, "seen": visit.seen})
        response.set_cookie(
            VISIT_COOKIE, str(value), httponly=True, samesite="lax", secure=self._secure, max_age=ABSOLUTE_SECONDS
        )

    def leave(self, response: Response, visit: Visit) -> None:
        """End this visit, also for copies of its cookie."""
        self._left.add(visit.id)
        response.delete_cookie(VISIT_COOKIE, httponly=True, samesite="lax", secure=self._secure)

    def knows_password(self, given: str) -> bool:
        return _same(given, self._password)

    def form_token(self, visit: Visit) -> str:
        """What the hidden field of every form holds: proof that the form was made for this visit."""
        return str(self._forms.dumps(visit.id))

    def fits_form(self, visit: Visit, given: str) -> bool:
        try:
            return _same(str(self._forms.loads(given)), visit.id)
        except BadSignature:
            return False

    # ----- who is it

    def check_host(self, headers: Headers) -> None:
        """Refuse names that are not ours: a page elsewhere must not reach the console under its own name."""
        host = _host_of(headers.get("host", ""))
        if host in ("localhost", self._public.hostname) or _is_address(host):
            return
        raise Forbidden(
            f"this server is not called {host!r} -> set HUIFANG_PUBLIC_URL to the address that visitors use"
        )

    def is_local(self, request: Request) -> bool:
        """A browser on this machine, with no proxy between, speaking to a local name."""
        host = request.client.host if request.client else ""
        name = _host_of(request.headers.get("host", ""))
        local_name = name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
        proxied = any(header in request.headers for header in FORWARDED)
        return local_name and not proxied and _is_address(host) and ipaddress.ip_address(host).is_loopback

    def admit(self, request: Request) -> Visit | None:
        """The visit, once it may see the console. SignInFirst, Forbidden."""
        visit = self.visit_of(request)
        if self._password:
            if visit is None or not visit.inside:
                raise SignInFirst
            return visit
        if not self.is_local(request):
            raise Forbidden(
                "the console is open to this machine only while it has no password -> set HUIFANG_CONSOLE_PASSWORD"
            )
        return visit

    def check_bearer(self, request: Request) -> None:
        """The REST API's token, compared in constant time. HTTPException 401, 403; TooMany."""
        if not self._token:
            raise HTTPException(403, "the API has no token and refuses all -> set HUIFANG_API_TOKEN")
        who = caller(request)
        self.tokens.check(who)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _same(given.strip(), self._token):
            self.tokens.count(who)
            raise HTTPException(
                401,
                "send the header Authorization: Bearer <HUIFANG_API_TOKEN>",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def check_origin(self, request: Request) -> None:
        """Refuse a form that another site sent. Forbidden."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            if site in ("same-origin", "none"):
                return
            raise Forbidden("this form was sent from another site -> open the page here and send it again")
        origin = request.headers.get("origin")
        if origin is None:
            return
        ours = {request.headers.get("host", ""), self._public.netloc}
        if urlsplit(origin).netloc not in ours:
            raise Forbidden("this form was sent from another site -> open the page here and send it again")


# ----- dependencies


def console(request: Request) -> Visit | None:
    """Let in whoever may see the console."""
    return _gate(request).admit(request)


def bearer(request: Request) -> None:
    """Let in whoever holds the API's token."""
    _gate(request).check_bearer(request)


async def form(request: Request) -> FormData:
    """The fields of a form of ours: sent from this site, made for this visit."""
    gate = _gate(request)
    gate.check_origin(request)
    fields = await request.form(max_files=0, max_fields=50)
    visit = gate.visit_of(request)
    if visit is None or not gate.fits_form(visit, str(fields.get("form", ""))):
        raise Forbidden("this form is out of date -> reload the page and send it again")
    return fields


async def public_form(request: Request) -> FormData:
    """The fields of a survey page: the link itself is the secret, so only the origin is asked."""
    _gate(request).check_origin(request)
    return await request.form(max_files=0, max_fields=50)


def caller(request: Request) -> str:
    """Whose guesses are counted together."""
    return request.client.host if request.client else ""


def local_path(given: str) -> str:
    """A path on this site, whatever was given: never another site's address."""
    fine = given.startswith("/") and not given.startswith("//") and "\\" not in given and given.isprintable()
    return quote(given, safe="/?=&%+-_.~") if fine else "/"


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.site.gate
    return gate


class Limit:
    """At most so many wrong guesses from each caller, and where it is said from all together, in so many seconds."""

    def __init__(self, real: Clock, *, each: int, seconds: float, together: int | None = None) -> None:
        self._real, self._each, self._together, self._seconds = real, each, together, seconds
        self._wrong: dict[str, deque[float]] = {}
        self._all: deque[float] = deque(maxlen=together)
        self._lock = threading.Lock()

    def check(self, who: str) -> None:
        """TooMany when there were too many."""
        with self._lock:
            since = self._real.monotonic() - self._seconds
            theirs = self._wrong.get(who, deque())
            while theirs and theirs[0] <= since:
                theirs.popleft()
            oldest = theirs[0] if len(theirs) >= self._each else since
            if self._together is not None and len(self._all) == self._together:
                oldest = max(oldest, self._all[0])
        if oldest > since:
            raise TooMany(math.ceil(oldest - since))

    def count(self, who: str) -> None:
        """One more wrong guess."""
        with self._lock:
            if len(self._wrong) >= CALLERS:
                self._forget(self._real.monotonic() - self._seconds)
            self._wrong.setdefault(who, deque(maxlen=self._each)).append(self._real.monotonic())
            self._all.append(self._real.monotonic())

    def _forget(self, before: float) -> None:
        """Keep only callers who guessed lately; of too many even of those, the newest half."""
        lately = {who: wrong for who, wrong in self._wrong.items() if wrong and wrong[-1] > before}
        self._wrong = dict(list(lately.items())[-CALLERS // 2 :])


def _same(one: str, other: str) -> bool:
    """Equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(_digest(one), _digest(other))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _host_of(header: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
