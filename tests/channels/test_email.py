"""E-mail against a real mail server on loopback: what arrives, and what each kind of failure is taken for."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from bot.channels import email as email_module
from bot.channels.contract import Accepted, Need, NotSent, Outcome, Outgoing, Refused, Sign, Unknown
from bot.channels.email import EmailChannel
from bot.clock import SimulatedClock
from bot.errors import SettingError
from tests.channels.mail_server import Post, mail_server

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
NOW = datetime(2026, 9, 28, 1, 0, tzinfo=UTC)
CUSTOMER = "li.min@customers.example"
ATTEMPT = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def serve(post: Post) -> Iterator[Callable[..., int]]:
    """Start the mail server; its port."""
    with ExitStack() as running:
        yield lambda **how: running.enter_context(mail_server(post, **how))


def channel(port: int, *, security: Any = "none", user: str = "", password: str = "", host: str = "127.0.0.1") -> Any:
    return EmailChannel(
        host, port, security, user, password, "蓝桥家电 <care@blue-bridge.example>", SimulatedClock(NOW)
    )


def outgoing(body: str = "您好，李女士。", title: str = "满意度调查", address: str = CUSTOMER) -> Outgoing:
    return Outgoing(ATTEMPT, address, body, "survey", title=title)


def send(port: int, message: Outgoing | None = None, **how: Any) -> Outcome:
    return asyncio.run(channel(port, **how).send(message or outgoing()))


# ----- what arrives


def test_an_email_arrives_with_names_words_and_marks(post: Post, serve: Callable[..., int]) -> None:
    outcome = send(serve(), outgoing("您好，李女士。\n请打开 https://care.example/s/abc"))
    assert outcome == Accepted(f"{ATTEMPT}@blue-bridge.example")
    (mail,), (envelope,) = post.mails, post.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("care@blue-bridge.example", [CUSTOMER])
    assert mail["From"] == "蓝桥家电 <care@blue-bridge.example>"
    assert mail["To"] == CUSTOMER
    assert mail["Subject"] == "满意度调查"
    assert mail["Message-ID"] == f"<{ATTEMPT}@blue-bridge.example>"
    assert mail["Date"].datetime == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == ["您好，李女士。", "请打开 https://care.example/s/abc"]


@pytest.mark.parametrize(
    "body", ["", ".", "..\n.\n.end", "a\r\n.\r\nQUIT", "x" * 5000, "\U0001f600\u2028", "From here", "é" * 400]
)
def test_every_text_arrives_whole(post: Post, serve: Callable[..., int], body: str) -> None:
    assert isinstance(send(serve(), outgoing(body)), Accepted)
    (mail,) = post.mails
    assert mail.get_content().replace("\r\n", "\n").rstrip("\n") == body.replace("\r\n", "\n").rstrip("\n")


def test_everything_travels_in_seven_bits(post: Post, serve: Callable[..., int]) -> None:
    send(serve(), outgoing("您好" * 300, title="满意度调查" * 20))
    assert bytes(post.taken[0].content or b"").isascii()
    assert post.mails[0]["Subject"] == "满意度调查" * 20


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\u2028", "\x85", "\x0b"])
def test_a_title_begins_no_header_of_its_own(post: Post, serve: Callable[..., int], line_break: str) -> None:
    send(serve(), outgoing(title=f"Hello{line_break}Bcc: everybody@customers.example"))
    (mail,) = post.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Hello Bcc: everybody@customers.example"


def test_without_a_title_the_first_line_is_the_subject(post: Post, serve: Callable[..., int]) -> None:
    send(serve(), outgoing("您好，李女士。\n第二行", title=""))
    assert post.mails[0]["Subject"] == "您好，李女士。"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "li.min",
        "li.min@",
        "@customers.example",
        "a@b@customers.example",
        "li min@customers.example",
        "li.min@customers.example\r\nRCPT TO:<all@customers.example>",
        "li.min@customers.example\n",
        "<li.min@customers.example>",
        "a@x.example,b@x.example",
        "+8613900000001",
        "李@customers.example",
    ],
)
def test_what_is_no_address_never_reaches_the_server(post: Post, serve: Callable[..., int], address: str) -> None:
    assert send(serve(), outgoing(address=address)) == Refused("this is no e-mail address", suppress=True)
    assert channel(25).objection(address, frozenset()) is not None
    assert post.taken == []


# ----- what a failure is taken for


@pytest.mark.parametrize(
    ("step", "answer", "outcome"),
    [
        ("MAIL", "451 later", NotSent("the mail server says: not now (451)", 300)),
        ("MAIL", "550 not your address", NotSent("the mail server refuses our address (550)", sign=Sign.STOP)),
        ("MAIL", "530 sign in first", NotSent("the mail server refuses our address (530)", sign=Sign.STOP)),
        ("RCPT", "450 grey list", NotSent("the mail server says: not now (450)", 300)),
        ("RCPT", "421 closing", NotSent("the mail server says: not now (421)", 300, Sign.TROUBLE)),
        ("RCPT", "550 5.1.1 no such user", Refused("the mail server refuses the address (550)", suppress=True)),
        ("RCPT", "550 unknown", Refused("the mail server refuses the address (550)", suppress=True)),
        ("RCPT", "551 moved", Refused("the mail server refuses the address (551)", suppress=True)),
        ("RCPT", "553 odd name", Refused("the mail server refuses the address (553)", suppress=True)),
        ("RCPT", "552 5.2.2 full", Refused("the mail server refuses the address (552)")),
        ("RCPT", "530 sign in first", NotSent("the mail server wants us to sign in (530)", sign=Sign.STOP)),
        ("RCPT", "550 5.7.1 no relaying", Refused("the mail server's policy refuses it (550)", sign=Sign.TROUBLE)),
        ("DATA", "452 disk full", NotSent("the mail server says: not now (452)", 300)),
        ("DATA", "550 5.7.1 spam", Refused("the mail server refuses the text (550)")),
        ("DATA", "554 no", Refused("the mail server refuses the text (554)")),
    ],
)
def test_each_answer_has_its_meaning(
    post: Post, serve: Callable[..., int], step: str, answer: str, outcome: Outcome
) -> None:
    post.answers[step] = answer
    assert send(serve()) == outcome
    assert post.taken == []


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
def test_who_hangs_up_before_the_text_has_nothing(post: Post, serve: Callable[..., int], step: str) -> None:
    post.hangs_up_at = step
    assert send(serve()) == NotSent("the mail server cannot be reached, or hung up", sign=Sign.TROUBLE)


def test_who_hangs_up_after_the_text_may_have_it(post: Post, serve: Callable[..., int]) -> None:
    post.hangs_up_at = "DATA"
    assert send(serve()) == Unknown("the mail server did not answer after the text")
    assert len(post.taken) == 1, "it has it, and nobody could know"


def test_nobody_at_the_port_means_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = send(unused.getsockname()[1])
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.TROUBLE


def test_a_host_that_does_not_exist_means_nothing_was_sent() -> None:
    outcome = send(25, host="mail.invalid")
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.TROUBLE


@pytest.fixture
def script() -> Iterator[Callable[..., int]]:
    """A server that says its lines one by one, whatever it hears, and then is silent."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def start(*lines: bytes) -> int:
        def talk() -> None:
            peer, _ = listener.accept()
            with peer, peer.makefile("rb") as heard:
                for line in lines:
                    peer.sendall(line + b"\r\n")
                    heard.readline()
                done.wait(10)

        threading.Thread(target=talk, daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    done.set()
    listener.close()


def test_silence_instead_of_a_greeting_means_nothing_was_sent(
    script: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email_module, "CONNECT", 0.05)
    assert send(script()) == NotSent("the mail server cannot be reached, or hung up", sign=Sign.TROUBLE)


def test_silence_after_the_text_is_doubt(script: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_module, "LAST_REPLY", 0.05)
    port = script(b"220 hello", b"250 hello", b"250 sender", b"250 recipient", b"354 go on")
    assert send(port) == Unknown("the mail server did not answer after the text")


def test_a_server_that_speaks_something_else_is_in_trouble(script: Callable[..., int]) -> None:
    outcome = send(script(b"HTTP/1.1 400 Bad Request"))
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.TROUBLE


def test_a_text_is_not_begun_when_its_time_is_over(post: Post, serve: Callable[..., int]) -> None:
    # given a clock on which every look is a minute later
    class Hurried(SimulatedClock):
        looks = 0

        def monotonic(self) -> float:
            self.looks += 1
            return self.looks * 60.0

    slow = EmailChannel("127.0.0.1", serve(), "none", "", "", "care@blue-bridge.example", Hurried(NOW))

    # when a message is sent, then it is given back
    assert asyncio.run(slow.send(outgoing())) == NotSent("the mail server is too slow", sign=Sign.TROUBLE)
    assert post.taken == []


# ----- signing in, and TLS


def knows_us(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """The authenticator: user care, password right."""
    return AuthResult(success=(data.login, data.password) == (b"care", b"right"), handled=False)


SIGN_IN = {"authenticator": knows_us, "auth_require_tls": False, "auth_required": True}


def test_who_signs_in_may_send(post: Post, serve: Callable[..., int]) -> None:
    assert isinstance(send(serve(**SIGN_IN), user="care", password="right"), Accepted)
    assert len(post.taken) == 1


@pytest.mark.parametrize("password", ["wrong", "密码"])
def test_a_wrong_password_stops_the_sender_and_is_never_told(serve: Callable[..., int], password: str) -> None:
    outcome = send(serve(**SIGN_IN), user="care", password=password)
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.STOP
    assert password not in outcome.because


def test_a_server_without_sign_in_stops_the_sender(serve: Callable[..., int]) -> None:
    outcome = send(serve(), user="care", password="right")
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.STOP


def test_a_server_without_starttls_gets_no_text(post: Post, serve: Callable[..., int]) -> None:
    outcome = send(serve(), security="starttls")
    assert isinstance(outcome, NotSent)
    assert outcome.sign is Sign.STOP
    assert post.taken == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key in one file, for the name localhost."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("certificate") / "localhost.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(file), "-out", str(file.with_suffix(".crt"))]
    subprocess.run([openssl, *words.split(), *names], check=True, capture_output=True, timeout=30)
    file.write_text(file.read_text() + file.with_suffix(".crt").read_text())
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize(("security", "option"), [("tls", "ssl_context"), ("starttls", "tls_context")])
def test_a_trusted_server_is_spoken_to_in_secret(
    post: Post,
    serve: Callable[..., int],
    tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    security: str,
    option: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    outcome = send(serve(**{option: tls}), security=security, host="localhost")
    assert isinstance(outcome, Accepted)
    assert len(post.taken) == 1


@pytest.mark.parametrize(("security", "option"), [("tls", "ssl_context"), ("starttls", "tls_context")])
def test_a_server_that_nobody_vouches_for_gets_nothing(
    post: Post, serve: Callable[..., int], tls: ssl.SSLContext, security: str, option: str
) -> None:
    outcome = send(serve(**{option: tls}), security=security, host="localhost")
    assert outcome == NotSent("no safe connection to the mail server (TLS)", sign=Sign.TROUBLE)
    assert post.taken == []


# ----- what the journey and the doctor ask


@pytest.mark.parametrize(
    ("needs", "allowed"),
    [((), True), ((Need.LINK,), True), ((Need.REPLY, Need.LINK), True), ((Need.REPLY,), False)],
    ids=["nothing", "link", "reply or link", "reply"],
)
def test_what_wants_an_answer_must_bring_a_link(needs: tuple[Need, ...], allowed: bool) -> None:
    assert (channel(25).objection(CUSTOMER, frozenset(needs)) is None) is allowed


def test_a_mail_server_that_hangs_keeps_nobody_else_waiting(
    script: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an event loop with one thread for everything, and calls that wait for a server that says nothing
    monkeypatch.setattr(email_module, "CONNECT", 1.0)
    slow = channel(script())

    async def meanwhile() -> list[int]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        calls = [asyncio.create_task(slow.send(outgoing())) for _ in range(slow.at_once)]
        others = [await asyncio.to_thread(len, "others") for _ in range(20)]
        assert not any(call.done() for call in calls)
        await asyncio.gather(*calls)
        return others

    # then other work goes on while they wait
    assert asyncio.run(meanwhile()) == [6] * 20


def test_a_mail_server_cannot_be_asked_what_it_has() -> None:
    assert asyncio.run(channel(25).find(CUSTOMER, NOW)) is None


def test_a_check_tells_that_all_is_well_and_sends_nothing(post: Post, serve: Callable[..., int]) -> None:
    told = asyncio.run(channel(serve(**SIGN_IN), user="care", password="right").check())
    assert "takes e-mail from care@blue-bridge.example, signed in" in told
    assert post.taken == []


@pytest.mark.parametrize(
    ("how", "answers", "named"),
    [
        ({"user": "care", "password": "wrong"}, {}, "HUIFANG_SMTP_PASSWORD"),
        ({"security": "starttls"}, {}, "HUIFANG_SMTP_SECURITY"),
        ({"user": "care", "password": "right"}, {"MAIL": "550 not yours"}, "HUIFANG_SMTP_FROM"),
    ],
)
def test_a_check_names_the_setting_that_is_wrong(
    post: Post, serve: Callable[..., int], how: dict[str, Any], answers: dict[str, str], named: str
) -> None:
    post.answers.update(answers)
    with pytest.raises(SettingError, match=named) as error:
        asyncio.run(channel(serve(**SIGN_IN), **how).check())
    assert "wrong" not in str(error.value)


@pytest.mark.parametrize("sender", ["", "care", "Care <care>"])
def test_nothing_is_sent_from_what_is_no_address(sender: str) -> None:
    with pytest.raises(SettingError, match="HUIFANG_SMTP_FROM"):
        EmailChannel("127.0.0.1", 25, "none", "", "", sender, SimulatedClock(NOW))
