"""What Twilio refuses when a message is made, and in which words: pure rules over the form, no memory.

Codes and limits: Twilio's error pages, and its table of magic numbers for test credentials.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from bot.channels.fakes.serving import Pairs

CREATE_FIELDS = frozenset(
    {"To", "From", "FallbackFrom", "MessagingServiceSid", "Body", "MediaUrl", "ContentSid", "ContentVariables"}
    | {"StatusCallback", "ApplicationSid", "ProvideFeedback", "Attempt", "MaxPrice", "RiskCheck", "TrafficType"}
    | {"ValidityPeriod", "ScheduleType", "SendAt", "SendAsMms", "SmartEncoded", "ShortenUrls", "PersistentAction"}
    | {"ContentRetention", "AddressRetention", "ForceDelivery"}
)
UPDATE_FIELDS = frozenset({"Body", "Status"})
LIST_FIELDS = frozenset({"To", "From", "DateSent", "DateSent<", "DateSent>", "PageSize", "Page", "PageToken"})
NUMBER_FIELDS = frozenset({"Beta", "FriendlyName", "PhoneNumber", "Origin", "PageSize", "Page", "PageToken"})

MAGIC_SENDER = "+15005550006"
MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}

SOONEST = timedelta(seconds=300)
LATEST = timedelta(days=35)
LONGEST_BODY = 1600
LONGEST_VALIDITY = 36_000

_ADDRESS = re.compile(r"(whatsapp:)?\+[1-9]\d{6,14}")
_SAYS = {
    20001: "Unknown parameters",
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid 'From' Phone Number",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number for this destination",
    21609: "The 'StatusCallback' URL is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "Message cannot be sent with the current combination of 'To' and/or 'From' parameters",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21624: "Invalid validity period value",
    21701: "The Messaging Service does not exist",
    21910: "Invalid From and To pair. From and To should be of the same channel",
    30409: "Message cannot be canceled: it is not scheduled any more",
    35111: "SendAt timestamp is missing",
    35115: "SendAt must be more than 300 seconds and at most 35 days ahead",
    35126: "The ScheduleType value provided is not supported for this channel",
}


class RefusedError(Exception):
    """Twilio says no: `code` is its own, `status` HTTP's."""

    def __init__(self, code: int, status: int = 400, detail: str = "") -> None:
        super().__init__(f"{_SAYS[code]}: {detail}" if detail else _SAYS[code])
        self.code = code
        self.status = status

    def resource(self) -> dict[str, object]:
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


@dataclass(frozen=True)
class Senders:
    """What the account sends by: its numbers and channel addresses, and the service whose pool they are."""

    numbers: tuple[str, ...]
    service: str


def is_address(text: str) -> bool:
    """A number in E.164, or one of WhatsApp."""
    return bool(_ADDRESS.fullmatch(text))


def known_fields(pairs: Pairs, allowed: Iterable[str]) -> dict[str, str]:
    """The fields by name; one that the API does not have is refused, or a misspelt one would pass unseen."""
    unknown = sorted({name for name, _ in pairs} - frozenset(allowed))
    if unknown:
        raise RefusedError(20001, detail=", ".join(unknown))
    return dict(pairs)


def check_message(form: Mapping[str, str], senders: Senders) -> None:
    """Refuse what Twilio refuses at once."""
    _check_to(form.get("To", ""))
    _check_sender(form, senders)
    if not any(form.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
        raise RefusedError(21602)
    if len(form.get("Body", "")) > LONGEST_BODY:
        raise RefusedError(21617)
    _check_validity(form.get("ValidityPeriod"))
    _check_callback(form.get("StatusCallback"))


def scheduled_for(form: Mapping[str, str], now: datetime) -> datetime | None:
    """When a message is to leave; None: at once. Without a Messaging Service a schedule is silently ignored."""
    if not form.get("MessagingServiceSid") or not (form.get("ScheduleType") or form.get("SendAt")):
        return None
    if form.get("ScheduleType") != "fixed":
        raise RefusedError(35126)
    if not form.get("SendAt"):
        raise RefusedError(35111)
    send_at = _instant(form["SendAt"])
    if send_at is None or not SOONEST <= send_at - now <= LATEST:
        raise RefusedError(35115)
    return send_at


def _check_to(to: str) -> None:
    if not to:
        raise RefusedError(21604)
    if to in MAGIC_TO:
        raise RefusedError(MAGIC_TO[to])
    if not is_address(to):
        raise RefusedError(21211)


def _check_sender(form: Mapping[str, str], senders: Senders) -> None:
    sender, service = form.get("From", ""), form.get("MessagingServiceSid", "")
    if not sender and not service:
        raise RefusedError(21603)
    if service and service != senders.service:
        raise RefusedError(21701)
    if sender in MAGIC_FROM:
        raise RefusedError(MAGIC_FROM[sender])
    if sender and sender not in (*senders.numbers, MAGIC_SENDER):
        raise RefusedError(21606)
    if sender and sender.startswith("whatsapp:") != form["To"].startswith("whatsapp:"):
        raise RefusedError(21910)


def _check_validity(seconds: str | None) -> None:
    if seconds is not None and not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds) <= LONGEST_VALIDITY):
        raise RefusedError(21624)


def _check_callback(url: str | None) -> None:
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "_" in parts.hostname:
        raise RefusedError(21609)


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
