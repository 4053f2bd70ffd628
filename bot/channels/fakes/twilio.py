"""A stand-in for Twilio: takes messages as its REST API does, brings them to phones, and tells by signed webhooks.

What it refuses stands in `twilio_rules.py`, what a message looks like in `twilio_messages.py`, then `twilio_lists.py`
and `twilio_webhooks.py`. It keeps to the clock that it was handed, so that a scheduled message reaches its phone when
that clock says so. Whoever tries the product plays the phones by HTTP: `GET /` says how.
"""

import asyncio
import heapq
import json
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any, Literal
from urllib.parse import unquote

from bot.channels.fakes.faults import Faults
from bot.channels.fakes.ledger import Entry, Ledger
from bot.channels.fakes.serving import Answer, FakeProvider, Inspect, Pairs, Request
from bot.channels.fakes.twilio_lists import matches, page_of
from bot.channels.fakes.twilio_messages import FINAL, VERSION, Message, Messages, channel_of, rfc2822
from bot.channels.fakes.twilio_rules import (
    CREATE_FIELDS,
    LIST_FIELDS,
    MAGIC_SENDER,
    NUMBER_FIELDS,
    UPDATE_FIELDS,
    RefusedError,
    Senders,
    check_message,
    is_address,
    known_fields,
    scheduled_for,
)
from bot.channels.fakes.twilio_webhooks import Callbacks, Webhooks, inbound_fields
from bot.clock import Clock

_PHONES = "/fake/phones/"
_LOOK_EVERY = 0.02
"""Real seconds between two looks at the clock, which may be pushed, while something is on its way. What comes due
between two looks shares one wait for the disk."""

_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START = frozenset({"START", "YES", "UNSTOP"})
_HELP = frozenset({"HELP", "INFO"})
_CONFIRMS = {
    "STOP": "You are unsubscribed and will get no more messages from this number. Reply START to resubscribe.",
    "START": "You are subscribed again. Reply STOP to unsubscribe.",
    "HELP": "Reply STOP to unsubscribe.",
}


@dataclass(frozen=True)
class Typed:
    """A text that somebody typed. `answered`: the status of our webhook, None when it could not be reached."""

    sid: str
    answered: int | None


@dataclass(frozen=True)
class _Failure:
    status: Literal["undelivered", "failed"]
    error: int


class FakeTwilio(FakeProvider):
    """One account with its numbers, an optional Messaging Service with all of them in its pool, and all phones."""

    def __init__(
        self,
        clock: Clock,
        account_sid: str,
        auth_token: str,
        *,
        numbers: Sequence[str] = (MAGIC_SENDER,),
        service: str = "",
        api_keys: Mapping[str, str] | None = None,
        ledger: Ledger | None = None,
        faults: Faults | None = None,
        callbacks: Callbacks | None = None,
        inbound_url: str = "",
        list_lag: float = 0.0,
        advanced_opt_out: bool = False,
        inspect: Inspect | None = None,
    ) -> None:
        """`api_keys`: secrets by key. `inbound_url`: our webhook for what is typed. `list_lag`: seconds of the clock
        before a message shows in lists. `advanced_opt_out`: webhooks say OptOutType, as they do with that option.
        """
        super().__init__(faults, inspect)
        self.inbound_url = inbound_url
        self.ledger = ledger or Ledger()
        self._clock = clock
        self._account = account_sid
        self._senders = Senders(tuple(numbers), service)
        self._keys = {_basic(user, secret) for user, secret in {account_sid: auth_token, **(api_keys or {})}.items()}
        self._webhooks = Webhooks(clock, auth_token, callbacks or Callbacks())
        self._list_lag = timedelta(seconds=list_lag)
        self._advanced_opt_out = advanced_opt_out
        self._failures: dict[str, _Failure] = {}
        self._messages = Messages(self.ledger)
        self._on_their_way = [(message.due, message.sid) for message in self._messages.on_their_way()]
        heapq.heapify(self._on_their_way)
        self._stopped: set[tuple[str, str]] = set()
        for entry in self.ledger.all():
            self._heed_keyword(entry)
        self._news = asyncio.Event()
        self._delivery: asyncio.Task[None] | None = None

    # ----- for tests and trials

    def fail(self, address: str, error: int | None, status: Literal["undelivered", "failed"] = "undelivered") -> None:
        """From now on messages to this address are accepted and then fail with this code; None: they arrive again."""
        if error is None:
            self._failures.pop(address, None)
        else:
            self._failures[address] = _Failure(status, error)

    async def type_text(
        self,
        sender: str,
        to: str,
        body: str,
        *,
        media: Sequence[str] = (),
        fields: Mapping[str, str] | None = None,
    ) -> Typed:
        """Somebody types on a phone: our webhook is told. `media`: addresses of pictures; `fields`: more to tell."""
        message = self._take_in(sender, to, body, len(media))
        entry = Entry(message.sid, to, sender, body, message.created.isoformat(), "out")
        self.ledger.add(entry)
        keyword = self._heed_keyword(entry)
        if keyword:
            self._confirm(message, keyword)
        told = inbound_fields(message, media)
        if keyword and self._advanced_opt_out:
            told["OptOutType"] = keyword
        if not self.inbound_url:
            return Typed(message.sid, None)
        return Typed(message.sid, await self._webhooks.tell_inbound(self.inbound_url, {**told, **(fields or {})}))

    # ----- a provider

    async def opened(self) -> None:
        self._news = asyncio.Event()
        self._webhooks.open()
        self._delivery = asyncio.create_task(self._deliver_forever())

    async def closed(self) -> None:
        if self._delivery:
            self._delivery.cancel()
        await self._webhooks.close()

    async def respond(self, request: Request) -> Answer:
        if not self._makes_a_message(request):  # which reads nothing, and then many share one wait for the disk
            self._catch_up()
        try:
            if request.path == "/":
                return Answer(200, self._about().encode(), "text/plain; charset=utf-8")
            if request.path.startswith(_PHONES):
                return await self._play(request)
            return self._serve(request)
        except RefusedError as refusal:
            return _json(refusal.status, refusal.resource())

    def complain(self, status: int) -> Answer:
        refusal = RefusedError(20429, 429) if status == 429 else RefusedError(20500, 500)
        return _json(refusal.status, refusal.resource())

    def address_of(self, request: Request) -> str:
        pairs = request.form if request.method == "POST" else request.query
        return dict(pairs).get("To", "")

    def _makes_a_message(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/Messages.json")

    # ----- the REST API

    def _serve(self, request: Request) -> Answer:
        if request.headers.get("authorization") not in self._keys:
            raise RefusedError(20003, 401)
        root = f"/{VERSION}/Accounts/{self._account}/"
        resource = request.path.removeprefix(root).removesuffix(".json")
        match (request.method, resource.split("/")):
            case "POST", ["Messages"]:
                return _json(201, self._create(request.form).resource())
            case "GET", ["Messages"]:
                return _json(200, self._list(request))
            case "GET", ["IncomingPhoneNumbers"]:
                return _json(200, self._list_numbers(request))
            case "GET", ["Messages", sid]:
                return _json(200, self._find(sid).resource())
            case "POST", ["Messages", sid]:
                return _json(200, self._update(self._find(sid), request.form).resource())
            case "DELETE", ["Messages", sid]:
                return self._delete(self._find(sid))
        raise RefusedError(20404, 404)

    def _create(self, pairs: Pairs) -> Message:
        form = known_fields(pairs, CREATE_FIELDS)
        check_message(form, self._senders)
        now = self._clock.now()
        later = scheduled_for(form, now)
        service = form.get("MessagingServiceSid") or None
        sender, to = form.get("From") or None, form["To"]
        if self._is_stopped(sender or self._pick(to), to):
            raise RefusedError(21610)
        media = sum(name == "MediaUrl" for name, _ in pairs)
        message = Message(
            sid=_new_sid("MM" if media else "SM"),
            account=self._account,
            direction="outbound-api",
            to=to,
            sender=sender,
            body=form.get("Body", ""),
            status="scheduled" if later else "accepted" if service else "queued",
            created=now,
            updated=now,
            due=later or now,
            service=service,
            media=media,
            callback=form.get("StatusCallback", ""),
        )
        self._messages.keep(message)
        heapq.heappush(self._on_their_way, (message.due, message.sid))
        self._news.set()
        return message

    def _find(self, sid: str) -> Message:
        message = self._messages.get(sid)
        if message is None:
            raise RefusedError(20404, 404)
        return message

    def _update(self, message: Message, pairs: Pairs) -> Message:
        """Take a scheduled message back, or blank the text of one that is done."""
        form = known_fields(pairs, UPDATE_FIELDS)
        changed = replace(message, updated=self._clock.now())
        if "Status" in form:
            if form["Status"] != "canceled" or message.status != "scheduled":
                raise RefusedError(30409)
            changed = replace(changed, status="canceled")
            self._webhooks.tell_status(changed, ("canceled",))
        if "Body" in form:
            if form["Body"] or message.status not in FINAL:
                raise RefusedError(20001, detail="Body may only be made empty, once the message is done")
            changed = replace(changed, body="")
        self._messages.keep(changed)
        return changed

    def _delete(self, message: Message) -> Answer:
        if message.status not in FINAL:
            raise RefusedError(30409)
        self._messages.keep(replace(message, gone=True))
        return Answer(204, media_type="")

    def _list(self, request: Request) -> dict[str, Any]:
        asked = known_fields(request.query, LIST_FIELDS)
        seen_until = self._clock.now() - self._list_lag
        found = (
            message
            for message in self._messages.newest_first(asked.get("To"))
            if message.created <= seen_until and matches(message, asked)
        )
        return page_of(request, asked, "messages", ((message.sid, message.resource()) for message in found))

    def _list_numbers(self, request: Request) -> dict[str, Any]:
        asked = known_fields(request.query, NUMBER_FIELDS)
        numbers = (number for number in self._senders.numbers if number.startswith("+"))
        wanted = asked.get("PhoneNumber", "").replace("*", "")
        resources = (self._number(number) for number in numbers if wanted in number)
        return page_of(request, asked, "incoming_phone_numbers", ((each["sid"], each) for each in resources))

    def _number(self, number: str) -> dict[str, Any]:
        sid = "PN" + md5(number.encode(), usedforsecurity=False).hexdigest()
        return {
            "account_sid": self._account,
            "api_version": VERSION,
            "beta": False,
            "capabilities": {"mms": True, "sms": True, "voice": True, "fax": False},
            "date_created": rfc2822(datetime.fromtimestamp(0, UTC)),
            "date_updated": rfc2822(datetime.fromtimestamp(0, UTC)),
            "friendly_name": number,
            "origin": "twilio",
            "phone_number": number,
            "sid": sid,
            "sms_fallback_method": "POST",
            "sms_fallback_url": "",
            "sms_method": "POST",
            "sms_url": self.inbound_url,
            "status": "in-use",
            "uri": f"/{VERSION}/Accounts/{self._account}/IncomingPhoneNumbers/{sid}.json",
        }

    # ----- to the phone

    async def _deliver_forever(self) -> None:
        while True:
            self._news.clear()
            if not self._on_their_way:
                await self._news.wait()
            await asyncio.sleep(_LOOK_EVERY)
            self._catch_up()

    def _catch_up(self) -> None:
        """Bring everything to its phone that is due by the clock."""
        now, due = self._clock.now(), []
        while self._on_their_way and self._on_their_way[0][0] <= now:
            _, sid = heapq.heappop(self._on_their_way)
            message = self._messages.get(sid)
            if message and message.status not in FINAL:
                due.append(message)
        if due:
            self._bring(due)

    def _bring(self, due: Sequence[Message]) -> None:
        """One call for many: the ledger waits for the disk once."""
        ended = [self._end(message) for message in due]
        arrived = [message for message in ended if message.status == "delivered"]
        self.ledger.add(*(_entry(message) for message in arrived))
        for message in ended:
            if message.error is None:
                self._messages.note(message)
                self._webhooks.tell_status(message, ("queued", "sent", "delivered"))
            else:
                self._messages.keep(message)
                self._webhooks.tell_status(message, ("queued", "sent", message.status))

    def _end(self, message: Message) -> Message:
        """How a message ends that leaves now. STOP does not cancel what is scheduled; it fails then."""
        sender = message.sender or self._pick(message.to)
        left = replace(message, sender=sender, sent=message.due, updated=message.due)
        if self._is_stopped(sender, message.to):
            return replace(left, status="failed", error=21610)
        if failure := self._failures.get(message.to):
            return replace(left, status=failure.status, error=failure.error)
        return replace(left, status="delivered")

    def _pick(self, to: str) -> str:
        """The sender that the Messaging Service takes for this phone: always the same."""
        fit = [number for number in self._senders.numbers if channel_of(number) == channel_of(to)] or [MAGIC_SENDER]
        return fit[int(to[-4:]) % len(fit)]

    # ----- from the phone

    def _take_in(self, sender: str, to: str, body: str, media: int) -> Message:
        now = self._clock.now()
        message = Message(
            sid=_new_sid("MM" if media else "SM"),
            account=self._account,
            direction="inbound",
            to=to,
            sender=sender,
            body=body,
            status="received",
            created=now,
            updated=now,
            due=now,
            service=self._senders.service or None,
            sent=now,
            media=media,
        )
        self._messages.keep(message)
        return message

    def _heed_keyword(self, entry: Entry) -> str:
        """STOP, START or HELP when that is what was typed, and its effect; SMS only."""
        word = entry.body.strip().upper()
        if entry.direction != "out" or channel_of(entry.to):
            return ""
        numbers = self._senders.numbers if self._senders.service else (entry.to,)
        pairs = {(number, entry.sender) for number in numbers}
        if word in _STOP:
            self._stopped |= pairs
            return "STOP"
        if word in _START:
            self._stopped -= pairs
            return "START"
        return "HELP" if word in _HELP else ""

    def _confirm(self, typed: Message, keyword: str) -> None:
        reply = replace(
            typed,
            sid=_new_sid("SM"),
            direction="outbound-reply",
            to=typed.sender or "",
            sender=typed.to,
            body=_CONFIRMS[keyword],
            status="delivered",
            media=0,
        )
        self._messages.keep(reply)
        self.ledger.add(_entry(reply))

    def _is_stopped(self, sender: str, to: str) -> bool:
        return (sender, to) in self._stopped

    # ----- playing the phone over HTTP

    async def _play(self, request: Request) -> Answer:
        phone = unquote(request.path.removeprefix(_PHONES))
        if not is_address(phone):
            raise RefusedError(20404, 404)
        if request.method == "GET":
            return _json(200, [_shown(entry) for entry in self.ledger.phone(phone)])
        form = dict(request.form)
        to = form.pop("To", "") or self._last_sender(phone)
        media = [value for name, value in request.form if name == "MediaUrl"]
        form.pop("MediaUrl", None)
        typed = await self.type_text(phone, to, form.pop("Body", ""), media=media, fields=form)
        return _json(200, {"sid": typed.sid, "webhook": typed.answered})

    def _last_sender(self, phone: str) -> str:
        """Who texted this phone last: whom its owner answers."""
        came = [entry.sender for entry in self.ledger.phone(phone) if entry.direction == "in"]
        return came[-1] if came else self._pick(phone)

    def _about(self) -> str:
        alerts, waiting = self._webhooks.alerts, sum(1 for _ in self._messages.on_their_way())
        lines = [
            "A stand-in for Twilio, for trials of Huifang. Nothing leaves this machine.",
            "",
            f"numbers: {', '.join(self._senders.numbers)}",
            f"Messaging Service: {self._senders.service or 'none'}",
            f"webhook for inbound texts: {self.inbound_url or 'none'}",
            f"texts that reached a phone: {len(self.ledger.reached())}; on their way: {waiting}",
            f"its clock says: {self._clock.now().isoformat(timespec='seconds')}",
            "",
            "Play a phone:",
            f"  GET  {_PHONES}+14155550123    what is on it",
            f"  POST {_PHONES}+14155550123    Body=5 types a text (To, MediaUrl and webhook fields may be given)",
            *(["", "Twilio would raise these alerts:", *alerts] if alerts else []),
        ]
        return "\n".join(lines) + "\n"


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _json(status: int, content: object) -> Answer:
    return Answer(status, json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))


def _entry(message: Message) -> Entry:
    return Entry(message.sid, message.to, message.sender or "", message.body, message.due.isoformat())


def _shown(entry: Entry) -> dict[str, str]:
    return {"at": entry.at, "direction": entry.direction, "from": entry.sender, "to": entry.to, "body": entry.body}
