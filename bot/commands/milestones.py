"""`huifang milestone`: enter a date once that concerns many customers."""

from datetime import datetime
from typing import Annotated

import typer

from bot.config import read_settings


def milestone(
    program: Annotated[str, typer.Argument(help="Id of the program.")],
    kind: Annotated[str, typer.Argument(help="Kind of milestone, as the program names it.")],
    on: Annotated[datetime, typer.Argument(help="Its day: 2027-03-01.", formats=["%Y-%m-%d"])],
    title: Annotated[str, typer.Option(help="What it is about, for staff.")] = "",
) -> None:
    """Enter a milestone: an opening, a topping-out, a start-up. Entered twice, it is one."""
    from bot.bootstrap import open_runtime
    from bot.journey.milestones import enter_milestone

    new = enter_milestone(open_runtime(read_settings()), program, kind, on.date(), title)
    typer.echo("entered" if new else "known already")
