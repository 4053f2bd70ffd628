"""E-mail over SMTP: one connection for each message, in threads of its own. A survey goes by the link in its text.

A mail server cannot be asked what it has. What decides between `NotSent` and `Unknown` is the dot that ends the text:
before it nothing was sent, after it only an answer tells. What people write back lands in the mailbox of the sender's
address and never here. The rules of answers: RFC 5321 section 4.2, of extended codes: RFC 3463.
"""

import asyncio
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Literal, TypeVar

from bot.channels.contract import (
    Accepted,
    Need,
    NotSent,
    Outcome,
    Outgoing,
    Plain,
    Refused,
    Sender,
    Sign,
    Trace,
    Unknown,
)
from bot.clock import Clock
from bot.errors import SettingError

Answer = TypeVar("Answer")
CONNECT = 5.0
REPLY = 10.0
LAST_REPLY = 15.0
"""Seconds for the answer after the final dot: filters read the text before they answer."""
BEGIN_TEXT = 25.0
"""A text is not begun later than this after the call began, so that a call ends before its lease does."""
LATER = 300.0
"""Seconds until a server that said "not now" is asked again; grey lists want a few minutes."""
PER_SECOND = 5.0

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")
_POLICY = SMTP.clone(cte_type="7bit")
"""Every server takes seven bits: UTF-8 travels as base64 or quoted-printable."""


class EmailChannel(Plain):
    """Sends plain text by the mail server of the settings. `sender_address`: care@example.com or Name <care@...>."""

    name = "email"
    at_once = 4

    def __init__(
        self,
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        user: str,
        password: str,
        sender_address: str,
        clock: Clock,
    ) -> None:
        """SettingError when nothing can come from that address."""
        name, address = parseaddr(sender_address)
        if not _ADDRESS.fullmatch(address):
            raise SettingError(
                "HUIFANG_SMTP_FROM", "is no e-mail address", "write care@example.com, or Name <care@example.com>"
            )
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._from = Address(display_name=name, addr_spec=address)
        self._clock = clock
        self.senders: tuple[Sender, ...] = (Sender(address, per_second=PER_SECOND),)
        # not the event loop's threads: a mail server that hangs would keep the database waiting for them
        self._threads = ThreadPoolExecutor(self.at_once, "e-mail")

    def objection(self, address: str, needs: frozenset[Need]) -> str | None:
        """An answer by e-mail does not come back here, so what wants one must bring a link to answer by."""
        if not _ADDRESS.fullmatch(address):
            return "this is no e-mail address"
        if Need.REPLY in needs and Need.LINK not in needs:
            return "an e-mail cannot be answered here"
        return None

    async def send(self, message: Outgoing) -> Outcome:
        if not _ADDRESS.fullmatch(message.address):
            return Refused("this is no e-mail address", suppress=True)
        return await self._beside(lambda: self._hand_over(message))

    async def find(self, address: str, since: datetime) -> Sequence[Trace] | None:
        return None

    async def check(self) -> str:
        """Connect, sign in and offer our address as the sender; nothing is sent. SettingError names what is wrong."""
        return await self._beside(self._try_out)

    async def close(self) -> None:
        self._threads.shutdown(wait=False)

    async def _beside(self, step: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, step)

    def _try_out(self) -> str:
        try:
            with self._connection() as server:
                code, _ = server.mail(self._from.addr_spec)
        except (OSError, UnicodeError) as error:
            shut = _why_shut(error)
            remedy = "compare HUIFANG_SMTP_* with what your mail provider says"
            raise SettingError(shut.setting, f"does not work: {shut.because}", remedy) from None
        if code // 100 != 2:
            raise SettingError(
                "HUIFANG_SMTP_FROM", f"is refused by the mail server ({code})", "use an address of this account"
            )
        signed_in = "signed in" if self._user else "without signing in"
        return f"{self._host}:{self._port} ({self._security}) takes e-mail from {self._from.addr_spec}, {signed_in}"

    def _hand_over(self, message: Outgoing) -> Outcome:
        begun = self._clock.monotonic()
        try:
            with self._connection() as server:
                offered = self._offer(server, message.address)
                if offered is not None:
                    return offered
                if self._clock.monotonic() - begun > BEGIN_TEXT:
                    return NotSent("the mail server is too slow", sign=Sign.TROUBLE)
                return self._hand_over_text(server, message)
        except (OSError, UnicodeError) as error:
            shut = _why_shut(error)
            return NotSent(shut.because, sign=shut.sign)

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        """A server that has greeted us and let us in; OSError or UnicodeError (a password beyond ASCII) when not."""
        server = self._connect()
        try:
            server.timeout = REPLY
            if server.sock is not None:
                server.sock.settimeout(REPLY)
            if self._security == "starttls":
                server.starttls(context=ssl.create_default_context())
            server.ehlo_or_helo_if_needed()
            if self._user:
                server.login(self._user, self._password)
            yield server
        finally:
            _leave(server)

    def _connect(self) -> smtplib.SMTP:
        """`local_hostname` is our domain: the default would ask the name server who we are, and tell everybody."""
        domain = self._from.domain
        if self._security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, domain, timeout=CONNECT, context=context)
        return smtplib.SMTP(self._host, self._port, domain, timeout=CONNECT)

    def _offer(self, server: smtplib.SMTP, address: str) -> Outcome | None:
        """Sender and recipient; None: the server takes a text for them."""
        code, _ = server.mail(self._from.addr_spec)
        if code // 100 != 2:
            return _not_now(code) or NotSent(f"the mail server refuses our address ({code})", sign=Sign.STOP)
        code, words = server.rcpt(address)
        if code // 100 != 2:
            return _not_now(code) or _refused_address(code, words)
        return None

    def _hand_over_text(self, server: smtplib.SMTP, message: Outgoing) -> Outcome:
        """The text and its final dot. Once the text has begun to leave, silence is no proof of anything."""
        content = self._write(message)
        code, _ = server.docmd("DATA")
        if code != 354:
            return _not_now(code) or Refused(f"the mail server takes no text ({code})")
        try:
            if server.sock is not None:
                server.sock.settimeout(LAST_REPLY)
            server.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            code, _ = server.getreply()
        except OSError:
            return Unknown("the mail server did not answer after the text")
        if code // 100 == 2:
            return Accepted(self._message_id(message)[:64])
        if code // 100 == 5:
            return Refused(f"the mail server refuses the text ({code})")
        return _not_now(code) or Unknown("the mail server gave no clear answer after the text")

    def _message_id(self, message: Outgoing) -> str:
        return f"{message.attempt_id}@{self._from.domain}"

    def _write(self, message: Outgoing) -> bytes:
        """The e-mail as it travels; it ends with a line break."""
        mail = EmailMessage(policy=_POLICY)
        mail["From"] = self._from
        mail["To"] = Address(addr_spec=message.address)
        mail["Subject"] = _subject(message)
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{self._message_id(message)}>"
        mail["Auto-Submitted"] = "auto-generated"  # out-of-office robots do not answer a robot
        mail.set_content(message.body, charset="utf-8")
        return mail.as_bytes()


def _subject(message: Outgoing) -> str:
    """One line without control characters: a line break in a subject would begin a header of somebody's own."""
    line = message.title or message.body.strip().partition("\n")[0][:60]
    return " ".join("".join(letter if letter.isprintable() else " " for letter in line).split())


def _not_now(code: int) -> NotSent | None:
    """What a 4xx means, and an answer that is none at all; None for 5xx, which is final."""
    if code // 100 == 5:
        return None
    if code // 100 != 4:
        return NotSent("the mail server does not speak SMTP", sign=Sign.TROUBLE)
    closing = code == 421
    return NotSent(f"the mail server says: not now ({code})", LATER, Sign.TROUBLE if closing else Sign.FINE)


def _refused_address(code: int, words: bytes) -> NotSent | Refused:
    """550, 551, 553: no such mailbox, unless the extended code speaks of policy (5.7.x): that is about us."""
    if code == 530:
        return NotSent("the mail server wants us to sign in (530)", sign=Sign.STOP)
    if words.startswith(b"5.7."):
        return Refused(f"the mail server's policy refuses it ({code})", sign=Sign.TROUBLE)
    return Refused(f"the mail server refuses the address ({code})", suppress=code in (550, 551, 553))


@dataclass(frozen=True)
class _Shut:
    """The mail server would not let us in: which setting is to blame, what happened, what it says of the sender."""

    setting: str
    because: str
    sign: Sign


def _why_shut(error: Exception) -> _Shut:
    """What an error before any text was sent means, without its own words: they may hold the password."""
    match error:
        case UnicodeError():
            return _Shut("HUIFANG_SMTP_PASSWORD", "user name or password has letters beyond ASCII", Sign.STOP)
        case smtplib.SMTPAuthenticationError() if error.smtp_code // 100 == 5:
            because = f"the mail server refuses user name or password ({error.smtp_code})"
            return _Shut("HUIFANG_SMTP_PASSWORD", because, Sign.STOP)
        case smtplib.SMTPResponseException():
            return _Shut("HUIFANG_SMTP_HOST", f"the mail server turns us away ({error.smtp_code})", Sign.TROUBLE)
        case ssl.SSLError():
            return _Shut("HUIFANG_SMTP_SECURITY", "no safe connection to the mail server (TLS)", Sign.TROUBLE)
        case smtplib.SMTPException() if not isinstance(error, smtplib.SMTPServerDisconnected):
            because = "the mail server does not offer this security or this way to sign in"
            return _Shut("HUIFANG_SMTP_SECURITY", because, Sign.STOP)
        case _:
            return _Shut("HUIFANG_SMTP_HOST", "the mail server cannot be reached, or hung up", Sign.TROUBLE)


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye, but never wait for it: what was decided before stands."""
    with suppress(OSError):
        if server.sock is not None:
            server.sock.settimeout(1)
            server.quit()
    server.close()
