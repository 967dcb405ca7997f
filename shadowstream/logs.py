"""Logging: one event a line, with a fixed name, data beside it, and no secrets.

Outside a terminal, a line is a JSON object ``{"event": "client_error", "level": "warning", "room": "kafka",
"timestamp": "2013-01-01T05:00:00.000000Z", …}``. On a terminal it is readable, and coloured unless ``NO_COLOR`` is
set. Lines go to stderr, because stdout is for data. The name of an event is a fixed lower-case word that dashboards
may rely on; everything variable is data. Lines of other libraries (the standard `logging`) are handled the same way.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from shadowstream.masking import masked

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger
    from structlog.typing import EventDict, WrappedLogger

LEVELS = ("debug", "info", "warning", "error")


class Logger:
    """Logger of a room. It loads structlog with its first line, because most commands write none."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._stdlib = logging.getLogger(f"shadowstream.{room}")

    def debug(self, event: str, **data: Any) -> None:
        """Write an event for developers."""
        self._write(logging.DEBUG, event, data)

    def info(self, event: str, **data: Any) -> None:
        """Write an event of normal work."""
        self._write(logging.INFO, event, data)

    def warning(self, event: str, **data: Any) -> None:
        """Write an event that a person should know of."""
        self._write(logging.WARNING, event, data)

    def error(self, event: str, **data: Any) -> None:
        """Write an event that a person must act on."""
        self._write(logging.ERROR, event, data)

    def exception(self, event: str, **data: Any) -> None:
        """Write an error with the traceback of the exception that is being handled."""
        self._write(logging.ERROR, event, {"exc_info": True, **data})

    def _write(self, level: int, event: str, data: dict[str, Any]) -> None:
        if self._stdlib.isEnabledFor(level):
            self._lines.log(level, event, **data)

    @cached_property
    def _lines(self) -> BoundLogger:
        import structlog

        # Not by structlog.configure: a program that uses shadowstream as a library keeps its own settings.
        lines: BoundLogger = structlog.wrap_logger(
            self._stdlib,
            processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
            room=self._room,
        )
        return lines


def get_logger(room: str) -> Logger:
    """Return the logger of a room; silent below `configure_logging`'s level.

    >>> get_logger("joiner").debug("partition_assigned", partition=3)
    """
    return Logger(room)


def configure_logging(json: bool | None = None, level: str = "info") -> None:
    """Send every event of `level` or above to stderr; a second call replaces the first. `json`: None for JSON off a
    terminal and readable lines on one. Raises ValueError for a level not in `LEVELS`."""
    if level not in LEVELS:
        raise ValueError(f"level {level!r} is not one of {', '.join(LEVELS)}")
    terminal = sys.stderr.isatty()
    as_json = not terminal if json is None else json
    handler = _Stderr()
    handler.setFormatter(_Lines(as_json, colors=terminal and not as_json and not os.environ.get("NO_COLOR")))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    # Other libraries log for developers: below a warning, their lines are noise to an operator.
    root.setLevel("WARNING" if level == "info" else level.upper())
    logging.getLogger("shadowstream").setLevel(level.upper())


class _Stderr(logging.StreamHandler[TextIO]):
    """A handler that writes to the current `sys.stderr`, so that a replacement of it receives the lines."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Ignore the value: the stream is always stderr."""


class _Lines(logging.Formatter):
    """Formatter by structlog, which it loads with the first line."""

    def __init__(self, as_json: bool, *, colors: bool) -> None:
        super().__init__()
        self._as_json, self._colors = as_json, colors

    @cached_property
    def _by_structlog(self) -> logging.Formatter:
        from structlog.stdlib import ProcessorFormatter

        processors = [ProcessorFormatter.remove_processors_meta, *_rendering(self._as_json, colors=self._colors)]
        return ProcessorFormatter(foreign_pre_chain=[_room, *_shared()], processors=processors)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return self._by_structlog.format(record)


def _room(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the name of the library to lines of other libraries."""
    record = event.get("_record")
    if record is not None:
        event["room"] = record.name
    return event


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask values under secret names at any depth, and users and passwords in URLs.

    >>> redact(None, "", {"event": "client_made", "settings": {"sasl.password": "hunter2"}})
    {'event': 'client_made', 'settings': {'sasl.password': '***'}}
    """
    return {name: masked({name: value})[name] if name != "exc_info" else value for name, value in event.items()}


def _shared() -> list[Any]:
    import structlog

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _rendering(as_json: bool, *, colors: bool) -> list[Any]:
    import structlog

    # Redaction is the last step before rendering, after all steps that add data. Tracebacks omit local variables,
    # which hold records and passwords.
    if as_json:
        without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        exceptions, render = structlog.processors.ExceptionRenderer, structlog.processors.JSONRenderer
        return [exceptions(without_locals), redact, render(default=_plain)]
    plain_traceback = structlog.dev.plain_traceback
    return [redact, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain_traceback)]


def _plain(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
