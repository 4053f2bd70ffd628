"""Settings, from the environment only (or a `.env` file). `.env.example` lists them all; a test holds the two equal."""

from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import SettingError


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
    channels: Literal["simulator", "null"] = Field(
        "simulator", description="simulator: the built-in phone; null: nowhere"
    )
    region: str = Field("CN", description="country whose numbers need no prefix (ISO 3166)")
    price_per_segment: float = Field(0.05, ge=0, description="cost of one SMS segment, for the forecast")
    currency: str = Field("CNY", description="currency of that price")
    language: Literal["en", "zh"] = Field("en", description="language of the console")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="how much is logged")
    clock_origin: str = Field("", description="for trials: the instant at which an accelerated clock starts (ISO 8601)")
    clock_rate: float = Field(1.0, ge=0, description="for trials: how many times as fast as real time that clock runs")


def read_settings(**given: object) -> Settings:
    """Settings from the environment; SettingError names the variable and the remedy."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        item = error.errors()[0]
        name = f"HUIFANG_{'_'.join(str(part) for part in item['loc']).upper()}"
        raise SettingError(name, item["msg"], "see .env.example") from error
