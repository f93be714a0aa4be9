"""Logs as one JSON object a line. What is logged are ids, counts, times and kinds of errors: never text."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson

ROOT = "codeserve"
access = logging.getLogger(f"{ROOT}.access")


class JsonFormatter(logging.Formatter):
    """Takes the fields from `extra={"fields": {...}}`. Of an exception only the kind and the place are written: its
    message, and a stack trace's lines, may hold what was sent."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = describe(record.exc_info[1])
        return orjson.dumps(entry, default=str).decode()


def describe(error: BaseException) -> str:
    """Kind and place of an error, without its message."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    where = f" at {traceback.tb_frame.f_globals.get('__name__', '?')}:{traceback.tb_lineno}" if traceback else ""
    return type(error).__name__ + where


def configure(level: int = logging.INFO) -> None:
    """Write this package's logs to standard error as JSON. A second call changes nothing but the level."""
    logger = logging.getLogger(ROOT)
    logger.setLevel(level)
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
        logger.propagate = False
