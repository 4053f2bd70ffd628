"""`huifang doctor`: each fault is found, told in words with its remedy, and no secret is ever told."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from bot import doctor
from bot.channels.fakes.ledger import Ledger
from bot.channels.fakes.serving import Plugged
from bot.channels.fakes.telegram import TOKEN, FakeTelegram
from bot.channels.fakes.twilio import FakeTwilio
from bot.clock import SystemClock
from bot.config import Settings, read_settings
from bot.doctor import Finding, Verdict, examine
from bot.errors import SettingError
from bot.journey.spool import Spool
from bot.store import staff
from bot.store.condition import _weak, condition_of
from bot.store.db import Database, throw_away
from bot.store.tables import StaffRow
from flows.load import shipped_program_text
from tests.channels.mail_server import Post, mail_server

ACCOUNT = "AC" + "1" * 32
AUTH_TOKEN = "the-auth-token-of-twilio"
PASSWORD = "the-password-of-the-mailbox"
NUMBER = "+15005550006"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the doctor is called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def house(**changed: Any) -> Settings:
    """Settings of a house; the environment of the machine has no part in them."""
    return read_settings(_env_file=None, **changed)


def told(settings: Settings, about: str = "", verdict: Verdict | None = None) -> str:
    """What is said about something, in lines."""
    found = [each for each in examine(settings) if about in each.about and (verdict is None or each.verdict is verdict)]
    return "\n".join(f"{each.verdict} {each.told} -> {each.remedy}" for each in found)


def faults(settings: Settings) -> list[Finding]:
    return [each for each in examine(settings) if each.verdict is Verdict.FAULT]


@pytest.fixture
def database(folder: Path, migrated_file: Path) -> str:
    """The URL of a database that has been used already."""
    shutil.copy(migrated_file, folder / "house.sqlite")
    return f"sqlite:///{folder / 'house.sqlite'}"


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def twilio(running: ExitStack) -> dict[str, Any]:
    """Settings of an account at a stand-in for Twilio."""
    fake = FakeTwilio(SystemClock(), ACCOUNT, AUTH_TOKEN, numbers=[NUMBER])
    url = running.enter_context(Plugged(fake)).url
    return {
        "channels": "live",
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": AUTH_TOKEN,
        "twilio_numbers": NUMBER,
        "twilio_url": url,
        "programs": "auto_repair",
    }


@pytest.fixture
def telegram(running: ExitStack) -> tuple[FakeTelegram, dict[str, Any]]:
    """A stand-in for Telegram, and settings of its bot."""
    fake = FakeTelegram(SystemClock(), ledger=Ledger())
    url = running.enter_context(Plugged(fake)).url
    return fake, {"channels": "live", "telegram_token": TOKEN, "telegram_url": url}


# ----- a house without an account


def test_a_new_house_has_no_fault_and_nothing_is_made(folder: Path) -> None:
    assert faults(house()) == []
    assert "is not there yet" in told(house(), "database", Verdict.WARNING)
    assert list(folder.iterdir()) == []


def test_a_used_house_is_told_part_by_part(database: str) -> None:
    found = list(examine(house(database_url=database)))
    assert {each.about for each in found} >= {"channels", "program", "database", "staff", "spool", "console"}
    assert all(each.remedy for each in found if each.verdict is not Verdict.GOOD)


def test_looking_changes_nothing(database: str, folder: Path) -> None:
    before = (folder / "house.sqlite").read_bytes()
    list(examine(house(database_url=database)))
    assert (folder / "house.sqlite").read_bytes() == before
    assert {file.name.partition("-")[0] for file in folder.iterdir()} == {"house.sqlite"}


def test_who_sends_nowhere_is_warned() -> None:
    assert "messages go nowhere" in told(house(channels="null"), "channels", Verdict.WARNING)


def test_an_invalid_program_is_named_with_line_and_remedy(folder: Path) -> None:
    (folder / "mine.yaml").write_text("id: mine\n", encoding="utf-8")
    found = told(house(programs="auto_repair,mine.yaml,bakery"), "program")
    assert "good auto_repair is valid" in found
    assert "fault mine.yaml" in found
    assert "fault bakery" in found


def test_no_program_is_a_fault() -> None:
    assert "none is named" in told(house(programs=""), "program", Verdict.FAULT)


# ----- database and staff


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is no database URL"),
        ("mysql://root@localhost/house", "names mysql"),
        ("sqlite:///file/in/a/file.sqlite", "cannot be made"),
        ("postgresql://huifang:the-secret-of-the-database@127.0.0.1:1/house", "refused"),
    ],
)
def test_a_database_that_cannot_be_is_told_without_its_password(folder: Path, url: str, said: str) -> None:
    (folder / "file").write_text("no folder", encoding="utf-8")
    (found,) = (each for each in faults(house(database_url=url)) if each.about == "database")
    assert said in found.told
    assert found.remedy
    assert "the-secret" not in f"{found}"


def test_a_file_that_is_no_database_is_told(folder: Path) -> None:
    (folder / "house.sqlite").write_bytes(b"these are no tables " * 100)
    assert "not a database" in told(house(database_url="sqlite:///house.sqlite"), "database", Verdict.FAULT)


def test_a_database_without_tables_waits_for_the_first_start(folder: Path) -> None:
    (folder / "house.sqlite").touch()
    assert "has no tables yet" in told(house(database_url="sqlite:///house.sqlite"), "database", Verdict.WARNING)


def test_tables_of_another_version_are_a_fault(database: str) -> None:
    db = Database(database)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    db.close()
    assert "has the tables of version 0001, not " in told(house(database_url=database), "database", Verdict.FAULT)


def test_roles_that_nobody_has_are_named(database: str) -> None:
    # given a house where somebody has one of the roles
    db = Database(database)
    with db.write() as session:
        staff.add(session, StaffRow(name="王芳", address="+8613900000001", roles=["leader"]))
    db.close()

    # when the doctor looks, then the others are named, each with the command that helps
    found = told(house(database_url=database, programs="auto_repair"), "staff", Verdict.WARNING)
    assert "nobody is leader" not in found
    assert "of auto_repair" in found
    assert "huifang staff add NAME --phone NUMBER --role " in found


@pytest.mark.postgres
def test_postgresql_tells_its_clock_and_what_a_power_cut_costs(postgres_url: str) -> None:
    with throw_away(postgres_url) as db:
        condition = condition_of(db)
        assert condition.revision is None
        assert condition.clock is not None
        assert abs(condition.clock - SystemClock().now()) < timedelta(seconds=30)
        assert condition.weak == ()

    with throw_away(postgres_url) as db, db.engine.connect() as connection:
        connection.exec_driver_sql("SET synchronous_commit = off")
        assert list(_weak(Session(connection), sqlite=False)) == ["synchronous_commit is off"]


# ----- providers


def test_good_credentials_are_told(twilio: dict[str, Any]) -> None:
    assert "good the credentials work" in told(house(**twilio), "sms")
    assert faults(house(**twilio)) == []


def test_a_stand_in_is_not_taken_for_the_real_one(twilio: dict[str, Any]) -> None:
    assert "a stand-in takes the place of Twilio" in told(house(**twilio), "channels", Verdict.WARNING)


def test_wrong_credentials_are_a_fault_and_not_told(twilio: dict[str, Any]) -> None:
    wrong = house(**{**twilio, "twilio_auth_token": "wrong-token-here"})
    assert "Twilio refuses the credentials" in told(wrong, "sms", Verdict.FAULT)
    assert "HUIFANG_TWILIO_AUTH_TOKEN" in told(wrong, "sms", Verdict.FAULT)
    assert "wrong-token-here" not in told(wrong)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"twilio_auth_token": ""}, "HUIFANG_TWILIO_AUTH_TOKEN"),
        ({"twilio_account_sid": ""}, "HUIFANG_TWILIO_ACCOUNT_SID"),
        ({"twilio_numbers": ""}, "no provider is set up"),
        ({"twilio_api_key": "SK" + "1" * 32}, "HUIFANG_TWILIO_API_SECRET is missing"),
        ({"telegram_token": TOKEN, "telegram_mode": "webhook"}, "HUIFANG_TELEGRAM_SECRET is missing"),
    ],
)
def test_half_a_set_up_is_a_fault(twilio: dict[str, Any], changed: dict[str, str], named: str) -> None:
    assert named in told(house(**twilio | changed), "channels", Verdict.FAULT)


def test_a_provider_that_is_away_is_a_fault(twilio: dict[str, Any], running: ExitStack) -> None:
    running.close()
    found = told(house(**twilio), "sms", Verdict.FAULT)
    assert found == "fault Twilio cannot be reached -> start `huifang fake twilio`"


def test_a_good_bot_is_told(telegram: tuple[FakeTelegram, dict[str, Any]]) -> None:
    assert "good the bot answers as @" in told(house(**telegram[1]), "telegram")


def test_a_webhook_that_telegram_does_not_call_is_a_fault(telegram: tuple[FakeTelegram, dict[str, Any]]) -> None:
    settings = house(**telegram[1], telegram_mode="webhook", telegram_secret="s" * 32)
    assert "does not call our webhook" in told(settings, "telegram", Verdict.FAULT)
    assert "Telegram calls http://127.0.0.1:8080/hooks/telegram" in told(settings, "webhooks")


def test_flows_that_no_channel_can_carry_are_named(folder: Path, telegram: tuple[FakeTelegram, dict[str, Any]]) -> None:
    text = shipped_program_text("retail_aftersales")
    assert "channels: [sms, telegram]" in text
    (folder / "sms.yaml").write_text(text.replace("channels: [sms, telegram]", "channels: [sms]", 1), encoding="utf-8")
    found = told(house(**telegram[1], programs="sms.yaml"), "program", Verdict.FAULT)
    assert "retail_aftersales sends " in found
    assert "by sms only, which is not set up" in found
    assert told(house(**telegram[1], programs="retail_aftersales"), "program", Verdict.FAULT) == ""


def test_a_mail_server_is_tried_and_gets_no_mail(running: ExitStack) -> None:
    post = Post()
    port = running.enter_context(mail_server(post))
    mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "smtp_from": "care@bridge.example"}
    assert "takes e-mail from care@bridge.example" in told(house(channels="live", **mail), "email", Verdict.GOOD)
    assert post.taken == []
    signing_in = house(channels="live", **mail, smtp_user="care", smtp_password=PASSWORD)
    assert "HUIFANG_SMTP_SECURITY" in told(signing_in, "email", Verdict.FAULT)
    assert PASSWORD not in told(signing_in)


def test_what_a_library_quotes_is_blotted_out(monkeypatch: pytest.MonkeyPatch, twilio: dict[str, Any]) -> None:
    said = doctor.fault("sms", f"the answer was {AUTH_TOKEN}", f"say {AUTH_TOKEN}")
    monkeypatch.setattr(doctor, "_of_limits", lambda settings: [said])
    assert "fault the answer was *** -> say ***" in told(house(**twilio), "sms")


def test_a_short_secret_does_not_cut_words_to_pieces() -> None:
    assert "***" not in told(house(console_password="the"))


def test_faults_come_first_then_warnings() -> None:
    verdicts = [each.verdict for each in examine(house(programs="bakery"))]
    order = [Verdict.FAULT, Verdict.WARNING, Verdict.GOOD]
    assert set(verdicts) == set(order)
    assert verdicts == sorted(verdicts, key=order.index)


# ----- clocks


def test_a_provider_with_another_time_is_a_fault(twilio: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "good agrees with Twilio" in told(house(**twilio), "clock")
    monkeypatch.setattr(doctor, "SystemClock", Late)
    assert "this machine and Twilio are " in told(house(**twilio), "clock", Verdict.FAULT)


class Late:
    """A clock that is 40 seconds behind."""

    def now(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=40)


def test_an_accelerated_clock_is_a_fault_in_earnest_only(twilio: dict[str, Any]) -> None:
    origin = {"clock_origin": "2025-11-02T12:00:00+08:00", "clock_rate": 0}
    assert "which shows 2025-11-02 04:00 UTC" in told(house(**twilio, **origin), "clock", Verdict.WARNING)
    earnest = house(**{**twilio, "twilio_url": "https://twilio.invalid"}, **origin)
    assert "invented times" in told(earnest, "clock", Verdict.FAULT)


# ----- webhooks and limits


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:8080", "cannot reach"),
        ("https://localhost", "cannot reach"),
        ("https://192.168.1.5", "cannot reach"),
        ("https://[::1]:8080", "cannot reach"),
        ("http://care.example", "not protected"),
    ],
)
def test_an_address_that_providers_cannot_call_is_a_fault(twilio: dict[str, Any], url: str, said: str) -> None:
    earnest = house(**{**twilio, "twilio_url": "https://twilio.invalid"}, public_url=url)
    assert said in told(earnest, "webhooks", Verdict.FAULT)


@pytest.mark.parametrize("url", ["https://care.example", "https://care.example/"])
def test_the_address_to_paste_is_told_exactly(twilio: dict[str, Any], url: str) -> None:
    earnest = house(**{**twilio, "twilio_url": "https://twilio.invalid"}, public_url=url)
    assert ": https://care.example/hooks/twilio/inbound (HTTP POST)" in told(earnest, "webhooks", Verdict.GOOD)


def test_the_addresses_are_those_that_are_served() -> None:
    from bot.web import hooks

    assert doctor.INBOUND in (hooks.__doc__ or "")
    assert doctor.TELEGRAM_WEBHOOK in (hooks.__doc__ or "")


@pytest.mark.parametrize(("url", "warned"), [("http://localhost", True), ("http://127.0.0.1:9000", False)])
def test_links_to_another_port_of_this_machine_are_warned(url: str, warned: bool) -> None:
    found = told(house(public_url=url, port=9000), "webhooks", Verdict.WARNING)
    assert ("leads to port 80 of this machine, but HUIFANG_PORT is 9000" in found) is warned


def test_a_house_without_limits_is_warned(twilio: dict[str, Any]) -> None:
    found = told(house(**twilio), "limits", Verdict.WARNING)
    assert "every country" in found
    assert "there is no limit" in found
    assert "only our guess" in found


def test_limits_that_are_set_are_told(twilio: dict[str, Any]) -> None:
    limits = {"countries": "US,CA", "most_per_day": 500, "price_per_segment": 0.01, "currency": "USD"}
    found = told(house(**twilio, **limits), "limits")
    assert "warning" not in found
    assert "US,CA" in found
    assert "0.01 USD" in found


def test_a_spend_limit_without_a_price_is_a_fault(twilio: dict[str, Any]) -> None:
    free = house(**twilio, spend_per_day=10, price_per_segment=0)
    assert "never stops anything" in told(free, "limits", Verdict.FAULT)


# ----- spool


@pytest.mark.parametrize("spool", ["nowhere/huifang.spool", "."])
def test_a_spool_that_cannot_be_written_is_a_fault(spool: str) -> None:
    assert "would be lost" in told(house(spool=spool), "spool", Verdict.FAULT)


def test_a_spool_with_texts_in_it_is_told() -> None:
    Spool("huifang.spool").append([{"body": "5"}])
    assert "texts wait" in told(house(), "spool", Verdict.WARNING)


def test_a_misspelt_setting_is_named_with_the_one_that_was_meant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIFANG_REGIONS", "US")
    (folder / ".env").write_text("HUIFANG_TWILLIO_NUMBERS=+14155550100\nHUIFANG_REGION=US\nHUIFANG_BREAKFAST=eggs\n")

    lines = told(house(), "settings", Verdict.WARNING).splitlines()

    said = "is no setting, and nobody reads it"
    assert f"warning HUIFANG_BREAKFAST {said} -> take it away; .env.example lists them all" in lines
    assert f"warning HUIFANG_REGIONS {said} -> write HUIFANG_REGION" in lines
    assert f"warning HUIFANG_TWILLIO_NUMBERS {said} -> write HUIFANG_TWILIO_NUMBERS" in lines
    assert not [line for line in lines if "HUIFANG_REGION is" in line]


def test_a_region_that_is_no_country_is_refused() -> None:
    with pytest.raises(SettingError, match="HUIFANG_REGION names XX, which is no country"):
        house(region="XX")
