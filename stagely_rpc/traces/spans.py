"""The spans below a call: what it asked of the database, and what it did with keys. No value is in any of them.

They are made when what they tell is over, so that a call that is not traced does nothing for them but look.
"""

from __future__ import annotations

import re
import time
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Span, Tracer

    from stagely_rpc.db.observing import Kind, Step

current_span: ContextVar[Span | None] = ContextVar("current_span", default=None)
"""The span of the call under way, if the call is traced."""

_ALGORITHM = "AES-256-GCM"
_OF_CALLS = frozenset[str]({"read", "write", "commit"})
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)")
_SUMMARY_CHARACTERS = 255
_TEXT_CHARACTERS = 8192


class _Past:
    """Makes spans of what has just ended."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def _record(
        self,
        name: str,
        kind: SpanKind,
        began: float,
        error: BaseException | None,
        attributes: Mapping[str, str | int],
    ) -> None:
        parent, ended = current_span.get(), time.time_ns()
        if parent is None:
            return
        started = ended - round((time.perf_counter() - began) * 1e9)
        span = self._tracer.start_span(
            name, context=set_span_in_context(parent), kind=kind, attributes=attributes, start_time=started
        )
        if error is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)


class DatabaseSpans(_Past):
    """Spans of statements, with their texts: parameters are placeholders in these. It is a `db.observing.Observer`."""

    def gathered(self, work: str, items: int) -> None:
        """Leave it: a batch is of many calls."""

    def answered(self, work: str, began: float, error: BaseException | None) -> None:
        """Make a span of what a call has waited for its part of a batch."""
        if current_span.get() is not None:
            attributes = {"db.system.name": "postgresql", "db.query.summary": work}
            self._record(work, SpanKind.CLIENT, began, error, attributes)

    def exchanged(self, kind: Kind, steps: Sequence[Step], began: float, error: BaseException | None) -> None:
        """Make a span of what one call has asked."""
        if current_span.get() is not None and kind in _OF_CALLS:
            self._record(kind, SpanKind.CLIENT, began, error, _described(steps))

    def waited(self, began: float, error: BaseException | None) -> None:
        """Leave it: who waits may do so for many calls."""

    def opened(self) -> None:
        """Leave it to the metrics."""

    def lost(self) -> None:
        """Leave it to the metrics."""


class KeySpans(_Past):
    """Spans of the use of keys. It is a `crypto.observing.KeyObserver`."""

    def used(self, operation: str, key: str, data_key: uuid.UUID, began: float, error: BaseException | None) -> None:
        """Make a span of it."""
        if current_span.get() is not None:
            attributes = {
                "stagely.crypto.algorithm": _ALGORITHM,
                "stagely.crypto.key_encryption_key_id": key,
                "stagely.crypto.data_key_id": str(data_key),
            }
            self._record(operation, SpanKind.INTERNAL, began, error, attributes)

    def looked_up(self, *, hit: bool) -> None:
        """Leave it to the metrics."""


def _described(steps: Sequence[Step]) -> dict[str, str | int]:
    texts = [(step if isinstance(step, bytes) else step.statement.text).decode() for step in steps]
    attributes: dict[str, str | int] = {"db.system.name": "postgresql"}
    if texts:
        attributes["db.query.summary"] = "; ".join(map(_summary, texts))[:_SUMMARY_CHARACTERS]
        attributes["db.query.text"] = "; ".join(texts)[:_TEXT_CHARACTERS]
    if len(texts) > 1:
        attributes["db.operation.batch.size"] = len(texts)
    return attributes


@lru_cache(maxsize=1024)
def _summary(text: str) -> str:
    """Return the verb of a statement and its first table: `SELECT teams`."""
    verb, table = text.split(maxsplit=1)[0], _TABLE.search(text)
    return f"{verb} {table[1]}" if table else verb
