"""Step 5: what comes from outside is kept once: texts from phones, unique by the provider's message id, and receipts.

    take_in, take_receipt    from webhooks and polling: one transaction for all that wait at the same time
    drain_spool              what the spool kept while the database could not be reached
    sweep_inbound            what a provider has and never brought
    receive                  one text from the built-in phone

This is all that a webhook waits for. What the database does not take in time is kept in the spool; either way it is on
a disk before the provider hears that we have it. Reading comes later: replies.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.channels.contract import Receipt, Received, Refused, Sign
from bot.errors import HuifangError
from bot.journey.receipts import note_receipts
from bot.journey.spool import Line, Spool, read_line
from bot.runtime import Runtime
from bot.store import inbound
from bot.store.db import PASSING, Database
from bot.store.group_commit import GroupCommit
from bot.store.rows import chunks
from bot.store.storable import storable

log = structlog.get_logger()

PATIENCE = 4.0
"""Seconds that a webhook waits for the database; then the spool takes it. Providers wait for 10 to 15."""
SWEPT = timedelta(hours=48)
OUT_OF_REACH = (*PASSING, InterfaceError, PoolTimeout)
"""Trouble of the database itself; any other error belongs to one of the rows."""

Item = Mapping[str, Any] | Receipt
"""A row of `inbound`, or a receipt."""


class NotKept(HuifangError):  # noqa: N818 - the name says what happened
    """Neither the database nor the spool took it: whoever brought it must come again."""


# ----- one by one


def receive(runtime: Runtime, text: Received) -> bool:
    """Store one text durably; False when this very one was stored before (R126)."""
    with runtime.db.write() as session:
        return inbound.add(session, storable(_row_of(runtime, text))) is not None


def _row_of(runtime: Runtime, text: Received) -> dict[str, Any]:
    return {
        "provider": text.provider,
        "provider_message_id": text.provider_message_id,
        "channel": text.channel,
        "from_address": text.from_address[:128],
        "to_address": text.to_address[:128],
        "body": text.body,
        "flag": str(text.flag),
        "tapped": text.tapped[:64],
        "media": text.media,
        "raw": text.raw,
        "received_at": runtime.clock.now(),
    }


# ----- many at the same time


async def take_in(runtime: Runtime, text: Received) -> bool:
    """Keep one text, whatever state the database is in; brought again, it changes nothing.

    True: it is in the database; False: it, or one that came with it, is in the spool. NotKept: nowhere.
    """
    return await _take(runtime, _row_of(runtime, text))


async def take_receipt(runtime: Runtime, receipt: Receipt) -> bool:
    """Note what a provider says of a message, as `take_in`."""
    return await _take(runtime, receipt)


async def _take(runtime: Runtime, item: Item) -> bool:
    if runtime.db.in_memory:
        _put_away(runtime, [item])
        return True
    door = _door_of(runtime.db)
    try:
        if not door.writer.is_late:
            return await door.writer.put((runtime, item))
    except TimeoutError:
        log.warning("the database is slow: what comes in goes to the spool")
    except OSError as error:
        raise NotKept("neither the database nor the spool can be written") from error
    try:
        return await door.aside.put((runtime, item))
    except OSError as error:
        raise NotKept("the spool cannot be written") from error


class _Door:
    """What a process has for each database: the writer, and another one for the time when that one is stuck."""

    def __init__(self) -> None:
        self.writer = GroupCommit(_keep, PATIENCE)
        self.aside = GroupCommit(_spool, PATIENCE)


_DOORS: WeakKeyDictionary[Database, _Door] = WeakKeyDictionary()


def _door_of(db: Database) -> _Door:
    return _DOORS.get(db) or _DOORS.setdefault(db, _Door())


def _keep(group: Sequence[tuple[Runtime, Item]]) -> bool:
    """Everything into the database by one transaction; what cannot go there into the spool. OSError: neither.

    While the spool holds anything, the rest follows it: a later text must not overtake an earlier one.
    """
    runtime, items = group[0][0], [item for _, item in group]
    if not _spool_of(runtime).is_empty():
        return _spool(group)
    try:
        _put_away(runtime, items)
    except OUT_OF_REACH as error:
        log.warning("the database cannot be reached: what comes in goes to the spool", because=type(error).__name__)
        return _spool(group)
    except Exception as error:  # one bad row must not harm its neighbours
        if len(group) > 1:
            kept = [_keep([one]) for one in group]
            return all(kept)
        log.error("the database refuses what came in", because=type(error).__name__)
        return _spool(group)
    return True


def _spool(group: Sequence[tuple[Runtime, Item]]) -> bool:
    _spool_of(group[0][0]).append([_line_of(item) for _, item in group])
    return False


def _put_away(runtime: Runtime, items: Sequence[Item]) -> None:
    """Texts by one transaction, receipts by another."""
    texts = [item for item in items if not isinstance(item, Receipt)]
    receipts = [item for item in items if isinstance(item, Receipt)]
    inbound.add_many(runtime.db, texts)
    if receipts:
        note_receipts(runtime, receipts)


# ----- the spool


def drain_spool(runtime: Runtime) -> int:
    """Put into the database what the spool holds, in order; how many lines.

    What is committed is removed, and only that: after a fault all comes again, and the second time changes nothing. A
    line that is broken, or that the database refuses, is set aside for a person.
    """
    if runtime.db.in_memory:
        return 0
    spool, count = _spool_of(runtime), 0
    if spool.is_empty():
        return 0
    try:
        with spool.drained() as lines:
            for some in chunks(lines):
                _drain(runtime, spool, some)
                count += len(some)
    except OUT_OF_REACH as error:
        log.warning("the spool waits for the database", because=type(error).__name__)
        return 0
    if count:
        log.info("the spool is drained", lines=count)
    return count


def _drain(runtime: Runtime, spool: Spool, lines: Sequence[bytes]) -> None:
    """By one transaction; where a line is bad, each by its own."""
    try:
        _put_away(runtime, [_item_of(read_line(line)) for line in lines])
    except OUT_OF_REACH:
        raise
    except Exception as error:
        if len(lines) > 1:
            for line in lines:
                _drain(runtime, spool, [line])
        else:
            log.error("a line of the spool is set aside", because=type(error).__name__)
            spool.set_aside(lines[0])


def _spool_of(runtime: Runtime) -> Spool:
    return Spool(runtime.settings.spool)


def _line_of(item: Item) -> Line:
    if isinstance(item, Receipt):
        return {"receipt": asdict(item)}
    return {"text": {**item, "received_at": item["received_at"].isoformat()}}


def _item_of(line: Line) -> Item:
    """What `_line_of` wrote."""
    if "text" in line:
        return {**line["text"], "received_at": datetime.fromisoformat(line["text"]["received_at"])}
    receipt = dict(line["receipt"])
    if receipt["refused"] is not None:
        refused = dict(receipt["refused"])
        refused |= {"again_after": tuple(refused["again_after"]), "sign": Sign(refused["sign"])}
        receipt["refused"] = Refused(**refused)
    return Receipt(**receipt)


# ----- what was never brought


async def sweep_inbound(runtime: Runtime) -> int:
    """Ask every provider for the texts of the last two days and store what is missing; how many that were.

    Webhooks are best effort: a provider that could not reach us gives up. One provider's trouble stops no other.
    """
    since, missing = runtime.clock.now() - SWEPT, 0
    for name, channel in runtime.channels.items():
        try:
            heard = await channel.heard_since(since)
        except Exception as error:
            log.warning("a provider cannot be asked what it heard", channel=name, because=type(error).__name__)
            continue
        missing += await runtime.db.beside(_store_missing, runtime, heard or ())
    if missing:
        log.warning("texts had not reached us and are stored now", count=missing)
    return missing


def _store_missing(runtime: Runtime, heard: Sequence[Received]) -> int:
    """What waits in the spool came earlier and goes first."""
    while drain_spool(runtime):
        pass
    missing = 0
    for some in chunks(heard):
        missing += inbound.add_many(runtime.db, [_row_of(runtime, text) for text in some])
    return missing
