"""A stand-in for Telegram's Bot API: one bot, any number of private chats, webhook or long polling.

It speaks the methods that the product uses, as python-telegram-bot speaks them, and refuses every field it does not
know. Phones write, tap, share a contact, block the bot by the methods of `FakeTelegram` or over HTTP under /fake/.
What it lets pass that Telegram does not: a webhook without TLS.
"""

import asyncio
import itertools
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from bot.channels.fakes.faults import Faults
from bot.channels.fakes.ledger import Entry, Ledger
from bot.channels.fakes.serving import Answer, FakeProvider, Inspect, Request
from bot.clock import Clock

TOKEN = "70000001:stand-in-for-a-token-from-BotFather"  # noqa: S105 - opens nothing
USERNAME = "huifang_stand_in_bot"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of the header

LONGEST_TEXT, LONGEST_DATA = 4096, 64
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_RETRY_SECONDS = 1.0
_WEBHOOK_SECONDS = 10.0

_HELP = """A stand-in for Telegram.

curl HERE/fake/chats/1001                       what is on the phone of chat 1001
curl HERE/fake/chats/1001 -d text=5             it types "5"
curl HERE/fake/chats/1001 -d open=TOKEN         it opens the link with this token
curl HERE/fake/chats/1001 -d message=7 -d tap=DATA    it taps the button with this data under message 7
curl HERE/fake/chats/1001 -d contact=+8613900000001   it shares its own phone number
curl HERE/fake/chats/1001 -d photo=CAPTION      it sends a picture
curl HERE/fake/chats/1001 -d block=yes          it blocks the bot; -d unblock=yes: and takes that back
"""

Json = dict[str, Any]


class _Refusal(Exception):  # noqa: N818 - the name says what happened
    """Telegram says no: status, and why."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


@dataclass
class _Webhook:
    """Where updates are delivered, and how that went."""

    url: str = ""
    secret: str = ""
    last_error: Json = field(default_factory=dict)


class FakeTelegram(FakeProvider):
    """Telegram with one bot. Chats exist once they have written to it.

    `copies` and `newest_first` change how a webhook is called: each update that often, and in which order.
    """

    copies = 1
    newest_first = False

    def __init__(
        self,
        clock: Clock,
        token: str = TOKEN,
        ledger: Ledger | None = None,
        faults: Faults | None = None,
        inspect: Inspect | None = None,
        per_second: int | None = 30,
        retry_after: int = 1,
    ) -> None:
        """`per_second`: messages taken in a second of `clock`; `retry_after`: what a 429 asks for."""
        super().__init__(faults, inspect)
        self.ledger = ledger or Ledger()
        self.answered: list[str] = []
        """Ids of the taps whose button has stopped spinning."""
        self._clock = clock
        self._token = token
        self._per_second = per_second
        self._retry_after = retry_after
        self._sent_at: deque[float] = deque()
        self._chats = {entry.phone for entry in self.ledger.all()}
        self._blocked: set[str] = set()
        self._messages: dict[str, Json] = {}
        self._taps: set[str] = set()
        self._pending: list[Json] = []
        self._allowed: list[str] = []
        self._webhook = _Webhook()
        self._pollers = 0
        # a stand-in that starts again on its old ledger must not number anything a second time
        self._message_ids = itertools.count(1 + max((int(e.id.split(":")[1]) for e in self.ledger.all()), default=0))
        self._update_ids = itertools.count(int(clock.now().timestamp()))
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()
        self._courier: asyncio.Task[None] | None = None
        self._methods: dict[str, tuple[frozenset[str], Callable[[Json], Any]]] = {
            "getMe": (frozenset(), self._get_me),
            "sendMessage": (frozenset({"chat_id", "text", "link_preview_options", "reply_markup"}), self._send_message),
            "answerCallbackQuery": (frozenset({"callback_query_id"}), self._answer_callback_query),
            "setWebhook": (frozenset({"url", "secret_token", "allowed_updates"}), self._set_webhook),
            "deleteWebhook": (frozenset(), self._delete_webhook),
            "getWebhookInfo": (frozenset(), self._get_webhook_info),
            "getUpdates": (frozenset({"offset", "timeout", "allowed_updates"}), self._get_updates),
        }

    # ----- what a person does on the phone

    def type_text(self, chat: str, text: str) -> None:
        """Somebody writes to the bot, in one message."""
        self._write(chat, text, {"text": text})

    def open(self, chat: str, token: str = "") -> None:
        """Somebody opens the bot, perhaps by a link, and presses Start."""
        if chat in self._blocked:
            self.unblock(chat)
        self.type_text(chat, f"/start {token}".strip())

    def tap(self, chat: str, message_id: int, data: str) -> None:
        """Somebody taps the button with this data under this message; LookupError: there is none."""
        entry_id = f"{chat}:{message_id}"
        if data not in (of_button for of_button, _ in self._buttons(entry_id)):
            raise LookupError(f"no button with the data {data!r} under message {message_id}")
        with self._lock:
            tap = str(next(self._update_ids))
            self._taps.add(tap)
        message = self._messages[entry_id]
        query = {"id": tap, "from": _person(chat), "message": message, "chat_instance": chat, "data": data}
        self._happen("callback_query", query)

    def share_contact(self, chat: str, phone: str, own: bool = True) -> None:
        """Somebody shares a phone number: their own, or a friend's."""
        owner = {"user_id": int(chat)} if own else {}
        contact = {"phone_number": phone, "first_name": f"Person {chat}", **owner}
        self._write(chat, "", {"contact": contact})

    def share_photo(self, chat: str, caption: str = "") -> None:
        """Somebody sends a picture."""
        photo = [{"file_id": "photo", "file_unique_id": "photo", "width": 90, "height": 90}]
        self._write(chat, caption, {"photo": photo} | ({"caption": caption} if caption else {}))

    def block(self, chat: str) -> None:
        self._chats.add(chat)
        self._blocked.add(chat)
        self._become(chat, "member", "kicked")

    def unblock(self, chat: str) -> None:
        self._blocked.discard(chat)
        self._become(chat, "kicked", "member")

    def _write(self, chat: str, words: str, content: Json) -> None:
        with self._lock:
            message_id = next(self._message_ids)
            self._chats.add(chat)
            self.ledger.add(Entry(f"{chat}:{message_id}", USERNAME, chat, words, self._clock.now().isoformat(), "out"))
        sent = {"message_id": message_id, "from": _person(chat), "chat": _chat(chat), "date": self._date()}
        self._happen("message", sent | content)

    def _become(self, chat: str, before: str, after: str) -> None:
        def member(status: str) -> Json:
            return {"status": status, "user": self._bot()} | ({"until_date": 0} if status == "kicked" else {})

        change = {"chat": _chat(chat), "from": _person(chat), "date": self._date()}
        self._happen("my_chat_member", change | {"old_chat_member": member(before), "new_chat_member": member(after)})

    def _happen(self, kind: str, content: Json) -> None:
        """One update more waits for the bot."""
        with self._lock:
            if not self._allowed or kind in self._allowed:
                self._pending.append({"update_id": next(self._update_ids), kind: content})
        self._stir()

    # ----- what the bot asks

    async def respond(self, request: Request) -> Answer:
        if request.path == "/":
            return Answer(200, _HELP.encode(), "text/plain; charset=utf-8")
        if request.path.startswith("/fake/"):
            return self._play(request)
        try:
            return _json(200, {"ok": True, "result": await self._call_by(request)})
        except _Refusal as no:
            return _refused(no)

    def complain(self, status: int) -> Answer:
        return _refused(self._too_many() if status == 429 else _Refusal(status, "Internal Server Error"))

    def address_of(self, request: Request) -> str:
        return dict(request.form).get("chat_id", "")

    async def _call_by(self, request: Request) -> Any:
        _, _, rest = request.path.partition("/bot")
        token, _, method = rest.partition("/")
        if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", token):
            raise _Refusal(404, "Not Found")
        if token != self._token:
            raise _Refusal(401, "Unauthorized")
        return await self._call(method, dict(request.query + request.form))

    async def _call(self, method: str, fields: Json) -> Any:
        if method not in self._methods:
            raise _Refusal(404, "Not Found")
        known, answer = self._methods[method]
        unknown = sorted(fields.keys() - known)
        if unknown:
            raise _bad(f"the stand-in does not know the field {unknown[0]} of {method}")
        result = answer(fields)
        return await result if asyncio.iscoroutine(result) else result

    def _get_me(self, fields: Json) -> Json:
        can = {"can_join_groups": False, "can_read_all_group_messages": False, "supports_inline_queries": False}
        return self._bot() | can

    def _send_message(self, fields: Json) -> Json:
        chat, text = fields.get("chat_id", ""), fields.get("text", "")
        if chat not in self._chats:
            raise _bad("chat not found")
        if chat in self._blocked:
            raise _Refusal(403, "Forbidden: bot was blocked by the user")
        if not text.strip():
            raise _bad("message text is empty")
        if len(text) > LONGEST_TEXT:
            raise _bad("message is too long")
        markup = _markup(fields.get("reply_markup", ""))
        self._count_one()
        with self._lock:
            message_id = next(self._message_ids)
            message = {"message_id": message_id, "from": self._bot(), "chat": _chat(chat), "date": self._date()}
            message |= {"text": text} | ({"reply_markup": markup} if "inline_keyboard" in markup else {})
            self._messages[f"{chat}:{message_id}"] = message
            self.ledger.add(Entry(f"{chat}:{message_id}", chat, USERNAME, text, self._clock.now().isoformat()))
        return message

    def _answer_callback_query(self, fields: Json) -> bool:
        tap = fields.get("callback_query_id", "")
        if tap not in self._taps:
            raise _bad("query is too old and response timeout expired or query ID is invalid")
        self._taps.discard(tap)
        self.answered.append(tap)
        return True

    def _set_webhook(self, fields: Json) -> bool:
        secret = fields.get("secret_token", "")
        if secret and not _SECRET.fullmatch(secret):
            raise _bad("secret token contains unallowed characters")
        with self._lock:
            self._webhook = _Webhook(fields.get("url", ""), secret)
            self._allowed = json.loads(fields.get("allowed_updates", "null")) or self._allowed
        self._stir()
        return True

    def _delete_webhook(self, fields: Json) -> bool:
        self._webhook = _Webhook()
        return True

    def _get_webhook_info(self, fields: Json) -> Json:
        info = {
            "url": self._webhook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._pending),
            "allowed_updates": self._allowed,
        }
        return info | self._webhook.last_error

    async def _get_updates(self, fields: Json) -> list[Json]:
        """What waits, at once or within `timeout` seconds; the newest poller ends all others."""
        if self._webhook.url:
            raise _Refusal(409, "Conflict: can't use getUpdates method while webhook is active")
        with self._lock:
            self._allowed = json.loads(fields.get("allowed_updates", "null")) or self._allowed
            offset = int(fields.get("offset", 0))
            self._pending = [update for update in self._pending if update["update_id"] >= offset]
            self._pollers += 1
            mine = self._pollers
        self._stir()
        with suppress(TimeoutError), self._listening() as stirred:
            async with asyncio.timeout(int(fields.get("timeout", 0))):
                while not self._pending and mine == self._pollers and not self._webhook.url:
                    await stirred.wait()
                    stirred.clear()
        if mine != self._pollers:
            raise _Refusal(409, "Conflict: terminated by other getUpdates request")
        if self._webhook.url:
            raise _Refusal(409, "Conflict: terminated by setWebhook request")
        return self._pending[:100]

    def _count_one(self) -> None:
        """One message more in this second, if it bears one more."""
        now = self._clock.now().timestamp()
        while self._sent_at and self._sent_at[0] <= now - 1:
            self._sent_at.popleft()
        if self._per_second is not None and len(self._sent_at) >= self._per_second:
            raise self._too_many()
        self._sent_at.append(now)

    def _too_many(self) -> _Refusal:
        wait = self._retry_after
        return _Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)

    def _bot(self) -> Json:
        return {"id": int(self._token.partition(":")[0]), "is_bot": True, "first_name": "Huifang", "username": USERNAME}

    def _date(self) -> int:
        return int(self._clock.now().timestamp())

    # ----- calling the webhook

    async def opened(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._courier = asyncio.create_task(self._deliver())

    async def closed(self) -> None:
        if self._courier:
            self._courier.cancel()
        self._loop = self._courier = None

    async def _deliver(self) -> None:
        """Bring what waits to the webhook, one after the other, until each was taken with 2xx."""
        async with httpx.AsyncClient(timeout=_WEBHOOK_SECONDS, trust_env=False) as client:
            with self._listening() as stirred:
                while True:
                    while self._webhook.url and self._pending:
                        await self._deliver_one(client, self._pending[-1 if self.newest_first else 0])
                    await stirred.wait()
                    stirred.clear()

    async def _deliver_one(self, client: httpx.AsyncClient, update: Json) -> None:
        webhook = self._webhook
        headers = {SECRET_HEADER: webhook.secret} if webhook.secret else {}
        try:
            for _ in range(self.copies):
                answer = await client.post(webhook.url, json=update, headers=headers)
                answer.raise_for_status()
                await self._do_as_answered(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            webhook.last_error = {"last_error_date": self._date(), "last_error_message": type(error).__name__}
            await self._clock.sleep(_RETRY_SECONDS)
        else:
            with self._lock:
                self._pending = [each for each in self._pending if each is not update]

    async def _do_as_answered(self, answer: httpx.Response) -> None:
        """A webhook may answer with one call of a method."""
        try:
            fields = answer.json()
        except ValueError:
            return
        if isinstance(fields, dict) and "method" in fields:
            with suppress(_Refusal):  # nobody is told
                await self._call(fields.pop("method"), fields)

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Event]:
        stirred = asyncio.Event()
        self._waiting.add(stirred)
        try:
            yield stirred
        finally:
            self._waiting.discard(stirred)

    def _stir(self) -> None:
        """Wake who waits for updates; from any thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for stirred in self._waiting:
            stirred.set()

    # ----- playing the phone over HTTP

    def _play(self, request: Request) -> Answer:
        place = re.fullmatch(r"/fake/chats/([1-9][0-9]*)", request.path)
        if not place:
            return _json(404, {"detail": "ask /fake/chats/ and the number of a chat"})
        chat = place[1]
        if request.method == "POST":
            try:
                self._do(chat, dict(request.form))
            except (LookupError, ValueError) as error:
                return _json(400, {"detail": str(error)})
        return _json(200, [self._shown(entry) for entry in self.ledger.phone(chat)])

    def _do(self, chat: str, wish: Mapping[str, str]) -> None:
        match wish:
            case {"text": text}:
                self.type_text(chat, text)
            case {"open": token}:
                self.open(chat, token)
            case {"tap": data, "message": message_id}:
                self.tap(chat, int(message_id), data)
            case {"contact": phone}:
                self.share_contact(chat, phone)
            case {"photo": caption}:
                self.share_photo(chat, caption)
            case {"block": _}:
                self.block(chat)
            case {"unblock": _}:
                self.unblock(chat)
            case _:
                raise ValueError("say text=, open=, message= and tap=, contact=, photo=, block= or unblock=")

    def _shown(self, entry: Entry) -> Json:
        return {
            "message": int(entry.id.split(":")[1]),
            "direction": entry.direction,
            "text": entry.body,
            "at": entry.at,
            "buttons": self._buttons(entry.id),
        }

    def _buttons(self, entry_id: str) -> list[tuple[str, str]]:
        """Data and label of each button under a message."""
        rows = self._messages.get(entry_id, {}).get("reply_markup", {}).get("inline_keyboard", [])
        return [(button["callback_data"], button["text"]) for row in rows for button in row]


def _person(chat: str) -> Json:
    return {"id": int(chat), "is_bot": False, "first_name": f"Person {chat}"}


def _chat(chat: str) -> Json:
    return {"id": int(chat), "type": "private", "first_name": f"Person {chat}"}


def _markup(given: str) -> Json:
    """The keyboard under a message, checked as Telegram checks it."""
    try:
        markup = json.loads(given or "{}")
        rows = markup.get("inline_keyboard", []) + markup.get("keyboard", [])
        buttons = [button for row in rows for button in row]
        texts = [button["text"] for button in buttons]
        data = [button["callback_data"] for row in markup.get("inline_keyboard", []) for button in row]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _bad("can't parse reply keyboard markup JSON object") from error
    if not all(texts):
        raise _bad("inline keyboard button text must be non-empty")
    if not all(0 < len(each.encode()) <= LONGEST_DATA for each in data):
        raise _bad("BUTTON_DATA_INVALID")
    return dict(markup)


def _bad(description: str) -> _Refusal:
    return _Refusal(400, f"Bad Request: {description}")


def _refused(no: _Refusal) -> Answer:
    content: Json = {"ok": False, "error_code": no.status, "description": no.description}
    return _json(no.status, content | ({"parameters": no.parameters} if no.parameters else {}))


def _json(status: int, content: object) -> Answer:
    return Answer(status, json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
