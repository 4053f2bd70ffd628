"""Logs as one line each, never with a phone number or the words of a message."""

import logging

import structlog


def configure_logs(level: str) -> None:
    """Key=value lines on standard output from `level` up."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
    )
    for chatty in ("apscheduler", "httpx", "httpcore", "telegram"):  # addresses of Telegram hold the bot's token
        logging.getLogger(chatty).setLevel(logging.WARNING)
