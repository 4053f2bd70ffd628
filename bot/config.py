"""Settings, from the environment only (or a `.env` file). `.env.example` lists them all; a test holds the two equal."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from bot.errors import SettingError

_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &_-]{1,11}")
"""A number, a short code, or a name: what an SMS may come from."""


class Settings(BaseSettings):
    """What a deployment decides. Every name has the prefix HUIFANG_."""

    model_config = SettingsConfigDict(env_prefix="HUIFANG_", env_file=".env", env_file_encoding="utf-8", extra="ignore")

    database_url: str = Field("sqlite:///huifang.sqlite", description="SQLite file or PostgreSQL URL")
    host: str = Field("127.0.0.1", description="address the web server listens on")
    port: int = Field(8080, ge=0, le=65535, description="port the web server listens on")
    public_url: str = Field("http://127.0.0.1:8080", description="address under which customers reach the survey pages")
    api_token: SecretStr = Field(SecretStr(""), description="bearer token of the REST API; empty: the API refuses all")
    console_password: SecretStr = Field(
        SecretStr(""), description="password of the console; empty: local visitors only"
    )
    secret_key: SecretStr = Field(SecretStr(""), description="signs sessions; empty: made anew at each start")
    programs: str = Field(
        "retail_aftersales,auto_repair,hospital",
        description="shipped programs or paths of YAML files, with commas between",
    )
    channels: Literal["simulator", "live", "null"] = Field(
        "simulator",
        description="simulator: the built-in phone; live: every provider that is set up below; null: nowhere",
    )
    region: str = Field("CN", description="country whose numbers need no prefix (ISO 3166)")
    twilio_account_sid: str = Field("", description="Account SID: AC and 32 hexadecimal digits")
    twilio_auth_token: SecretStr = Field(SecretStr(""), description="Auth token: it also proves who calls our webhooks")
    twilio_api_key: str = Field("", description="API key SID for sending (SK...); empty: the auth token is used")
    twilio_api_secret: SecretStr = Field(SecretStr(""), description="secret of that API key")
    twilio_numbers: str = Field("", description="numbers that SMS leave from, with commas between")
    twilio_messaging_service: str = Field(
        "", description="Messaging Service SID (MG...): it sends, and what is not urgent is scheduled there first"
    )
    twilio_whatsapp: str = Field("", description="number of a WhatsApp sender")
    twilio_segments_per_second: float = Field(
        1.0,
        gt=0,
        description="segments that one number carries in a second: US long code 1, toll-free 3, short code 100",
    )
    twilio_schedule_seconds: int = Field(
        300, ge=0, description="the least time ahead at which Twilio takes a scheduled message; 0: never schedule"
    )
    twilio_url: str = Field("", description="for trials: where the stand-in for Twilio listens; empty: Twilio itself")
    telegram_token: SecretStr = Field(SecretStr(""), description="the bot's token, from BotFather")
    telegram_mode: Literal["polling", "webhook"] = Field(
        "polling", description="polling: we fetch messages; webhook: Telegram calls HUIFANG_PUBLIC_URL"
    )
    telegram_secret: SecretStr = Field(
        SecretStr(""), description="webhook only: secret of 32 or more letters, digits, _ and - that proves who calls"
    )
    telegram_url: str = Field("", description="for trials: where the stand-in for Telegram listens; empty: Telegram")
    smtp_host: str = Field("", description="mail server; empty: no e-mail")
    smtp_port: int = Field(587, ge=1, le=65535, description="port of the mail server")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="starttls, tls, or none")
    smtp_user: str = Field("", description="user name at the mail server; empty: no sign-in")
    smtp_password: SecretStr = Field(SecretStr(""), description="password at the mail server")
    smtp_from: str = Field("", description="address that e-mails come from")
    countries: str = Field(
        "", description="countries that may be messaged (ISO 3166, with commas between); empty: every country"
    )
    most_per_day: int = Field(0, ge=0, description="automatic messages that may leave in a day; 0: no limit")
    most_per_campaign: int = Field(0, ge=0, description="messages of one festival, wave or flow in all; 0: no limit")
    spend_per_day: float = Field(0.0, ge=0, description="what SMS may cost in a day; 0: no limit")
    alarm_after_minutes: int = Field(
        15, ge=0, description="staff are told when messages wait this long and none leaves; 0: never"
    )
    spool: str = Field(
        "huifang.spool", description="file that keeps what comes in while the database cannot be reached"
    )
    price_per_segment: float = Field(0.05, ge=0, description="cost of one SMS segment")
    currency: str = Field("CNY", description="currency of that price")
    language: Literal["en", "zh"] = Field("en", description="language of the console")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="how much is logged")
    clock_origin: str = Field(
        "",
        description="for trials: a real instant of the recent past (ISO 8601), from which an accelerated clock runs on",
    )
    clock_rate: float = Field(1.0, ge=0, description="for trials: how many times as fast as real time that clock runs")

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port that is no number
            whole = False
        if not whole:
            raise _wrong("is no web address", "write it with http:// or https://, such as https://care.example.com")
        return url

    @field_validator("region", "countries")
    @classmethod
    def _are_countries(cls, countries: str) -> str:
        for name in _parts(countries):
            from phonenumbers import SUPPORTED_REGIONS  # who names no country does not wait for it

            if name.upper() not in SUPPORTED_REGIONS:
                raise _wrong(f"names {name}, which is no country", "write codes of two letters, such as US or CN")
        return countries.upper()

    @field_validator("twilio_messaging_service")
    @classmethod
    def _is_service(cls, sid: str) -> str:
        if sid and not _SERVICE.fullmatch(sid):
            raise _wrong("is no Messaging Service", "copy its SID: MG and 32 hexadecimal digits")
        return sid

    @field_validator("twilio_numbers")
    @classmethod
    def _are_senders(cls, numbers: str) -> str:
        if not all(_SENDER.fullmatch(each) for each in _parts(numbers)):
            remedy = "write numbers such as +14155550100, short codes, or names of up to 11 letters and digits"
            raise _wrong("names a number that cannot send", remedy)
        return numbers


def read_settings(**given: object) -> Settings:
    """Settings from the environment; SettingError names the variable and the remedy."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        item = error.errors()[0]
        name = _variable("_".join(str(part) for part in item["loc"]))
        context = item.get("ctx", {})
        told = _in_words(item["type"], context) or item["msg"]
        raise SettingError(name, told, context.get("remedy", "see .env.example")) from error


def unknown_settings() -> Iterator[tuple[str, str]]:
    """(name, the setting that was probably meant, or "") of each HUIFANG_ variable that is no setting, here or in
    the `.env` file: nobody reads it."""
    prefix = "huifang_"
    given = {*EnvSettingsSource(Settings).env_vars, *DotEnvSettingsSource(Settings).env_vars}
    for name in sorted(each.removeprefix(prefix) for each in given if each.startswith(prefix)):
        if name not in Settings.model_fields:
            meant = difflib.get_close_matches(name, Settings.model_fields, n=1)
            yield _variable(name), _variable(meant[0]) if meant else ""


def _variable(field: str) -> str:
    return f"HUIFANG_{field.upper()}"


def _parts(listed: str) -> Iterator[str]:
    """What stands between the commas."""
    return (each.strip() for each in listed.split(",") if each.strip())


def _wrong(told: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{told}", {"told": told, "remedy": remedy})


def _in_words(kind: str, context: Mapping[str, Any]) -> str:
    """What the library found, as people say it; empty: it has found the words itself."""
    match kind:
        case "literal_error":
            known = re.findall(r"'([^']+)'", context["expected"])
            return f"is neither {known[0]} nor {known[1]}" if len(known) == 2 else f"is none of {', '.join(known)}"
        case "int_parsing" | "int_from_float":
            return "is no whole number"
        case "float_parsing":
            return "is no number"
        case "greater_than":
            return f"is not more than {context['gt']}"
        case "greater_than_equal":
            return f"is less than {context['ge']}"
        case "less_than_equal":
            return f"is more than {context['le']}"
        case _:
            return ""
