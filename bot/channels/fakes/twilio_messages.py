"""Twilio's message resource as the stand-in keeps it: one message, its JSON, and the memory of all of them.

The memory survives a restart by a file beside the ledger; what the ledger holds was delivered, whatever the file says.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.channels.fakes.ledger import JsonLines, Ledger
from messages.sms import measure

VERSION = "2010-04-01"
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "received"})


@dataclass(frozen=True, slots=True)
class Message:
    """One message, in or out. `due`: when it reaches the phone."""

    sid: str
    account: str
    direction: str
    to: str
    sender: str | None
    body: str
    status: str
    created: datetime
    updated: datetime
    due: datetime
    service: str | None = None
    sent: datetime | None = None
    media: int = 0
    error: int | None = None
    callback: str = ""
    gone: bool = False

    @property
    def uri(self) -> str:
        return f"/{VERSION}/Accounts/{self.account}/Messages/{self.sid}.json"

    def resource(self) -> dict[str, Any]:
        """As the API shows it. Through a Messaging Service it has no segments until a sender is chosen."""
        return {
            "account_sid": self.account,
            "api_version": VERSION,
            "body": self.body,
            "date_created": rfc2822(self.created),
            "date_sent": rfc2822(self.sent) if self.sent else None,
            "date_updated": rfc2822(self.updated),
            "direction": self.direction,
            "error_code": self.error,
            "error_message": None if self.error is None else f"Error {self.error}",
            "from": self.sender,
            "messaging_service_sid": self.service,
            "num_media": str(self.media),
            "num_segments": str(measure(self.body).segments) if self.sender else "0",
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": self.uri.replace(".json", "/Media.json")},
            "to": self.to,
            "uri": self.uri,
        }


def channel_of(address: str) -> str:
    """`whatsapp`, or nothing for SMS."""
    return address.partition(":")[0] if ":" in address else ""


def rfc2822(instant: datetime) -> str:
    return _rfc2822(instant.replace(microsecond=0))


@lru_cache(maxsize=1024)
def _rfc2822(instant: datetime) -> str:
    return format_datetime(instant.astimezone(UTC))


class Messages:
    """All messages of the account, in the order they were made."""

    def __init__(self, ledger: Ledger) -> None:
        self._lines = JsonLines(_beside(ledger.path)) if ledger.path else None
        self._all: dict[str, Message] = {}
        self._to: dict[str, list[str]] = defaultdict(list)
        for record in self._lines.read() if self._lines else ():
            self.note(_read(record))
        for entry in ledger.all():
            if (message := self._all.get(entry.id)) and message.status not in FINAL:
                at = datetime.fromisoformat(entry.at)
                self.note(replace(message, status="delivered", sender=entry.sender, sent=at, updated=at))

    def keep(self, message: Message) -> None:
        """Remember a new message, or a change of one that the ledger does not show, across restarts."""
        if self._lines:
            self._lines.append([_write(message)], sync=False)
        self.note(message)

    def note(self, message: Message) -> None:
        """Remember a change that the ledger shows already."""
        if message.sid not in self._all:
            self._to[message.to].append(message.sid)
        self._all[message.sid] = message

    def get(self, sid: str) -> Message | None:
        message = self._all.get(sid)
        return None if message is None or message.gone else message

    def on_their_way(self) -> Iterator[Message]:
        """Outbound messages that have reached no phone yet."""
        return (message for message in self._all.values() if message.status not in FINAL and not message.gone)

    def newest_first(self, to: str | None) -> Iterator[Message]:
        """To this number, or all of them."""
        chosen = list(self._all) if to is None else self._to.get(to, [])
        return (message for sid in reversed(chosen) if (message := self.get(sid)))


def _beside(ledger: Path) -> Path:
    return ledger.with_suffix(".messages" + ledger.suffix)


_FIELDS = tuple(field.name for field in fields(Message))


def _write(message: Message) -> dict[str, Any]:
    values = ((name, getattr(message, name)) for name in _FIELDS)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values}


def _read(record: dict[str, Any]) -> Message:
    times = {name: datetime.fromisoformat(record[name]) for name in ("created", "updated", "due")}
    sent = datetime.fromisoformat(record["sent"]) if record["sent"] else None
    return Message(**{**record, **times, "sent": sent})
