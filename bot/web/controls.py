"""What the town lets a visitor do with time. Whoever starts the server gives an implementation; None: real time."""

from datetime import datetime, timedelta
from typing import Protocol


class TownControls(Protocol):
    """The clock of the demonstration, and a way to have what is due done at once."""

    def now(self) -> datetime:
        """The town's time."""
        ...

    def rate(self) -> float:
        """Simulated seconds for each real one; 0: it stands still."""
        ...

    def run(self, rate: float) -> None:
        """Go on at this rate; 0 stops."""
        ...

    async def advance(self, span: timedelta) -> None:
        """Live through the next `span` and come back when it is over."""
        ...

    async def nudge(self) -> None:
        """Do at once what is due now."""
        ...
