"""What one trial is: how many messages, how much goes wrong, on which database, by which accelerated clock.

Everything here crosses from process to process, so it is plain values. Next: processes.py.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from bot.config import Settings

Mode = Literal["scheduled", "immediate"]
ACCOUNT, TOKEN = "AC" + "0" * 32, "a token for trials"
SERVICE = "MG" + "0" * 32
NUMBERS = ("+12025550100", "+12025550101", "+12025550102")
PER_CUSTOMER = 2


@dataclass(frozen=True)
class Trial:
    """Messages against faults, kills and freezes; the same seed throws the same dice.

    `rate`: how many times as fast as real time the shared clock runs. `patience`: real seconds for the whole run.
    """

    messages: int
    kills: int
    faults: float
    mode: Mode
    database_url: str
    folder: Path
    origin: datetime
    seed: int = 1
    rate: float = 20.0
    patience: float = 1200.0
    batch: int = 50

    @property
    def ledger(self) -> Path:
        """What reached the phones: the witness."""
        return self.folder / "ledger.jsonl"

    @property
    def call_seconds(self) -> float:
        """Real seconds that a call to the provider may take: ten of the clock's, or what a busy machine needs."""
        return max(10 / self.rate, 0.25)

    @property
    def freezes(self) -> int:
        """How often a process stands still for longer than its lease, and then goes on."""
        return self.kills // 10

    def settings(self, twilio_url: str = "", public_url: str = "http://127.0.0.1:1") -> Settings:
        """Settings that no environment reaches; every process of the trial has the same."""
        ours: dict[str, Any] = {
            "database_url": self.database_url,
            "public_url": public_url,
            "programs": "retail_aftersales",
            "channels": "live",
            "region": "US",
            "twilio_account_sid": ACCOUNT,
            "twilio_auth_token": SecretStr(TOKEN),
            "twilio_numbers": ",".join(NUMBERS),
            "twilio_messaging_service": SERVICE if self.mode == "scheduled" else "",
            "twilio_segments_per_second": 1e6,
            "twilio_url": twilio_url,
            "spool": str(self.folder / "spool"),
            "log_level": "ERROR",
            "clock_origin": self.origin.isoformat(),
            "clock_rate": self.rate,
        }
        defaults = {name: field.default for name, field in Settings.model_fields.items()}
        return Settings.model_construct(**{**defaults, **ours})
