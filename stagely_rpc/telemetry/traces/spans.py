"""The child spans of a call: its statements and its uses of keys. They contain no values.

A span is created after its operation has ended, so that a call that is not sampled pays only for the check.
"""

from __future__ import annotations

import re
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from opentelemetry.trace import Link, SpanKind, Status, StatusCode, set_span_in_context

from stagely_rpc.call import current_call

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Span, Tracer

    from stagely_rpc.call import Call
    from stagely_rpc.db.driver.observer import Kind, Step

_ALGORITHM = "AES-256-GCM"
_OF_CALLS = frozenset[str]({"read", "write", "commit"})
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)")
_SUMMARY_CHARACTERS = 255
_TEXT_CHARACTERS = 8192


class _Past:
    """Creates spans of operations that have just ended."""

    span_kind: ClassVar[SpanKind]

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def _record(
        self,
        name: str,
        parents: Sequence[Span],
        began: float,
        error: BaseException | None,
        attributes: Mapping[str, str | int],
    ) -> None:
        """Create a span below the first of its parents, with links to the others."""
        parent, *others = parents
        ended = time.time_ns()
        span = self._tracer.start_span(
            name,
            context=set_span_in_context(parent),
            kind=self.span_kind,
            attributes=attributes,
            links=[Link(other.get_span_context()) for other in others],
            start_time=ended - round((time.perf_counter() - began) * 1e9),
        )
        if error is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)


class DatabaseSpans(_Past):
    """Spans of statements, with their SQL text and placeholders. It is an `Observer` (`db.driver.observer`).

    The statement of a batch serves many calls. Its span is a child of the first sampled call and linked to the others.
    In a trace of its own, it would be sampled independently of the calls. Each call has a child span for its wait.
    """

    span_kind = SpanKind.CLIENT

    def batch_sent(self, work: str, calls: Sequence[Call | None]) -> None:
        """Note the calls of the batch, if one of them is sampled."""
        spans = dict.fromkeys(call.span for call in calls if call is not None and call.span is not None)
        _current_batch.set(_Batch(work, len(calls), tuple(spans)) if spans else None)

    def answered(self, work: str, began: float, error: BaseException | None) -> None:
        """Create the span of a call's wait for a batch."""
        if (call := _sampled_call()) is not None:
            attributes = {"db.system.name": "postgresql", "db.query.summary": work}
            self._record(work, [call], began, error, attributes)

    def exchanged(self, kind: Kind, steps: Sequence[Step], began: float, error: BaseException | None) -> None:
        """Create the span of a round trip of a batch or a call."""
        if kind == "batch":
            if (batch := _current_batch.get()) is not None:
                self._record(kind, batch.sampled, began, error, _described(steps) | batch.described())
        elif kind in _OF_CALLS and (call := _sampled_call()) is not None:
            self._record(kind, [call], began, error, _described(steps))

    def waited(self, began: float, error: BaseException | None) -> None:
        """Do nothing, because a wait may belong to many calls."""

    def opened(self) -> None:
        """Do nothing: the metrics count it."""

    def lost(self) -> None:
        """Do nothing: the metrics count it."""


class KeySpans(_Past):
    """Spans of the use of keys. It is a `crypto.observer.KeyObserver`."""

    span_kind = SpanKind.INTERNAL

    def used(self, operation: str, key: str, data_key: uuid.UUID, began: float, error: BaseException | None) -> None:
        """Create the span of a use of a key."""
        if (call := _sampled_call()) is not None:
            attributes = {
                "stagely.crypto.algorithm": _ALGORITHM,
                "stagely.crypto.key_encryption_key_id": key,
                "stagely.crypto.data_key_id": str(data_key),
            }
            self._record(operation, [call], began, error, attributes)

    def looked_up(self, *, hit: bool) -> None:
        """Do nothing: the metrics count it."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """The calls of the batch that the current task sends."""

    work: str
    items: int
    sampled: Sequence[Span]

    def described(self) -> dict[str, str | int]:
        size = {"db.operation.batch.size": self.items} if self.items > 1 else {}
        return {"db.query.summary": self.work, **size}


_current_batch: ContextVar[_Batch | None] = ContextVar("current_batch", default=None)


def _sampled_call() -> Span | None:
    """Return the span of the current call, if it is sampled."""
    call = current_call.get(None)
    return None if call is None else call.span


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
