"""How the service logs: one JSON object a line in production, readable lines in development."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

import orjson
import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

LogLevel = Literal["debug", "info", "warn", "error"]

_LEVELS: dict[LogLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(level: LogLevel, *, json: bool) -> None:
    """Send this process's logs, structlog's and the standard library's, to standard error."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        processors=[*shared, *_renderers(json=json)],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if json
        else structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
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
    return orjson.dumps(event, default=repr)


def _json_text(event: object, **_: Any) -> str:
    return _json(event).decode()
