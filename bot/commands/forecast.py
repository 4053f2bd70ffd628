"""`huifang forecast` on a terminal: the days as bars, line by line, who is left out, and what no sender can carry."""

from collections.abc import Iterator

from rich.table import Table

from bot.commands.output import out, print_json
from bot.forecast import Forecast, Load, minutes

WIDTH = 60
"""Characters of the longest bar."""


def print_forecast(found: Forecast, currency: str) -> None:
    """The forecast for people."""
    for line in chart(found):
        out().print(line, highlight=False)
    if found.lines:
        out().print(_table(found, currency))
    else:
        out().print("nothing comes due in these days: are there customers, and events that flows follow up?")
    for load in found.loads:
        out().print(said_of(load), highlight=False)
    for group in found.left_out:
        out().print(f"left out of {group.program_id}.{group.flow}: {group.count} ({group.because})", markup=False)


def print_forecast_lines(found: Forecast) -> None:
    """The forecast for programs: one JSON object a line."""
    for line in found.lines:
        print_json(line.as_dict())
    for load in found.loads:
        print_json(load.as_dict())
    for group in found.left_out:
        print_json({"left_out": group.count, "program": group.program_id, "flow": group.flow, "because": group.because})


def chart(found: Forecast) -> Iterator[str]:
    """One bar for each day that has messages."""
    counts = {day: count for day, count in found.per_day().items() if count}
    tallest = max(counts.values(), default=0)
    for day, count in counts.items():
        yield f"{day:%a %Y-%m-%d} {'█' * max(1, round(WIDTH * count / tallest))} {count:,}"


def said_of(load: Load) -> str:
    """How long the senders take: "5,000 on 1 sender takes 84 minutes"."""
    plural = "" if load.senders == 1 else "s"
    on = f"{load.day} {load.channel}: {load.units:,} on {load.senders} sender{plural}"
    takes = f"{on} takes {minutes(load.takes):,} minutes"
    if load.is_too_much:
        return f"{takes}, and the windows are open for {minutes(load.open_for):,}: the rest goes out later or expires"
    return takes


def _table(found: Forecast, currency: str) -> Table:
    columns = ("day", "program", "flow", "template", "channel", "messages", "segments", f"cost ({currency})", "due")
    table = Table(*columns)
    for line in found.lines:
        table.add_row(
            f"{line.day}{' (provisional)' if line.provisional else ''}",
            line.program_id,
            line.flow,
            f"{line.template} ({line.occasion})" if line.occasion else line.template,
            line.channel,
            str(line.count),
            str(line.segments),
            str(line.cost),
            line.due_at.isoformat(timespec="minutes"),
        )
    return table
