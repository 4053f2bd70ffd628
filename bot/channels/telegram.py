"""Telegram: what is sent becomes one `sendMessage`, what is written to the bot becomes a `Received`.

python-telegram-bot translates and does nothing else: no handlers, no jobs, no retries. Pacing belongs to the journey
(`Sender`), and so does what a text means. Telegram cannot be asked what it has, so nothing here ever sends twice.
The stand-in to try it on: fakes/telegram.py.
"""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    ReplyKeyboardMarkup,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.helpers import create_deep_linked_url
from telegram.request import HTTPXRequest

from bot.channels.contract import (
    SHARE_CONTACT,
    Accepted,
    Button,
    Flag,
    NotSent,
    Outcome,
    Outgoing,
    Plain,
    Received,
    Refused,
    Sender,
    Sign,
    Trace,
    Unknown,
)
from bot.clock import Clock
from bot.errors import HuifangError, SettingError

log = structlog.get_logger()

LONGEST_TEXT = 4096
SHORTEST_SECRET = 32
HEARD = ["message", "callback_query", "my_chat_member"]
"""The kinds of updates that we ask Telegram for."""

_RECENT = timedelta(hours=1)
_READ_SECONDS = 7.0
_POOL_SECONDS = 5.0
_POLL_SECONDS = 25
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0

_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Failures before the first byte of a request: nothing can have been sent."""

_LONGEST_PHONE = 15  # E.164
_UNKNOWN_CHAT = ("chat not found", "user not found", "peer_id_invalid")
_MEDIA = (
    *("photo", "voice", "audio", "video", "video_note", "document", "sticker", "animation"),
    *("paid_media", "story", "location", "venue", "poll", "dice"),
)


class BotError(HuifangError):
    """Telegram could not be asked, or the bot is not set up for what we want."""


class TelegramChannel(Plain):
    """Chats of one bot; an address is the id of a private chat."""

    name = "telegram"
    at_once = 8
    shows_buttons = True
    # Telegram bears about 30 messages a second from a bot and one a second in a chat
    senders: tuple[Sender, ...] = (Sender("bot", per_second=25, per_address=1.0),)

    def __init__(self, token: str, secret: str, url: str, clock: Clock) -> None:
        """`secret`: what Telegram shows when it calls our webhook. `url`: of the stand-in; empty: Telegram itself."""
        self._token = token
        self._secret = secret
        self._base_url = f"{url.rstrip('/')}/bot" if url else "https://api.telegram.org/bot"
        self._clock = clock
        self._username: str | None = None
        self._opened: tuple[_Bot, _Request] | None = None
        bot_id = token.partition(":")[0]
        # updates are numbered by each bot for itself
        self._provider = f"telegram:{bot_id}" if bot_id.isdecimal() and len(bot_id) < 20 else "telegram"

    # ----- out

    async def send(self, message: Outgoing) -> Outcome:
        """One call, plain text, at most once.

        What Telegram has taken counts as delivered: it keeps the text in the chat for every phone of that person, and
        no receipt follows.
        """
        if len(message.body) > LONGEST_TEXT:
            return Refused(f"longer than the {LONGEST_TEXT} characters that Telegram takes")
        keyboard = _keyboard(message.buttons)
        try:
            sent = await self._bot().send_message(
                chat_id=message.address,
                text=message.body,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                reply_markup=keyboard,
            )
            return Accepted(f"{sent.chat_id}:{sent.message_id}", delivered=True)
        except TelegramError as error:
            return outcome_of(error)
        except Exception as error:  # an answer that the library cannot read: Telegram may well have sent the text
            return Unknown(f"Telegram's answer made no sense ({type(error).__name__})")

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        """None: a bot cannot list what it sent."""
        return None

    async def close(self) -> None:
        if self._opened:
            _, request = self._opened
            await request.shutdown()
            self._opened = None

    # ----- in

    def is_genuine(self, secret_header: str) -> bool:
        """Whether Telegram made this call to our webhook; without a secret of decent length nobody is believed."""
        if len(self._secret) < SHORTEST_SECRET:
            return False
        return hmac.compare_digest(secret_header.encode(errors="replace"), self._secret.encode())

    def understand(self, update: object) -> Received | None:
        """What somebody wrote or tapped in a private chat, or that they left or came back; None: nothing for us.

        Never raises: whatever JSON comes in.
        """
        update_id = _number(_part(update, "update_id"))
        if update_id is None or not isinstance(update, Mapping):
            return None
        blank = Received(self._provider, str(update_id), self.name, from_address="", body="", raw=update)
        return (
            _of_message(blank, _part(update, "message"))
            or _of_tap(blank, _part(update, "callback_query"))
            or _of_membership(blank, _part(update, "my_chat_member"))
        )

    def answer_of(self, received: Received) -> dict[str, str] | None:
        """What the webhook answers in its body: a tapped button stops spinning without another call."""
        tap = _text(_part(_part(received.raw, "callback_query"), "id"))
        return {"method": "answerCallbackQuery", "callback_query_id": tap} if tap else None

    async def poll(self, receive: Callable[[Received], Awaitable[bool]]) -> None:
        """Fetch what people write, for ever; who has had enough cancels the task.

        `receive` stores durably, and raises when it cannot. Telegram forgets an update only when the next fetch names
        a higher number, so nothing is lost when storing fails or the process dies: it comes again. Trouble is logged
        once until it is over.
        """
        offset, wait = 0, _FIRST_WAIT
        while True:
            try:
                for update in await self._bot().fetch(offset):
                    await self._take(update, receive)
                    offset = max(offset, update["update_id"] + 1)
            except Exception as error:  # polling outlives everything: the network, Telegram, the database
                if wait == _FIRST_WAIT:
                    log.warning("telegram is not heard", because=_why(error))
                await self._clock.sleep(max(wait, _seconds_asked(error)))
                wait = min(wait * 2, _LONGEST_WAIT)
            else:
                if wait > _FIRST_WAIT:
                    log.info("telegram is heard again")
                wait = _FIRST_WAIT

    async def _take(self, update: Mapping[str, Any], receive: Callable[[Received], Awaitable[bool]]) -> None:
        received = self.understand(update)
        if received is None:
            return
        await receive(received)
        answer = self.answer_of(received)
        if answer:
            await self._answer_tap(answer["callback_query_id"])

    async def _answer_tap(self, tap: str) -> None:
        try:
            await self._bot().answer_callback_query(tap)
        except TelegramError as error:  # the button spins a little longer, no more
            log.debug("tap not answered", because=type(error).__name__)

    # ----- the bot itself

    async def username(self) -> str | None:
        """The bot's name without @, as people find it; None while Telegram cannot be asked."""
        if self._username is None:
            try:
                with _asking():
                    self._username = (await self._bot().get_me()).username
            except BotError as error:
                log.warning("telegram does not say the bot's name", because=str(error))
        return self._username

    async def deep_link(self, token: str) -> str | None:
        """A link that opens the chat and sends `/start token`: at most 64 letters, digits, _ and -."""
        username = await self.username()
        return create_deep_linked_url(username, token) if username else None

    async def set_webhook(self, url: str) -> str | None:
        """Let Telegram call `url` with all that it hears. Why it cannot be, with the remedy; None: it is so."""
        try:
            self._check_secret()
            with _asking():
                await self._bot().set_webhook(url, secret_token=self._secret, allowed_updates=HEARD)
        except (BotError, SettingError) as error:
            return str(error)
        return None

    async def delete_webhook(self) -> str | None:
        """Let Telegram keep what it hears until it is fetched. Why it cannot be; None: it is so."""
        try:
            with _asking():
                await self._bot().delete_webhook()
        except BotError as error:
            return str(error)
        return None

    async def check(self, webhook: str = "") -> str:
        """Whether the bot is set up, in words; SettingError or BotError says what is wrong, and the remedy.

        `webhook`: the address that Telegram should call; empty: we fetch.
        """
        with _asking():
            self._username = (await self._bot().get_me()).username
            info = await self._bot().get_webhook_info()
        if webhook:
            self._check_secret()
        wrong = []
        if info.url and not webhook:
            wrong.append("Telegram calls a webhook, so nothing can be fetched -> `huifang serve` takes it away")
        if webhook and info.url != webhook:
            wrong.append("Telegram does not call our webhook yet -> `huifang serve` sets it")
        if info.last_error_date and self._clock.now() - info.last_error_date < _RECENT:
            wrong.append(
                f"Telegram could not call the webhook: {info.last_error_message} -> it must answer from outside"
            )
        if wrong:
            raise BotError("; ".join(wrong))
        return f"the bot answers as @{self._username}; {info.pending_update_count} updates wait for us"

    def _check_secret(self) -> None:
        if len(self._secret) < SHORTEST_SECRET:
            raise SettingError(
                "HUIFANG_TELEGRAM_SECRET", f"has fewer than {SHORTEST_SECRET} characters", "set a longer one"
            )

    def _bot(self) -> "_Bot":
        """The library's bot, made at first use."""
        if self._opened is None:
            # one connection more than calls, for the one that waits for updates
            request = _Request(
                self.at_once + 1, _READ_SECONDS, write_timeout=5.0, connect_timeout=3.0, pool_timeout=_POOL_SECONDS
            )
            bot = _Bot(self._token, self._base_url, get_updates_request=request, request=request)
            self._opened = bot, request
        return self._opened[0]


@contextmanager
def _asking() -> Iterator[None]:
    """Whatever goes wrong while Telegram is asked becomes a BotError."""
    try:
        yield
    except TelegramError as error:
        raise BotError(_why(error)) from error


class _Request(HTTPXRequest):
    @staticmethod
    def parse_json_payload(payload: bytes) -> Any:
        """As the library does it, but without logging what came: it may hold somebody's words."""
        try:
            return json.loads(payload.decode(errors="replace"))
        except ValueError as error:
            raise TelegramError("the answer is no JSON") from error


class _Bot(Bot):
    async def fetch(self, offset: int) -> list[dict[str, Any]]:
        """Updates as they came.

        `get_updates` makes objects of all of them: one that this version of the library cannot read would stop the
        bot for good.
        """
        asked = {"offset": offset, "timeout": _POLL_SECONDS, "allowed_updates": HEARD}
        patience = _POLL_SECONDS + _READ_SECONDS
        updates: list[dict[str, Any]] = await self._post("getUpdates", asked, read_timeout=patience)
        return updates


def _keyboard(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
    if not rows:
        return None
    if any(button.data == SHARE_CONTACT for row in rows for button in row):
        keys = [
            [KeyboardButton(each.label, request_contact=each.data == SHARE_CONTACT) for each in row] for row in rows
        ]
        return ReplyKeyboardMarkup(keys, resize_keyboard=True, one_time_keyboard=True)
    return InlineKeyboardMarkup([[InlineKeyboardButton(b.label, callback_data=b.data) for b in row] for row in rows])


# ----- what a failed call came to


def outcome_of(error: TelegramError) -> Outcome:
    """What a failed call to send came to. It may be tried again only where nothing can have been sent."""
    match error:
        case _ if isinstance(error.__cause__, _UNSENT):
            return NotSent(_why(error), sign=Sign.TROUBLE)
        # 429, which the library knows only where it names a time
        case _ if error.message.lower().startswith("too many requests"):
            return NotSent("Telegram asks to slow down", sign=Sign.REST)
        # what answered is not Telegram: its 403 says nothing of the person, and its 404 nothing of the token
        case _ if error.__cause__ is not None:
            return Unknown(_why(error))
        case RetryAfter():
            return NotSent("Telegram asks to slow down", _seconds_asked(error), Sign.REST)
        case InvalidToken():
            return NotSent(_why(error), sign=Sign.STOP)
        case Forbidden():
            return Refused(_why(error), suppress=True)
        case BadRequest() | ChatMigrated():
            unknown_chat = any(words in error.message.lower() for words in _UNKNOWN_CHAT)
            return Refused(_why(error), suppress=unknown_chat)
        case _:
            return Unknown(_why(error))


def _why(error: Exception) -> str:
    """The failure in words, with nothing of what was sent and without the token."""
    match error:
        case _ if isinstance(error.__cause__, _UNSENT):
            return f"Telegram cannot be reached ({type(error.__cause__).__name__})"
        case TimedOut():
            return "Telegram did not answer in time"
        case TelegramError() if error.__cause__ is not None:
            return f"no answer that makes sense from Telegram ({type(error.__cause__).__name__})"
        case InvalidToken():
            return "Telegram does not know the bot's token -> copy it from BotFather into HUIFANG_TELEGRAM_TOKEN"
        case Conflict():
            return "another program fetches this bot's messages, or a webhook is set -> stop one of them"
        case TelegramError():
            return f"Telegram says: {error.message[:200]}"
        case _:
            return f"not stored ({type(error).__name__})"


def _seconds_asked(error: Exception) -> float:
    """How long Telegram asks us to wait."""
    if not isinstance(error, RetryAfter):
        return 0.0
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


# ----- what people write


def _of_message(blank: Received, message: object) -> Received | None:
    chat = _private_chat(message)
    if not chat:
        return None
    text = _text(_part(message, "text"))
    media = any(_part(message, kind) for kind in _MEDIA)
    written = replace(blank, from_address=chat, body=text or _text(_part(message, "caption")), media=int(media))
    contact = _part(message, "contact")
    if contact:
        return _of_contact(written, contact, _part(_part(message, "from"), "id"))
    if text.startswith("/"):
        return _of_command(written)
    return written if written.body or media else None


def _of_contact(written: Received, contact: object, writer: object) -> Received:
    """Only a number of the writer's own proves anything: anybody can pass on somebody else's."""
    digits = re.sub("[^0-9]", "", _text(_part(contact, "phone_number")))
    own = _number(writer) is not None and _number(_part(contact, "user_id")) == writer
    if own and 0 < len(digits) <= _LONGEST_PHONE:
        return replace(written, flag=Flag.CONTACT, body=f"+{digits}")
    return replace(written, body=f"{_text(_part(contact, 'first_name'))} {digits}".strip())


def _of_command(written: Received) -> Received:
    command, *words = written.body.split()
    match command.partition("@")[0].lower():
        case "/start":
            return replace(written, flag=Flag.START, body=words[0] if words else "")
        case "/stop":
            return replace(written, flag=Flag.LEFT)
        case "/help":  # read as the keyword
            return replace(written, body="help")
        case _:
            return written


def _of_tap(blank: Received, query: object) -> Received | None:
    message, data = _part(query, "message"), _text(_part(query, "data"))
    chat = _private_chat(message)
    return replace(blank, from_address=chat, body=_label(message, data), tapped=data) if chat and data else None


def _label(message: object, data: str) -> str:
    """What stands on the tapped button; where Telegram no longer shows the message, the end of its data."""
    for row in _list(_part(_part(message, "reply_markup"), "inline_keyboard")):
        for button in _list(row):
            if _part(button, "callback_data") == data:
                return _text(_part(button, "text"))
    return data.rpartition(":")[2]


def _of_membership(blank: Received, change: object) -> Received | None:
    chat = _private_chat(change)
    flag = _MEMBERSHIP.get(_text(_part(_part(change, "new_chat_member"), "status")))
    return replace(blank, from_address=chat, flag=flag) if chat and flag else None


_MEMBERSHIP = {"kicked": Flag.LEFT, "member": Flag.CAME_BACK}


def _private_chat(part: object) -> str:
    """The id of the chat with one person; empty for groups and channels."""
    chat = _part(part, "chat")
    chat_id = _number(_part(chat, "id"))
    return str(chat_id) if chat_id is not None and _part(chat, "type") == "private" else ""


def _part(whole: object, name: str) -> object:
    return whole.get(name) if isinstance(whole, Mapping) else None


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    """An id; Telegram's have at most 52 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None
