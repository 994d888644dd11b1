"""Configures logging: JSON lines in production, readable lines elsewhere."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import orjson
import structlog

from stagely_rpc.telemetry.logs.line_writer import LineWriter

if TYPE_CHECKING:
    from structlog.typing import Processor

LogLevel = Literal["debug", "info", "warn", "error"]

_LEVELS: dict[LogLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


def configure_logs(level: LogLevel, *, json: bool) -> None:
    """Send the logs of structlog and of the standard library to standard error."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    lines = LineWriter(sys.stderr.fileno(), _dropped) if json else None
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        processors=[*shared, *_renderers(json=json)],
        logger_factory=JsonLoggerFactory(lines) if lines else structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = _LineHandler(lines) if lines else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(json=json, as_text=True),
            ],
        )
    )
    logging.basicConfig(level=max(_LEVELS[level], logging.WARNING), handlers=[handler], force=True)


class JsonLoggerFactory:
    """Creates structlog's loggers for JSON logs.

    Attributes:
        lines: the line writer of all loggers. It also accepts complete lines that bypass structlog.
    """

    def __init__(self, lines: LineWriter) -> None:
        self.lines = lines

    def __call__(self, *_: object) -> _LineLogger:
        """Return the logger that receives structlog's lines."""
        return _LineLogger(self.lines)


class _LineLogger:
    def __init__(self, lines: LineWriter) -> None:
        self._lines = lines

    def info(self, line: bytes) -> None:
        self._lines.put(line)

    debug = warning = error = critical = info


class _LineHandler(logging.Handler):
    """Writes the records of the standard library's loggers to the same writer."""

    def __init__(self, lines: LineWriter) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.put(self.format(record).encode())


def json_lines() -> LineWriter | None:
    """Return the line writer, if logs are JSON."""
    factory = structlog.get_config()["logger_factory"]
    return factory.lines if isinstance(factory, JsonLoggerFactory) else None


def json_line(event: object) -> bytes:
    """Return an object as a line of JSON."""
    return orjson.dumps(event, default=repr, option=_LINE)


def _dropped(count: int) -> bytes:
    fields = {"count": count, "event": "log lines were dropped: the log reader is too slow", "level": "warning"}
    return json_line(fields | {"timestamp": datetime.now(UTC)})


def _renderers(*, json: bool, as_text: bool = False) -> list[Processor]:
    if not json:
        return [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_json_text if as_text else _json),
    ]


def _json(event: object, **_: Any) -> bytes:
    return json_line(event)


def _json_text(event: object, **_: Any) -> str:
    return json_line(event).decode()
