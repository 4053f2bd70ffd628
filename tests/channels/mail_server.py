"""A real mail server on loopback, with a mind of its own: what it answers at each step, and what it took."""

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope


class Post:
    """Answers by step (MAIL, RCPT, DATA), the step at which it hangs up, and what it took."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.answers: dict[str, str] = {}
        self.hangs_up_at = ""

    async def handle_MAIL(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self._answer(server, "MAIL") or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        answer = self._answer(server, "RCPT")
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        answer = self._answer(server, "DATA")
        if answer is None or self.hangs_up_at == "DATA":
            self.taken.append(envelope)
        return answer or "250 kept"

    def _answer(self, server: Any, step: str) -> str | None:
        if self.hangs_up_at == step:
            server.transport.abort()
        return self.answers.get(step)

    @property
    def mails(self) -> list[EmailMessage]:
        """What arrived, as a mail program reads it."""
        contents = (bytes(each.content or b"") for each in self.taken)
        return [email.message_from_bytes(content, policy=email.policy.default) for content in contents]


class Anywhere(Controller):
    """A mail server on whichever port is free."""

    def _trigger_server(self) -> None:
        self.port: int = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@contextmanager
def mail_server(post: Post, **how: Any) -> Iterator[int]:
    """The port of a running server; `how`: parameters of aiosmtpd."""
    controller = Anywhere(post, hostname="127.0.0.1", port=0, **how)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop(no_assert=True)
