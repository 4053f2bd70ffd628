"""Logs as one line each, never with a phone number or the words of a message."""

import logging
import sys

import structlog


def configure_logs(level: str, *, apart: bool = False) -> None:
    """Key=value lines from `level` up; `apart`: on standard error, where standard output is a command's answer."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        # asked anew for each line: whoever runs us may have changed what the streams are
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr if apart else sys.stdout),
    )
    for chatty in ("apscheduler", "httpx", "httpcore", "telegram"):  # addresses of Telegram hold the bot's token
        logging.getLogger(chatty).setLevel(logging.WARNING)
