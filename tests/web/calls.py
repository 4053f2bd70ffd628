"""Webhooks as the providers make them, for tests: signed by the providers' own rules. Not a test itself."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr
from starlette.types import ASGIApp, Message
from twilio.request_validator import RequestValidator

from bot.channels.signing import receipt_key, sign_attempt
from bot.channels.telegram import TelegramChannel
from bot.channels.twilio import TwilioChannel
from bot.config import Settings
from bot.runtime import Runtime

PUBLIC = "https://care.example"
ACCOUNT, AUTH, NUMBER = "AC" + "7" * 32, "auth-token-of-the-tests", "+15005550006"
SECRET = "secret_of_the_tests_0123456789abcdef"
INBOUND, TELEGRAM = "/hooks/twilio/inbound", "/hooks/telegram"


def with_providers(runtime: Runtime, folder: Path) -> Runtime:
    """The same runtime with SMS, WhatsApp and Telegram set up, and a spool in this folder."""
    given: dict[str, Any] = {
        "public_url": PUBLIC,
        "twilio_auth_token": SecretStr(AUTH),
        "telegram_secret": SecretStr(SECRET),
        "spool": str(folder / "spool"),
    }
    runtime.settings = Settings.model_construct(**(runtime.settings.model_dump() | given))
    twilio: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "auth_token": AUTH,
        "api_key": "",
        "api_secret": "",
        "numbers": (NUMBER,),
        "service": "",
        "segments_per_second": 1.0,
        "schedule_seconds": 0,
        "url": "http://127.0.0.1:9",
        "receipt_url": str,
        "clock": runtime.clock,
    }
    runtime.channels = {
        "sms": TwilioChannel(name="sms", **twilio),
        "whatsapp": TwilioChannel(name="whatsapp", **twilio),
        "telegram": TelegramChannel("123:token", SECRET, "http://127.0.0.1:9", runtime.clock),
    }
    return runtime


@dataclass(frozen=True)
class Call:
    """One request; `headers` have small letters."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"

    def having(self, **headers: str) -> "Call":
        """The same with these headers instead."""
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): v for name, v in headers.items()}})

    def without(self, header: str) -> "Call":
        return replace(self, headers={name: value for name, value in self.headers.items() if name != header})


# ----- genuine calls


def form_call(path: str, fields: Mapping[str, str], *, url: str = PUBLIC, auth: str = AUTH) -> Call:
    """A form, signed by the official library."""
    signature = RequestValidator(auth).compute_signature(url + path, dict(fields))
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "x-twilio-signature": signature,
        "host": "care.example",
    }
    return Call(path, urlencode(fields).encode(), headers)


def sms_fields(number: int, body: str = "5 很好", sender: str = "+14155550001", **more: str) -> dict[str, str]:
    """What Twilio sends with an SMS: many of its fields are often blank."""
    sid = f"SM{number:032x}"
    return {
        "ToCountry": "US",
        "ToState": "",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ToCity": "",
        "FromZip": "",
        "SmsSid": sid,
        "FromState": "CA",
        "SmsStatus": "received",
        "FromCity": "SAN FRANCISCO",
        "Body": body,
        "FromCountry": "US",
        "To": NUMBER,
        "ToZip": "",
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": ACCOUNT,
        "From": sender,
        "ApiVersion": "2010-04-01",
        **more,
    }


def sms(number: int, body: str = "5 很好", sender: str = "+14155550001", **more: str) -> Call:
    return form_call(INBOUND, sms_fields(number, body, sender, **more))


def status(attempt_id: str, state: str, *, auth: str = AUTH, **more: str) -> Call:
    sid = "SM" + "e" * 32
    fields = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": state, "SmsStatus": state, "AccountSid": ACCOUNT}
    signed = sign_attempt(receipt_key(auth), attempt_id)
    return form_call(f"/hooks/twilio/status/{signed}", {**fields, "From": NUMBER, "To": "+14155550001", **more})


def json_call(value: object) -> Call:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    headers = {
        "content-type": "application/json",
        "x-telegram-bot-api-secret-token": SECRET,
        "host": "care.example",
    }
    return Call(TELEGRAM, body, headers)


def chat(number: int, text: str = "5 很好", chat_id: int = 4711) -> Call:
    person = {"id": chat_id, "is_bot": False, "first_name": "敏"}
    message = {
        "message_id": number,
        "from": person,
        "chat": {"id": chat_id, "first_name": "敏", "type": "private"},
        "date": 1790000000,
        "text": text,
    }
    return json_call({"update_id": number, "message": message})


# ----- making them


async def answer_to(app: ASGIApp, call: Call) -> tuple[int, bytes]:
    """Status and body of the answer, straight from the application: no socket between."""
    path, _, query = call.path.partition("?")
    headers = {"content-length": str(len(call.body)), **call.headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asked = iter([{"type": "http.request", "body": call.body, "more_body": False}])
    said: list[Message] = []

    async def receive() -> Message:
        return next(asked, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said[0]["status"], b"".join(message.get("body", b"") for message in said)


async def answers_to(app: ASGIApp, calls: list[Call], at_once: int = 64) -> list[int]:
    """The status of each answer; so many calls are open at the same time."""
    found = [0] * len(calls)
    left = iter(enumerate(calls))

    async def one() -> None:
        for number, call in left:
            found[number], _ = await answer_to(app, call)

    await asyncio.gather(*(one() for _ in range(at_once)))
    return found
