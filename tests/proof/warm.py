"""Loads what a process of a trial will need, in the server from which they are forked: a new one starts in no time."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bot.bootstrap import open_runtime
from tests.proof import processes
from tests.proof.trial import Trial

__all__ = ["processes"]

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    trial = Trial(0, 0, 0.0, "scheduled", f"sqlite:///{folder / 'warm.sqlite'}", folder, datetime.now(UTC))
    open_runtime(trial.settings("http://127.0.0.1:1")).db.close()
